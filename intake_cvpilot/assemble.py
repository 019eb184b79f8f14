"""One partition, from a snapshot to a committed manifest."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from intake_cvpilot import __version__
from intake_cvpilot.account import (
    block_id,
    blocks_of,
    changed,
    counted,
    entry,
    heard,
    is_like,
    options_hash,
    summary,
    totals,
    write_objects,
)
from intake_cvpilot.building import Before, Building, Nothing
from intake_cvpilot.cache import locks, staging
from intake_cvpilot.cache.abandoned import abandoned
from intake_cvpilot.cache.checksums import is_there
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.folders import storage_error, temporary_name, vanished
from intake_cvpilot.cache.manifest import File, Manifest, as_quality
from intake_cvpilot.changes import Changes
from intake_cvpilot.errors import (
    ArchiveError,
    ChangedError,
    CVPilotError,
    DamagedError,
    NewerError,
)
from intake_cvpilot.partition import Block, blocks
from intake_cvpilot.progress import Event, Progress
from intake_cvpilot.state import is_closed
from intake_cvpilot.warn import warn
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Archive, Snapshot
    from intake_cvpilot.build import BlockResult
    from intake_cvpilot.job import Job
    from intake_cvpilot.partition import Partition
    from intake_cvpilot.workers import Workers

__all__ = ["Assembly"]

#: How often a partition is tried when it changes, or its staging goes, while it is worked on.
MOST_TRIES = 3


class Assembly:
    """Brings one partition into the cache; used once."""

    def __init__(
        self,
        job: Job,
        partition: Partition,
        seen: Manifest | None,
        archive: Archive,
        crew: Workers,
        progress: Progress,
        before: Before | None = None,
    ) -> None:
        self.job = job
        self.partition = partition
        self.seen = seen
        self.archive = archive
        self.crew = crew
        self.progress = progress
        self.before = before or Nothing()
        self.building: Building | None = None
        self.layout = job.layout
        self.key = partition.key
        self.again = 0  # bytes that a killed run had begun to fetch
        self.changes = Changes()

    def run(self, snapshot: Snapshot) -> Manifest:
        """Commit a snapshot at once; see `steps`."""
        steps = self.steps(snapshot)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                committed: Manifest = done.value
                return committed

    def steps(self, snapshot: Snapshot) -> Generator[None, None, Manifest]:
        """Commit a snapshot, unless another process has committed it or a later one.

        Yields when everything is read and blocks may still be being built.

        Raises
        ------
        ArchiveError
            Something could not be read, or the partition kept changing.
        CacheError, SpaceError
            The cache cannot store it.
        LockTimeoutError
            Another process holds the partition.
        """
        with locks.hold(
            self.layout,
            self.key,
            timeout=self.job.settings.lock_timeout,
            on_wait=self.tell_wait,
        ):
            return (yield from self.persist(snapshot))

    def persist(self, snapshot: Snapshot) -> Generator[None, None, Manifest]:
        """Commit a snapshot or its successors, also where others do the same without our lock."""
        for attempt in range(1, MOST_TRIES + 1):
            try:
                return (yield from self.commit(snapshot))
            except ChangedError as error:
                change = error
                snapshot = self.relisted(snapshot)
            except OSError as error:
                if vanished(error) and attempt < MOST_TRIES:
                    continue  # without locks another may have finished, and cleared the staging
                if isinstance(error, CVPilotError):
                    raise
                raise storage_error(error, self.key, self.layout.root, snapshot.bytes) from error
        raise ArchiveError(
            f"{self.key} changed in the archive while it was read, {MOST_TRIES} times in a "
            f"row; try again later. The last change: {change}"
        ) from change

    def relisted(self, before: Snapshot) -> Snapshot:
        """List the partition anew, and tell of objects that have gone meanwhile."""
        snapshot = self.archive.snapshot(self.partition.prefix)
        gone = sorted({unit.key for unit in before.units} - {unit.key for unit in snapshot.units})
        if gone:
            warn(
                f"{self.key}: {amount(len(gone), 'object')} vanished from the archive between its "
                f"listing and reading ({', '.join(gone[:3])}{', ...' if gone[3:] else ''}); the "
                "partition is stored as the archive lists it now"
            )
        return snapshot

    def tell_wait(self, holder: locks.Holder | None) -> None:
        """Say whom the caller is waiting for."""
        self.before.finish()  # it must not wait with us, nor anybody for it
        text = f"{self.key} is being fetched by {holder or 'another process'}: waiting"
        self.progress(Event("wait", self.key, message=text))

    def commit(self, snapshot: Snapshot) -> Generator[None, None, Manifest]:
        """Build what the snapshot has anew and commit the partition; the lock is held."""
        current = self.current()
        if current is not None and self.same_tables(current):
            same = current.fingerprint == snapshot.fingerprint
            if self.is_news(current) and (same or current.listed_at >= snapshot.listed_at):
                return current  # another process did it while we waited
            if not snapshot.units and not snapshot.authoritative and current.counts.objects:
                return self.mistrust(current)
            like = is_like(current, snapshot) and not self.job.refresh  # which reads them anew
            if (same or like) and not self.broken(current):
                said = heard(snapshot, None if same else current)
                listed = msgspec.structs.replace(
                    current,
                    listed_at=snapshot.listed_at,
                    closed=self.closed(snapshot),
                    quality_json=as_quality({"blocks": blocks_of(current), **said}),
                )
                commit(self.layout, listed, {})
                staging.clear(self.layout, self.key)  # of one killed just after its commit
                return listed
        self.changes = changed(self.layout, current, snapshot)
        plan = {
            block_id(block, self.job.versions): block
            for block in blocks(snapshot.units, snapshot.prefix, self.job.block_bytes)
        }
        kept = self.kept(current, plan)
        todo = {name: block for name, block in plan.items() if name not in kept}
        self.again += abandoned(self.layout, self.key)
        self.building = Building(
            self.job, self.partition, self.archive, self.crew, self.progress, self.before
        )
        built = yield from self.building.steps(todo)
        manifest, staged = self.manifest(snapshot, plan, kept, built, current)
        commit(self.layout, manifest, staged, over_newer=self.job.over_newer)
        staging.clear(self.layout, self.key)
        return manifest

    def is_news(self, current: Manifest) -> bool:
        """Say whether somebody committed since we looked; a listing's time alone may be wrong."""
        return self.seen is None or self.seen.checksum != current.checksum

    def mistrust(self, current: Manifest) -> Manifest:
        """Keep what is committed: an empty folder may be half synced, or not mounted."""
        warn(
            f"{self.key} is empty in {self.layout.identity}, which proves nothing: the "
            f"what was read before is kept ({amount(current.counts.objects, 'object')})"
        )
        return current

    def current(self) -> Manifest | None:
        """Give what is committed, if it can be trusted."""
        try:
            return self.job.stored(self.key)
        except DamagedError:
            return None  # only a refresh gets here: everything is built anew
        except NewerError:  # or a newer library was faster than this one
            if self.job.over_newer:
                return None
            raise

    def kept(self, current: Manifest | None, plan: Mapping[str, Block]) -> set[str]:
        """Name the blocks whose committed files are still what they would be built to."""
        if current is None or not self.same_tables(current):
            return set()
        broken = self.broken(current)
        if any(file.role == "objects" for file in broken):
            return set()  # it says what became of every unit
        spoilt = {file.block for file in broken}
        return {name for name in blocks_of(current) if name in plan and name not in spoilt}

    def broken(self, current: Manifest) -> list[File]:
        """Give the committed files that are missing, or not what the manifest says."""
        folder = self.layout.folder(self.key)
        return [
            file
            for file in current.files
            if not is_there(folder / file.name, file.bytes, file.sha256)
        ]

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
        units = counted(self.layout, current) if current and kept else {}
        staged: dict[str, Path] = {}
        new: list[File] = []
        for name, result in built.items():
            folder = staging.block_folder(self.layout, self.key, name)
            staged |= {file.name: folder / file.name for file in result.files}
            new += [entry(file, name) for file in result.files]
            units |= {unit.key: unit for unit in result.units}
            summaries[name] = summary(plan[name], result)
        if snapshot.units:
            # A name of its own: a process that no lock keeps out must not write into a file that
            # this one has moved into its place.
            path = staging.incoming(self.layout, self.key) / temporary_name()
            file = write_objects(snapshot, units, path)
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
            counts=totals(snapshot, units, summaries.values(), self.job.versions),
            quality_json=as_quality(
                {"blocks": {name: summaries[name] for name in plan}, **heard(snapshot)}
            ),
            table_versions=dict(self.job.versions),
            options=options_hash(),
            library=__version__,
        )
        return made, staged

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
