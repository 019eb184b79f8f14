"""What a caller wrote for a bound of a range: a date, a wall time, or an instant; pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.sources import suggestion

__all__ = ["FORMS", "canonical_bound", "first_instant", "instant", "read", "zone"]

#: What a bound may be, for messages.
FORMS = 'a date ("2021-04-01", the whole day) or an instant ("2021-04-01T08:00", with Z or -06:00)'

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,9}))?(Z|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
_MICROSECOND = timedelta(microseconds=1)


def read(value: object) -> date | datetime:
    """Read a bound as it was written.

    Parameters
    ----------
    value : datetime.date, datetime.datetime, pandas.Timestamp, numpy.datetime64 or str
        Text is ``YYYY-MM-DD``, or that with ``T`` or a space, hours, minutes and, if wanted,
        seconds, up to nine fraction digits and an offset.

    Returns
    -------
    datetime.date or datetime.datetime
        A date, or a time with or without offset.  Nanoseconds are rounded up to the microsecond,
        the resolution of every event time: no row changes sides.

    Raises
    ------
    InvalidRequestError
        It is none of these, or not a real date or time.
    """
    if type(value).__module__ == "numpy" and type(value).__name__ == "datetime64":
        return _from_numpy(value)
    if isinstance(value, str):
        return _from_text(value)
    # NaT is a datetime that differs from itself.
    if isinstance(value, date) and value == value:  # noqa: PLR0124
        if not isinstance(value, datetime):
            return value
        # Plain from here on: a pandas.Timestamp warns when nanoseconds are dropped.
        plain = datetime(  # noqa: DTZ001 - tzinfo is there, by position
            *(value.year, value.month, value.day, value.hour, value.minute, value.second),
            value.microsecond,
            value.tzinfo,
            fold=value.fold,
        )
        return _up(plain, bool(getattr(value, "nanosecond", 0)))
    raise InvalidRequestError(f"{_written(value)} is not a time; give {FORMS}")


def _from_text(text: str) -> date | datetime:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if match := _INSTANT.fullmatch(text):
            day, minute, second, fraction, offset = match.groups(default="")
            digits = fraction.ljust(9, "0")
            moment = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}.{digits[:6]}{offset}")
            if second or not fraction:
                return _up(moment, digits[6:] != "000")
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError(f"{_written(text)} is not a time: {error}") from None
    raise InvalidRequestError(f"{_written(text)} is not a time; give {FORMS}")


def _from_numpy(value: object) -> date | datetime:
    text = str(value)
    unit = re.sub(r"[^\[]*\[\d*(\w+)\].*", r"\1", str(getattr(value, "dtype", "")))
    if text == "NaT" or unit in ("Y", "M", "W"):
        raise InvalidRequestError(
            f"{text} (datetime64[{unit}]) is not a day or an instant; give {FORMS}"
        )
    # Hours are written without minutes; units finer than nanoseconds with more digits.
    text = f"{text}:00" if unit == "h" else text
    head, dot, fraction = text.partition(".")
    if any(fraction[9:].strip("0")):
        fraction = fraction[:8] + "9"  # below the microsecond only "more than nothing" counts
    return _from_text(head + dot + fraction[:9])


def _up(moment: datetime, rest: bool) -> datetime:  # noqa: FBT001 - private, two callers
    try:
        return moment + _MICROSECOND if rest else moment
    except OverflowError:
        raise InvalidRequestError(f"{moment} is out of range") from None


def _written(value: object) -> str:
    if value is None or isinstance(value, (str, bool, int, float)):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return "NaT" if value != value else f"a value of type {type(value).__name__}"  # noqa: PLR0124


@cache
def _zones() -> frozenset[str]:
    # "localtime" is another zone on each machine.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def zone(name: object) -> ZoneInfo:
    """Give a time zone.

    Parameters
    ----------
    name : str
        An IANA name, e.g. ``America/Denver``.

    Returns
    -------
    zoneinfo.ZoneInfo
        The same on every machine: names with a local meaning are refused.

    Raises
    ------
    InvalidRequestError
        There is no such zone.
    """
    if not isinstance(name, str):
        raise InvalidRequestError(
            f"not the name of an IANA zone such as America/Denver but {type(name).__name__}"
        )
    if name == "UTC":
        return ZoneInfo("UTC")
    if name not in _zones():
        raise InvalidRequestError(
            f"there is no time zone {_written(name)}{suggestion(name, _zones())}; "
            "give an IANA name such as UTC or America/Denver"
        )
    return ZoneInfo(name)


def instant(moment: datetime, where: ZoneInfo) -> datetime:
    """Give the instant of a time; one without an offset is wall time of a zone.

    Parameters
    ----------
    moment : datetime.datetime
        With an offset, or wall time.
    where : zoneinfo.ZoneInfo
        The zone of wall time.

    Returns
    -------
    datetime.datetime
        Aware UTC.

    Raises
    ------
    InvalidRequestError
        A wall time that does not exist or occurs twice; the message shows the forms that say
        which instant is meant.
    """
    try:
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC)
        first, second = (moment.replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        raise InvalidRequestError(f"{moment.isoformat()} is out of range") from None
    if first == second:
        return first
    real = first.astimezone(where).replace(tzinfo=None) == moment.replace(tzinfo=None)
    forms = " or ".join(moment.replace(tzinfo=where, fold=fold).isoformat() for fold in (0, 1))
    raise InvalidRequestError(
        f"{moment.isoformat()} {'occurs twice' if real else 'does not exist'} in {where.key} "
        f"(the clocks change); give it with an offset: {forms}"
    )


@lru_cache(maxsize=8192)
def first_instant(day: date, where: ZoneInfo) -> datetime:
    """Give the first instant of a day in a zone: not always midnight, and midnight can be twice.

    Parameters
    ----------
    day : datetime.date
        The day.
    where : zoneinfo.ZoneInfo
        The zone.

    Returns
    -------
    datetime.datetime
        Aware UTC.

    Raises
    ------
    InvalidRequestError
        The day is beyond what a datetime can hold.
    """
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - wall time
    try:
        early, late = sorted(
            midnight.replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1)
        )
    except OverflowError:
        raise InvalidRequestError(f"{day} is out of range") from None
    if early.astimezone(where).date() == day:
        return early
    # Midnight was skipped: the day begins when the clocks change, between the two readings.
    low, high = 0, int((late - early).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        reached = (early + timedelta(seconds=middle)).astimezone(where).date() >= day
        low, high = (low, middle) if reached else (middle, high)
    return early + timedelta(seconds=high)


def canonical_bound(moment: datetime) -> str:
    """Write an aware UTC instant so that reading it gives the same instant.

    Parameters
    ----------
    moment : datetime.datetime
        Aware UTC.

    Returns
    -------
    str
        ``2019-02-06T00:00:00Z``, with six fraction digits where there is a fraction.
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
