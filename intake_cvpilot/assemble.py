"""One partition, from a snapshot to a committed manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from intake_cvpilot import __version__
from intake_cvpilot.build import (
    BlockResult,
    BlockTask,
    BuiltFile,
    StagedUnit,
    UnitCounts,
)
from intake_cvpilot.cache import locks, staging
from intake_cvpilot.cache.checksums import file_sha256, footer_sha256
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.manifest import File, Manifest, Tally, as_quality, instant_text, load
from intake_cvpilot.cache.read import read_part
from intake_cvpilot.errors import ArchiveError, ChangedError, DamagedError
from intake_cvpilot.partition import Block, blocks
from intake_cvpilot.progress import Event, Progress
from intake_cvpilot.report import Counts, add_quality
from intake_cvpilot.state import is_closed
from intake_cvpilot.tables.parts import write

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Archive, Snapshot, Unit
    from intake_cvpilot.job import Job
    from intake_cvpilot.partition import Partition
    from intake_cvpilot.workers import Workers

__all__ = ["Assembly", "contents", "options_hash", "quality"]

#: How often a partition is listed anew when it changes while it is read.
MOST_LISTINGS = 3

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

COUNTED = ("lines", "records", "blank", "quarantined")
"""The counts of a unit."""


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
    plain = {name: getattr(tally, name) for name in Counts.__slots__ if name != "rows"}
    return Counts(**plain, rows=sum(tally.rows.values()))


def quality(manifest: Manifest) -> dict[str, Any]:
    """Give a committed partition's quality figures, added up over its blocks."""
    return add_quality(block["quality"] for block in blocks_of(manifest).values())


def blocks_of(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Give what a manifest keeps of each block, by the block's id."""
    found: dict[str, dict[str, Any]] = manifest.quality.get("blocks", {})
    return found


class Assembly:
    """Brings one partition into the cache; used once."""

    def __init__(
        self,
        job: Job,
        partition: Partition,
        archive: Archive,
        crew: Workers,
        progress: Progress,
    ) -> None:
        self.job = job
        self.partition = partition
        self.archive = archive
        self.crew = crew
        self.progress = progress
        self.layout = job.layout
        self.key = partition.key

    def run(self, snapshot: Snapshot) -> Manifest:
        """Commit a snapshot, unless another process has committed it or a later one.

        Raises
        ------
        ArchiveError
            Something could not be read, or the partition kept changing.
        LockTimeoutError
            Another process holds the partition.
        """
        with locks.hold(
            self.layout,
            self.key,
            timeout=self.job.settings.lock_timeout,
            on_wait=self.tell_wait,
        ):
            for _ in range(MOST_LISTINGS):
                try:
                    return self.commit(snapshot)
                except ChangedError:
                    snapshot = self.archive.snapshot(self.partition.prefix)
        raise ArchiveError(
            f"{self.key} changed in the archive while it was read, {MOST_LISTINGS} times in a "
            "row; try again later"
        )

    def tell_wait(self, holder: locks.Holder | None) -> None:
        """Say whom the caller is waiting for."""
        text = f"{self.key} is being fetched by {holder or 'another process'}: waiting"
        self.progress(Event("wait", self.key, message=text))

    def commit(self, snapshot: Snapshot) -> Manifest:
        """Build what the snapshot has anew and commit the partition; the lock is held."""
        current = self.current()
        if current is not None and self.same_tables(current):
            if current.listed_at >= snapshot.listed_at:
                return current  # another process did it while we waited
            if current.fingerprint == snapshot.fingerprint:
                listed = msgspec.structs.replace(
                    current, listed_at=snapshot.listed_at, closed=self.closed(snapshot)
                )
                commit(self.layout, listed, {})
                return listed
        plan = {block_id(b, self.job.versions): b for b in blocks(snapshot.units, snapshot.prefix)}
        kept = self.kept(current, plan)
        built = self.build({name: b for name, b in plan.items() if name not in kept})
        manifest, staged = self.manifest(snapshot, plan, kept, built, current)
        commit(self.layout, manifest, staged)
        staging.clear(self.layout, self.key)
        return manifest

    def current(self) -> Manifest | None:
        """Give what is committed, if it can be trusted."""
        try:
            return load(self.layout, self.key)
        except DamagedError:
            return None  # only a refresh gets here: everything is built anew

    def kept(self, current: Manifest | None, plan: Mapping[str, Block]) -> set[str]:
        """Name the blocks whose committed files are still what they would be built to."""
        if current is None or not self.same_tables(current):
            return set()
        folder = self.layout.folder(self.key)
        gone = {file.block for file in current.files if not (folder / file.name).is_file()}
        return {name for name in blocks_of(current) if name in plan and name not in gone}

    def build(self, todo: Mapping[str, Block]) -> dict[str, BlockResult]:
        """Read and build blocks, each as soon as its last unit is there."""
        results: dict[str, BlockResult] = {}
        futures: dict[str, Future[BlockResult]] = {}
        lacking: dict[str, set[Unit]] = {}
        places: dict[Unit, Path] = {}
        for name, block in todo.items():
            done = staging.load_result(self.layout, self.key, name)
            if done is not None:
                results[name] = msgspec.convert(done, BlockResult)
                continue
            listed = {unit.key: unit for unit in block.units}
            asked = [(unit.key, unit.size, unit.etag) for unit in block.units]
            found = staging.find_all(self.layout, self.key, asked)
            places |= {listed[key]: path for key, path in found.items()}
            lacking[name] = {unit for unit in block.units if unit not in places}
            if not lacking[name]:
                futures[name] = self.submit(name, block, places)
        owner = {unit: name for name, units in lacking.items() for unit in units}
        wanted = sorted(owner)
        folder = staging.incoming(self.layout, self.key)
        with closing(self.archive.read(wanted, folder)) as arriving:
            for got in arriving:
                unit = got.unit
                places[unit] = staging.adopt(
                    self.layout, self.key, got.path, unit.key, unit.size, unit.etag, got.sha256
                )
                self.progress(Event("read", self.key, done=unit.size))
                name = owner[unit]
                lacking[name].discard(unit)
                if not lacking[name]:
                    futures[name] = self.submit(name, todo[name], places)
        for name, future in futures.items():
            results[name] = future.result()
            built = {file.name: (file.bytes, file.sha256) for file in results[name].files}
            staging.save_result(
                self.layout, self.key, name, msgspec.to_builtins(results[name]), built
            )
            self.progress(Event("build", self.key, done=todo[name].bytes))
        return results

    def submit(self, name: str, block: Block, places: Mapping[Unit, Path]) -> Future[BlockResult]:
        """Hand a block whose units are all there to the workers."""
        return self.crew.submit(
            BlockTask(
                source=self.job.request.source,
                message_type=self.job.request.message_type,
                partition=self.key,
                start=self.partition.start,
                end=self.partition.end,
                units=tuple(StagedUnit(u.key, u.object_id, places[u]) for u in block.units),
                folder=staging.block_folder(self.layout, self.key, name),
            )
        )

    def manifest(
        self,
        snapshot: Snapshot,
        plan: Mapping[str, Block],
        kept: set[str],
        built: Mapping[str, BlockResult],
        current: Manifest | None,
    ) -> tuple[Manifest, dict[str, Path]]:
        """Write down what the partition consists of, old blocks and new ones."""
        old = [f for f in current.files if f.block in kept] if current else []
        summaries = {n: blocks_of(current)[n] for n in kept} if current else {}
        units = self.kept_units(current) if current and kept else {}
        staged: dict[str, Path] = {}
        new: list[File] = []
        for name, result in built.items():
            folder = staging.block_folder(self.layout, self.key, name)
            staged |= {file.name: folder / file.name for file in result.files}
            new += [entry(file, name) for file in result.files]
            units |= {unit.key: unit for unit in result.units}
            summaries[name] = summary(plan[name], result)
        if snapshot.units:
            file, path = self.objects(snapshot, units)
            staged[file.name] = path
            new.append(file)
        made = Manifest(
            identity=self.layout.identity,
            key=self.key,
            status="complete" if snapshot.units else "no_data",
            generation=current.generation + 1 if current else 1,
            listed_at=snapshot.listed_at,
            closed=self.closed(snapshot),
            fingerprint=snapshot.fingerprint,
            files=tuple(sorted([*old, *new], key=lambda f: (f.role, f.start or "", f.name))),
            counts=totals(snapshot, units.values(), summaries.values(), self.job.versions),
            quality_json=as_quality({"blocks": {name: summaries[name] for name in plan}}),
            table_versions=dict(self.job.versions),
            options=options_hash(),
            library=__version__,
        )
        return made, staged

    def objects(self, snapshot: Snapshot, units: Mapping[str, UnitCounts]) -> tuple[File, Path]:
        """Write the partition's units and what became of their lines."""
        rows = pa.Table.from_pylist(
            [
                {
                    "key": unit.key,
                    "object_id": unit.object_id,
                    "size": unit.size,
                    "etag": unit.etag,
                    "last_modified": unit.last_modified,
                    **{name: getattr(units[unit.key], name) for name in COUNTED},
                }
                for unit in snapshot.units
            ],
            schema=OBJECTS,
        )
        path = staging.incoming(self.layout, self.key) / "objects.parquet"
        write(rows, path, codec="snappy", level=None)
        sha256 = file_sha256(path)
        file = File(
            role="objects",
            name=f"objects-{sha256[:16]}.parquet",
            bytes=path.stat().st_size,
            rows=len(rows),
            sha256=sha256,
            footer_sha256=footer_sha256(path),
        )
        return file, path

    def kept_units(self, current: Manifest) -> dict[str, UnitCounts]:
        """Give what became of the lines of the committed units."""
        file = next(f for f in current.files if f.role == "objects")
        rows = read_part(self.layout.folder(self.key) / file.name, file, schema=OBJECTS)
        rows = rows.select(["key", *COUNTED])
        return {row["key"]: UnitCounts(**row) for row in rows.to_pylist()}

    def same_tables(self, manifest: Manifest) -> bool:
        """Say whether committed files would be built the same today."""
        return (
            dict(manifest.table_versions) == dict(self.job.versions)
            and manifest.options == options_hash()
        )

    def closed(self, snapshot: Snapshot) -> bool:
        """Say whether the listing is final; an empty one that proves nothing never is."""
        return bool(snapshot.units or snapshot.authoritative) and is_closed(
            self.partition, snapshot.listed_at, self.job.settings.settle
        )


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
        "rows": {
            name: sum(file.rows for file in result.files if file.role == name)
            for name in result.rows
        },
        "quality": {
            "nulls": result.nulls,
            "quarantined": result.quarantined,
            "versions": result.versions,
            "notes": result.notes,
        },
    }


def totals(
    snapshot: Snapshot,
    units: Iterable[UnitCounts],
    blocks: Iterable[Mapping[str, Any]],
    tables: Iterable[str],
) -> Tally:
    """Add up a partition's counts."""
    listed, held = list(units), list(blocks)
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
