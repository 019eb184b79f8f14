"""The values of many records by their paths, and which of the records are not ordinary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path
    from intake_cvpilot.decode.lines import Lines, Positions

__all__ = ["Columns", "Mask", "mask"]

Mask = npt.NDArray[np.bool_]
_NEGATIVE_ZERO: Final = re.compile(rb"[:,\[\s]-0(?![.0-9eE])")
"""An integer that a double makes another zero of."""


class Columns:
    """The values of many records by their paths.

    Parameters
    ----------
    rows : pyarrow.Table
        As Arrow's JSON reader gives them.
    """

    def __init__(self, rows: pa.Table) -> None:
        self.length = len(rows)
        self.ordinary: Mask = np.ones(len(rows), dtype=bool)
        """Which rows are not known to be odd."""
        self.values: dict[Path, pa.Array] = {}
        for name, column in zip(rows.column_names, rows.columns, strict=True):
            self.place((name,), column.combine_chunks())

    def place(self, path: Path, array: pa.Array) -> None:
        """Put values at a path, and those within them below it."""
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks)
        self.values[path] = array
        if pa.types.is_struct(array.type):
            for field, inner in zip(array.type, array.flatten(), strict=True):
                self.place((*path, field.name), inner)

    def get(self, *path: str | int) -> pa.Array:
        """The values at a path, nulls where there are none."""
        found = self.values.get(path)
        return pa.nulls(self.length) if found is None else found

    def refuse(self, odd: Mask) -> None:
        """Leave rows to the exact way."""
        self.ordinary &= ~odd

    def refuse_odd_numbers(self, positions: Positions, lines: Lines) -> None:
        """Refuse rows with NaN or infinity, which Arrow reads, and with the integer -0.

        Parameters
        ----------
        positions : Positions
            Of the line of each row.
        lines : Lines
            What was read.
        """
        for array, rows in _doubles(list(self.values.values())):
            values = array.to_numpy(zero_copy_only=False)
            odd = ~np.isfinite(values)
            if array.null_count:
                odd &= array.is_valid().to_numpy(zero_copy_only=False)
            if odd.any():
                where = np.flatnonzero(odd)
                self.ordinary[where if rows is None else rows[where]] = False
            zero = np.flatnonzero((values == 0) & np.signbit(values))
            for at in np.unique(zero if rows is None else rows[zero]).tolist():
                if _NEGATIVE_ZERO.search(lines[positions[at]]):
                    self.ordinary[at] = False


def mask(array: Any) -> Mask:
    """A boolean column as a mask; null is False."""
    return np.asarray(pc.fill_null(array, fill_value=False).to_numpy(zero_copy_only=False))


def _doubles(arrays: list[pa.Array]) -> list[tuple[pa.Array, Any]]:
    """The columns of doubles, those within lists with the row of each item."""
    found: list[tuple[pa.Array, Any]] = []
    for array in arrays:
        if pa.types.is_float64(array.type):
            found.append((array, None))
        elif pa.types.is_list(array.type):
            rows = pc.list_parent_indices(array).to_numpy()
            items = pc.list_flatten(array)
            found += [
                (inner, rows if below is None else rows[below])
                for inner, below in _doubles(_leaves(items))
            ]
    return found


def _leaves(array: pa.Array) -> list[pa.Array]:
    if pa.types.is_struct(array.type):
        return [leaf for inner in array.flatten() for leaf in _leaves(inner)]
    return [array]
