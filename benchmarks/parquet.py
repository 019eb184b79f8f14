"""What a day is on disk, and how much of it a question reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.archives import DAY, day
from benchmarks.benchmark import Benchmark, Measured, Run, SkippedError, process
from intake_cvpilot.fetch import run as fetch_job
from intake_cvpilot.job import prepare

#: Parts of a small day are of this many listed bytes for each of a day of 1 GB: eight blocks.
BLOCKS = 8
#: Megabytes from which an hour is smaller than a part.
LARGE = 500


def cached(run: Run, codec: str) -> tuple[Path, Path]:
    """Give a day's archive and a cache that holds it, in as many blocks as a day of 1 GB has."""
    archive = day(run.folder, run.sizes.mb)
    cache = run.folder / f"parquet-{run.sizes.mb:g}-{codec}"
    if not cache.exists():
        options: dict[str, Any] = {
            "archive": archive.root,
            "cache_dir": cache,
            "codec": codec,
            "rate": None,
        }
        job = prepare("wydot", "BSM", DAY, DAY, options)
        fetch_job(replace(job, block_bytes=archive.bytes // BLOCKS), wish=False)
    return archive.root, cache


def parts(cache: Path) -> list[Path]:
    """Give the parts of the day."""
    return sorted(cache.glob("v1*/wydot/BSM/*/*/*/messages-*.parquet"))


def weight(cache: Path) -> int:
    """Give the bytes of the day's parts."""
    return sum(path.stat().st_size for path in parts(cache))


def zstd(run: Run) -> Measured:
    """Compare the bytes of both codecs."""
    ours, bare = (weight(cached(run, codec)[1]) for codec in ("zstd", "snappy"))
    return Measured((float(ours),) * 3, (float(bare),) * 3, "B", "bytes do not vary")


def beside_raw(codec: str, run: Run) -> Measured:
    """Compare the bytes of the parts with those of the raw records."""
    archive, cache = cached(run, codec)
    raw = sum(path.stat().st_size for path in archive.rglob("*") if path.is_file())
    return Measured((float(weight(cache)),) * 3, (float(raw),) * 3, "B", "bytes do not vary")


def beside_duckdb(codec: str, run: Run) -> Measured:
    """Compare the bytes with those that DuckDB's own writer makes of the same rows."""
    try:
        import duckdb
    except ImportError:
        raise SkippedError("duckdb is not installed") from None
    _, cache = cached(run, codec)
    target = run.place("duckdb") / "day.parquet"
    files = ", ".join(f"'{path}'" for path in parts(cache))
    duckdb.sql(
        f"COPY (SELECT * FROM read_parquet([{files}])) TO '{target}' (FORMAT parquet, "
        f"COMPRESSION {codec}, ROW_GROUP_SIZE 16384)"
    )
    size = float(target.stat().st_size)
    return Measured((float(weight(cache)),) * 3, (size,) * 3, "B", "bytes do not vary")


WINDOW = """
import json, sys
from datetime import datetime, timedelta, UTC
import intake_cvpilot
archive, cache, hour, again = json.loads(sys.argv[1])
start = datetime(2021, 4, 1, hour, tzinfo=UTC)
request = ("wydot", "BSM", start, start + timedelta(hours=1))
options = dict(archive=archive, cache_dir=cache, progress=False, offline=True)
def read():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])
frame = intake_cvpilot.open_dask(*request, **options)
if again:
    frame.compute(scheduler="sync")
before = read()
rows = len(frame.compute(scheduler="sync"))
print(json.dumps([read() - before, rows]))
"""


def window(verify: str, run: Run, *, again: bool = False) -> Measured:
    """Count the bytes that reading one hour of a day takes from files, in a process of its own."""
    if run.sizes.mb < LARGE:
        raise SkippedError(f"an hour of a small day is one row group; from --mb {LARGE}")
    archive, cache = cached(run, "snappy")
    ours = []
    for hour in (3, 10, 16):
        asked = json.dumps([str(archive), str(cache), hour, again])
        spent = process(("python", "-c", WINDOW, asked), {"CVPILOT_VERIFY": verify})
        ours.append(float(json.loads(spent.output)[0]))
    return Measured(
        tuple(ours), (float(weight(cache)),) * 3, "B", "all columns; 3 hours, each in one block"
    )


def row(name: str, ours: str, bare: str, measure: Callable[[Run], Measured], *goal: float) -> Any:
    """Give a benchmark."""
    return Benchmark(name, ours, bare, measure, *goal)


BENCHMARKS = (
    row("parquet-snappy", "a day's parts, Snappy", "its raw JSON", partial(beside_raw, "snappy")),
    row("parquet-zstd", "a day's parts, zstd", "its raw JSON", partial(beside_raw, "zstd")),
    row("parquet-codec", "a day's parts, zstd", "the same, Snappy", zstd),
    row(
        "parquet-duckdb",
        "a day's parts, Snappy",
        "the same rows written by DuckDB, Snappy",
        partial(beside_duckdb, "snappy"),
    ),
    row(
        "parquet-window",
        "bytes read for an hour, `verify=never`",
        "the bytes of its day",
        partial(window, "never"),
        0.1,
    ),
    row(
        "parquet-window-again",
        "the same, parts hashed before in the process",
        "the bytes of its day",
        partial(window, "once", again=True),
        0.1,
    ),
    row(
        "parquet-window-first",
        "the same, the first read of a part in a process",
        "the bytes of its day",
        partial(window, "once"),
    ),
)
