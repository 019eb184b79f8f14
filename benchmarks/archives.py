"""Synthetic archives of the public one's shape, made once a run and size.

A day of WYDOT BSM is 2 kB a record and 700 objects a GB, its records those of the demo: drives on
I-80 with path histories, in the standard's steps.  Hours are written by a pool of processes; the
same arguments give the same bytes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal
from uuid import UUID

from intake_cvpilot.drives import messages

__all__ = ["DAY", "Archive", "day", "tiny"]

DAY = date(2021, 4, 1)
"""The day that is written."""
_RECORD = 1_984  # bytes, the mean of what `messages` gives
_OBJECTS = 700 / 1e9  # objects a byte
_HOURS = 24


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder in the public archive's layout."""

    root: Path
    """What ``archive=`` takes."""
    objects: int
    """Files."""
    bytes: int
    """Raw bytes."""
    files: tuple[Path, ...]
    """The files, sorted by key."""


def day(folder: Path, megabytes: float, *, bad: Literal["none", "tenth"] = "none") -> Archive:
    """Give an archive with one day of ordinary objects.

    Parameters
    ----------
    folder : Path
        Where archives are kept.
    megabytes : float
        About how large, in 10^6 bytes.
    bad : {"none", "tenth"}
        Whether one object of ten has a line that is torn off.
    """
    root = folder / f"day-{megabytes:g}-{bad}"
    records = megabytes * 1e6 / _RECORD
    count = max(1, round(megabytes * 1e6 * _OBJECTS / _HOURS))
    size = max(1, round(records / _HOURS / count))
    return _made(root, partial(_hour, root, count, (size, size), bad))


def tiny(folder: Path, objects: int) -> Archive:
    """Give an archive with one day of objects of one to five records each."""
    root = folder / f"tiny-{objects}"
    return _made(root, partial(_hour, root, math.ceil(objects / _HOURS), (1, 5), "none"))


def _made(root: Path, write: partial[None]) -> Archive:
    done = root.with_suffix(".done")
    if not done.exists():
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(write, range(_HOURS)))
        done.touch()
    files = tuple(sorted(path for path in root.rglob("*") if path.is_file()))
    return Archive(root, len(files), sum(path.stat().st_size for path in files), files)


def _hour(root: Path, count: int, sizes: tuple[int, int], bad: str, hour: int) -> None:
    begin = datetime.combine(DAY, time(hour), UTC)
    folder = root / f"wydot/BSM/{begin:%Y/%m/%d/%H}"
    folder.mkdir(parents=True)
    for number in range(count):
        random = Random(f"{hour} {number}")
        lines = list(_lines(begin, random.randint(*sizes), random))
        if bad == "tenth" and number % 10 == 0:
            lines[-1] = lines[-1][: len(lines[-1]) // 2]
        name = UUID(int=random.getrandbits(128), version=4)
        path = folder / f"usdot-its-cvpilot-bsm-public-0-{begin:%Y-%m-%d-%H}-00-00-{name}"
        path.write_text("\n".join(lines), encoding="ascii")


def _lines(begin: datetime, size: int, random: Random) -> Iterator[str]:
    received = begin + timedelta(hours=1, seconds=random.uniform(60, 3000))
    for message in messages(begin, received, size, random):
        yield json.dumps(message, separators=(",", ":"))
