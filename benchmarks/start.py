"""What it costs to start: whole processes, as a user starts them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.benchmark import Benchmark, Measured, Run, process, turns

#: A process of tens of milliseconds is measured more often.
RUNS = 7

BARE = ("python", "-c", "pass")
ENTRY = 'c = intake.open_catalog("catalogs/cvpilot.yml"); '
REQUEST = 'c.wydot_bsm(start="2021-04-01", end="2021-04-02")'


def compare(ours: Sequence[str], bare: Sequence[str], run: Run) -> Measured:
    """Compare the wall times of two processes."""
    often = Run(run.folder, run.sizes, max(run.repeat, RUNS))
    return turns(often, lambda: process(ours).wall, lambda: process(bare).wall)


BENCHMARKS = (
    Benchmark(
        "start-import",
        "`import intake_cvpilot`",
        "`python -c pass`",
        partial(compare, ("python", "-c", "import intake_cvpilot"), BARE),
        1.5,
    ),
    Benchmark(
        "start-command",
        "`cvpilot path`",
        "`python -c pass`",
        partial(compare, ("python", "-m", "intake_cvpilot.cli", "path"), BARE),
        3,
    ),
    Benchmark(
        "start-catalog",
        "open_catalog and an entry with a range",
        "`import intake`, open_catalog of an empty catalog",
        partial(
            compare,
            ("python", "-c", f"import intake; {ENTRY}{REQUEST}"),
            ("python", "-c", "import intake; intake.open_catalog('benchmarks/empty.yml')"),
        ),
        1.2,
    ),
)
