"""How the data portal writes a value: our cells to its form, and its value to the archive's own.

A form goes both ways.  ``write`` makes the portal's cells from our columns; null stays null, never
a sentinel.  ``parse`` gives the raw value as it stands in the archive's record, so that units,
sentinels and spellings are read by the one rule there is, the readers of `intake_cvpilot.decode`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.tables.portal_stamps import archive_stamp, wall

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "As",
    "Each",
    "Form",
    "FromExtra",
    "HourOfDay",
    "Nothing",
    "Point",
    "Scaled",
    "Stamp",
    "as_json",
    "loads",
]


def as_json(value: Any) -> str:
    """JSON text as Python writes it by default, which is how the portal's was made."""
    return json.dumps(value, ensure_ascii=False)


def loads(value: Any) -> Any:
    """The object of a JSON text; anything else, and what is no JSON, as it stands."""
    if type(value) is not str:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


@dataclass(frozen=True)
class Form:
    """A way of writing; the portal's cells are of ``type``."""

    type: pa.DataType = field(default_factory=pa.string)
    """Arrow type of the portal's cells."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """Give the portal's cells of our columns, row by row."""
        raise NotImplementedError

    def parse(self, value: Any) -> Any:
        """Give the value of the archive's record; None for what is not in it."""
        return value


@dataclass(frozen=True)
class Nothing(Form):
    """Written as null: what the portal has there is in no column of ours."""

    json: bool = False
    """Whether the portal's value is JSON text of an object in the record."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`; one array is needed for the number of rows."""
        return pa.nulls(len(cells[0]), self.type)

    def parse(self, value: Any) -> Any:
        """See `Form`."""
        return loads(value) if self.json else value


@dataclass(frozen=True)
class As(Form):
    """The same value: text, numbers, flags; names of enumerations as text."""

    case: str = ""
    """``lower`` or ``upper`` where the archive spells names so."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`."""
        (found,) = cells
        if pa.types.is_dictionary(found.type):
            found = found.cast(found.type.value_type)
        found = found.cast(self.type)
        if self.case:
            found = (pc.utf8_lower if self.case == "lower" else pc.utf8_upper)(found)
        return found


@dataclass(frozen=True)
class Scaled(Form):
    """Whole numbers of a unit of the publisher's: J2735's raw integers, degrees F, knots."""

    type: pa.DataType = field(default_factory=pa.int64)
    unit: Fraction = Fraction(1)
    """The publisher's unit in that of the column."""
    zero: int = 0
    """The publisher's number that is 0 in the column."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`."""
        (found,) = cells
        x = found.to_numpy(zero_copy_only=False).astype(float)
        numbers = np.rint(x * self.unit.denominator / self.unit.numerator) + self.zero
        return pa.array(np.nan_to_num(numbers).astype(np.int64), mask=np.isnan(x)).cast(self.type)


@dataclass(frozen=True)
class Stamp(Form):
    """``2021-04-01T00:49:46.295`` without a zone, which is UTC for Wyoming, Eastern for Tampa."""

    zone: str = "UTC"
    """The zone of the text."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`; digits beyond the millisecond are cut off, as the portal does."""
        (found,) = cells
        return pc.strftime(wall(found, self.zone), format="%Y-%m-%dT%H:%M:%S")

    def parse(self, value: Any) -> Any:
        """See `Form`; the whole-table export's ``04/06/2021 10:30:00 AM`` is read too."""
        return archive_stamp(value, self.zone)


@dataclass(frozen=True)
class HourOfDay(Form):
    """The hour of the day with its fraction, as the portal's wall clock has it."""

    type: pa.DataType = field(default_factory=pa.float64)
    zone: str = "UTC"
    """The zone of the clock."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`."""
        clock = wall(cells[0], self.zone)
        parts = (pc.hour(clock), pc.minute(clock), pc.second(clock))
        hour, minute, second = (pc.cast(part, pa.float64()) for part in parts)
        return pc.add(hour, pc.add(pc.divide(minute, 60.0), pc.divide(second, 3600.0)))

    def parse(self, value: Any) -> Any:  # noqa: ARG002 -- computed by the portal
        """See `Form`."""
        return None


@dataclass(frozen=True)
class Point(Form):
    """``POINT (lon lat)`` in degrees; of longitude and latitude, null where one is."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`."""
        lon, lat = (cell.cast(pa.string()) for cell in cells)
        both = pc.binary_join_element_wise(lon, lat, " ")
        return pc.binary_join_element_wise("POINT (", both, ")", "")

    def parse(self, value: Any) -> Any:  # noqa: ARG002 -- computed by the portal
        """See `Form`."""
        return None


@dataclass(frozen=True)
class Each(Form):
    """A function of the cells of one row; JSON texts and what needs several columns."""

    make: Callable[..., Any] = field(default=lambda *cells: cells[0])
    """Cells of a row to the portal's value; None for null."""
    back: Callable[[Any], Any] = loads
    """The portal's value to the archive's."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`."""
        rows = zip(*(cell.to_pylist() for cell in cells), strict=True)
        return pa.array([self.make(*row) for row in rows], self.type)

    def parse(self, value: Any) -> Any:
        """See `Form`."""
        return self.back(value)


@lru_cache(1024)
def _extra(text: str) -> Any:
    return json.loads(text)


@dataclass(frozen=True)
class FromExtra(Form):
    """A value that ``extra`` holds at its raw path; else what says nothing in the folder."""

    path: str = ""
    """Dotted raw path."""
    usual: Any = None
    """The value that decoding absorbs: it says nothing beyond the folder."""
    json: bool = False
    """Whether the value is written as JSON text."""

    def write(self, *cells: pa.Array) -> pa.Array:
        """See `Form`."""
        (found,) = cells
        return pa.array([self._value(text) for text in found.to_pylist()], self.type)

    def _value(self, text: str | None) -> Any:
        value: Any = _extra(text) if text else None
        for step in self.path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return self.usual
        if pa.types.is_string(self.type):
            return value if type(value) is str else as_json(value)
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError):
            return None

    def parse(self, value: Any) -> Any:
        """See `Form`."""
        return loads(value) if self.json else value


TEXT: Final = As(pa.string())
"""Text."""
