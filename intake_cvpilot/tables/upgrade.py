"""Rows of an earlier minor version of a table to rows of this one, without their records.

A minor version adds columns.  What a record carried beyond the columns of its time stands in
``extra``, at the path where the record had it; the raw shapes say at which path a column's value
stands and how it is read.  So nothing is declared twice: the cell by which a record is decoded is
the cell by which ``extra`` is read, and what it takes leaves ``extra``, as in a part built anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.leftover import extra, put
from intake_cvpilot.decode.readers import Opaque
from intake_cvpilot.decode.redact import is_secret
from intake_cvpilot.decode.shape import Group
from intake_cvpilot.tables.convert import convert
from intake_cvpilot.tables.parts import finish

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path
    from intake_cvpilot.decode.shape import Cell, Layout, Shapes
    from intake_cvpilot.tables.column import Column, Table

__all__ = ["Upgraded", "upgrade"]


@dataclass
class Upgraded:
    """Rows of the table as it is today."""

    rows: pa.Table
    """Finished rows."""
    filled: Mapping[str, int] = field(default_factory=dict)
    """Cells of each new column that hold a value."""
    nulls: Mapping[str, Counter[str]] = field(default_factory=dict)
    """Null cells of each new column (and of the fields of its lists) by reason."""
    notes: Counter[str] = field(default_factory=Counter)
    """Values that were read in spite of an oddity, by kind."""


def upgrade(rows: pa.Table, table: Table, after: str, shapes: Shapes) -> Upgraded:
    """Add the columns that an earlier minor version lacked.

    Parameters
    ----------
    rows : pyarrow.Table
        A part, in its order.
    table : Table
        The table as it is today.
    after : str
        Version of the part: the same major, a lower minor.
    shapes : Shapes
        The raw shapes of its source and message type.

    Returns
    -------
    Upgraded
        A new column is null where ``extra`` does not hold its value, and where it is computed
        by a rule rather than read from one place.

    Raises
    ------
    ValueError
        The rows do not have the columns of that version.
    """
    new = table.added(after)
    old = [name for name in table.names if name not in {column.name for column in new}]
    if sorted(rows.column_names) != sorted(old):
        odd = sorted(set(old) ^ set(rows.column_names))
        raise ValueError(f"they are not those of {table.name} {after}: {', '.join(odd)}")
    filling = _Filling(new, rows)
    for shape, where in _shaped(rows, shapes):
        layout = next(each for each in shape.layouts if each.table == table.name)
        filling.fill(layout, where)
    plain = [
        pa.chunked_array([filling.cells[name]])
        if name in filling.cells
        else rows.column(name).cast(_plain(table.schema.field(name).type))
        for name in table.names
    ]
    made = pa.table(plain, names=list(table.names))
    return Upgraded(
        finish([made], table),
        {c.name: len(rows) - filling.cells[c.name].null_count for c in new},
        filling.nulls,
        filling.notes,
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _shaped(rows: pa.Table, shapes: Shapes) -> list[tuple[Any, Any]]:
    """Give each shape, and the numbers of the rows that were read by it."""
    if "schema_version" not in rows.column_names:
        return [(shapes.shapes[-1], np.arange(len(rows)))]
    versions = rows.column("schema_version").to_pylist()
    read_by = [shapes.by_version.get(version, shapes.shapes[-1]) for version in versions]
    found = []
    for shape in shapes.shapes:
        where = np.flatnonzero([each is shape for each in read_by])
        if len(where):
            found.append((shape, where))
    return found


class _Filling:
    """The new columns of some rows, shape by shape."""

    def __init__(self, new: Sequence[Column], rows: pa.Table) -> None:
        self.new = new
        self.extra: list[str | None] = rows.column("extra").to_pylist()
        self.nulls: dict[str, Counter[str]] = {}
        self.notes: Counter[str] = Counter()
        self.cells: dict[str, pa.Array] = {
            column.name: pa.nulls(len(rows), _plain(column.type)) for column in new
        }

    def fill(self, layout: Layout, where: Any) -> None:
        """Read the new columns of the rows of one shape out of their ``extra``."""
        names = {column.name for column in self.new}
        cells = {
            path: cell
            for cell, path in zip(layout.cells, layout.paths, strict=True)
            if cell.column in names
            and type(cell.reader) is not Opaque
            and not any(is_secret(str(step)) for step in path)  # replaced: that is no value
        }
        read = {cell.column for cell in cells.values()}
        for column in self.new:
            if column.name not in read:
                self._count(column.name, {"missing": len(where)})
        raw, left = self._taken(cells, where)
        for path, cell in cells.items():
            done = convert(cell.reader, raw[path])
            self._count(cell.column, done.reasons)
            for name, reasons in done.inner.items():
                self._count(f"{cell.column}.{name}", reasons)
            self.notes.update(done.notes)
            for row, below, value in done.odd:
                put(left.setdefault(row, {}), (*path, *below), value)
            self._set(cell.column, where, done.array)
        for row, holder in left.items():
            self.extra[where[row]] = extra(holder)
        self.cells["extra"] = pa.array(self.extra, type=pa.string())

    def _taken(
        self, cells: Mapping[Path, Cell], where: Any
    ) -> tuple[dict[Path, list[Any]], dict[int, dict[str, Any]]]:
        """Give the raw values by path, and what remains of each ``extra`` that had one."""
        # Below the root: what stands in extra has the paths of the whole row.
        group = Group([replace(cell, path=".".join(map(str, at))) for at, cell in cells.items()])
        paths = [group.path(cell) for cell in group.cells]
        raw: dict[Path, list[Any]] = {path: [None] * len(where) for path in paths}
        left: dict[int, dict[str, Any]] = {}
        for row, at in enumerate(where.tolist()):
            text = self.extra[at]
            if text is None:
                continue
            holder = json.loads(text)
            values: list[Any] = []
            group.take(holder, values)
            if all(value is None for value in values):
                continue
            left[row] = holder
            for path, value in zip(paths, values, strict=True):
                raw[path][row] = value
        return raw, left

    def _set(self, name: str, where: Any, values: pa.Array) -> None:
        """Put cells into some rows of a column; rows of other shapes keep theirs."""
        kind = self.cells[name].type
        values = values if values.type == kind else pc.cast(values, kind)
        place = np.full(len(self.extra), -1)
        place[where] = np.arange(len(where))
        both = pa.concat_arrays([values, self.cells[name]])
        mine = np.arange(len(self.extra)) + len(values)
        self.cells[name] = both.take(pa.array(np.where(place >= 0, place, mine)))

    def _count(self, name: str, reasons: Mapping[str, int]) -> None:
        if reasons:
            self.nulls.setdefault(name, Counter()).update(reasons)
