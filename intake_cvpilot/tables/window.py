"""Which rows of a partition lie in its window, and how many records they make."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.tables.column import TIMESTAMP

__all__ = ["bounds", "count_records", "outside"]


def outside(rows: pa.Table, start: dt.datetime | None, end: dt.datetime | None) -> Any:
    """A mask of the rows outside [start, end), or None when all lie inside.

    Parameters
    ----------
    rows : pyarrow.Table
        A table without ``event_time`` has no window.
    start, end : datetime or None
        Aware UTC, half open; None: no bound.
    """
    if "event_time" not in rows.column_names or (start is None and end is None):
        return None
    times = rows.column("event_time").combine_chunks()
    away = np.zeros(len(rows), dtype=bool)
    if start is not None:
        away |= _numpy(pc.less(times, pa.scalar(start, TIMESTAMP)))
    if end is not None:
        away |= _numpy(pc.greater_equal(times, pa.scalar(end, TIMESTAMP)))
    return away if away.any() else None


def count_records(rows: pa.Table, away: Any) -> tuple[int, int]:
    """Records among the rows, and those of them that lie outside; rows of a record adjoin."""
    if "event_time" not in rows.column_names:
        # No window: all lie inside.  Objects may share a line, but an event is one row.
        return len(rows), 0
    ids = rows.column("object_id").to_numpy()
    lines = rows.column("line").to_numpy()
    first = np.concatenate(([True], (ids[1:] != ids[:-1]) | (lines[1:] != lines[:-1])))
    return int(first.sum()), 0 if away is None else int((first & away).sum())


def bounds(rows: pa.Table) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Least and greatest event_time, aware UTC."""
    if "event_time" not in rows.column_names:
        return None, None
    found = pc.min_max(rows.column("event_time")).as_py()
    return found["min"], found["max"]


def _numpy(mask: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.to_numpy(zero_copy_only=False))
