"""What a benchmark is, and how two sides are measured in the same run.

Both sides take turns, so that a neighbour on the machine disturbs both; a ratio is that of the
medians.  Nothing here passes or fails: a goal that is missed is shown beside what was measured.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = [
    "Benchmark",
    "Measured",
    "Run",
    "Sizes",
    "SkippedError",
    "Spent",
    "clock",
    "process",
    "turns",
]

ROOT = Path(__file__).resolve().parents[1]


class SkippedError(Exception):
    """A benchmark cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the archives are that a run generates."""

    mb: float = 24
    """Raw megabytes (10^6) of a day."""
    tiny: int = 2_000
    """Objects of the day of tiny objects."""
    days: tuple[int, ...] = (1, 30, 365, 2_000)
    """Cached days that are opened."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a benchmark is given."""

    folder: Path
    """Scratch space; archives stay in it between benchmarks."""
    sizes: Sizes = Sizes()
    """How large."""
    repeat: int = 3
    """How often each side is measured."""

    def place(self, name: str) -> Path:
        """Give an empty folder."""
        count = sum(1 for _ in self.folder.glob(f"{name}.*"))
        made = self.folder / f"{name}.{count}"
        made.mkdir(parents=True)
        return made


@dataclass(frozen=True, slots=True)
class Measured:
    """What both sides cost, each run of them."""

    ours: tuple[float, ...]
    """The library, a value a run."""
    bare: tuple[float, ...]
    """The bare tool, a value a run."""
    unit: str = "s"
    """Unit of both."""
    note: str = ""
    """What a reader of the table should know: sizes, or why the goal is missed."""

    @property
    def ratio(self) -> float:
        """The median of ours over the median of the bare."""
        return statistics.median(self.ours) / statistics.median(self.bare)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row of the table."""

    name: str
    """Unique, short: ``start-import``."""
    ours: str
    """What the library does."""
    bare: str
    """What it is held against, in the same run."""
    measure: Callable[[Run], Measured] = field(repr=False)
    """Measures both sides ``run.repeat`` times; raises `SkippedError` where it cannot."""
    goal: float | None = None
    """The ratio wanted; None for a figure that is only shown."""
    better: Literal["less", "more"] = "less"
    """Whether the ratio is to be at most or at least the goal."""

    def reached(self, ratio: float) -> bool | None:
        """Say whether a ratio meets the goal; None where there is no goal."""
        if self.goal is None:
            return None
        return ratio <= self.goal if self.better == "less" else ratio >= self.goal


def clock(function: Callable[[], object]) -> float:
    """Give the wall time of a call in seconds."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def turns(
    run: Run,
    ours: Callable[[], float],
    bare: Callable[[], float],
    *,
    unit: str = "s",
    note: str = "",
    warm: bool = True,
) -> Measured:
    """Measure both sides in turns, after a first one of each that does not count."""
    if warm:
        ours(), bare()
    pairs = [(ours(), bare()) for _ in range(run.repeat)]
    return Measured(tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), unit, note)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process and the children that it waited for used."""

    wall: float
    """Seconds from start to end."""
    cpu: float
    """Seconds of user and system time."""
    peak: int
    """Bytes resident at most, of the largest process."""
    output: str
    """What it wrote to standard output."""


def process(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Spent:
    """Run a process to its end; one that starts with ``python`` runs this interpreter.

    Raises
    ------
    RuntimeError
        It failed; the message has what it wrote.
    """
    command = [sys.executable if argv[0] == "python" else argv[0], *argv[1:]]
    begun = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        output = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if running.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {running.returncode}:\n{output}")
    return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, output)
