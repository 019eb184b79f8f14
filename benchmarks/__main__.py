"""``python -m benchmarks``: measure, print the table, and write it to ``benchmarks/results``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import benchmarks
from benchmarks.benchmark import Benchmark, Run, Sizes, SkippedError
from benchmarks.table import README, RESULTS, Row, document, markdown, show, write


def found() -> tuple[Benchmark, ...]:
    """Give the benchmarks of every module here, in the order of the modules' names."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__))
    loaded = [importlib.import_module(f"benchmarks.{n}") for n in names if n != "__main__"]
    return tuple(b for module in loaded for b in getattr(module, "BENCHMARKS", ()))


def measure(benchmark: Benchmark, run: Run) -> Row:
    """Measure one; what goes wrong is a row as well."""
    begun = time.perf_counter()
    try:
        row = Row(benchmark, benchmark.measure(run))
    except SkippedError as why:
        row = Row(benchmark, None, str(why))
    except Exception as error:  # noqa: BLE001 - the others are measured nevertheless
        traceback.print_exc()
        row = Row(benchmark, None, f"failed: {type(error).__name__}")
    said = f"{row.measured.ratio:.3f}" if row.measured else row.why
    print(f"{benchmark.name}: {said} ({time.perf_counter() - begun:.1f} s)", file=sys.stderr)
    return row


def main(argv: Sequence[str] | None = None) -> int:
    """Run from a shell; 1 when a benchmark failed (a missed goal is no failure), else 0."""
    small = Sizes()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the library beside the bare tools, on archives that it generates.",
        epilog="example: python -m benchmarks --mb 1000 --tiny 20000 --name large",
    )
    parser.add_argument("--mb", type=float, default=small.mb, help="megabytes of a day")
    parser.add_argument("--tiny", type=int, default=small.tiny, help="objects of the tiny day")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each side")
    parser.add_argument("--only", nargs="+", default=[], help="beginnings of names")
    parser.add_argument("--folder", type=Path, help="where archives stay (default: temporary)")
    parser.add_argument("--name", help="name of the results; default: small, none with --only")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md too")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and stop")
    asked = parser.parse_args(argv)
    chosen = [b for b in found() if not asked.only or b.name.startswith(tuple(asked.only))]
    if asked.list:
        print("\n".join(f"{b.name}: {b.ours} / {b.bare}" for b in chosen))
        return 0
    sizes = Sizes(mb=asked.mb, tiny=asked.tiny)
    with tempfile.TemporaryDirectory(prefix="cvpilot-bench-") as scratch:
        run = Run(asked.folder or Path(scratch), sizes, asked.repeat)
        rows = [measure(benchmark, run) for benchmark in chosen]
    made = document(rows, sizes, asked.repeat)
    print(markdown(made))
    if name := asked.name or (None if asked.only else "small"):
        print(write(made, name, RESULTS), file=sys.stderr)
    if asked.readme:
        show(made, README)
    return int(any(row.why.startswith("failed") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
