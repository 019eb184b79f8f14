"""From a request to partition keys and windows, and from a listing to blocks; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.instants import first_instant
from intake_cvpilot.months import next_month
from intake_cvpilot.sources import Source, message_type, source

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Unit
    from intake_cvpilot.request import Request

__all__ = [
    "PERIODS",
    "TARGET",
    "WEEKDAYS",
    "Block",
    "Partition",
    "blocks",
    "partition",
    "partitions",
]

#: The weekday bins of nycdot, as its folders spell them; NA holds events without a weekday.
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", "NA")
#: The periods of the day of nycdot (0-6, 6-10, 10-15, 15-20, 20-24 h, none) on New York time.
PERIODS = ("NT", "AM", "MD", "PM", "EV", "NA")
#: Listed bytes at which a block is full.
TARGET = 128 * 2**20

_KEY = re.compile(r"([a-z_]+)/([A-Z]+)/(\d{4})/(\d{2})/(\d{2}|[A-Z]{2,3})", re.ASCII)
_FIRST = date(2017, 1, 1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A folder of the archive that is listed, fetched and kept as one."""

    key: str
    """The first five components of the archive's keys, e.g. ``wydot/BSM/2019/02/06``."""
    start: datetime | None
    """First instant of its window, aware UTC; None for nycdot, which has no days."""
    end: datetime | None
    """First instant after its window, aware UTC: the end of its folder day plus the spill."""
    ends: datetime
    """Aware UTC: when its folder's time is over (nycdot: the month's end on New York time)."""

    @property
    def prefix(self) -> str:
        """The key with a trailing slash: ``wydot/`` is no prefix of ``wydot_backup``."""
        return f"{self.key}/"

    @property
    def source(self) -> str:
        """Name of its source."""
        return self.key.split("/")[0]

    @property
    def message_type(self) -> str:
        """Name of its message type."""
        return self.key.split("/")[1]


def partitions(request: Request) -> tuple[Partition, ...]:
    """Give every partition whose window meets a request's range.

    Parameters
    ----------
    request : Request
        A validated request.

    Returns
    -------
    tuple of Partition
        In the order of time; weekday bins of a month Monday first.  Neighbours' windows overlap
        by the source's spill: a partition is in the plan for its spill alone, too.
    """
    owner = source(request.source)
    clock = ZoneInfo(owner.clock)
    root = f"{owner.name}/{request.message_type}"
    if owner.bins == "weekday":
        chosen = request.weekdays or WEEKDAYS
        return tuple(
            _bin(f"{root}/{month:%Y/%m}/{weekday}", month, clock)
            for month in _months(request, clock)
            for weekday in chosen
        )
    first = (request.start - owner.spill).astimezone(clock).date()
    last = request.end.astimezone(clock).date()
    days = (first + n * _DAY for n in range((last - first).days + 1))
    found = (_day(f"{root}/{day.isoformat().replace('-', '/')}", day, owner, clock) for day in days)
    return tuple(p for p in found if _meets(p, request))


def _meets(found: Partition, request: Request) -> bool:
    return (
        found.start is not None
        and found.end is not None
        and found.start < request.end
        and request.start < found.end
    )


def _months(request: Request, clock: ZoneInfo) -> Iterator[date]:
    month = request.start.astimezone(clock).date().replace(day=1)
    while first_instant(month, clock) < request.end:
        yield month
        month = next_month(month)


def _bin(key: str, month: date, clock: ZoneInfo) -> Partition:
    return Partition(key, None, None, first_instant(next_month(month), clock))


def _day(key: str, day: date, owner: Source, clock: ZoneInfo) -> Partition:
    over = first_instant(day + _DAY, clock)
    return Partition(key, first_instant(day, clock), over + owner.spill, over)


def partition(key: str) -> Partition:
    """Give the partition of a key.

    Parameters
    ----------
    key : str
        Five components in the archive's spelling, no slash at the end.

    Returns
    -------
    Partition
        The same that a request for its time gives.

    Raises
    ------
    InvalidRequestError
        The text is no partition key, or not of a real day of a known source and type.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise _odd(key, "five components, e.g. wydot/BSM/2019/02/06 or nycdot/EVENT/2021/04/FRI")
    name, kind, year, month, last = match.groups()
    owner = source(name)
    message_type(name, kind)
    clock = ZoneInfo(owner.clock)
    is_bin = owner.bins == "weekday"
    if is_bin != (not last.isdigit()) or (is_bin and last not in WEEKDAYS):
        wanted = f"one of {', '.join(WEEKDAYS)}" if is_bin else "a day of the month, e.g. 06"
        raise _odd(key, f"{name} has {wanted} as the last component")
    try:
        day = date(int(year), int(month), 1 if is_bin else int(last))
        if day < _FIRST:
            raise _odd(key, "the archive begins in 2017")
        return _bin(key, day, clock) if is_bin else _day(key, day, owner, clock)
    except InvalidRequestError:
        raise
    except (ValueError, OverflowError) as error:
        raise _odd(key, str(error)) from None


def _odd(key: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"{key[:100]!r} is no partition key: {why}")


@dataclass(frozen=True)
class Block:
    """The unit of memory, of work, of resume and of distribution."""

    name: str
    """The folder hours (nycdot: periods) that it covers, e.g. ``00-07``; for people only, as the
    text comes from the archive's keys."""
    units: tuple[Unit, ...]
    """Its units, sorted by folder and key."""

    @property
    def bytes(self) -> int:
        """Listed bytes of its units."""
        return sum(unit.size for unit in self.units)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over key, size and etag of every unit: equal fingerprints, equal parts."""
        digest = hashlib.sha256()
        for unit in self.units:
            digest.update(repr((unit.key, unit.size, unit.etag)).encode())
        return digest.hexdigest()


def blocks(units: Sequence[Unit], prefix: str, target: int = TARGET) -> tuple[Block, ...]:
    """Cut the units of a partition into blocks.

    Consecutive folder hours (nycdot: periods) are joined until their listed bytes reach the
    target.  A folder is never cut, so that a late object changes the block of its own hour and
    resume has few units to think about; memory is bounded by the target plus one folder.

    Parameters
    ----------
    units : sequence of Unit
        The units of a snapshot in any order.
    prefix : str
        The partition's key with its trailing slash.
    target : int
        Listed bytes at which a block is full.

    Returns
    -------
    tuple of Block
        Every unit is in exactly one.  A pure function of the units, whatever their order; units
        without a folder of their own come first.
    """

    def folder(unit: Unit) -> str:
        return unit.key.removeprefix(prefix).rpartition("/")[0].partition("/")[0]

    # With the slash: that is how the keys of the folders themselves sort.
    ordered = sorted(units, key=lambda unit: ((of := folder(unit)) and f"{of}/", unit.key))
    made: list[Block] = []
    names: list[str] = []
    held: list[Unit] = []
    size = 0
    for name, group in groupby(ordered, key=folder):
        names.append(name or ".")
        known = len(held)
        held.extend(group)
        size += sum(unit.size for unit in held[known:])
        if size >= target:
            made.append(_block(names, held))
            names, held, size = [], [], 0
    return (*made, _block(names, held)) if held else tuple(made)


def _block(names: Sequence[str], units: Sequence[Unit]) -> Block:
    return Block(names[0] if len(names) == 1 else f"{names[0]}-{names[-1]}", tuple(units))
