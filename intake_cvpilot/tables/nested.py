"""Columns of lists of objects, read as the columns of all their objects."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.tables.exact import Converted, each, one

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from intake_cvpilot.decode.readers import Reader, Structs

    Convert = Callable[[Reader, Any], Converted]

__all__ = ["flags", "structs"]


def structs(reader: Structs, values: Sequence[Any], convert: Convert) -> Converted:
    """Lists of objects: the objects of all rows read as one set of columns."""
    if isinstance(values, pa.Array):
        if pa.types.is_list(values.type) and pa.types.is_struct(values.type.value_type):
            return _of_arrow(reader, values, convert)
        values = values.to_pylist()
    done = Converted(pa.nulls(0))
    lists = [value if type(value) is list else [] for value in values]
    absent = [not items for items in lists]
    if any(absent):
        _odd_lists(values, lists, absent, done)
    flat = [item for items in lists for item in items]
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    ends = np.cumsum(lengths)

    def place(position: int) -> tuple[int, int]:
        row = int(np.searchsorted(ends, position, side="right"))
        return row, position - int(ends[row] - lengths[row])

    objects = flat if set(map(type, flat)) <= {dict} else _odd_items(flat, place, done)
    columns = []
    whole = _all_alike(reader, objects)
    for number, (name, key, inner) in enumerate(reader.fields):
        read = convert(inner, whole[number] if whole else [item.pop(key, None) for item in objects])
        columns.append((name, read.array))
        done.inner[name] = read.reasons
        for position, path, raw in read.odd:
            row, index = place(position)
            done.odd.append((row, (index, key, *path), raw))
    if not whole and any(objects):
        for position, item in enumerate(objects):
            for key, raw in item.items():
                row, index = place(position)
                done.odd.append((row, (index, key), raw))
    done.array = _lists(columns, ends, absent)
    return done


def _of_arrow(reader: Structs, lists: pa.Array, convert: Convert) -> Converted:
    """The same of lists that Arrow holds, whose objects have no key but the reader's."""
    done = Converted(pa.nulls(0))
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    items = pc.list_flatten(lists)
    inner = dict(zip((field.name for field in items.type), items.flatten(), strict=True))
    columns = []
    for name, key, field in reader.fields:
        read = convert(field, inner.get(key, pa.nulls(len(items))))
        columns.append((name, read.array))
        done.inner[name] = read.reasons
        if read.odd:
            rows = np.repeat(np.arange(len(lists)), lengths)
            done.odd += [(int(rows[at]), (0, key, *path), raw) for at, path, raw in read.odd]
    absent = lengths == 0
    if absent.any():
        done.reasons["missing"] = int(absent.sum())
    done.array = _lists(columns, np.cumsum(lengths), absent)
    return done


def flags(reader: Reader, objects: pa.Array, kind: pa.DataType) -> Converted:
    """Objects of flags that Arrow holds: each distinct one by the rule, once."""
    code = np.zeros(len(objects), dtype=np.int64)
    for inner in objects.flatten():
        whole = pc.fill_null(inner.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        code = code * 3 + whole + 1
    code = np.where(objects.is_valid().to_numpy(zero_copy_only=False), code, -1)
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    distinct = [
        value and {name: flag for name, flag in value.items() if flag is not None}
        for value in objects.take(pa.array(first)).to_pylist()
    ]
    read = each(reader, distinct, kind)
    done = Converted(read.array.take(pa.array(place)))
    counts = np.bincount(place, minlength=len(distinct))
    for at, value in enumerate(distinct):
        alone = Converted(pa.nulls(0))
        one(reader, at, value, alone)
        for reason in alone.reasons:
            done.reasons[reason] += int(counts[at])
        if alone.odd:
            done.odd += [(int(row), (), value) for row in np.flatnonzero(place == at)]
    return done


def _lists(columns: list[tuple[str, pa.Array]], ends: Any, absent: Any) -> pa.Array:
    struct = pa.StructArray.from_arrays(
        [array for _, array in columns], fields=[pa.field(n, a.type) for n, a in columns]
    )
    offsets = pa.array(np.concatenate(([0], ends)).astype(np.int32))
    mask = pa.array(absent, type=pa.bool_()) if any(absent) else None
    return pa.ListArray.from_arrays(offsets, struct, mask=mask)


def _all_alike(reader: Structs, objects: list[dict[str, Any]]) -> list[tuple[Any, ...]] | None:
    """The columns of objects that all have the reader's keys and no other; None if some differ."""
    keys = [key for _, key, _ in reader.fields]
    if len(keys) < 2 or set(map(len, objects)) != {len(keys)}:
        return None
    try:
        return list(zip(*map(itemgetter(*keys), objects), strict=True))
    except KeyError:
        return None


def _odd_lists(
    values: Sequence[Any], lists: list[list[Any]], absent: list[bool], done: Converted
) -> None:
    """Rows without a list: a lone object is a list of one, anything else null."""
    for row, value in enumerate(values):
        if not absent[row]:
            continue
        if type(value) is dict and value:
            lists[row], absent[row] = [value], False
        elif says_nothing(value):
            done.reasons["missing"] += 1
        else:
            done.reasons["unreadable"] += 1
            done.odd.append((row, (), value))


def _odd_items(
    flat: list[Any], place: Callable[[int], tuple[int, int]], done: Converted
) -> list[dict[str, Any]]:
    """The items with those that are no objects replaced by empty ones."""
    for position, item in enumerate(flat):
        if type(item) is not dict and not says_nothing(item):
            row, index = place(position)
            done.odd.append((row, (index,), item))
    return [item if type(item) is dict else {} for item in flat]
