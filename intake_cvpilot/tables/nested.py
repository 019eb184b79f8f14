"""Columns of lists of objects, read as the columns of all their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from intake_cvpilot.decode.leftover import says_nothing
from intake_cvpilot.tables.exact import Converted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from intake_cvpilot.decode.readers import Reader, Structs

__all__ = ["structs"]


def structs(
    reader: Structs, values: Sequence[Any], convert: Callable[[Reader, Sequence[Any]], Converted]
) -> Converted:
    """Lists of objects: the objects of all rows read as one set of columns."""
    done = Converted(pa.nulls(0))
    lists: list[list[Any]] = []
    absent: list[bool] = []
    for row, value in enumerate(values):
        if type(value) is dict and value:
            value = [value]
        good = type(value) is list and bool(value)
        absent.append(not good)
        lists.append(value if good else [])
        if not good:
            nothing = says_nothing(value)
            done.reasons["missing" if nothing else "unreadable"] += 1
            if not nothing:
                done.odd.append((row, (), value))
    flat = [item for items in lists for item in items]
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    ends = np.cumsum(lengths)
    offsets = np.concatenate(([0], ends)).astype(np.int32)

    def place(position: int) -> tuple[int, int]:
        row = int(np.searchsorted(ends, position, side="right"))
        return row, position - int(offsets[row])

    if set(map(type, flat)) <= {dict}:
        objects = flat
    else:
        objects = [item if type(item) is dict else {} for item in flat]
        for position, item in enumerate(flat):
            if type(item) is not dict and not says_nothing(item):
                row, index = place(position)
                done.reasons["unreadable"] += 0
                done.odd.append((row, (index,), item))
    columns = []
    for name, key, inner in reader.fields:
        read = convert(inner, [item.pop(key, None) for item in objects])
        columns.append((name, read.array))
        for position, path, raw in read.odd:
            row, index = place(position)
            done.odd.append((row, (index, key, *path), raw))
        done.notes.update(
            {f"{name}_{why}": n for why, n in read.reasons.items() if why != "missing"}
        )
    if any(objects):
        for position, item in enumerate(objects):
            if item:
                row, index = place(position)
                done.odd.extend((row, (index, key), raw) for key, raw in item.items())
    struct = pa.StructArray.from_arrays(
        [array for _, array in columns], fields=[pa.field(n, a.type) for n, a in columns]
    )
    mask = pa.array(absent, type=pa.bool_()) if any(absent) else None
    done.array = pa.ListArray.from_arrays(pa.array(offsets), struct, mask=mask)
    return done
