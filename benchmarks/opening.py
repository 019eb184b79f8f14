"""Opening cached days: manifests read, checked and made a lazy frame, no part touched."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

import intake_cvpilot
from benchmarks.archives import DAY, day
from benchmarks.benchmark import Benchmark, Measured, Run, clock, turns
from intake_cvpilot.cache.layout import Layout
from intake_cvpilot.cache.manifest import Manifest, as_quality, dumps, load

FIRST = date(2017, 1, 1)
#: Blocks of a day of 1 GB.
BUSY = 8


def cached(run: Run, days: int, blocks: int) -> tuple[Path, Path]:
    """Give an archive's folder and a cache of so many days of it, manifests only."""
    archive = day(run.folder, 1).root
    cache = run.folder / f"opened-{days}-{blocks}"
    one = run.folder / "opened-one"
    request = ("wydot", "BSM", DAY, DAY)
    intake_cvpilot.fetch(*request, archive=archive, cache_dir=one, progress=False)
    if not cache.exists():
        from intake_cvpilot.archive import identity

        layout = Layout(cache, identity(str(archive), None))
        made = load(Layout(one, layout.identity), f"wydot/BSM/{DAY:%Y/%m/%d}")
        assert made is not None
        full = with_blocks(made, blocks)
        for number in range(days):
            here = moved(full, FIRST + timedelta(days=number))
            layout.folder(here.key).mkdir(parents=True)
            layout.manifest(here.key).write_bytes(dumps(here))
        (cache / "cache.json").write_bytes((one / "cache.json").read_bytes())
    return archive, cache


def with_blocks(made: Manifest, blocks: int) -> Manifest:
    """Give a manifest with so many blocks, and each hour in one of them."""
    (name, summary) = next(iter(made.quality["blocks"].items()))
    part = next(file for file in made.files if file.role == "messages")
    rest = [file for file in made.files if file.role != "messages"]
    parts, summaries = [], {}
    for number in range(blocks):
        block = f"{number}{name[1:]}"
        summaries[block] = {**summary, "quality": share(summary["quality"], number, blocks)}
        sha = f"{number}{part.sha256[1:]}"
        parts.append(
            msgspec.structs.replace(
                part, block=block, sha256=sha, name=f"messages-{sha[:16]}.parquet"
            )
        )
    counts = made.counts
    rows = {"messages": part.rows * blocks}
    return msgspec.structs.replace(
        made,
        files=(*parts, *rest),
        counts=msgspec.structs.replace(counts, rows=rows),
        quality_json=as_quality({"blocks": summaries}),
    )


def share(quality: dict[str, Any], number: int, blocks: int) -> dict[str, Any]:
    """Give figures as one of the blocks has them."""

    def some(figures: dict[str, int]) -> dict[str, int]:
        return dict(list(figures.items())[number::blocks])

    late = quality["lateness"]
    return {
        **quality,
        "hours": some(quality["hours"]),
        "lateness": {**late, "ms": some(late["ms"])},
    }


def moved(made: Manifest, to: date) -> Manifest:
    """Give the manifest as another day would have it."""

    def there(stamp: str | None) -> str | None:
        return None if stamp is None else f"{to.isoformat()}{stamp[10:]}"

    return msgspec.structs.replace(
        made,
        key=f"wydot/BSM/{to:%Y/%m/%d}",
        files=tuple(
            msgspec.structs.replace(file, start=there(file.start), end=there(file.end))
            for file in made.files
        ),
    )


def opening(days: int, blocks: int, run: Run) -> Measured:
    """Open all days, and read files of the manifests' size."""
    archive, cache = cached(run, days, blocks)
    manifests = sorted(str(path) for path in cache.rglob("manifest.json"))
    last = FIRST + timedelta(days=days - 1)

    def ours() -> float:
        return clock(
            lambda: intake_cvpilot.open_dask(
                *("wydot", "BSM", FIRST, last),
                archive=archive,
                cache_dir=cache,
                progress=False,
                offline=True,
            )
        )

    size = Path(manifests[0]).stat().st_size
    return turns(
        run, ours, lambda: clock(lambda: bare(manifests)), note=f"manifests of {size:,} bytes"
    )


def bare(paths: list[str]) -> int:
    """Read files and do nothing with them."""
    total = 0
    for path in paths:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the bare way
            total += len(file.read())
    return total


def opened(name: str, days: int, blocks: int, goal: float | None) -> Benchmark:
    """Give the benchmark of so many days of so many blocks."""
    return Benchmark(
        name,
        f"`to_dask()` of {days:,} cached days of {blocks} block{'s' * (blocks > 1)}",
        f"reading {days:,} files of a manifest's size",
        partial(opening, days, blocks),
        goal,
    )


BENCHMARKS = (
    *(opened(f"open-{days}", days, BUSY, None) for days in (1, 30, 365)),
    opened("open-2000", 2_000, BUSY, 3),
    opened("open-2000-small", 2_000, 1, 3),
)
