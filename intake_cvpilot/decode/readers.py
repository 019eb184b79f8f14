"""How one raw value becomes one cell: readers as values.

A reader is data (which element, which enumeration) plus ``one``, the exact rule for a single value.
``tables.convert`` reads whole columns at once where all values are ordinary, and calls ``one`` for
the rest; a property test holds both equal.  Numbers and times are here, words in `labels`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

from intake_cvpilot.decode import stamps
from intake_cvpilot.decode.j2735 import Element, mass
from intake_cvpilot.decode.nothing import says_nothing

__all__ = [
    "Integer",
    "Integers",
    "Mass",
    "Number",
    "Odd",
    "Opaque",
    "Reader",
    "Stamp",
    "Structs",
    "instant",
    "number",
]

DIGITS: Final = 7
"""Decimals to which a published number is rounded after a change of unit."""
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)

# A year less at both ends than a date can be: other instants are computed from these.
_FIRST: Final = stamps.micros(dt.datetime(2, 1, 1, tzinfo=dt.UTC))
_LAST: Final = stamps.micros(dt.datetime(9999, 1, 1, tzinfo=dt.UTC))


class Odd(Exception):  # noqa: N818 - an outcome of reading, counted by its reason
    """A value that gives a null cell.

    ``args[0]`` is the reason: ``missing``, ``unavailable`` and ``artefact`` say nothing and are
    only counted; any other (``unreadable``, ``out_of_range``, ``no_zone``) also goes to ``extra``.
    """

    @property
    def reason(self) -> str:
        """The reason, as counted."""
        return str(self.args[0])


class Reader:
    """Reads one raw value.  Frozen dataclasses below; ``one`` is the rule."""

    kind: ClassVar[str] = ""
    """Kind of the cells, a key of ``tables.convert.KINDS``; empty for what a rule reads itself."""

    def one(self, raw: Any) -> Any:
        """The cell's value.

        Raises
        ------
        Odd
            When the cell is null.
        """
        raise NotImplementedError


def number(raw: Any) -> int | float:
    """A JSON number, or text that is one.

    Raises
    ------
    Odd
        ``missing``, ``unreadable`` or ``out_of_range``.
    """
    kind = type(raw)
    if kind is float:
        return raw  # type: ignore[no-any-return]
    if kind is int:
        return _bounded(raw)
    if says_nothing(raw):
        raise Odd("missing")
    if kind is not str or not _NUMBER.fullmatch(raw):
        raise Odd("unreadable")
    text = raw.strip()
    try:
        value: int | float = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        # Python refuses integers of more than 4,300 digits.
        raise Odd("out_of_range") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise Odd("out_of_range")
    return _bounded(value)


def _bounded(value: int | float) -> int | float:
    """The number, unless it is an integer so large that arithmetic with doubles overflows."""
    if isinstance(value, int) and value.bit_length() > 1000:
        raise Odd("out_of_range")
    return value


@dataclass(frozen=True)
class Number(Reader):
    """A measured quantity in SI units or degrees.

    ``scale`` None: raw integers of the standard, times the element's step.  Otherwise a published
    number whose unit is ``scale`` times the column's (1 for SI).
    """

    kind: ClassVar[str] = "double"

    element: Element
    """The J2735 data element: range, sentinels and step."""
    scale: Any = None
    """None for raw integers, else the published unit as a Fraction (or 1) of the column's."""

    @cached_property
    def step(self) -> float:
        """What one raw unit is in the numbers as published."""
        return 1.0 if self.scale is None else float(self.element.step / self.scale)

    @cached_property
    def low(self) -> float:
        """The lowest number as published that is read, with a quarter of a step of tolerance."""
        return float(self.element.low * self.step - self.step / 4)

    @cached_property
    def high(self) -> float:
        """The highest number as published that is read, tolerance included."""
        return float(self.element.high * self.step + self.step / 4)

    @cached_property
    def sentinels(self) -> tuple[float, ...]:
        """The numbers as published that mean "not available"."""
        return tuple(sorted(raw * self.step for raw in self.element.unavailable))

    @cached_property
    def factor(self) -> tuple[float, float]:
        """The value is ``rint(x * f[0]) / f[1]`` (published) or ``x * f[0] / f[1]`` (raw)."""
        if self.scale is None:
            return float(self.element.step.numerator), float(self.element.step.denominator)
        return float(self.scale * 10**DIGITS), float(10**DIGITS)

    def one(self, raw: Any) -> float:
        """See :class:`Reader`."""
        x = number(raw)
        if any(abs(x - sentinel) <= self.step / 4 for sentinel in self.sentinels):
            raise Odd("unavailable")
        if not self.low <= x <= self.high:
            raise Odd("out_of_range")
        if self.scale is None:
            if x != int(x):
                raise Odd("unreadable")
            return float(x) * self.factor[0] / self.factor[1] + 0.0
        if self.scale == 1:
            return float(x) + 0.0  # -0.0 is 0.0
        return round(float(x) * self.factor[0]) / self.factor[1]


@dataclass(frozen=True)
class Integer(Reader):
    """A whole number within bounds."""

    kind: ClassVar[str] = "int64"

    low: int = -(2**63)
    """Lowest value, inclusive."""
    high: int = 2**63 - 1
    """Highest value, inclusive."""
    unavailable: frozenset[int] = frozenset()
    """Values that say nothing."""

    @classmethod
    def of(cls, element: Element) -> Integer:
        """The reader of an element that counts or names."""
        return cls(element.low, element.high, element.unavailable)

    def one(self, raw: Any) -> int:
        """See :class:`Reader`."""
        x = number(raw)
        if x != int(x):
            raise Odd("unreadable")
        if x in self.unavailable:
            raise Odd("unavailable")
        if not self.low <= x <= self.high:
            raise Odd("out_of_range")
        return int(x)


@dataclass(frozen=True)
class Integers(Reader):
    """A list of whole numbers; a lone one is a list of one."""

    kind: ClassVar[str] = "int64s"

    item: Integer
    """Each of them; one that says nothing is null within the list."""

    def one(self, raw: Any) -> list[int | None]:
        """See :class:`Reader`."""
        if says_nothing(raw):
            raise Odd("missing")
        found: list[int | None] = []
        for value in raw if type(raw) is list else [raw]:
            try:
                found.append(self.item.one(value))
            except Odd as odd:
                if odd.reason not in ("missing", "unavailable"):
                    raise
                found.append(None)
        return found


@dataclass(frozen=True)
class Mass(Reader):
    """A vehicle mass in kg: ``steps`` of the standard (THEA, NYC), or kg as decoded (WYDOT)."""

    kind: ClassVar[str] = "double"

    steps: bool
    """Whether raw values are steps."""

    def one(self, raw: Any) -> float:
        """See :class:`Reader`."""
        x = number(raw)
        if self.steps:
            if x != int(x):
                raise Odd("unreadable")
            if x == 255:
                raise Odd("unavailable")
            if not 0 <= x <= 254:
                raise Odd("out_of_range")
            return float(mass(int(x)) or 0)
        if x == 170001:
            return 170000.0
        if not 0 <= x <= 170000:
            raise Odd("out_of_range")
        return float(x) + 0.0


def instant(value: int) -> int:
    """Microseconds since 1970 UTC, if they lie in the years 2 to 9998.

    Raises
    ------
    Odd
        ``out_of_range``: no clock, and too near to the ends of what a date can be.
    """
    if not _FIRST <= value < _LAST:
        raise Odd("out_of_range")
    return value


@dataclass(frozen=True)
class Stamp(Reader):
    """A time stamp with an offset or ``Z``, as microseconds since 1970 UTC."""

    kind: ClassVar[str] = "instant"

    def one(self, raw: Any) -> int:
        """See :class:`Reader`."""
        return self.noted(raw)[0]

    def noted(self, raw: Any) -> tuple[int, tuple[str, ...]]:
        """The instant and what was odd about it."""
        if says_nothing(raw):
            raise Odd("missing")
        moment = stamps.parse(raw) if type(raw) is str else None
        if moment is None:
            raise Odd("unreadable")
        if moment.offset is None:
            raise Odd("no_zone")
        return instant(moment.wall - moment.offset), moment.notes


@dataclass(frozen=True)
class Structs(Reader):
    """A list of objects, each with the same few values; a lone object is a list of one."""

    fields: tuple[tuple[str, str, Reader], ...]
    """Name in the column, key in the record, reader; keys that are left over go to ``extra``."""


@dataclass(frozen=True)
class Opaque(Reader):
    """Any value, kept as it is for a rule of the table."""

    def one(self, raw: Any) -> Any:
        """See :class:`Reader`."""
        return raw
