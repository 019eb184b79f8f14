"""Time stamps as the archive writes them, read leniently and exactly, as whole microseconds.

The forms are ``2020-02-01T00:49:46.295Z``, ``2017-12-05T16:33:58Z[UTC]``, any number of fraction
digits, unpadded parts (``T14:58:9.938Z``).  Second 60 is the next minute's start, 24:00 the next
day's, digits beyond the sixth are cut; each is noted, so that it is counted.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["EPOCH", "Moment", "folder_time", "folder_utc", "micros", "parse"]

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_STAMP: Final = re.compile(
    r"\s*(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ]\s*(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[.,](\d+))?)?)?)?"
    r"\s*(Z|z|[+-]\d{2}:?\d{2}|[+-]\d{2})?\s*(\[[A-Za-z_/+-]*\])?\s*",
    re.ASCII,
)
_CANONICAL: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", re.ASCII)
_UTC_NAMES: Final = frozenset({"[UTC]", "[GMT]", "[Z]"})


@dataclass(frozen=True, slots=True)
class Moment:
    """A stamp that was read."""

    wall: int
    """Microseconds since 1970-01-01T00:00 on the clock that the stamp names."""
    offset: int | None
    """Microseconds to subtract from ``wall`` for UTC, or None where the stamp has no offset."""
    zone: str
    """The bracketed zone name without its brackets, e.g. ``UTC`` or ``ET``; empty if none."""
    notes: tuple[str, ...]
    """What was odd: ``second_60``, ``hour_24``, ``fraction_cut``, ``unpadded``."""


def micros(moment: dt.datetime) -> int:
    """Microseconds since 1970 UTC of a datetime, a naive one taken as UTC; exact."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def parse(text: str) -> Moment | None:
    """Read one stamp.

    Parameters
    ----------
    text : str
        ISO 8601 with a date, and the looser forms above.

    Returns
    -------
    Moment or None
        None where the text is no stamp, or names a day that does not exist.
    """
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone, name = found.groups()
    notes = []
    if not _CANONICAL.match(text):
        notes.append("unpadded")
    if fraction and len(fraction) > 6:
        notes.append("fraction_cut")
    h, m, s = int(hour or 0), int(minute or 0), int(second or 0)
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    if s == 60:
        notes.append("second_60")
        micro = 0
    if h == 24:
        if m or s or micro:
            return None
        notes.append("hour_24")
    if h > 24 or m > 59 or s > 60:
        return None
    try:
        date = dt.datetime(int(year), int(month), int(day), tzinfo=dt.UTC)
    except ValueError:
        return None
    wall = micros(date) + ((h * 60 + m) * 60 + s) * 1_000_000 + micro
    offset = _offset(zone)
    bracket = (name or "")[1:-1]
    if offset is None and name in _UTC_NAMES:
        offset = 0
    return Moment(wall, offset, bracket, tuple(notes))


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (minutes if zone[0] == "+" else -minutes) * 60_000_000


def folder_utc(key: str) -> int:
    """The folder's first instant where folders are cut in UTC; 1970 for a key without a date."""
    return folder_time(key) or 0


def folder_time(key: str) -> int | None:
    """First instant of a key's folder hour, read as UTC.

    Parameters
    ----------
    key : str
        ``{source}/{TYPE}/{year}/{month}/{day}/{hour}/...``; a key without an hour gives the day.

    Returns
    -------
    int or None
        Microseconds since 1970 on the folder's own clock; None where the key holds no date.
    """
    parts = key.split("/")
    try:
        day = dt.datetime(int(parts[2]), int(parts[3]), int(parts[4]), tzinfo=dt.UTC)
    except (IndexError, ValueError):
        return None
    hour = parts[5] if len(parts) > 6 else ""
    within = int(hour) if re.fullmatch(r"[01][0-9]|2[0-3]", hour) else 0
    return micros(day) + within * 3_600_000_000
