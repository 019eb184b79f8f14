"""A partition's blocks: what they lack is read, and each is built as soon as it lacks nothing."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import BrokenExecutor, Future, wait
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Protocol

import msgspec

from intake_cvpilot.build import BlockResult, BlockTask, StagedUnit
from intake_cvpilot.cache import staging
from intake_cvpilot.cache.arrived import SMALL, Arrived
from intake_cvpilot.cache.folders import storage_error
from intake_cvpilot.errors import CacheError, CVPilotError
from intake_cvpilot.progress import Event, Progress

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Archive
    from intake_cvpilot.extent import Stored
    from intake_cvpilot.job import Job
    from intake_cvpilot.partition import Block, Partition
    from intake_cvpilot.workers import Workers

__all__ = ["Before", "Building", "Nothing"]


class Before(Protocol):
    """The partition before this one, whose reading is done and which may still be built."""

    def finish(self) -> None:
        """Wait for its builds and commit it."""
        ...

    def commit_if_built(self) -> None:
        """Commit it if nothing has to be waited for."""
        ...


class Nothing:
    """No partition before."""

    def finish(self) -> None:
        """Do nothing."""

    def commit_if_built(self) -> None:
        """Do nothing."""


class Building:
    """Reads and builds blocks of one partition; used once, under the partition's lock."""

    def __init__(
        self,
        job: Job,
        partition: Partition,
        archive: Archive,
        crew: Workers,
        progress: Progress,
        before: Before,
    ) -> None:
        self.job = job
        self.partition = partition
        self.archive = archive
        self.crew = crew
        self.progress = progress
        self.before = before
        self.layout = job.layout
        self.key = partition.key
        self.places: dict[str, Stored] = {}
        self.futures: dict[str, Future[BlockResult]] = {}
        self.results: dict[str, BlockResult] = {}

    @property
    def is_built(self) -> bool:
        """Whether nothing has to be waited for."""
        return all(future.done() for future in self.futures.values())

    def steps(self, todo: Mapping[str, Block]) -> Generator[None, None, dict[str, BlockResult]]:
        """Give the result of each block, by its id; yields once, when everything is read.

        Raises
        ------
        ArchiveError
            A unit could not be read.
        CacheError, SpaceError
            A block could not be written, or the process that built it ended.
        """
        try:
            self.receive(todo, self.begin(todo))
            yield
            for name in list(self.futures):
                self.collect(todo, name)
        finally:
            self.settle(todo)
        return self.results

    def begin(self, todo: Mapping[str, Block]) -> dict[str, set[str]]:
        """Take up what an earlier run left; give the keys that each block still lacks."""
        lacking: dict[str, set[str]] = {}
        for name, block in todo.items():
            done = staging.load_result(self.layout, self.key, name)
            if done is not None:
                self.results[name] = msgspec.convert(done, BlockResult)
                continue
            asked = [(unit.key, unit.size, unit.etag) for unit in block.units]
            self.places |= staging.find_all(self.layout, self.key, asked)
            lacking[name] = {unit.key for unit in block.units} - self.places.keys()
            if not lacking[name]:
                self.submit(name, block)
        return lacking

    def receive(self, todo: Mapping[str, Block], lacking: Mapping[str, set[str]]) -> None:
        """Read what is lacking; hand on each block that is complete."""
        owner = {key: name for name, keys in lacking.items() for key in keys}
        wanted = [unit for block in todo.values() for unit in block.units if unit.key in owner]
        folder = staging.incoming(self.layout, self.key)
        with (
            closing(self.archive.read(wanted, folder, small=SMALL)) as arriving,
            closing(Arrived(self.layout, self.key)) as arrived,
        ):
            for got in arriving:
                unit = got.unit
                self.places[unit.key] = arrived.take(
                    got.content, unit.key, unit.size, unit.etag, got.digest
                )
                self.progress(Event("read", self.key, done=unit.size))
                name = owner[unit.key]
                lacking[name].discard(unit.key)
                if not lacking[name]:
                    self.submit(name, todo[name])
                for ready in [n for n, future in self.futures.items() if future.done()]:
                    self.collect(todo, ready)
                self.before.commit_if_built()

    def submit(self, name: str, block: Block) -> None:
        """Hand a block whose units are all there to the workers."""
        units = tuple(StagedUnit(u.key, u.object_id, self.places[u.key]) for u in block.units)
        self.futures[name] = self.crew.submit(
            BlockTask(
                source=self.job.request.source,
                message_type=self.job.request.message_type,
                partition=self.key,
                start=self.partition.start,
                end=self.partition.end,
                units=units,
                folder=staging.block_folder(self.layout, self.key, name),
                codec=self.job.settings.codec,
            )
        )

    def collect(self, todo: Mapping[str, Block], name: str) -> None:
        """Wait for a block, and note that it is built so that no later run builds it again."""
        try:
            result = self.futures.pop(name).result()
        except BrokenExecutor as error:
            raise CacheError(
                f"a process that decoded {self.key} ended before its time (killed, or no memory "
                "left); what was built stays, so call again; jobs=1 decodes in this process"
            ) from error
        except CVPilotError:
            raise
        except OSError as error:
            needed = todo[name].bytes
            raise storage_error(
                error, f"a block of {self.key}", self.layout.root, needed
            ) from error
        built = {file.name: (file.bytes, file.sha256) for file in result.files}
        staging.save_result(self.layout, self.key, name, msgspec.to_builtins(result), built)
        self.results[name] = result
        self.progress(Event("build", self.key, done=todo[name].bytes))

    def settle(self, todo: Mapping[str, Block]) -> None:
        """After a failure: let nobody go on writing, and keep what was finished meanwhile."""
        begun = {name: f for name, f in self.futures.items() if not f.cancel()}
        wait(begun.values())
        for name in begun:
            with suppress(CVPilotError):
                self.collect(todo, name)
