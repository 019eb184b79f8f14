"""Ranges of whole months, for sources whose folders have no days; pure."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.instants import first_instant, instant

__all__ = ["next_month", "whole_months"]

_FIRST = date(2017, 1, 1)
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)


def next_month(day: date) -> date:
    """Give the first day of the month after a day's."""
    return day.replace(day=1) + calendar.monthrange(day.year, day.month)[1] * _DAY


def whole_months(
    start: date | datetime, end: date | datetime, clock: ZoneInfo, zone: ZoneInfo, *, now: datetime
) -> tuple[datetime, datetime]:
    """Give the instants of a range of whole months.

    Parameters
    ----------
    start, end : datetime.date or datetime.datetime
        Dates are the first and the last day of a month, both included.  Instants are those at
        which a month begins, ``end`` not included.
    clock : zoneinfo.ZoneInfo
        The zone of the source's months.
    zone : zoneinfo.ZoneInfo
        The zone of naive instants; an instant may be a month's beginning here or on the clock.
    now : datetime.datetime
        The present, aware.

    Returns
    -------
    tuple of datetime.datetime
        First instant of the first month and of the month after the last on the clock, aware UTC.

    Raises
    ------
    InvalidRequestError
        The range is not whole months (the message names the one around it), or months that have
        not begun or are before 2017.
    """
    first = _month_at(start, clock, zone)
    after = _month_at(end + _DAY if _is_date(end) else end, clock, zone)
    if first is None or after is None or first >= after:
        low, high = _day(start, zone), _day(end, zone, before=True)
        if _day(end, zone) < low:
            raise InvalidRequestError(f"start {start} is not before end {end}: are they swapped?")
        raise InvalidRequestError(
            "the source has no days, so a range is whole months; the one around yours is "
            f'start="{low.replace(day=1)}", end="{next_month(max(low, high)) - _DAY}"'
        )
    if first < _FIRST:
        raise InvalidRequestError(f"start: {first} is before 2017; the archive begins in 2017")
    this = now.astimezone(clock).date().replace(day=1)
    if after > next_month(this):
        raise InvalidRequestError(
            "end: the range reaches into the future; the last month is the present one, "
            f'end="{next_month(this) - _DAY}"'
        )
    return first_instant(first, clock), first_instant(after, clock)


def _is_date(bound: date | datetime) -> bool:
    return not isinstance(bound, datetime)


def _month_at(bound: date | datetime, clock: ZoneInfo, zone: ZoneInfo) -> date | None:
    """Give the first day of the month that begins at a bound, or None when none does."""
    if not isinstance(bound, datetime):
        return bound if bound.day == 1 else None
    moment = instant(bound, zone)
    for where in (clock, zone):
        day = moment.astimezone(where).date()
        if day.day == 1 and first_instant(day, where) == moment:
            return day
    return None


def _day(bound: date | datetime, zone: ZoneInfo, *, before: bool = False) -> date:
    """Give the day of a bound in the caller's zone, or the one that ends at an instant."""
    if not isinstance(bound, datetime):
        return bound
    return (instant(bound, zone) - before * _TICK).astimezone(zone).date()
