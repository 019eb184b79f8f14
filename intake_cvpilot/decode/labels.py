"""Readers of words: text, names of enumerations, flags and bit strings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Integer, Odd, Reader

__all__ = ["Bits", "Flag", "Name", "Text", "fold"]


@dataclass(frozen=True)
class Text(Reader):
    """Text as published."""

    kind: ClassVar[str] = "string"

    width: int = 0
    """An integer is filled with zeros to this many characters: the archive turned text into it."""
    upper: bool = False
    """Whether letters become capitals."""
    null: frozenset[str] = frozenset()
    """Texts that say nothing."""

    def one(self, raw: Any) -> str:
        """See :class:`Reader`."""
        if says_nothing(raw):
            raise Odd("missing")
        if type(raw) is int and raw >= 0:
            raw = str(raw)
            raw = raw.zfill(self.width)
        if type(raw) is not str:
            raise Odd("unreadable")
        if raw in self.null:
            raise Odd("unavailable")
        return raw.upper() if self.upper else raw


def fold(name: str) -> str:
    """A name without what the spellings of it differ in: case, ``-`` and ``_``."""
    return name.strip().replace("-", "").replace("_", "").lower()


@dataclass(frozen=True)
class Name(Reader):
    """A name of an enumeration, from text or from an object of one key (``{"off": null}``)."""

    kind: ClassVar[str] = "string"

    names: tuple[str, ...]
    """The enumeration, as the column writes it."""
    null: frozenset[str] = frozenset({"unavailable"})
    """Names that say nothing, folded."""
    artefact: frozenset[str] = frozenset()
    """Names that a decoder wrote in error, folded."""
    known: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """Folded name to name."""

    def __post_init__(self) -> None:
        """Fold the names once."""
        object.__setattr__(self, "known", {fold(name): name for name in self.names})

    def one(self, raw: Any) -> str:
        """See :class:`Reader`."""
        if type(raw) is dict and len(raw) == 1 and says_nothing(next(iter(raw.values()))):
            raw = next(iter(raw))
        if says_nothing(raw):
            raise Odd("missing")
        if type(raw) is not str:
            raise Odd("unreadable")
        name = fold(raw)
        if name in self.artefact:
            raise Odd("artefact")
        if name in self.known:
            return self.known[name]
        raise Odd("unavailable" if name in self.null else "unreadable")


@dataclass(frozen=True)
class Flag(Reader):
    """True or false, as a literal, as text or as an object of one key."""

    kind: ClassVar[str] = "bool"

    def one(self, raw: Any) -> bool:
        """See :class:`Reader`."""
        if type(raw) is bool:
            return raw
        if type(raw) is dict and len(raw) == 1 and says_nothing(next(iter(raw.values()))):
            raw = next(iter(raw))
        if says_nothing(raw):
            raise Odd("missing")
        if type(raw) is str and raw.strip().lower() in ("true", "false"):
            return raw.strip().lower() == "true"
        raise Odd("unreadable")


@dataclass(frozen=True)
class Bits(Reader):
    """A bit string as the list of the names that are set, bit 0 first.

    Read from an object of flags, from text of ``0`` and ``1`` (bit 0 first), or from left-aligned
    hexadecimal as ``{"value": ..., "length": ...}``.
    """

    kind: ClassVar[str] = "strings"

    names: tuple[str, ...]
    """The name of each bit."""
    width: int = 0
    """An integer is filled with zeros to this many bits: the archive turned text into it."""
    fixed: bool = False
    """Whether text of another width cannot be read; the standard lets some bit strings grow."""

    def one(self, raw: Any) -> list[str]:
        """See :class:`Reader`."""
        if says_nothing(raw):
            raise Odd("missing")
        if type(raw) is int and raw >= 0 and self.width:
            raw = str(raw).zfill(self.width)
        if type(raw) is dict and set(raw) == {"value", "length"}:
            return self._hexadecimal(raw["value"], raw["length"])
        if type(raw) is dict:
            return self._flags(raw)
        if type(raw) is str and not raw.strip("01") and self._fits(raw):
            return self._set([bit == "1" for bit in raw])
        raise Odd("unreadable")

    def _fits(self, raw: str) -> bool:
        return not self.fixed or len(raw) == self.width

    def _flags(self, raw: dict[str, Any]) -> list[str]:
        flags = {}
        for name, value in raw.items():
            try:
                flags[name] = Flag().one(value)
            except Odd as odd:
                if odd.reason != "missing":
                    raise
        if any(flags[name] for name in set(flags) - set(self.names)):
            raise Odd("out_of_range")
        return [name for name in self.names if flags.get(name)]

    def _hexadecimal(self, value: Any, length: Any) -> list[str]:
        size = Integer(1, 64).one(length)
        if type(value) is not str or not re.fullmatch(r"[0-9A-Fa-f]{1,16}", value):
            raise Odd("unreadable")
        if size > 4 * len(value):
            raise Odd("out_of_range")
        bits = f"{int(value, 16):0{4 * len(value)}b}"
        return self._set([bit == "1" for bit in bits[:size]])

    def _set(self, bits: list[bool]) -> list[str]:
        if any(bits[len(self.names) :]):
            raise Odd("out_of_range")
        return [name for name, bit in zip(self.names, bits, strict=False) if bit]
