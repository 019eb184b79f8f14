"""What it costs to start: whole processes, as a user starts them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.benchmark import Benchmark, Measured, Run, process, turns

#: A process of tens of milliseconds is measured more often.
RUNS = 7

#: The first run of each side, which does not count, leaves the bytecode that pip leaves too.
DEFAULTS = {"PYTHONDONTWRITEBYTECODE": ""}

BARE = ("python", "-c", "pass")
ENTRY = 'c = intake.open_catalog("catalogs/cvpilot.yml"); '
COMMAND = ("python", "-c", "from intake_cvpilot.command import main; main()", "path")
PLAIN = 'intake.open_catalog("benchmarks/plain.yml").words(start="2021-04-01", end="2021-04-02")'
REQUEST = 'c.wydot_bsm(start="2021-04-01", end="2021-04-02")'


def compare(ours: Sequence[str], bare: Sequence[str], run: Run) -> Measured:
    """Compare the processor times of two processes, which a neighbour disturbs least."""
    often = Run(run.folder, run.sizes, max(run.repeat, RUNS))
    return turns(
        often,
        lambda: process(ours, DEFAULTS).cpu,
        lambda: process(bare, DEFAULTS).cpu,
        note="processor time",
    )


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
        partial(
            compare,
            COMMAND,
            BARE,
        ),
        3,
    ),
    Benchmark(
        "start-catalog",
        "open_catalog and an entry with a range",
        "the same with a catalog and a driver of Intake's own",
        partial(
            compare,
            ("python", "-c", f"import intake; {ENTRY}{REQUEST}"),
            ("python", "-c", f"import intake; {PLAIN}"),
        ),
        1.2,
    ),
)
