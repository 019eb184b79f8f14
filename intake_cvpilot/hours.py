"""Which hours hold rows: what a folder covers, and a calendar that tells a gap from the unknown.

Pure.  Hours are UTC for every source; nycdot has months, weekdays and periods of the day instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from intake_cvpilot.partition import PERIODS, Partition

if TYPE_CHECKING:
    from intake_cvpilot.request import Request

__all__ = ["LEGEND", "MARKS", "Cell", "Line", "Seen", "calendar", "expected", "text"]

Cell = Literal["rows", "gap", "no_data", "not_fetched", "damaged"]
"""What is known of an hour."""

MARKS: Mapping[Cell, str] = {
    "rows": "#",
    "gap": ".",
    "no_data": "o",
    "not_fetched": "?",
    "damaged": "!",
}
"""The mark of each cell in a calendar."""

LEGEND = (
    "#  rows         .  fetched, no rows: a gap",
    "?  not fetched  o  the archive has nothing for the folder",
    "!  damaged      blank: not asked for, or not to be expected",
)
"""What the marks mean."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cache knows of a partition's hours."""

    partition: Partition
    """The partition."""
    empty: Cell
    """What an hour without rows is."""
    hours: Mapping[str, int]
    """Rows by hour (nycdot: period), those of the spill included."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the calendar."""

    label: str
    """The UTC day, or month and weekday."""
    cells: Mapping[str, Cell]
    """By hour (``00`` to ``23``) or period; those that were not asked for are left out."""


def expected(partition: Partition) -> tuple[str, ...]:
    """Give the UTC hours that a partition's folder covers, e.g. ``2021-04-01T05``.

    For nycdot the periods of the day; the weekday bin NA promises none.
    """
    if partition.start is None:
        return () if partition.key.endswith("/NA") else tuple(p for p in PERIODS if p != "NA")
    return tuple(f"{hour:%Y-%m-%dT%H}" for hour in _hours(partition.start, partition.ends))


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour < end:
        yield hour
        hour += _HOUR


def calendar(request: Request, seen: Sequence[Seen]) -> tuple[Line, ...]:
    """Give a calendar of a request's range.

    Parameters
    ----------
    request : Request
        The range: hours outside it are left out.
    seen : sequence of Seen
        Every partition of the request, in order.

    Returns
    -------
    tuple of Line
        A line a UTC day, in order; for nycdot a line a month and weekday.  An hour of a partition
        that is not fetched is not_fetched even when a neighbour's spill has rows in it.
    """
    if any(one.partition.start is None for one in seen):
        return tuple(_bins(one, request.periods or PERIODS) for one in seen)
    rows: Counter[str] = Counter()
    for one in seen:
        rows.update(one.hours)
    days: dict[str, dict[str, Cell]] = {}
    for one in seen:
        for hour in expected(one.partition):
            begin = datetime.fromisoformat(f"{hour}:00+00:00")
            if begin < request.end and begin + _HOUR > request.start:
                day, _, number = hour.partition("T")
                days.setdefault(day, {})[number] = _cell(one, rows[hour])
    return tuple(Line(day, dict(sorted(cells.items()))) for day, cells in sorted(days.items()))


def _bins(one: Seen, periods: Sequence[str]) -> Line:
    year, month, weekday = one.partition.key.split("/")[2:]
    cells = {period: _cell(one, one.hours.get(period, 0)) for period in periods}
    promised = expected(one.partition)
    return Line(
        f"{year}-{month} {weekday}",
        # Where nothing is promised, nothing is no gap: events without a period are in NA.
        {p: cell for p, cell in cells.items() if cell != "gap" or p in promised},
    )


def _cell(one: Seen, rows: int) -> Cell:
    known = one.empty in ("gap", "no_data")
    return "rows" if rows and known else one.empty


def text(lines: Sequence[Line]) -> str:
    """Write a calendar: a line a day, a column an hour (nycdot: a period), and the legend."""
    if any(name in PERIODS for line in lines for name in line.cells):
        shown = [("", "  ".join(PERIODS))]
        shown += [(line.label, "   ".join(_marks(line, PERIODS))) for line in lines]
    else:
        hours = [f"{hour:02}" for hour in range(24)]
        shown = [("UTC", "00     06     12     18")]
        for line in lines:
            marks = "".join(_marks(line, hours))
            shown.append((line.label, " ".join(marks[n : n + 6] for n in range(0, 24, 6))))
    shown += [("", words) for words in LEGEND]
    return "\n".join(f"{label:<11} {marks}".rstrip() for label, marks in shown)


def _marks(line: Line, names: Sequence[str]) -> list[str]:
    return [MARKS[line.cells[name]] if name in line.cells else " " for name in names]
