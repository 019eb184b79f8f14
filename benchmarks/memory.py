"""Memory: what the processes of a fetch hold at most, by the kernel's own account.

A page that processes share is counted in parts (PSS), so the sum over them is what the machine
gives.  Looked at every 20 ms; the peak of one process (RSS) is the kernel's and misses nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import archives
from benchmarks.benchmark import ROOT, Benchmark, Measured, Run, SkippedError

__all__ = ["BENCHMARKS", "Peak", "peak"]

_CALL = (
    "import intake_cvpilot, sys; intake_cvpilot.fetch('wydot', 'BSM', '2021-04-01', '2021-04-01', "
    "archive=sys.argv[1], cache_dir=sys.argv[2], jobs=int(sys.argv[3]), progress=False, "
    "max_bytes=10**12)"
)


@dataclass(frozen=True, slots=True)
class Peak:
    """What a fetch held at most, in 10^6 bytes."""

    largest: float
    """Of its largest process (RSS)."""
    together: float
    """Of all its processes (PSS)."""


def peak(root: Path, cache: str, jobs: int) -> Peak:
    """Fetch a day in a process of its own and look at it and at those that it starts."""
    command = [sys.executable, "-c", _CALL, str(root), cache, str(jobs)]
    largest = together = 0
    with subprocess.Popen(command, cwd=ROOT) as running:
        while running.poll() is None:
            tree = _tree(running.pid)
            together = max(together, sum(_field(pid, "smaps_rollup", "Pss:") for pid in tree))
            largest = max(largest, *(_field(pid, "status", "VmHWM:") for pid in tree), 0)
            time.sleep(0.02)
    if running.returncode:
        raise RuntimeError(f"the fetch ended with {running.returncode}")
    return Peak(largest / 1e6, together / 1e6)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                text = (task / "children").read_text(encoding="ascii")
                found += map(int, text.split())
    return found


def _field(pid: int, name: str, field: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/{name}").read_text(encoding="ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def compare(run: Run, jobs: int, promise: float, part: str) -> Measured:
    """Compare a peak with what is promised, in 10^6 bytes."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise SkippedError("the kernel does not tell")
    made = archives.day(run.folder, run.sizes.mb)
    peaks = []
    for _ in range(run.repeat):
        with TemporaryDirectory(dir=run.folder) as cache:
            peaks.append(getattr(peak(made.root, cache, jobs), part))
    return Measured(
        tuple(peaks), (promise,) * run.repeat, "MB", f"a day of {made.bytes / 1e6:.0f} MB"
    )


def _row(name: str, ours: str, jobs: int, promise: float, part: str) -> Benchmark:
    measure = partial(compare, jobs=jobs, promise=promise, part=part)
    return Benchmark(name, ours, f"{promise:.0f} MB", measure, 1)


BENCHMARKS = (
    _row("memory-one", "largest process of a fetch, jobs=1", 1, 600, "largest"),
    _row("memory-two", "all processes of a fetch, jobs=2", 2, 1200, "together"),
    _row("memory-four", "all processes of a fetch, jobs=4", 4, 2400, "together"),
)


def main() -> None:
    """Print the peaks for an archive: ``python -m benchmarks.memory ARCHIVE JOBS``."""
    with TemporaryDirectory() as cache:
        print(peak(Path(sys.argv[1]), cache, int(sys.argv[2])))


if __name__ == "__main__":
    main()
