"""Small partitions for the tests of the cache; values are invented."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.manifest import File, Manifest, Tally, as_quality, instant_text
from intake_cvpilot.cache.read import file_sha256, footer_sha256

KEY = "wydot/BSM/2021/04/01"
START = datetime(2021, 4, 1, tzinfo=UTC)

SCHEMA = pa.schema(
    [
        ("event_time", pa.timestamp("us", tz="UTC")),
        ("speed", pa.float64()),
        ("generation", pa.int64()),
        ("vehicle", pa.string()),
    ]
)


def table(generation: int = 1, rows: int = 200) -> pa.Table:
    first = int(START.timestamp()) * 1_000_000
    return pa.table(
        {
            "event_time": pa.array([first + i * 100_000 for i in range(rows)], SCHEMA[0].type),
            "speed": [None if i % 7 == 0 else (i * 37 % 301) / 10 for i in range(rows)],
            "generation": [generation] * rows,
            "vehicle": [f"vehicle-{i * 13 % 17}" for i in range(rows)],
        },
        schema=SCHEMA,
    )


def stage(folder: Path, role: str, content: pa.Table) -> tuple[File, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"build-{secrets.token_hex(8)}"
    # Small pages and row groups, so that small files have many headers and much to prune.
    pq.write_table(content, path, write_page_checksum=True, row_group_size=50, data_page_size=256)
    sha256 = file_sha256(path)
    times = content["event_time"] if "event_time" in content.column_names else None
    bounds = {}
    if times is not None and len(times):
        bounds = {"start": instant_text(times[0].as_py()), "end": instant_text(times[-1].as_py())}
    file = File(
        role=role,
        name=f"{role}-{sha256[:16]}.parquet",
        bytes=path.stat().st_size,
        rows=len(content),
        sha256=sha256,
        footer_sha256=footer_sha256(path),
        block=hashlib.sha256(role.encode()).hexdigest(),
        **bounds,
    )
    return file, path.rename(folder / file.name)


def manifest(files: tuple[File, ...] = (), generation: int = 1, **changes) -> Manifest:
    rows = sum(file.rows for file in files if file.role == "messages")
    values = {
        "identity": PUBLIC,
        "key": KEY,
        "status": "complete" if files else "no_data",
        "generation": generation,
        "listed_at": datetime(2021, 6, 30, 12, tzinfo=UTC),
        "closed": True,
        "fingerprint": "0" * 64,
        "files": files,
        "counts": Tally(
            lines=rows, records=rows, inside=rows, rows={"messages": rows} if files else {}
        ),
        "quality_json": as_quality({"nulls": {"messages": {"speed": {"unavailable": 29}}}}),
        "table_versions": {"messages": "1.0"},
        "options": "0" * 64,
        "library": "0.0.0",
    }
    return Manifest(**{**values, **changes})


def write(layout: Layout, generation: int = 1, *, key: str = KEY, parts: int = 1) -> Manifest:
    """Commit a partition of some parts, each made for this generation."""
    staged = {}
    files = []
    for part in range(parts):
        content = table(generation, rows=200 + part)
        folder = layout.staging(key) / "blocks" / secrets.token_hex(4)
        file, path = stage(folder, "messages", content)
        files.append(file)
        staged[file.name] = path
    committed = manifest(tuple(files), generation, key=key, identity=layout.identity)
    commit(layout, committed, staged)
    return committed
