"""Readers of values that only traveler information has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Final

from intake_cvpilot.decode.j2735 import MINUTE_OF_YEAR, RADIUS_UNITS, Element
from intake_cvpilot.decode.labels import Name
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Integer, Number, Odd, Reader, Stamp

__all__ = ["BitText", "Hex", "Measure", "MinuteOrStamp", "Published", "Unit", "index_name"]

_BITS: Final = re.compile(r"[01]{1,16}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")


class Published(float):
    """A number that stands in SI units or degrees where J2735 has its raw integer."""

    __slots__ = ()


@dataclass(frozen=True)
class Measure(Reader):
    """A quantity from J2735's raw integer, or from a `Published` number."""

    kind: ClassVar[str] = "double"

    element: Element
    """The J2735 data element."""

    @cached_property
    def raw(self) -> Number:
        """Reads integers of the standard."""
        return Number(self.element)

    @cached_property
    def published(self) -> Number:
        """Reads SI units or degrees."""
        return Number(self.element, Fraction(1))

    def one(self, raw: Any) -> float:
        """See :class:`Reader`."""
        if type(raw) is Published:
            return self.published.one(float(raw))
        return self.raw.one(raw)


@dataclass(frozen=True)
class Hex(Reader):
    """Octets as hexadecimal text; an integer was text of digits whose leading zeros are lost."""

    kind: ClassVar[str] = "string"

    width: int
    """Number of digits."""
    upper: bool = False
    """Whether letters become capitals."""
    null: frozenset[str] = frozenset()
    """Texts that say nothing."""

    def one(self, raw: Any) -> str:
        """See :class:`Reader`."""
        if says_nothing(raw):
            raise Odd("missing")
        if type(raw) is int and 0 <= raw < 10**self.width:
            raw = str(raw)
        if type(raw) is not str or not _HEX.fullmatch(raw.strip()):
            raise Odd("unreadable")
        text = raw.strip().zfill(self.width)
        if len(text) > self.width:
            raise Odd("unreadable")
        if text in self.null:
            raise Odd("unavailable")
        return text.upper() if self.upper else text


@dataclass(frozen=True)
class BitText(Reader):
    """A string of 16 bits, bit 0 first; an integer has lost its leading zeros."""

    kind: ClassVar[str] = "string"

    def one(self, raw: Any) -> str:
        """See :class:`Reader`."""
        if says_nothing(raw):
            raise Odd("missing")
        if type(raw) is float and raw.is_integer() and abs(raw) < 2**53:
            raw = int(raw)
        text = str(raw) if type(raw) is int else raw.strip() if type(raw) is str else ""
        if type(raw) is str and len(text) == 4 and _HEX.fullmatch(text):
            return f"{int(text, 16):016b}"
        if not _BITS.fullmatch(text) or (type(raw) is str and len(text) != 16):
            raise Odd("unreadable")
        return text.zfill(16)


@dataclass(frozen=True)
class MinuteOrStamp(Reader):
    """A minute of the year (0 to 527039), or a stamp as microseconds since 1970 UTC."""

    kind: ClassVar[str] = "int64"

    def one(self, raw: Any) -> int:
        """See :class:`Reader`."""
        try:
            return Integer.of(MINUTE_OF_YEAR).one(raw)
        except Odd:
            if type(raw) is not str or not ("-" in raw[1:] and ":" in raw):
                raise
        return Stamp().one(raw)


@dataclass(frozen=True)
class Unit(Reader):
    """DE_DistanceUnits, by name or number, as metres."""

    kind: ClassVar[str] = "double"

    def one(self, raw: Any) -> float:
        """See :class:`Reader`."""
        try:
            name = Name(tuple(name for name, _ in RADIUS_UNITS), frozenset()).one(raw)
        except Odd as odd:
            if odd.reason == "missing":
                raise
            found = index_name(raw, tuple(name for name, _ in RADIUS_UNITS))
            if type(found) is not str or found == raw:
                raise
            name = found
        return float(dict(RADIUS_UNITS)[name])


def index_name(raw: Any, names: tuple[str, ...]) -> Any:
    """The name of an enumeration's number; anything else as it is."""
    try:
        return names[Integer(0, len(names) - 1).one(raw)]
    except Odd:
        return raw
