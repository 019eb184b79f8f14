"""Ordinary records as columns: from Arrow's JSON reader to rows, without an object a record.

A record is ordinary when the cells of its layout hold all that it says.  Any other, and any of
which that is not certain, is left to the exact way, which is the rule; both give the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.labels import Bits
from intake_cvpilot.decode.readers import Structs
from intake_cvpilot.tables import bulk, table
from intake_cvpilot.tables.columns import Columns, Mask, mask
from intake_cvpilot.tables.form import Form, readers_of
from intake_cvpilot.tables.rules import RULES
from intake_cvpilot.tables.sheet import Origins, Quality, Sheet

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path
    from intake_cvpilot.decode.lines import Lines, Positions
    from intake_cvpilot.decode.shape import Cell, Shape

__all__ = ["Done", "Ordinary", "Ways"]

_FLAGS: Final = 32
"""Most flags of an object that is read as columns."""


@dataclass(frozen=True)
class Ways:
    """How the records of a shape are told and taken apart as columns, one row a record."""

    spelled: Callable[[Path], Path]
    """From a cell's path to where its value stands in the published record."""
    lists: Mapping[Path, frozenset[str]]
    """The lists of objects that are read, and the keys that their objects may have."""
    moved: Callable[[Columns], None]
    """Moves objects to where the cells look for them."""
    sound: Callable[[Columns], Mask]
    """Which rows the shape takes without looking further."""


@dataclass(frozen=True)
class Done:
    """Rows of ordinary records."""

    rows: pa.Table
    """As ``Sheet.convert`` gives them."""
    positions: Positions
    """Of the lines that they come from."""
    quality: Quality
    """What was odd about their values."""
    versions: Counter[str]
    """Records by schema version."""


class _Sheet(Sheet):
    """A sheet that is filled with columns, and gathers the rows that are not ordinary after all."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.odd: set[int] = set()

    def put_back(self, name: str, rows: Sequence[int]) -> None:  # noqa: ARG002 - as a sheet has it
        """See `Sheet`: what goes to ``extra`` is not ordinary."""
        self.odd.update(rows)

    def keep(self, row: int, path: Path, raw: Any) -> None:  # noqa: ARG002 - as a sheet has it
        """See `Sheet`."""
        self.odd.add(row)

    def _extra(self) -> pa.Array:
        return pa.nulls(len(self.origins), pa.string())


class Ordinary:
    """Reads ordinary records of one shape.

    Parameters
    ----------
    shape : Shape
        The shape; its first layout is the only one.
    ways : Ways
        How its records are taken apart.
    """

    def __init__(self, shape: Shape, ways: Ways) -> None:
        self.shape = shape
        self.ways = ways
        self.layout = shape.layouts[0]
        self.table = table(self.layout.table)
        self._form = Form(readers_of(self.layout, ways.spelled), ways.lists)
        self._cells = dict(zip(self.layout.paths, self.layout.cells, strict=True))
        self._absorb = {
            (*group.prefix, *path.split(".")): pa.array(
                [text for text in says if type(text) is str]
            )
            for group in self.layout.groups
            for path, says in group.absorb.items()
        }
        inner = {path[:n] for path in (*self._cells, *self._absorb) for n in range(1, len(path))}
        self._inner = inner - set(self._cells)

    def read(
        self,
        lines: Lines,
        origins: Origins,
    ) -> list[Done]:
        """Read lines; those that no result names are left.

        Parameters
        ----------
        lines : Lines
            One record each.
        origins : Origins
            The object and line of each.
        """
        found = []
        for group in bulk.pieces(lines, self._form):
            rows = pa.concat_tables([piece for piece, _ in group]).combine_chunks()
            positions = np.concatenate([part for _, part in group])
            done = self._convert(rows, positions, lines, origins)
            if done is not None:
                found.append(done)
        return found

    def _convert(
        self,
        rows: pa.Table,
        positions: Positions,
        lines: Lines,
        origins: Origins,
    ) -> Done | None:
        while len(rows):
            columns = Columns(rows)
            self._look(columns, positions, lines)
            good = columns.ordinary
            if good.all():
                sheet = _Sheet(self.table, self.layout, RULES)
                values = [columns.get(*path) for path in self.layout.paths]
                made = sheet.convert_columns(values, origins.take(positions))
                if not sheet.odd:
                    return Done(made, positions, sheet.quality, self._versions(columns))
                good[list(sheet.odd)] = False
            rows, positions = rows.filter(pa.array(good)), positions[good]
        return None

    def _look(self, columns: Columns, positions: Positions, lines: Lines) -> None:
        """Refuse the rows that hold anything but what the cells read."""
        columns.refuse_odd_numbers(positions, lines)
        columns.refuse(~self.ways.sound(columns))
        version = columns.get("metadata", "schemaVersion")
        if pa.types.is_int64(version.type):
            known = pa.array(self.shape.versions, type=pa.int64())
            columns.refuse(~mask(pc.is_in(version, value_set=known)))
        else:
            columns.refuse(np.ones(columns.length, dtype=bool))
        self.ways.moved(columns)
        for path, array in columns.values.items():
            if any(path[:size] in self._cells for size in range(1, len(path))):
                continue
            if path in self._cells:
                columns.refuse(_unreadable(self._cells[path], array))
            elif path in self._absorb:
                columns.refuse(_speaks(array) & ~_among(array, self._absorb[path]))
            elif not (path in self._inner and pa.types.is_struct(array.type)):
                columns.refuse(_speaks(array))

    def _versions(self, columns: Columns) -> Counter[str]:
        counted = pc.value_counts(columns.get("metadata", "schemaVersion"))
        return Counter({str(pair["values"]): pair["counts"] for pair in counted.to_pylist()})


def _unreadable(cell: Cell, array: pa.Array) -> Mask:
    """Rows whose value is an object or a list that the cell's reader takes one by one."""
    kind = array.type
    if type(cell.reader) is Structs and pa.types.is_list(kind):
        good = pa.types.is_struct(kind.value_type)
        return np.zeros(len(array), dtype=bool) if good else _speaks(array)
    if type(cell.reader) is Bits and _holds_flags(kind):
        # Without any flag, an object may be empty or not: they read differently.
        some = np.logical_or.reduce([mask(inner.is_valid()) for inner in array.flatten()])
        return np.asarray(mask(array.is_valid()) & ~some, dtype=bool)
    if pa.types.is_nested(kind):
        return mask(array.is_valid())
    return np.zeros(len(array), dtype=bool)


def _holds_flags(kind: pa.DataType) -> bool:
    return (
        pa.types.is_struct(kind)
        and 0 < kind.num_fields <= _FLAGS
        # Hexadecimal bits are no flags: null is another thing than missing there.
        and not {"value", "length"} & {field.name for field in kind}
        and all(pa.types.is_boolean(field.type) for field in kind)
    )


def _speaks(array: pa.Array) -> Mask:
    """Rows that say something here."""
    if pa.types.is_null(array.type):
        return np.zeros(len(array), dtype=bool)
    if pa.types.is_list(array.type):
        return mask(pc.greater(pc.list_value_length(array), 0))
    if pa.types.is_struct(array.type) and array.type.num_fields == 0:
        return np.zeros(len(array), dtype=bool)
    return mask(pc.is_valid(array))


def _among(array: pa.Array, texts: pa.Array) -> Mask:
    if not pa.types.is_string(array.type):
        return np.zeros(len(array), dtype=bool)
    return mask(pc.is_in(array, value_set=texts))
