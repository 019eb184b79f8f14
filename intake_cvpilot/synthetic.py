"""A synthetic archive: invented drives on I-80 in the public archive's layout and record shape.

It serves the demo, the examples, the tests and the benchmarks.  Everything follows from the seed,
each day on its own, and one object at a time is held in memory, so that an archive may be of any
size.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from intake_cvpilot.drives import messages

__all__ = ["DAYS", "Summary", "write_archive"]

DAYS = (date(2021, 4, 1), date(2021, 4, 2))
"""The UTC days that are written unless others are asked for."""

# By UTC hour: how many vehicles are out.
_TRAFFIC = (5, 4, 3, 3, 2, 2, 2, 2, 2, 3, 3, 4, 6, 8, 10, 10, 9, 9, 10, 10, 9, 9, 8, 6)
_RECORDS_AN_OBJECT = 840  # the mean of the public archive
_LATE_HOURS = (6, 12, 18)


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    folder: Path
    """The archive's root: what ``archive=`` takes."""
    days: tuple[date, ...]
    """The UTC days it covers."""
    objects: int
    """Files."""
    late_objects: int
    """Files among them whose records were received weeks after they were generated."""
    bytes: int
    """Raw bytes."""
    lines: int
    """Lines, the blank ones and the bad ones among them."""
    records: int
    """Lines that are proper messages."""
    outside: int
    """Messages among them whose time does not lie in their folder's day."""
    blank: int
    """Lines without anything."""
    bad: int
    """Lines that are no proper message of their folder's type."""


def write_archive(
    folder: str | os.PathLike[str],
    *,
    days: Iterable[date] = DAYS,
    seed: int = 0,
    records_per_hour: int = 30,
) -> Summary:
    """Write a synthetic archive of WYDOT BSM.

    Parameters
    ----------
    folder : path
        The archive's root; it is created.  Files of the same names are replaced, others stay.
    days : iterable of date
        UTC days, each included.
    seed : int
        The same seed and number of records give the same bytes for a day, whatever the other days.
    records_per_hour : int
        About the mean over a day, messages per hour; about 2 kB each.

    Returns
    -------
    Summary
        Counts of what was written.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> summary = write_archive(mkdtemp(), days=[date(2021, 4, 1)], records_per_hour=2)
    >>> summary.lines == summary.records + summary.blank + summary.bad
    True
    """
    root, days = Path(folder), tuple(days)
    counts = dict.fromkeys(("objects", "late", "bytes", "records", "outside", "blank", "bad"), 0)
    for day in days:
        for made in _objects(day, seed, records_per_hour):
            path = root / made.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made.body)
            os.utime(path, (made.deposited.timestamp(),) * 2)
            counts["objects"] += 1
            counts["late"] += made.late
            counts["bytes"] += len(made.body)
            for name in ("records", "outside", "blank", "bad"):
                counts[name] += getattr(made, name)
    return Summary(
        folder=root,
        days=days,
        objects=counts["objects"],
        late_objects=counts["late"],
        bytes=counts["bytes"],
        lines=counts["records"] + counts["blank"] + counts["bad"],
        records=counts["records"],
        outside=counts["outside"],
        blank=counts["blank"],
        bad=counts["bad"],
    )


@dataclass(frozen=True, slots=True)
class _Object:
    key: str
    body: bytes
    deposited: datetime
    late: bool
    records: int
    outside: int
    blank: int
    bad: int


def _objects(day: date, seed: int, records_per_hour: int) -> Iterator[_Object]:
    for hour in range(24):
        mean = records_per_hour * _TRAFFIC[hour] * 24 / sum(_TRAFFIC)
        hourly = max(1, round(mean * Random(f"{seed} {day} {hour}").uniform(0.8, 1.2)))
        count = max(min(5, hourly // 4), math.ceil(hourly / _RECORDS_AN_OBJECT))
        for number in range(count):
            size = hourly // count + (number < hourly % count)
            if size:
                yield _object(day, hour, number, size, Random(f"{seed} {day} {hour} {number}"))
        if hour in _LATE_HOURS:
            size = max(1, hourly // 6)
            yield _object(day, hour, -1, size, Random(f"{seed} {day} {hour} late"))


def _object(day: date, hour: int, number: int, size: int, random: Random) -> _Object:
    late = number < 0
    begin = datetime.combine(day, time(hour), UTC)
    received = begin + timedelta(hours=1, seconds=random.uniform(60, 3000))
    if late:
        received += timedelta(days=random.uniform(19, 56))
    separators = random.choice(((",", ":"), (", ", ": ")))
    lines = [
        json.dumps(message, separators=separators)
        for message in messages(begin, received, size, random)
    ]
    outside = blank = bad = 0
    if number == 0:
        lines, outside, blank, bad = _spoil(lines, begin)
    name = f"usdot-its-cvpilot-bsm-public-0-{begin:%Y-%m-%d-%H}-00-00-"
    return _Object(
        key=f"wydot/BSM/{begin:%Y/%m/%d/%H}/{name}{UUID(int=random.getrandbits(128), version=4)}",
        body="\n".join(lines).encode(),
        deposited=(received + timedelta(minutes=5)).replace(microsecond=0),
        late=late,
        records=len(lines) - blank - bad,
        outside=outside,
        blank=blank,
        bad=bad,
    )


def _spoil(lines: list[str], begin: datetime) -> tuple[list[str], int, int, int]:
    """Return the lines with this hour's fault, and how many are outside the day, blank, bad."""
    last = lines[-1]
    message = json.loads(last)
    match begin.hour:
        case 0:  # filed by its arrival
            before = begin - timedelta(seconds=7)
            message["metadata"]["recordGeneratedAt"] = f"{before:%Y-%m-%dT%H:%M:%S}.000Z"
            return [*lines, json.dumps(message)], 1, 0, 0
        case 9:  # no number of any JSON standard
            message["payload"]["data"]["coreData"]["speed"] = math.nan
            return [*lines, json.dumps(message)], 0, 0, 1
        case 13:  # the same key twice
            return [*lines, '{"metadata":{},' + last[1:]], 0, 0, 1
        case 15:  # a message of another type
            return [*lines, json.dumps(_traveler_information(begin))], 0, 0, 1
        case 18:
            return [*lines[:1], "", *lines[1:]], 0, 1, 0
        case 20:  # torn off in the middle, as by an upload that broke
            return [*lines, last[: len(last) // 2]], 0, 0, 1
    return lines, 0, 0, 0


def _traveler_information(begin: datetime) -> dict[str, Any]:
    return {
        "metadata": {
            "recordType": "dnMsg",
            "payloadType": "us.dot.its.jpo.ode.model.OdeTimPayload",
            "odeReceivedAt": f"{begin:%Y-%m-%dT%H}:09:00.120Z",
            "schemaVersion": 6,
            "recordGeneratedAt": f"{begin:%Y-%m-%dT%H}:02:00Z",
            "recordGeneratedBy": "TMC",
            "sanitized": False,
        },
        "payload": {
            "dataType": "TravelerInformation",
            "data": {
                "MessageFrame": {
                    "messageId": 31,
                    "value": {"TravelerInformation": {"timeStamp": 130_000, "msgCnt": 1}},
                }
            },
        },
    }
