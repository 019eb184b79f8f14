"""Partitions brought into the cache in order: the next one is read while the last is built."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from intake_cvpilot.assemble import Assembly
from intake_cvpilot.errors import CVPilotError, SpaceError
from intake_cvpilot.progress import Event, Progress

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Archive, Snapshot
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.changes import Changes
    from intake_cvpilot.job import Job, View
    from intake_cvpilot.workers import Workers

__all__ = ["Relay"]


class _Read(NamedTuple):
    assembly: Assembly
    steps: Generator[None, None, Manifest]


class Relay:
    """Brings listed partitions into the cache; used once.

    Everything happens in the caller's thread, and at most two partitions are under way: their
    locks are taken in the order of time, so that two processes never wait for each other, and
    whoever has to wait for a lock gives back the other one first.
    """

    WIDTH: Final = 2
    """Partitions under way at a time."""

    def __init__(
        self,
        job: Job,
        archive: Archive,
        crew: Workers,
        progress: Progress,
        fetched: dict[str, Manifest],
        failures: dict[str, Exception],
    ) -> None:
        self.job = job
        self.archive = archive
        self.crew = crew
        self.progress = progress
        self.fetched = fetched
        self.failures = failures
        self.changes: dict[str, Changes] = {}
        self.again = 0  # bytes that killed runs had begun to fetch
        self._read: _Read | None = None

    def bring(self, listed: Iterable[tuple[View, Snapshot]]) -> None:
        """Commit each partition, or note why not.

        Raises
        ------
        SpaceError
            No other partition will fit either.
        """
        try:
            for view, snapshot in listed:
                assembly = Assembly(
                    self.job,
                    view.partition,
                    view.manifest,
                    self.archive,
                    self.crew,
                    self.progress,
                    before=self,
                )
                steps = assembly.steps(snapshot)
                more = self._step(assembly, steps)
                self.again += assembly.again
                if more:
                    self.finish()
                    self._read = _Read(assembly, steps)
                    self.commit_if_built()
            self.finish()
        finally:
            if self._read is not None:
                self._read.steps.close()

    def finish(self) -> None:
        """Wait for the partition whose reading is done, and commit it."""
        if self._read is not None:
            read, self._read = self._read, None
            self._step(read.assembly, read.steps)

    def commit_if_built(self) -> None:
        """Commit it as soon as it is built, so that a kill loses none of it."""
        building = self._read and self._read.assembly.building
        if building and building.is_built:
            self.finish()

    def _step(self, assembly: Assembly, steps: Generator[None, None, Manifest]) -> bool:
        """Go on with a partition; say whether there is more to do, namely waiting for builds."""
        key = assembly.key
        try:
            next(steps)
        except StopIteration as done:
            self.fetched[key] = done.value
            self.changes[key] = assembly.changes
            self.progress(Event("commit", key))
        except SpaceError:
            raise
        except CVPilotError as error:
            self.failures[key] = error
            self.progress(Event("fail", key, message=str(error)))
        else:
            return True
        return False
