"""The repeated hour of autumn: which pass a row means, by the order of its object's lines.

A stamp of THEA between 01:00 and 02:00 on the day the clocks go back is two instants an hour apart.
Conversion reads it as the first pass and marks it ``generated_ambiguous``, unless the record itself
tells (SPaT's minute of the year does).  What the records around it tell is settled here: within one
object and roadside unit, in the order of lines, a step back of more than 30 minutes is the clock
going back.  What stands before the first such step is the first pass, what stands after it the
second; both are ``generated`` then.  Without a step, or without the unit's name, nothing tells: the
rows stay the first pass and ``generated_ambiguous``.

This needs all rows of an object, and conversion works in chunks; so it is done when a block has all
its rows.  An object is never split among blocks, and lines, not arrival, are the order: the result
depends on neither the chunks nor the history.  To be late is safe for the windows, because a
repeated hour never straddles the edge of one: the passes lie on the same side of it.  And it is
cheap: columns placed by event_time within the hour or the minute move by one hour with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.eastern import HOUR
from intake_cvpilot.tables.column import TIMESTAMP
from intake_cvpilot.tables.eastern import AMBIGUOUS

if TYPE_CHECKING:
    from intake_cvpilot.tables.column import Table

__all__ = ["STEP", "settle"]

STEP: Final = 30 * 60 * 1_000_000
"""A step back by more microseconds than these is a clock that went back, not a late line."""

Micros = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def settle(chunks: list[pa.Table], table: Table) -> list[pa.Table]:
    """Decide the pass of rows in a repeated hour where the order of lines tells it.

    Parameters
    ----------
    chunks : list of pyarrow.Table
        All rows of a block and role, as ``Sheet.convert`` gives them.
    table : Table
        Says which columns move with event_time.

    Returns
    -------
    list of pyarrow.Table
        The chunks themselves when no row is ambiguous.
    """
    if "time_basis" not in table.names or not any(map(_doubtful, chunks)):
        return chunks
    rows = pa.concat_tables(chunks).combine_chunks()
    where = np.flatnonzero(_ambiguous(rows))
    times = _integers(rows, "event_time")
    second, told = _passes(rows.take(pa.array(where)), times[where])
    later, settled = np.zeros(len(rows), np.int64), np.zeros(len(rows), bool)
    later[where[second]] = HOUR
    settled[where[told]] = True
    for name in ("event_time", *table.moving):
        cells = rows.column(name).combine_chunks()
        moved = pa.array(
            _integers(rows, name) + later, mask=pc.is_null(cells).to_numpy(zero_copy_only=False)
        )
        rows = _replaced(rows, name, moved.cast(TIMESTAMP))
    basis = pc.if_else(pa.array(settled), "generated", rows.column("time_basis"))
    return [_replaced(rows, "time_basis", basis)]


def _doubtful(chunk: pa.Table) -> bool:
    return bool(_ambiguous(chunk).any())


def _ambiguous(rows: pa.Table) -> Mask:
    return np.asarray(pc.equal(rows.column("time_basis"), AMBIGUOUS).to_numpy(), dtype=bool)


def _integers(rows: pa.Table, name: str) -> Micros:
    return np.asarray(pc.fill_null(rows.column(name).cast(pa.int64()), 0).to_numpy())


def _replaced(rows: pa.Table, name: str, cells: pa.Array) -> pa.Table:
    index = rows.schema.get_field_index(name)
    return rows.set_column(index, rows.schema.field(index), cells)


def _passes(rows: pa.Table, times: Micros) -> tuple[Mask, Mask]:
    """Which rows are of the second pass, and of which rows the order of lines tells the pass."""
    units = pc.fill_null(
        rows.column("rsu_id").combine_chunks().dictionary_encode().indices.cast(pa.int64()), -1
    ).to_numpy()
    keys = (times // HOUR, _integers(rows, "object_id"), units, _integers(rows, "line"))
    order = np.lexsort(keys[::-1])
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for key in keys[:3]:
        new[1:] |= np.diff(key[order]) != 0
    steps = np.diff(times[order], prepend=times[order[0]]) < -STEP
    steps &= ~new & (units[order] >= 0)
    # The place of the first step of each group; beyond the end where there is none.
    place = np.where(steps, np.arange(len(order)), len(order))
    first = np.minimum.reduceat(place, np.flatnonzero(new))[np.cumsum(new) - 1]
    second, told = np.zeros(len(order), dtype=bool), np.zeros(len(order), dtype=bool)
    second[order] = np.arange(len(order)) >= first
    told[order] = first < len(order)
    return second, told
