"""What a manifest keeps of a partition: its units, its blocks' figures, its counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from intake_cvpilot import __version__
from intake_cvpilot.build import BlockResult, BuiltFile, UnitCounts
from intake_cvpilot.cache.checksums import file_sha256, footer_sha256
from intake_cvpilot.cache.manifest import File, Manifest, Tally, instant_text
from intake_cvpilot.cache.store import read_file
from intake_cvpilot.changes import Changes, changes
from intake_cvpilot.errors import CacheError
from intake_cvpilot.hours import expected
from intake_cvpilot.partition import partition
from intake_cvpilot.report import Counts
from intake_cvpilot.sums import add_quality
from intake_cvpilot.tables.digest import combined, digests
from intake_cvpilot.tables.parts import write

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Snapshot
    from intake_cvpilot.cache.layout import Layout
    from intake_cvpilot.partition import Block

__all__ = [
    "OBJECTS",
    "block_id",
    "blocks_of",
    "changed",
    "contents",
    "counted",
    "entry",
    "heard",
    "is_like",
    "listing",
    "options_hash",
    "quality",
    "read_objects",
    "summary",
    "totals",
    "unknown_versions",
    "unverified_since",
    "values",
    "write_objects",
]

OBJECTS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("object_id", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("etag", pa.string()),
        pa.field("last_modified", pa.timestamp("us", "UTC")),
        pa.field("lines", pa.int64(), nullable=False),
        pa.field("records", pa.int64(), nullable=False),
        pa.field("blank", pa.int64(), nullable=False),
        pa.field("quarantined", pa.int64(), nullable=False),
    ]
)
"""The units of a partition: what the archive listed, and what became of their lines."""

_PLAIN = attrgetter(*(name for name in Counts.__slots__ if name != "rows"))

COUNTED = ("lines", "records", "blank", "quarantined")
"""The counts of a unit."""


@cache
def options_hash() -> str:
    """Hash the options that change rows; there are none yet (never codec or level)."""
    return hashlib.sha256(b"{}").hexdigest()[:16]


def block_id(block: Block, versions: Mapping[str, str]) -> str:
    """Name a block's content: its units, the table versions and the options that change rows."""
    parts = [block.fingerprint, sorted(versions.items()), options_hash(), __version__]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def contents(manifest: Manifest) -> Counts:
    """Give a committed partition's counts."""
    tally = manifest.counts
    counts: tuple[int, ...] = (*_PLAIN(tally), sum(tally.rows.values()))
    return Counts(*counts)


def quality(manifest: Manifest) -> dict[str, Any]:
    """Give a committed partition's quality figures, added up over its blocks.

    ``expected`` besides: each hour (nycdot: period) that its folder covers, once.
    """
    blocks = add_quality(block["quality"] for block in blocks_of(manifest).values())
    return {**blocks, "expected": dict.fromkeys(expected(partition(manifest.key)), 1)}


def blocks_of(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Give what a manifest keeps of each block, by the block's id."""
    found: dict[str, dict[str, Any]] = manifest.quality.get("blocks", {})
    return found


def listing(manifest: Manifest) -> dict[str, Any]:
    """Give what the archive said of a partition beside its units; empty for most archives."""
    found: dict[str, Any] = manifest.quality.get("listing", {})
    return found


def heard(snapshot: Snapshot, before: Manifest | None = None) -> dict[str, Any]:
    """Give what a manifest keeps of a listing.

    Parameters
    ----------
    snapshot : Snapshot
        The listing.
    before : Manifest, optional
        What is committed, if the listing is only like the one that it was read by: since then
        nobody has verified that its rows are what the archive has.
    """
    said = dict(snapshot.facts)
    if snapshot.likeness is not None:
        said["likeness"] = snapshot.likeness
    if before is not None:
        said["unverified_since"] = unverified_since(before, snapshot)
    return {"listing": said} if said else {}


def values(layout: Layout, manifest: Manifest) -> dict[str, str]:
    """Give the digests of a committed partition's columns, by role, over its blocks in order.

    Blocks that were built before digests were kept are read for them.
    """
    blocks = blocks_of(manifest)
    parts: dict[str, list[tuple[str, str]]] = {}
    for file in manifest.files:
        if file.block is not None and file.role != "quarantine":
            block = blocks[file.block]
            known = block.get("values", {}).get(file.role)
            digest = known or digests(read_file(layout, manifest.key, file))
            # Not by id: another release gives the same block another one.
            parts.setdefault(file.role, []).append((block["name"], digest))
    return {
        role: combined([digest for _, digest in sorted(some)])
        for role, some in sorted(parts.items())
    }


def is_like(manifest: Manifest, snapshot: Snapshot) -> bool:
    """Say whether a listing names the rows that are committed, which may have been changed."""
    likeness = listing(manifest).get("likeness")
    return snapshot.likeness is not None and likeness == snapshot.likeness


def unverified_since(manifest: Manifest, snapshot: Snapshot) -> str | None:
    """Give since when nobody knows, by a listing that is like it, that the rows are the same."""
    since: str | None = listing(manifest).get("unverified_since")
    return since or snapshot.facts.get("modified")


def unknown_versions(manifest: Manifest) -> dict[str, tuple[str, int]]:
    """Give the first object and line of each schema version that no shape is made for."""
    found: dict[str, tuple[str, int]] = {}
    for block in blocks_of(manifest).values():
        for version, (key, line) in block.get("unknown", {}).items():
            found.setdefault(version, (key, line))
    return found


def write_objects(snapshot: Snapshot, units: Mapping[str, UnitCounts], path: Path) -> File:
    """Write a partition's units and what became of their lines."""
    named = ("key", "object_id", "size", "etag", "last_modified")
    columns = {name: [getattr(unit, name) for unit in snapshot.units] for name in named}
    counts = [units[unit.key] for unit in snapshot.units]
    columns |= {name: [getattr(each, name) for each in counts] for name in COUNTED}
    rows = pa.Table.from_pydict(columns, schema=OBJECTS)
    write(rows, path, codec="snappy", level=None)
    sha256 = file_sha256(path)
    return File(
        role="objects",
        name=f"objects-{sha256[:16]}.parquet",
        bytes=path.stat().st_size,
        rows=len(rows),
        sha256=sha256,
        footer_sha256=footer_sha256(path),
    )


def read_objects(layout: Layout, manifest: Manifest) -> pa.Table:
    """Read a committed partition's units, checked."""
    for file in manifest.files:
        if file.role == "objects":
            return read_file(layout, manifest.key, file, schema=OBJECTS)
    return OBJECTS.empty_table()


def changed(layout: Layout, manifest: Manifest | None, snapshot: Snapshot) -> Changes:
    """Say what became of the objects since they were committed; nothing where that is unknown."""
    if manifest is None or manifest.fingerprint == snapshot.fingerprint:
        return Changes()
    try:
        return changes(read_objects(layout, manifest), snapshot.units)
    except CacheError:
        return Changes()  # the file that lists them is damaged


def counted(layout: Layout, manifest: Manifest) -> dict[str, UnitCounts]:
    """Give what became of the lines of the committed units, by key."""
    rows = read_objects(layout, manifest).select(["key", *COUNTED])
    return {row["key"]: UnitCounts(**row) for row in rows.to_pylist()}


def entry(file: BuiltFile, block: str) -> File:
    """Give a built file's line in the manifest."""
    return File(
        role=file.role,
        name=file.name,
        bytes=file.bytes,
        rows=file.rows,
        sha256=file.sha256,
        footer_sha256=file.footer_sha256,
        block=block,
        start=instant_text(file.start) if file.start else None,
        end=instant_text(file.end) if file.end else None,
    )


def summary(block: Block, result: BlockResult) -> dict[str, Any]:
    """Give what a manifest keeps of a block: its name and figures that add up."""
    return {
        "name": block.name,
        "inside": result.inside,
        "outside": result.outside,
        "unknown": {version: list(first) for version, first in result.unknown.items()},
        "values": dict(result.values),
        "rows": {
            name: sum(file.rows for file in result.files if file.role == name)
            for name in result.rows
        },
        "quality": {
            "nulls": result.nulls,
            "quarantined": result.quarantined,
            "versions": result.versions,
            "notes": result.notes,
            "repeats": result.figures.repeats,
            "lateness": result.figures.lateness,
            "hours": result.figures.hours,
        },
    }


def totals(
    snapshot: Snapshot,
    units: Mapping[str, UnitCounts],
    blocks: Iterable[Mapping[str, Any]],
    tables: Iterable[str],
) -> Tally:
    """Add up a partition's counts."""
    listed, held = [units[unit.key] for unit in snapshot.units], list(blocks)
    return Tally(
        objects=len(snapshot.units),
        bytes=snapshot.bytes,
        lines=sum(unit.lines for unit in listed),
        records=sum(unit.records for unit in listed),
        blank=sum(unit.blank for unit in listed),
        quarantined=sum(unit.quarantined for unit in listed),
        inside=sum(block["inside"] for block in held),
        outside=sum(block["outside"] for block in held),
        rows={name: sum(block["rows"].get(name, 0) for block in held) for name in tables},
    )
