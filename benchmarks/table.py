"""What was measured, as one table and as JSON, with the machine that it was measured on."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.benchmark import Benchmark, Measured, Sizes

__all__ = ["Row", "document", "machine", "markdown", "show", "write"]

RESULTS = Path(__file__).with_name("results")
README = Path(__file__).parents[1] / "README.md"
MARK = "<!-- make bench -->\n"
#: Packages whose version a reader of a figure wants to know.
PACKAGES = ("intake-cvpilot", "pyarrow", "duckdb", "polars", "msgspec", "orjson", "pandas", "dask")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one benchmark."""

    benchmark: Benchmark
    """What was to be measured."""
    measured: Measured | None
    """What was, or None."""
    why: str = ""
    """Why it was not."""


def machine() -> dict[str, Any]:
    """Say on what it runs; no names of hosts or users."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "packages": dict(_versions(PACKAGES)),
    }


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def document(rows: Sequence[Row], sizes: Sizes, repeat: int) -> dict[str, Any]:
    """Give everything that was measured, ready for JSON."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "sizes": asdict(sizes),
        "repeat": repeat,
        "rows": [_plain(row) for row in rows],
    }


def _plain(row: Row) -> dict[str, Any]:
    made, done = row.benchmark, row.measured
    plain: dict[str, Any] = {
        "name": made.name,
        "ours": made.ours,
        "bare": made.bare,
        "goal": made.goal,
        "better": made.better,
    }
    if done is None:
        return plain | {"why": row.why}
    return plain | {
        "ratio": round(done.ratio, 4),
        "reached": made.reached(done.ratio),
        "unit": done.unit,
        "ours_median": statistics.median(done.ours),
        "bare_median": statistics.median(done.bare),
        "ours_runs": list(done.ours),
        "bare_runs": list(done.bare),
        "note": done.note,
    }


def markdown(made: dict[str, Any]) -> str:
    """Give the table for people."""
    box, sizes = made["machine"], made["sizes"]
    packages = ", ".join(f"{name} {v}" for name, v in box["packages"].items())
    head = (
        f"{made['date']}, {box['cores']} cores of {box['processor']}, {box['memory_gb']:g} GB, "
        f"{box['system']}, Python {box['python']}; {packages}. "
        f"Synthetic days of {sizes['mb']:g} MB and of {sizes['tiny']:,} tiny objects; "
        f"medians of {made['repeat']}, both sides in turns."
    )
    lines = [
        head,
        "",
        "| benchmark | this library | held against | ours | bare | ratio | goal | |",
        "|---|---|---|--:|--:|--:|--:|---|",
    ]
    lines += [_line(row) for row in made["rows"]]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    sign = {"less": "≤", "more": "≥"}[row["better"]]
    goal = "" if row["goal"] is None else f"{sign} {row['goal']:g}"
    head = f"| {row['name']} | {row['ours']} | {row['bare']}"
    if "why" in row:
        return f"{head} | | | | {goal} | not measured: {row['why']} |"
    ours, bare = (shown(row[side], row["unit"]) for side in ("ours_median", "bare_median"))
    words = [{True: "", False: "**missed**", None: ""}[row["reached"]], row["note"]]
    said = "; ".join(word for word in words if word)
    return f"{head} | {ours} | {bare} | {row['ratio']:.2f} | {goal} | {said} |"


def shown(value: float, unit: str) -> str:
    """Give a value with its unit; seconds below one in milliseconds, bytes in MB."""
    if unit == "s" and value < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "B":
        return f"{value / 1e6:.3g} MB"
    return f"{value:.3g} {unit}"


def write(made: dict[str, Any], name: str, folder: Path = RESULTS) -> Path:
    """Write the table and its JSON; give the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    path = folder / f"{name}.md"
    path.write_text(markdown(made), encoding="utf-8")
    return path


def show(made: dict[str, Any], page: Path) -> None:
    """Put the table between the two marks of a page."""
    before, _, after = page.read_text(encoding="utf-8").split(MARK)
    page.write_text(f"{before}{MARK}{markdown(made)}{MARK}{after}", encoding="utf-8")
