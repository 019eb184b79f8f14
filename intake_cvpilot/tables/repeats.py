"""Exact repeats: rows equal in all columns but those that logging adds.

Rows are sorted, so candidates stand together; only they are compared, by a 64-bit code of all their
columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from intake_cvpilot.tables.column import Table

__all__ = ["repeats"]

Codes = npt.NDArray[np.uint64]
_NULL_CODE: Final = np.uint64(0x9E3779B97F4A7C15)
_ROW_ID: Final = r'^\{":id":"[^"]*",?'
"""The data portal's own name of a row, which sorts first in ``extra``; repeats differ in it."""


def repeats(rows: pa.Table, table: Table) -> npt.NDArray[np.bool_]:
    """Which rows repeat another.

    Parameters
    ----------
    rows : pyarrow.Table
        Rows in the table's order.
    table : Table
        Says in which columns repeats agree, and in which they may differ.

    Returns
    -------
    numpy.ndarray of bool
        Of each set of repeats all but the least by (received_time, object_id, line) are True, and
        those of the same record as that one.
    """
    marked = np.zeros(len(rows), dtype=bool)
    if len(rows) < 2 or not table.same:
        return marked
    same = np.ones(len(rows) - 1, dtype=bool)
    for name in table.same:
        codes = _codes(_whole(rows.column(name)))
        same &= codes[1:] == codes[:-1]
    record = _records(rows)
    run = np.concatenate(([0], np.cumsum(~same)))
    # Rows of one record do not repeat each other: a run of equal rows has to hold several.
    several = np.zeros(run[-1] + 1, dtype=bool)
    several[run[1:][same & (record[1:] != record[:-1])]] = True
    candidates = np.flatnonzero(several[run])
    if len(candidates) == 0:
        return marked
    chosen = rows.take(pa.array(candidates))
    total = np.zeros(len(candidates), dtype=np.uint64)
    for number, column in enumerate(table.columns):
        if column.name not in table.own and column.name != "is_repeat":
            cells = _whole(chosen.column(column.name))
            if column.name == "extra":
                cells = pc.replace_substring_regex(cells, _ROW_ID, "")
            mixed = _mix(_codes(cells) + np.uint64(number))
            total = _mix(total * np.uint64(31) + mixed)
    keys = [total, *_precedence(chosen)]
    order = np.lexsort(keys[::-1])
    ordered = total[order]
    again = np.concatenate(([False], ordered[1:] == ordered[:-1]))
    kept = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
    record = record[candidates[order]]
    marked[candidates[order[again & (record != record[kept])]]] = True
    return marked


def _records(rows: pa.Table) -> npt.NDArray[np.int64]:
    """A number of the record that each row comes from; rows of a record stand together."""
    ids, lines = (rows.column(name).to_numpy() for name in ("object_id", "line"))
    new = (ids[1:] != ids[:-1]) | (lines[1:] != lines[:-1])
    return np.concatenate(([0], np.cumsum(new)))


def _precedence(rows: pa.Table) -> list[npt.NDArray[np.int64]]:
    """received_time (nulls last), object_id, line."""
    last = np.iinfo(np.int64).max
    found = []
    for name in ("received_time", "object_id", "line"):
        if name in rows.column_names:
            whole = _whole(rows.column(name)).cast(pa.int64())
            found.append(pc.fill_null(whole, last).to_numpy(zero_copy_only=False))
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _mix(codes: Codes) -> Codes:
    """The finaliser of splitmix64: every input bit reaches every output bit."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def _codes(array: pa.Array) -> Codes:
    """A code of each cell; equal cells of one array have equal codes."""
    kind = array.type
    valid = pc.is_valid(array).to_numpy(zero_copy_only=False)
    if pa.types.is_list(kind):
        codes = _list_codes(array)
    elif pa.types.is_map(kind):
        pairs = pa.StructArray.from_arrays([array.keys, array.items], names=["key", "value"])
        codes = _list_codes(pa.ListArray.from_arrays(array.offsets, pairs))
    elif pa.types.is_struct(kind):
        codes = np.zeros(len(array), dtype=np.uint64)
        for number, child in enumerate(array.flatten()):
            codes = _mix(codes * np.uint64(31) + _mix(_codes(child) + np.uint64(number)))
    elif pa.types.is_floating(kind):
        # -0.0 and 0.0 are the same value.
        values = pc.fill_null(array, 0.0).to_numpy(zero_copy_only=False) + 0.0
        codes = _mix(values.astype(np.float64).view(np.uint64))
    else:
        codes = _plain_codes(array)
    return np.where(valid, codes, _NULL_CODE)


def _plain_codes(array: pa.Array) -> Codes:
    if pa.types.is_dictionary(array.type):
        whole = array.indices
    elif pa.types.is_string(array.type):
        whole = array.dictionary_encode().indices
    else:
        whole = array
    values = pc.fill_null(whole.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return _mix(values.view(np.uint64) + np.uint64(1))


def _list_codes(array: pa.Array) -> Codes:
    items = _codes(array.flatten())
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    place = np.arange(len(items)) - np.repeat(starts[:-1], lengths)
    mixed = _mix(items + place.astype(np.uint64) * _NULL_CODE)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)))
    return _mix(sums[starts[1:]] - sums[starts[:-1]] + lengths.astype(np.uint64))
