"""THEA's clock: stamps on the wall of America/New_York, read as UTC.

Stamps such as ``2019-01-14 00:20:30.046 [ET]`` name no offset, and folders repeat them.  A stamp
without any zone is Eastern too.  One with an offset, or marked ``[EST]`` or ``[EDT]``, says all.

Two hours of the year are special.  The *repeated* hour of autumn (01:00 to 02:00 on the day the
clocks go back) occurs twice: a stamp alone is read as the first pass (daylight time), and
``tables.repeated`` settles what the records around it tell.  The *skipped* hour of spring (02:00 to
03:00) does not exist: a clock that shows it has not been put forward yet, so it is read with the
offset from before the change (02:30 is 07:30 UTC, as 03:30 daylight time is), and counted as
``skipped_hour``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Odd, Stamp, instant
from intake_cvpilot.decode.stamps import EPOCH, Moment, folder_time, parse

__all__ = ["HOUR", "EasternStamp", "Passes", "folder_eastern", "is_repeated", "passes", "repeats"]

HOUR: Final = 3_600_000_000
"""Microseconds of an hour."""
_ZONE: Final = ZoneInfo("America/New_York")
_NAMES: Final = frozenset({"", "ET", "America/New_York", "US/Eastern"})
_FIXED: Final = {"EST": -5 * HOUR, "EDT": -4 * HOUR}
_MICROSECOND: Final = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Passes:
    """What an hour of the Eastern wall is in UTC."""

    first: int
    """Microseconds to subtract from the wall for UTC; in the repeated hour, its first pass."""
    second: int
    """The same for the second pass; equal to ``first`` in ordinary hours."""

    @property
    def repeated(self) -> bool:
        """Whether the hour occurs twice."""
        return self.second < self.first

    @property
    def skipped(self) -> bool:
        """Whether the hour does not exist."""
        return self.second > self.first


@lru_cache(maxsize=4096)
def passes(hour: int) -> Passes:
    """The offsets of a wall hour.

    Parameters
    ----------
    hour : int
        Whole hours since 1970-01-01T00:00 on the wall.

    Returns
    -------
    Passes
        Standard time beyond the years 1 to 9999.
    """
    try:
        wall = EPOCH + dt.timedelta(hours=hour)
    except OverflowError:
        return Passes(-5 * HOUR, -5 * HOUR)
    found = (_ZONE.utcoffset(wall.replace(tzinfo=_ZONE, fold=fold)) for fold in (0, 1))
    return Passes(*((offset or dt.timedelta()) // _MICROSECOND for offset in found))


@lru_cache(maxsize=4096)
def is_repeated(hour: int) -> bool:
    """Whether an hour of UTC is the first pass of a repeated hour.

    Parameters
    ----------
    hour : int
        Whole hours since 1970-01-01T00:00 UTC.
    """
    offset = -4
    found = passes(hour + offset)
    return found.repeated and found.first == offset * HOUR


def repeats(raw: Any) -> bool:
    """Whether a raw stamp lies in a repeated hour and does not say which pass it means."""
    moment = parse(raw) if type(raw) is str else None
    return moment is not None and _is_wall(moment) and passes(moment.wall // HOUR).repeated


def _is_wall(moment: Moment) -> bool:
    return moment.offset is None and moment.zone in _NAMES


@dataclass(frozen=True)
class EasternStamp(Stamp):
    """A THEA stamp, as microseconds since 1970 UTC; the repeated hour as its first pass."""

    def noted(self, raw: Any) -> tuple[int, tuple[str, ...]]:
        """The instant and what was odd about it."""
        if says_nothing(raw):
            raise Odd("missing")
        moment = parse(raw) if type(raw) is str else None
        if moment is None:
            raise Odd("unreadable")
        if moment.offset is not None:
            return instant(moment.wall - moment.offset), moment.notes
        if moment.zone in _FIXED:
            return instant(moment.wall - _FIXED[moment.zone]), moment.notes
        if moment.zone not in _NAMES:
            raise Odd("unreadable")
        found = passes(moment.wall // HOUR)
        odd = ("skipped_hour",) if found.skipped else ("repeated_hour",) if found.repeated else ()
        return instant(moment.wall - found.first), moment.notes + odd


def folder_eastern(key: str) -> int:
    """The folder's first instant where folders are cut on the Eastern wall; 1970 without a date.

    Parameters
    ----------
    key : str
        The archive's key; the repeated hour's folder begins with its first pass.

    Returns
    -------
    int
        Microseconds since 1970 UTC.
    """
    wall = folder_time(key)
    return 0 if wall is None else wall - passes(wall // HOUR).first
