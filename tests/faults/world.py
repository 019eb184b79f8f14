"""A small archive in three editions, what must be read of each, and what is asked of a cache.

Every record carries the number of its edition as its message count, so that a table that mixes
two is seen at once.  The second edition changes one hour of the first day, leaves the other as it
is, and adds an hour to the second day; the third takes away what the second added.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import intake_cvpilot as cv
from intake_cvpilot.archive import identity
from intake_cvpilot.cache.layout import Layout
from intake_cvpilot.cache.verify import verify
from intake_cvpilot.errors import CVPilotError, OfflineError
from intake_cvpilot.fetch import run
from intake_cvpilot.job import prepare

DAYS = ("2021-04-01", "2021-04-02")
KEYS = tuple(f"wydot/BSM/{day.replace('-', '/')}" for day in DAYS)
RECORDS = 12

#: By edition: the hours of each day, and the edition in which each was last changed.
EDITIONS = {
    0: ({"04": 0, "05": 0}, {"04": 0}),
    1: ({"04": 0, "05": 1}, {"04": 0, "09": 1}),
    2: ({"04": 0, "05": 2}, {"04": 0}),
}

Rows = tuple[tuple[str, int, int], ...]


def record(day: str, hour: str, number: int, edition: int) -> str:
    """One record in the archive's shape; values are invented."""
    return (
        f'{{"metadata":{{"schemaVersion":6,"recordGeneratedAt":"{day}T{hour}:00:{number:02}.000Z"}},'
        f'"payload":{{"data":{{"coreData":{{"msgCnt":{edition},"id":"A1B2C3D4"}}}}}}}}'
    )


def write_edition(archive: Path, edition: int, records: int = RECORDS) -> None:
    """Make an archive folder what an edition says, each object in one rename."""
    for day, hours in zip(DAYS, EDITIONS[edition], strict=True):
        folder = archive / "wydot/BSM" / day.replace("-", "/")
        for hour, since in hours.items():
            path = folder / hour / "object"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [record(day, hour, number, since) for number in range(records)]
            beside = archive / ".beside"
            beside.write_text("\n".join(lines))
            beside.replace(path)
        for path in folder.glob("*/object"):
            if path.parent.name not in hours:
                path.unlink()
                path.parent.rmdir()


def golden(edition: int, records: int = RECORDS) -> dict[str, Rows]:
    """The rows of each partition in an edition: object, line, message count."""
    return {
        key: tuple(
            sorted(
                (f"{key}/{hour}/object", number, since)
                for hour, since in hours.items()
                for number in range(1, records + 1)
            )
        )
        for key, hours in zip(KEYS, EDITIONS[edition], strict=True)
    }


def where(root: Path) -> dict[str, object]:
    """The archive and the cache below a folder, without a limit on requests."""
    return {"archive": root / "archive", "cache_dir": root / "cache", "rate": None}


def layout(root: Path) -> Layout:
    """The cache below a folder."""
    return Layout(root / "cache", identity(str(root / "archive"), {}))


def fetch(root: Path, *, refresh: bool = False, jobs: int | None = 1) -> cv.Report:
    """Fetch both days, each hour a block of its own."""
    job = prepare("wydot", "bsm", *DAYS, {**where(root), "refresh": refresh, "jobs": jobs})
    return run(replace(job, block_bytes=1), False).report


def rows(root: Path, day: str) -> Rows | None:
    """What a reader without a network sees of a day; None where nothing is committed."""
    try:
        frame = cv.open_arrow(
            "wydot", "bsm", day, day, offline=True, columns=["object_id", "line", "msg_count"],
            **where(root),
        ).to_table()  # fmt: skip
    except OfflineError:
        return None
    named = objects(root, day)
    return tuple(
        sorted(
            (named[row["object_id"]], row["line"], row["msg_count"]) for row in frame.to_pylist()
        )
    )


def objects(root: Path, day: str) -> dict[int, str]:
    """Keys of a day's objects by their ids."""
    from intake_cvpilot.archive.base import Unit

    key = KEYS[DAYS.index(day)]
    return {
        Unit(f"{key}/{hour:02}/object", 0).object_id: f"{key}/{hour:02}/object"
        for hour in range(24)
    }


def harm(root: Path) -> None:
    """Flip a bit in a part of the first day, and cut the manifest of the second short."""
    first, second = (layout(root).folder(key) for key in KEYS)
    part = min(first.glob("messages-*.parquet"))
    whole = bytearray(part.read_bytes())
    whole[len(whole) // 2] ^= 1
    part.write_bytes(whole)
    manifest = second / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-40])


def look(root: Path) -> tuple[list[str], dict[str, list[int] | None]]:
    """Say what is wrong with a cache, and which editions the rows of each day could be of.

    Wrong are an error of a reader, rows that no edition has, and whatever `verify` finds.
    """
    found = []
    seen: dict[str, list[int] | None] = {}
    for day, key in zip(DAYS, KEYS, strict=True):
        try:
            there = rows(root, day)
        except CVPilotError as error:
            found.append(f"{key}: {type(error).__name__}: {error}")
            continue
        checked = verify(layout(root), key, deep=True)
        if checked.state != ("missing" if there is None else "good"):
            found.append(f"{key}: verify says {checked}")
        seen[key] = None
        if there is not None:
            seen[key] = [edition for edition in EDITIONS if there == golden(edition)[key]]
            if not seen[key]:
                counts = Counter((row[0], row[2]) for row in there)
                found.append(f"{key}: rows of no edition: {dict(counts)}")
    return found, seen


def left_over(root: Path) -> list[str]:
    """Files of a cache that a finished fetch has no use for."""
    staged = root / "cache/.staging"
    names = [Path(folder, name) for folder, _, names in os.walk(staged) for name in names]
    names += (root / "cache").rglob("*.holder")
    return sorted(str(path.relative_to(root)) for path in names)
