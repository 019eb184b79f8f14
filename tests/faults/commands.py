"""What is swept: each command does its work on the cache below a folder, in a process of its own.

A new command is one function and one entry in `COMMANDS`; the tests say in `SWEPT` from which
state it starts and what readers may see whenever it is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import world

import intake_cvpilot as cv
from intake_cvpilot.cache.commit import tidied
from intake_cvpilot.cache.leftovers import sweep
from intake_cvpilot.errors import CacheError


def fetch(root: Path) -> Any:
    world.fetch(root)


def refresh(root: Path) -> Any:
    world.fetch(root, refresh=True)


def evict(root: Path) -> Any:
    """Evict all, as if it had not been used for long."""
    for note in (root / "cache/.used").rglob("*"):
        if note.is_file():
            os.utime(note, (0, 0))
    told(cv.evict(older_than=1, cache_dir=root / "cache"))


def clear(root: Path) -> Any:
    told(cv.clear("wydot", "bsm", archive=root / "archive", cache_dir=root / "cache"))


def repair(root: Path) -> Any:
    done(cv.repair("wydot", "bsm", jobs=1, **world.where(root)).failures)


def migrate(root: Path) -> Any:
    """Bring the cache to the tables of this process's release."""
    done(cv.migrate("wydot", "bsm", archive=root / "archive", cache_dir=root / "cache").failures)


def done(failures: Mapping[str, str]) -> None:
    """Raise what a command says of partitions that are as they were."""
    if failures:
        raise CacheError(str(dict(failures)))


def told(removed: cv.Removed) -> None:
    """Raise what a removal says of partitions that it could not remove."""
    if removed.failed:
        raise CacheError(str(removed.failed))


def read(root: Path) -> Any:
    return [len(world.rows(root, day) or ()) for day in world.DAYS]


def inspect(root: Path) -> Any:
    """What is wrong, the edition of each day that readers see, and what is left over."""
    wrong, seen = world.look(root)
    return {"wrong": wrong, "seen": seen, "left": world.left_over(root)}


def finish(root: Path) -> Any:
    """Look, do the whole way again without a fault, and look again."""
    first = inspect(root)
    world.fetch(root, refresh=True)
    return [first, inspect(root)]


def tidy(root: Path) -> Any:
    """Everything that tidies up by itself, without any patience."""
    layout = world.layout(root)
    sweep(layout.root, older_than=timedelta(0))
    later = datetime.now(UTC) + timedelta(days=30)
    for _ in range(2):  # the first pass marks, the second removes
        for key in world.KEYS:
            tidied(layout, key, later, grace=timedelta(0))
    cv.verify("wydot", "bsm", archive=root / "archive", cache_dir=root / "cache")
    cv.status("wydot", "bsm", archive=root / "archive", cache_dir=root / "cache")


def crowd(root: Path, url: str, processes: int, days: int, seed: int) -> Any:
    """Some processes at once, each over ranges of its own; give what each saw of each day."""
    first = date(2021, 4, 1)
    readers = []
    for number in range(processes):
        read, write = os.pipe()
        if os.fork() == 0:
            chosen = random.Random(seed * 1000 + number)
            # Half of the range at least, so that the ranges overlap; together they cover it all.
            length = chosen.randrange(days // 2, days + 1) if number else days
            begin = chosen.randrange(days - length + 1)
            bounds = (first + timedelta(begin), first + timedelta(begin + length - 1))
            os.write(write, json.dumps(digests(root, url, *bounds)).encode())
            os._exit(0)
        os.close(write)
        readers.append(read)
    told = []
    for read in readers:
        with os.fdopen(read, "rb") as pipe:
            told.append(json.loads(pipe.read() or b"null"))
    for _ in readers:
        os.wait()
    return told


def digests(root: Path, url: str, start: date, end: date) -> Any:
    """Open a range of a bucket, and hash the rows of each of its days."""
    place = {
        "archive": "s3://pilot",
        "storage_options": {"endpoint_url": url},
        "cache_dir": root / "cache",
        "rate": None,
        "jobs": 1,
    }
    try:
        data = cv.open_arrow("wydot", "bsm", start, end, **place).to_table()
    except Exception as error:  # noqa: BLE001 -- told to the caller
        return f"{type(error).__name__}: {error}"
    found: dict[str, list[str]] = {}
    for row in data.to_pylist():
        found.setdefault(str(row["event_time"].date()), []).append(repr(sorted(row.items())))
    return {
        day: hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()
        for day, rows in found.items()
    }


COMMANDS: dict[str, Callable[..., Any]] = {
    "fetch": fetch,
    "refresh": refresh,
    "evict": evict,
    "clear": clear,
    "repair": repair,
    "migrate": migrate,
    "read": read,
    "inspect": inspect,
    "finish": finish,
    "tidy": tidy,
    "crowd": crowd,
}
