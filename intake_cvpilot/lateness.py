"""How late rows were received, as a histogram whose counts add up; pure.

A bucket is named by its least value in milliseconds and is a sixteenth of a power of two wide
(one millisecond below 32): whole numbers throughout, so equal rows give equal buckets everywhere.
A percentile is read as its bucket's middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intake_cvpilot.wording import amount

__all__ = ["ERROR", "PERCENTILES", "Lateness", "width"]

PERCENTILES = (50, 90, 99)
"""Percentiles that are told besides the greatest value."""

ERROR = 1 / 32
"""Bound of a percentile's relative error; below 32 ms of its absolute error, 0.5 ms."""

_BITS = 4


def width(least: int) -> int:
    """Give the width of the bucket that begins at a number of milliseconds, in milliseconds."""
    return 1 << max(least.bit_length() - 1 - _BITS, 0)


@dataclass(frozen=True, slots=True)
class Lateness:
    """Received minus event time, in seconds, by nearest rank; each within `ERROR` of the truth."""

    rows: int
    """Rows with a lateness of 0 or more: those that the percentiles are of."""
    p50: float | None
    """Half of the rows are no later; None without rows."""
    p90: float | None
    """90 % of the rows are no later."""
    p99: float | None
    """99 % of the rows are no later."""
    max: float | None
    """No row is later."""
    negative: int
    """Rows received before their event time: a clock was wrong."""
    unknown: int
    """Rows without a time of receipt, or whose event time is the receiver's own clock."""

    @classmethod
    def of(cls, figure: Mapping[str, Any]) -> Lateness:
        """Read percentiles from a histogram.

        Parameters
        ----------
        figure : mapping
            ``ms`` (count by least millisecond of the bucket, as text), ``negative``, ``unknown``.
        """
        buckets = sorted((int(least), count) for least, count in figure.get("ms", {}).items())
        total = sum(count for _, count in buckets)
        ranks = {percent: _ranked(buckets, -(-percent * total // 100)) for percent in PERCENTILES}
        return cls(
            rows=total,
            p50=ranks[50],
            p90=ranks[90],
            p99=ranks[99],
            max=_ranked(buckets, total),
            negative=figure.get("negative", 0),
            unknown=figure.get("unknown", 0),
        )

    def __str__(self) -> str:
        parts = [
            f"{name} {_span(value)}"
            for name in ("p50", "p90", "p99", "max")
            if (value := getattr(self, name)) is not None
        ]
        parts += [f"{amount(self.negative, 'row')} received before their event"] * bool(
            self.negative
        )
        parts += [f"{amount(self.unknown, 'row')} unknown"] * bool(self.unknown)
        return ", ".join(parts) or "no rows"


def _ranked(buckets: list[tuple[int, int]], rank: int) -> float | None:
    """Give the middle, in seconds, of the bucket that holds the value of a rank."""
    for least, count in buckets:
        rank -= count
        if rank <= 0:
            return (least + width(least) / 2) / 1000
    return None


def _span(seconds: float) -> str:
    """Show a span of time in the largest unit that it reaches."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s"
