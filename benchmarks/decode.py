"""Decoding: raw objects on disk to Parquet, beside what a bare tool takes for the same files.

Efficiency is raw megabytes (10^6 bytes) for each second of CPU, user and system, which a busy
machine disturbs less than the clock.  Each run is a process of its own; what is loaded and
compiled once is done before it is measured.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import archives
from benchmarks.benchmark import Benchmark, Measured, Run, SkippedError, process, turns
from intake_cvpilot.build import BlockTask, StagedUnit, build_block
from intake_cvpilot.partition import TARGET
from intake_cvpilot.workers import new_executor

__all__ = ["BENCHMARKS", "bare", "build"]

#: Megabytes of which two processes take long enough to be timed, and one process long enough that
#: its first pages of memory, which the kernel clears, are no large part.
POOLED = 72


def build(files: Sequence[Path], folder: Path, *, jobs: int = 1, exact: bool = False) -> float:
    """Decode strictly into all columns of the tables, zstd level 1; seconds of CPU, or of wall.

    Of one process the CPU is measured, of several the wall.
    """
    size = min(TARGET, sum(path.stat().st_size for path in files) // jobs)
    tasks = _tasks(files, folder, exact, size)
    warm = _tasks(files[:1], folder, exact, size)[0]
    if jobs == 1:
        build_block(warm)
        return _cpu(lambda: [build_block(task) for task in tasks])
    with new_executor(jobs) as crew:
        up: set[int] = set()
        # The first worker that is up would take all that is queued; on a busy machine the others'
        # start, a second each, would be measured.
        while len(up) < jobs:
            up.update(crew.map(_warmed, [warm] * jobs))
        begun = time.perf_counter()
        for future in [crew.submit(build_block, task) for task in tasks]:
            future.result()
        return time.perf_counter() - begun


def _warmed(task: BlockTask) -> int:
    build_block(task)
    return os.getpid()


def bare(files: Sequence[Path], folder: Path, *, jobs: int = 1) -> float:
    """DuckDB's read_json and COPY, not strict, the columns as they stand; seconds of CPU, or wall.

    Of one thread the CPU is measured, of several the wall.  It looks at one file for its columns:
    by default it would read 32 of them twice.
    """
    import duckdb

    connection = duckdb.connect(config={"threads": jobs})

    def copy(chosen: Sequence[Path]) -> None:
        names = ", ".join(f"'{path}'" for path in chosen)
        connection.execute(
            f"COPY (SELECT * FROM read_json([{names}], format = 'newline_delimited', "
            "maximum_sample_files = 1, sample_size = 2000, ignore_errors = true)) "
            f"TO '{folder}/bare.parquet' "
            "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )

    copy(files[:1])
    if jobs == 1:
        return _cpu(lambda: copy(files))
    begun = time.perf_counter()
    copy(files)
    return time.perf_counter() - begun


def _cpu(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _tasks(files: Sequence[Path], folder: Path, exact: bool, most: int) -> list[BlockTask]:  # noqa: FBT001
    """Blocks of about the size that the library makes, or less for every process to have one."""
    made: list[list[Path]] = [[]]
    size = 0
    for path in files:
        if size >= most:
            made.append([])
            size = 0
        made[-1].append(path)
        size += path.stat().st_size
    return [_task(group, folder, exact) for group in made]


def _task(files: Sequence[Path], folder: Path, exact: bool) -> BlockTask:  # noqa: FBT001
    root = files[0].parents[6]
    keys = [str(path.relative_to(root)) for path in files]
    digests = [hashlib.sha256(key.encode()).digest() for key in keys]
    numbers = [int.from_bytes(digest[:8], "big", signed=True) for digest in digests]
    source, kind, *date, _, _ = keys[0].split("/")
    start = datetime(*map(int, date), tzinfo=UTC)  # type: ignore[misc, arg-type]
    return BlockTask(
        source=source,
        message_type=kind,
        partition="/".join((source, kind, *date)),
        start=start,
        end=start + timedelta(days=1),
        units=tuple(map(StagedUnit, keys, numbers, files)),
        folder=folder,
        codec="zstd",
        level=1,
        exact=exact,
    )


def _in_a_process(root: Path, *words: str) -> float:
    return float(process(["python", "-m", "benchmarks.decode", str(root), *words]).output)


def _needs_duckdb() -> None:
    try:
        import duckdb  # noqa: F401
    except ImportError as error:
        raise SkippedError("duckdb is not installed") from error


def efficiency(run: Run) -> Measured:
    """Compare the strict decoding of a day with DuckDB."""
    _needs_duckdb()
    made = archives.day(run.folder, max(run.sizes.mb, POOLED))
    size = made.bytes / 1e6
    return turns(
        run,
        lambda: size / _in_a_process(made.root),
        lambda: size / _in_a_process(made.root, "--bare"),
        unit="MB/s of CPU",
        note=f"a day of {size:.0f} MB, {made.objects} objects",
        warm=False,
    )


def exactly(run: Run) -> Measured:
    """Compare reading records many at a time with reading each by the rule."""
    made = archives.day(run.folder, run.sizes.mb)
    size = made.bytes / 1e6
    return turns(
        run,
        lambda: size / _in_a_process(made.root),
        lambda: size / _in_a_process(made.root, "--exact"),
        unit="MB/s of CPU",
        warm=False,
    )


def two(run: Run, words: Sequence[str] = ()) -> Measured:
    """Compare the clock of two processes with twice the efficiency of one, or another clock."""
    if words:
        _needs_duckdb()
    times = 1 if "--jobs" in words else 2
    made = archives.day(run.folder, max(run.sizes.mb, POOLED))
    size = made.bytes / 1e6
    return turns(
        run,
        lambda: size / _in_a_process(made.root, "--jobs", "2"),
        lambda: times * size / _in_a_process(made.root, *words),
        unit="MB/s",
        note=f"a day of {size:.0f} MB, by the clock; both cores have to be free",
        warm=False,
    )


def bad_lines(run: Run) -> Measured:
    """Compare a day of which one object in ten has a torn line with a clean one."""
    size = max(run.sizes.mb, POOLED)
    clean = archives.day(run.folder, size)
    torn = archives.day(run.folder, size, bad="tenth")
    return turns(
        run,
        lambda: _in_a_process(torn.root),
        lambda: _in_a_process(clean.root),
        unit="s of CPU",
        warm=False,
    )


def tiny(run: Run) -> Measured:
    """Compare what a byte of tiny objects costs with a byte of ordinary ones, fetch and all."""
    small = archives.tiny(run.folder, run.sizes.tiny)
    large = archives.day(run.folder, run.sizes.mb)

    def cost(made: archives.Archive) -> float:
        with TemporaryDirectory(dir=run.folder) as cache:
            call = (
                "import intake_cvpilot, sys; intake_cvpilot.fetch('wydot', 'BSM', '2021-04-01', "
                "'2021-04-01', archive=sys.argv[1], cache_dir=sys.argv[2], jobs=1, progress=False)"
            )
            start = statistics.median(process(["python", "-c", _LOADED]).cpu for _ in range(3))
            spent = process(["python", "-c", call, str(made.root), cache])
            return (spent.cpu - start) / made.bytes * 1e9

    return turns(
        run,
        lambda: cost(small),
        lambda: cost(large),
        unit="ns of CPU a byte",
        note=f"{small.objects} objects of 1 to 5 records, {large.objects} ordinary ones",
        warm=False,
    )


_LOADED = "import pyarrow.parquet, pyarrow.compute, pyarrow.json, intake_cvpilot.fetch"

BENCHMARKS = (
    Benchmark(
        "decode-efficiency",
        "strict decoding into all columns, zstd-1 Parquet",
        "DuckDB read_json and COPY, zstd-1",
        efficiency,
        0.45,
        "more",
    ),
    Benchmark(
        "decode-exact",
        "the same",
        "the same, each record by the rule",
        exactly,
        better="more",
    ),
    Benchmark(
        "decode-two",
        "two processes, by the clock",
        "twice the efficiency of DuckDB on one core",
        partial(two, words=("--bare",)),
        round(0.85 * 0.45, 2),
        "more",
    ),
    Benchmark(
        "decode-two-threads",
        "two processes, by the clock",
        "DuckDB on two threads, by the clock",
        partial(two, words=("--bare", "--jobs", "2")),
        better="more",
    ),
    Benchmark(
        "decode-two-scaling",
        "two processes, by the clock",
        "twice the efficiency of one",
        two,
        better="more",
    ),
    Benchmark(
        "decode-bad",
        "a torn line in one object of ten",
        "the clean day",
        bad_lines,
        1.2,
    ),
    Benchmark(
        "decode-tiny",
        "fetch of objects of 1 to 5 records, a byte",
        "fetch of ordinary objects, a byte",
        tiny,
        2,
    ),
)


def main(argv: Sequence[str] | None = None) -> Any:
    """Print the seconds that one run takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("root", type=Path, help="an archive")
    parser.add_argument("--bare", action="store_true", help="DuckDB")
    parser.add_argument("--exact", action="store_true", help="each record by the rule")
    parser.add_argument("--jobs", type=int, default=1, help="processes; wall when more than one")
    asked = parser.parse_args(argv)
    files = sorted(path for path in asked.root.rglob("*") if path.is_file())
    with TemporaryDirectory() as name:
        if asked.bare:
            print(bare(files, Path(name), jobs=asked.jobs))
        else:
            print(build(files, Path(name), jobs=asked.jobs, exact=asked.exact))


if __name__ == "__main__":
    sys.exit(main())
