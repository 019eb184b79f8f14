"""Runs the fault tests and prints a line a figure; `make faults` calls it.

Every figure is noted by the test that measured it (fixture `figure`), so none is written by hand.
FULL=1 tries every point and runs the mutants; otherwise every n-th point is tried, as the tests
say, and the mutants are left out.  FULL=2/4 is the second of four parts, which together are all.

Tests elsewhere join by their place in `TESTS`, and by how the names of their figures begin in
`LINES`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TESTS = ("tests/faults",)

#: What the scorecard has a line for, by how the figures' names begin; in this order.
LINES = (
    "kill points survived",
    "power-loss points",
    "bit flips found",
    "objects fetched once",
    "tables right with locks that do nothing",
    "two writers without locks",
    "frozen writer safe",
    "reads during refresh with mixed generations",
    "SIGINT survived",
    "SIGTERM survived",
    "killed by the kernel",
    "disk faults survived",
    "network faults",
    "mutants killed",
)


def main() -> int:
    full = os.environ.get("FULL", "")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "figures")
        place.touch()
        environment = {**os.environ, "CVPILOT_SCORECARD": str(place)}
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
        began = datetime.now(UTC)
        codes = [subprocess.run(words, cwd=PROJECT, env=environment, check=False).returncode]
        if full:
            mutants = [sys.executable, "tests/faults/mutants.py"]
            codes.append(
                subprocess.run(mutants, cwd=PROJECT, env=environment, check=False).returncode
            )
        figures = [json.loads(line) for line in place.read_text().splitlines()]
    took = (datetime.now(UTC) - began).total_seconds()
    how = (
        f"part {full} of every point"
        if "/" in full
        else "every point"
        if full
        else "sampled points"
    )
    print(f"\nScorecard, {began:%Y-%m-%d}, {how}, {took:.0f} s")
    for begin in LINES:
        found = sorted((name, value) for name, value in figures if name.startswith(begin))
        for name, value in found:
            print(f"  {name}: {value}")
        if not found:
            why = (
                "FULL=1 runs them"
                if begin == "mutants killed" and not full
                else "not measured here"
            )
            print(f"  {begin}: {why}")
    return 0 if not any(codes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
