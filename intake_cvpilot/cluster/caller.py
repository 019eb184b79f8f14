"""The caller's side of a fetch on a cluster: who takes part, what is handed out and comes back."""

from __future__ import annotations

import math
import secrets
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.archive.address import Address
from intake_cvpilot.cache.folders import open_folder
from intake_cvpilot.cache.layout import prepare
from intake_cvpilot.cluster.supply import Supply
from intake_cvpilot.cluster.worker import (
    Brought,
    bring_partition,
    join,
    leave,
    lost,
    refusals,
    running,
)
from intake_cvpilot.errors import CacheError, SpaceError
from intake_cvpilot.progress import Event, Progress
from intake_cvpilot.room import bytes_free
from intake_cvpilot.warn import warn

if TYPE_CHECKING:
    from distributed import Client, Future

    from intake_cvpilot.archive.base import Snapshot, Traffic
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.changes import Changes
    from intake_cvpilot.job import Job, View

__all__ = ["Muster"]

_ARRIVE: Final = 30.0  # seconds for a first worker to be there
_QUIET: Final = 60.0  # seconds for tasks that are not wanted any more to end

Listed = tuple["View", "Snapshot"]


class Muster:
    """One fetch on a cluster; used once.

    Parameters
    ----------
    job : Job
        What is wanted.
    client : distributed.Client
        The cluster.
    """

    def __init__(self, job: Job, client: Client) -> None:
        self.job = job
        self.client = client
        self.name = f"cvpilot-{secrets.token_hex(8)}"
        self.mark = f".{secrets.token_hex(16)}.tmp"
        self.content = secrets.token_hex(16)
        self.changes: dict[str, Changes] = {}
        self.again = 0
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._under_way: dict[Future[Brought], Listed] = {}
        self._supply: Supply | None = None

    @contextmanager
    def gathered(self) -> Iterator[Muster]:
        """Let the workers join, and part from them at the end, however it comes.

        Raises
        ------
        CacheError
            A worker does not see the cache, or has another library.
        """
        prepare(self.job.layout.root)
        with ExitStack() as stack:
            folder = stack.enter_context(open_folder(self.job.layout.root, ()))
            with folder.new(self.mark) as file:
                stack.callback(folder.discard, self.mark)
                file.write(self.content.encode())
            stack.callback(self._part)
            self._join()
            self.client.subscribe_topic(self.name, lambda event: self._inbox.put(event[1]))
            stack.callback(self.client.unsubscribe_topic, self.name)
            yield self

    def _join(self, workers: list[str] | None = None) -> None:
        from distributed import TimeoutError as LateError

        try:
            self.client.wait_for_workers(1, timeout=_ARRIVE)
        except (LateError, TimeoutError) as error:
            raise CacheError(
                f"the cluster had no worker for {_ARRIVE:g} s: start some, or scale it up, first"
            ) from error
        given = (self.name, self.job, self.mark, self.content)
        answers = self.client.run(join, *given, workers=workers, on_error="return")
        there = self.client.nthreads()
        root = self.job.layout.root
        wrong = refusals({a: said for a, said in answers.items() if a in there}, root)
        if wrong:
            some = "; ".join(f"{address} {why}" for address, why in list(wrong.items())[:5])
            raise CacheError(
                f"{len(wrong)} of {len(answers)} workers cannot take part: {some}. All workers and "
                "the caller need the same version of the library and one shared folder as cache, "
                "under the same path: set cache_dir (CVPILOT_CACHE_DIR) to it; client=False "
                "fetches on this machine alone"
            )

    def bring(
        self,
        listed: Iterable[Listed],
        progress: Progress,
        fetched: dict[str, Manifest],
        failures: dict[str, Exception],
        traffic: Traffic,
    ) -> None:
        """Have each partition committed by a worker, or note why not.

        Raises
        ------
        SpaceError
            No other partition will fit either.
        """
        waiting = deque(listed)
        rate = self.rate
        width = self.width([snapshot.bytes for _, snapshot in waiting])
        with ExitStack() as stack:
            if rate is not None:
                self._supply = stack.enter_context(Supply(self.client, self.name, rate))
            while waiting or self._under_way:
                while waiting and len(self._under_way) < width:
                    self._hand_out(waiting.popleft())
                for item in self._arrived(progress):
                    if isinstance(item, tuple | list):
                        self._hear(item, progress)
                    elif item in self._under_way:
                        self._take(item, progress, fetched, failures, traffic)

    @property
    def rate(self) -> float | None:
        """Requests a second of all workers together; None where nothing is held back."""
        settings = self.job.settings
        if Address.parse(settings.archive, settings.storage_options).is_local:
            return None
        return settings.rate

    def width(self, sizes: list[int]) -> int:
        """Say how many partitions are under way at a time.

        Of no use are more than workers, or than requests in a second; and the raw objects of all of
        them lie on the cache's disk at a time.
        """
        most = len(self.client.nthreads())
        if self.rate is not None:
            most = min(most, max(2, math.ceil(self.rate)))
        largest = sorted(sizes, reverse=True)
        free = bytes_free(self.job.layout.root)
        while most > 1 and sum(largest[:most]) > free:
            most -= 1
        return max(1, most)

    def _hand_out(self, item: Listed) -> None:
        view, snapshot = item
        key = view.partition.key
        future = self.client.submit(
            bring_partition,
            *(self.name, key, snapshot, view.manifest),
            metered=self._supply is not None,
            key=f"{self.name}-{key}-{secrets.token_hex(4)}",
            pure=False,
        )
        self._under_way[future] = item
        future.add_done_callback(self._inbox.put)

    def _arrived(self, progress: Progress) -> Iterator[Any]:
        """Give what came in, the words of workers and finished tasks."""
        try:
            yield self._inbox.get(timeout=1.0)
            while True:
                yield self._inbox.get_nowait()
        except Empty:
            if self.client.status == "running" and not self.client.nthreads():
                text = "the cluster has no worker left: waiting for one"
                progress(Event("wait", "", message=text))

    def _hear(self, said: Any, progress: Progress) -> None:
        kind, key, number, message = said
        if kind == "pause":
            if self._supply is not None:
                self._supply.pause(number)
        else:
            progress(Event(kind, key, done=number, message=message))

    def _take(
        self,
        future: Future[Brought],
        progress: Progress,
        fetched: dict[str, Manifest],
        failures: dict[str, Exception],
        traffic: Traffic,
    ) -> None:
        """Take in what became of a partition."""
        item = self._under_way.pop(future)
        brought = self._result(future, item[0].partition.key)
        if brought.stranger is not None:
            self._join([brought.stranger])
            self._hand_out(item)
            return
        for event in brought.events:
            self._hear(event, progress)
        for text in brought.warnings:
            warn(text)
        key = brought.key
        self.again += brought.again
        traffic.add(brought.traffic)
        if isinstance(brought.error, SpaceError):
            raise brought.error
        if brought.manifest is None:
            failures[key] = brought.error or dropped(key)
            progress(Event("fail", key, message=str(failures[key])))
            return
        fetched[key] = brought.manifest
        self.changes[key] = brought.changes
        progress(Event("commit", key))

    def _result(self, future: Future[Brought], key: str) -> Brought:
        from distributed import KilledWorker

        if future.status not in ("finished", "error"):
            return Brought(key, error=dropped(key))
        try:
            return future.result()
        except KilledWorker as error:
            return Brought(key, error=lost(key, error))

    def _part(self) -> None:
        """Want nothing more, and wait until no worker does anything for this fetch."""
        if self.client.status != "running":
            return
        self.client.cancel(list(self._under_way), force=True)
        until = time.monotonic() + _QUIET
        while time.monotonic() < until:
            if not sum(self.client.run(running, self.name, on_error="ignore").values()):
                break
            time.sleep(0.1)
        self.client.run(leave, self.name, on_error="ignore")


def dropped(key: str) -> CacheError:
    """Say that the scheduler forgot a task of ours."""
    return CacheError(
        f"{key}: the cluster dropped it (its scheduler has gone, or was restarted); what was built "
        "stays, so call again"
    )
