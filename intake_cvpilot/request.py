"""What is wanted: a validated source, message type and range of instants; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from intake_cvpilot import sources
from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.instants import canonical_bound, first_instant, instant, read, zone
from intake_cvpilot.months import whole_months
from intake_cvpilot.partition import PERIODS, WEEKDAYS

__all__ = ["EARLIEST", "Request", "canonical_bound", "parse"]

#: The archive begins in 2017; a bound before this instant is a slip.
EARLIEST = datetime(2017, 1, 1, tzinfo=UTC)

_DAY = timedelta(days=1)
# The day that has begun in some zone is over everywhere a day later, and clocks may change.
_TODAY_ENDS_WITHIN = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted; two requests for the same rows are equal and hash equal."""

    source: str
    """Name of the source, in the archive's spelling."""
    message_type: str
    """Name of the message type, in the archive's spelling."""
    start: datetime
    """First instant of the range, aware UTC.  For nycdot the first instant of a month in New
    York, written in UTC."""
    end: datetime
    """First instant after the range, aware UTC: not included."""
    weekdays: tuple[str, ...] = ()
    """Only nycdot: weekday bins wanted, Monday first; empty for all."""
    periods: tuple[str, ...] = ()
    """Only nycdot: periods of the day wanted, the night first; empty for all."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What the caller should be warned of; no part of equality."""

    def canonical(self) -> dict[str, str]:
        """Write the request as plain text.

        Returns
        -------
        dict of str to str
            ``source``, ``message_type``, ``start`` and ``end`` (ISO 8601 in UTC), and where it
            narrows ``weekday`` and ``period`` (names with commas between):
            ``parse(**request.canonical()) == request``.
        """
        text = {
            "source": self.source,
            "message_type": self.message_type,
            "start": canonical_bound(self.start),
            "end": canonical_bound(self.end),
        }
        if self.weekdays:
            text["weekday"] = ",".join(self.weekdays)
        if self.periods:
            text["period"] = ",".join(self.periods)
        return text


def parse(
    source: str,
    message_type: str,
    start: Any,
    end: Any,
    *,
    timezone: str = "UTC",
    weekday: str | Iterable[str] | None = None,
    period: str | Iterable[str] | None = None,
    now: datetime | None = None,
) -> Request:
    """Validate what a caller asked for; no I/O but the library's own description of sources.

    Parameters
    ----------
    source : str
        wydot, wydot_backup, thea, nycdot or one of the data portal (wydot_portal...); any case.
    message_type : str
        BSM, TIM, SPAT or EVENT; any case.
    start, end : datetime.date, datetime.datetime, pandas.Timestamp, numpy.datetime64 or str
        A date (also text ``YYYY-MM-DD`` and datetime64[D]) is the whole day: as ``end`` it is
        included.  Anything else is an instant, midnight too, and the range is half-open,
        ``[start, end)``.  Forms mix.  For nycdot: whole months.
    timezone : str
        IANA zone of values without an offset.
    weekday, period : str or iterable of str, optional
        Only nycdot: which weekday bins (MON to SUN, NA) and periods of the day (NT, AM, MD, PM,
        EV, NA); any case; text may hold several with commas between.  None for all.
    now : datetime.datetime, optional
        The present, aware; the clock's by default.

    Returns
    -------
    Request
        With instants in UTC.

    Raises
    ------
    InvalidRequestError
        Naming everything that is wrong and what would be valid.

    Examples
    --------
    >>> parse("WYDOT", "bsm", "2019-02-06", "2019-02-06").canonical()["end"]
    '2019-02-07T00:00:00Z'
    """
    kind = sources.message_type(source, message_type)
    slips: list[str] = []

    def settled(name: str, read: Callable[[Any], Any], value: object) -> Any:
        try:
            return read(value)
        except InvalidRequestError as error:
            slips.append(f"{name}: {error}")

    asked = _Asked(
        source=sources.source(source).name,
        message_type=kind.name,
        start=settled("start", _bound, start),
        end=settled("end", _bound, end),
        timezone=settled("timezone", zone, timezone),
        weekday=settled("weekday", partial(_names, WEEKDAYS), weekday),
        period=settled("period", partial(_names, PERIODS), period),
    )
    if slips:
        raise InvalidRequestError("; ".join(slips))
    return _request(asked, now or datetime.now(UTC))


def _bound(value: object) -> date | datetime:
    if value is None:
        raise InvalidRequestError(
            'missing; e.g. start="2021-04-01", end="2021-04-07" (both included)'
        )
    return read(value)


def _names(known: tuple[str, ...], value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, Iterable) or isinstance(given, (bytes, bytearray)):
        raise InvalidRequestError(f"names of {', '.join(known)}, not {type(value).__name__}")
    names = {n.strip().upper() if isinstance(n, str) else repr(n)[:40] for n in given}
    odd = sorted(names.difference(known))
    if odd or not names:
        near = [name for name in known if len(name) > 1 and odd and odd[0].startswith(name)]
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise InvalidRequestError(
            f"{', '.join(map(repr, odd)) or 'nothing'} is not among {', '.join(known)}{meant}"
        )
    # All of them is the same as no narrowing, and must compare equal to it.
    return tuple(n for n in known if n in names) if len(names) < len(known) else ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call, each value settled by itself."""

    source: str
    message_type: str
    start: date | datetime
    end: date | datetime
    timezone: ZoneInfo
    weekday: tuple[str, ...]
    period: tuple[str, ...]


def _request(asked: _Asked, now: datetime) -> Request:
    owner = sources.source(asked.source)
    for name, bound in (("start", asked.start), ("end", asked.end)):
        _check_year(name, bound, now)
    if owner.bins == "weekday":
        start, end = whole_months(
            asked.start, asked.end, ZoneInfo(owner.clock), asked.timezone, now=now
        )
        return Request(owner.name, asked.message_type, start, end, asked.weekday, asked.period)
    for name, given in (("weekday", asked.weekday), ("period", asked.period)):
        if given:
            raise InvalidRequestError(f"{name} narrows nycdot only; {owner.name} has days")
    start, end = _instants(asked, now)
    if start >= end:
        raise InvalidRequestError(_order(asked, start, end))
    return Request(owner.name, asked.message_type, start, end, notes=_midnight(asked.end))


def _check_year(name: str, bound: date | datetime, now: datetime) -> None:
    """Refuse other centuries before anything is computed with them."""
    if bound.year < EARLIEST.year - 1:
        raise _too_early(name, bound)
    if bound.year > now.year + 1:
        raise InvalidRequestError(f"{name}: {bound} is in the future")


def _too_early(name: str, bound: date | datetime) -> InvalidRequestError:
    return InvalidRequestError(
        f"{name}: {bound} is before 2017-01-01 (UTC); the archive begins in 2017"
    )


def _is_date(bound: date | datetime) -> bool:
    return not isinstance(bound, datetime)


def _instants(asked: _Asked, now: datetime) -> tuple[datetime, datetime]:
    """Give the range as instants, within the years of the archive."""
    today = now.astimezone(asked.timezone).date()
    found = []
    for name, bound in (("start", asked.start), ("end", asked.end)):
        if isinstance(bound, datetime):
            moment = _named(name, instant, bound, asked.timezone)
            late = moment > (now if name == "start" else now + _TODAY_ENDS_WITHIN)
        else:
            moment = _named(name, first_instant, bound, asked.timezone)
            late = bound > today
        if moment < EARLIEST:
            raise _too_early(name, bound)
        if late:
            raise InvalidRequestError(
                f"{name}: {bound} is in the future; the last day is {today} "
                f"(today in {asked.timezone.key})"
            )
        found.append(moment)
    if _is_date(asked.end):
        found[1] = first_instant(asked.end + _DAY, asked.timezone)
    return found[0], found[1]


def _named(name: str, convert: Any, bound: date, where: ZoneInfo) -> datetime:
    try:
        moment: datetime = convert(bound, where)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{name}: {error}") from None
    return moment


def _order(asked: _Asked, start: datetime, end: datetime) -> str:
    text = f"start {asked.start} is not before end {asked.end}"
    if start > end or _is_date(asked.end):
        return f"{text}: are they swapped?"
    if start == end:
        text += (
            f"; an instant as end is not included: for that day give the date, "
            f'end="{asked.end:%Y-%m-%d}"'
        )
    return text


def _midnight(end: date | datetime) -> tuple[str, ...]:
    if not isinstance(end, datetime) or end.tzinfo or end.time() != datetime.min.time():
        return ()
    day = f"{end:%Y-%m-%d}"
    return (f'end is the instant {day} 00:00, so {day} is not included; end="{day}" includes it',)
