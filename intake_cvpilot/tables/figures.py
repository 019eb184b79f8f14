"""What a block's finished rows tell of their quality, as counts that add up over blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Figures", "Measuring"]

_BITS: Final = 4
_UNTIMED: Final = ("received", "folder")


@dataclass(frozen=True)
class Figures:
    """Figures of the rows inside the window; where a message type has tables, of each or the first.

    Every number is a count, so the figures of a partition are the sums over its blocks.
    """

    repeats: Mapping[str, int] = field(default_factory=dict)
    """Rows that repeat another of their block, by table."""
    lateness: Mapping[str, Any] = field(default_factory=dict)
    """Rows of the first table by received minus event time: ``ms`` (see
    `intake_cvpilot.lateness`), ``negative``, ``unknown``; nothing where rows have no time."""
    hours: Mapping[str, int] = field(default_factory=dict)
    """Rows of the first table by UTC hour of their event time (``2021-04-01T05``); where they have
    none, by period of the day (``AM``)."""


class Measuring:
    """The figures of a block, part by part, so that no rows have to be held for them.

    Parameters
    ----------
    first : str
        The message type's first table.
    """

    def __init__(self, first: str) -> None:
        self.first = first
        self._repeats: dict[str, int] = {}
        self._lateness: dict[str, Any] = {}
        self._hours: dict[str, int] = {}

    def add(self, role: str, rows: pa.Table) -> None:
        """Take a part's finished rows; those outside the window are left out."""
        if role.endswith(".outside"):
            return
        if "is_repeat" in rows.column_names:
            self._repeats[role] = pc.sum(rows.column("is_repeat")).as_py() or 0
        if role == self.first:
            self._lateness, self._hours = _lateness(rows), _hours(rows)

    def done(self) -> Figures:
        """Give the figures."""
        return Figures(self._repeats, self._lateness, self._hours)


def _lateness(rows: pa.Table) -> dict[str, Any]:
    if not {"event_time", "received_time", "time_basis"} <= set(rows.column_names):
        return {}
    basis = rows.column("time_basis").cast(pa.string())
    # An event time that was read from the time of receipt says nothing about the way between.
    timed = pc.invert(pc.is_in(basis, pa.array(_UNTIMED)))
    known = _numpy(pc.and_(timed, pc.is_valid(rows.column("received_time"))))
    late = _micros(rows.column("received_time"))[known] - _micros(rows.column("event_time"))[known]
    least, counts = np.unique(_buckets(late[late >= 0] // 1000), return_counts=True)
    return {
        "ms": {str(ms): int(count) for ms, count in zip(least, counts, strict=True)},
        "negative": int((late < 0).sum()),
        "unknown": len(rows) - int(known.sum()),
    }


def _buckets(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Keep the first five bits of each number: the least value of its bucket."""
    rest = values.copy()
    shift = np.zeros(len(values), dtype=np.int64)
    # By halves, as bit_length has no counterpart in NumPy and floats round at the edges.
    for step in (32, 16, 8, 4, 2, 1):
        long = rest >> (step + _BITS) > 0
        shift += np.where(long, step, 0)
        rest = np.where(long, rest >> step, rest)
    return (values >> shift) << shift


def _hours(rows: pa.Table) -> dict[str, int]:
    if "event_time" in rows.column_names:
        hours, counts = np.unique(
            _micros(rows.column("event_time")) // 3_600_000_000, return_counts=True
        )
        texts = np.datetime_as_string(hours.astype("datetime64[h]"), unit="h")
        return {str(text): int(count) for text, count in zip(texts, counts, strict=True)}
    if "period" in rows.column_names:
        # As a request for periods has it: rows without one are NA.
        periods = pc.value_counts(pc.fill_null(rows.column("period").cast(pa.string()), "NA"))
        pairs = ((pair["values"], pair["counts"]) for pair in periods.to_pylist())
        return dict(sorted(pairs))
    return {}


def _micros(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    whole = pc.fill_null(column.cast(pa.int64()), 0)
    return np.asarray(whole.to_numpy(), dtype=np.int64)


def _numpy(mask: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.to_numpy(), dtype=bool)
