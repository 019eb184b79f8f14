"""A chunk of raw rows of one layout on its way to an Arrow table.

Rows of many objects share a chunk, so that 20,000 objects of one record cost no more than one
object of 20,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.leftover import extra, put
from intake_cvpilot.decode.readers import Opaque
from intake_cvpilot.tables.convert import convert
from intake_cvpilot.tables.exact import Converted, one, python

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path
    from intake_cvpilot.decode.shape import Layout
    from intake_cvpilot.tables.column import Table

__all__ = ["Origin", "Origins", "Quality", "Rule", "Sheet"]

_Wholes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record comes from."""

    object_id: int
    """The object's id."""
    folder: int
    """First instant of its folder hour, microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where many records come from; an item of each array is a record."""

    object_id: _Wholes
    """As of `Origin`."""
    folder: _Wholes
    """As of `Origin`."""
    line: _Wholes
    """The line of the object where it begins; the first is 1."""

    def __len__(self) -> int:
        return len(self.line)

    def take(self, positions: _Wholes) -> Origins:
        """Those at some positions."""
        return Origins(self.object_id[positions], self.folder[positions], self.line[positions])


def _origins(origins: Sequence[Origin], lines: Sequence[int]) -> Origins:
    return Origins(
        np.array([origin.object_id for origin in origins], dtype=np.int64),
        np.array([origin.folder for origin in origins], dtype=np.int64),
        np.array(lines, dtype=np.int64),
    )


@dataclass(slots=True)
class Quality:
    """What was odd about the values of one table."""

    nulls: dict[str, Counter[str]] = field(default_factory=dict)
    """Null cells by column and reason."""
    notes: Counter[str] = field(default_factory=Counter)
    """Values that were read in spite of an oddity, by kind."""

    def count(self, column: str, reason: str, number: int = 1) -> None:
        """Count null cells."""
        if number:
            self.nulls.setdefault(column, Counter())[reason] += number


class Sheet:
    """Raw rows, then cells, then an Arrow table with the table's columns.

    Rules read and write ``cells`` by column name; an input of rules has a name that begins with
    ``_``.
    """

    def __init__(self, table: Table, layout: Layout, rules: Mapping[str, Rule]) -> None:
        self.table = table
        self.layout = layout
        self.rules = [rules[name] for name in layout.rules]
        self.cells: dict[str, Any] = {}
        self.raw: dict[str, Sequence[Any]] = {}
        self.quality = Quality()
        self.rows: list[list[Any]] = []
        self.leftovers: list[dict[str, Any]] = []
        self.origins = _origins([], [])
        self._places: list[Origin] = []
        self._lines: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, values: list[Any], leftover: dict[str, Any], origin: Origin, line: int) -> None:
        """Add a raw row."""
        self.rows.append(values)
        self.leftovers.append(leftover)
        self._places.append(origin)
        self._lines.append(line)

    def convert(self) -> pa.Table:
        """The table of the rows, enumerations as plain text; the rows are gone afterwards."""
        origins = _origins(self._places, self._lines)
        made = self.convert_columns(list(zip(*self.rows, strict=True)), origins)
        self.rows, self.leftovers, self._places, self._lines = [], [], [], []
        return made

    def convert_columns(self, columns: Sequence[Any], origins: Origins) -> pa.Table:
        """The table of rows whose values are given by column, in the order of the cells.

        Parameters
        ----------
        columns : sequence of sequence or pyarrow.Array
            Raw values, null where absent.
        origins : Origins
            Where the rows come from.
        """
        self.origins = origins
        for cell, path, values in zip(self.layout.cells, self.layout.paths, columns, strict=True):
            self.raw[cell.column] = values
            if type(cell.reader) is Opaque:
                continue
            done = convert(cell.reader, values)
            self.cells[cell.column] = done.array
            for reason, number in done.reasons.items():
                self.quality.count(cell.column, reason, number)
            for name, reasons in done.inner.items():
                for reason, number in reasons.items():
                    self.quality.count(f"{cell.column}.{name}", reason, number)
            self.quality.notes.update(done.notes)
            for row, below, raw in done.odd:
                self.keep(row, (*path, *below), raw)
        for rule in self.rules:
            rule(self)
        self._lineage()
        arrays = [self._column(column.name) for column in self.table.columns]
        return pa.table(arrays, schema=_plain(self.table.schema))

    def keep(self, row: int, path: Path, raw: Any) -> None:
        """Keep in a row's ``extra`` what its cells do not hold."""
        put(self.leftovers[row], path, raw)

    def _extra(self) -> pa.Array:
        texts = [extra(left) if left else None for left in self.leftovers]
        return pa.array(texts, type=pa.string())

    def _lineage(self) -> None:
        self.cells["object_id"] = pa.array(self.origins.object_id)
        self.cells["line"] = pa.array(self.origins.line, type=pa.int32())
        self.cells["extra"] = self._extra()
        if "is_repeat" in self.table.names:
            self.cells["is_repeat"] = pa.array(np.zeros(len(self.origins), dtype=bool))

    def _column(self, name: str) -> pa.Array:
        kind = _plain_type(self.table.schema.field(name).type)
        found = self.cells.get(name)
        if found is None:
            self.quality.count(name, "missing", len(self.origins))
            return pa.nulls(len(self.origins), kind)
        return found if found.type == kind else pc.cast(found, kind)

    # What rules use.

    def micros(self, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """A column of instants or integers as int64, and where it holds a value."""
        array = self.cells.get(name)
        if array is None:
            return np.zeros(len(self.origins), np.int64), np.zeros(len(self.origins), bool)
        good = pc.is_valid(array).to_numpy(zero_copy_only=False)
        whole = array.cast(pa.int64())
        return pc.fill_null(whole, 0).to_numpy(zero_copy_only=False), good

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """A column as float64, NaN where null."""
        array = self.cells.get(name)
        if array is None:
            return np.full(len(self.origins), np.nan)
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)

    def valid(self, name: str) -> npt.NDArray[np.bool_]:
        """Where a column holds a value."""
        array = self.cells.get(name)
        if array is None:
            return np.zeros(len(self.origins), bool)
        return np.asarray(pc.is_valid(array).to_numpy(zero_copy_only=False))

    def blank(self, name: str, where: npt.NDArray[np.bool_], reason: str) -> None:
        """Make cells null for a reason; cells that are null already keep theirs."""
        array = self.cells.get(name)
        if array is None or not where.any():
            return
        self.quality.count(name, reason, int((where & self.valid(name)).sum()))
        self.cells[name] = pc.if_else(pa.array(where), pa.scalar(None, array.type), array)

    def fill(self, name: str, rows: Sequence[int], array: pa.Array) -> None:
        """Set a column in which a rule filled null cells, and take back why they were null."""
        cell = next(cell for cell in self.layout.cells if cell.column == name)
        before = Converted(array)
        for row in rows:
            one(cell.reader, row, python(self.raw[name][row]), before)
        for reason, number in before.reasons.items():
            self.quality.count(name, reason, -number)
        self.cells[name] = array

    def put_back(self, name: str, rows: Sequence[int]) -> None:
        """Put the raw values of a cell back into the rows' ``extra``."""
        index = [cell.column for cell in self.layout.cells].index(name)
        for row in rows:
            put(self.leftovers[row], self.layout.paths[index], self.raw[name][row])


Rule = Callable[[Sheet], None]
"""Computes columns of a sheet from its cells; named by layouts."""


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _plain(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(f.name, _plain_type(f.type), f.nullable) for f in schema])
