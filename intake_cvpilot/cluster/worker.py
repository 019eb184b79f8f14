"""What happens on a worker: it joins a fetch, brings partitions, and builds blocks."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot import __version__
from intake_cvpilot.archive.base import Traffic
from intake_cvpilot.assemble import Assembly
from intake_cvpilot.build import BlockResult, BlockTask, build_block
from intake_cvpilot.changes import Changes
from intake_cvpilot.cluster.supply import Ration
from intake_cvpilot.errors import CacheError, CVPilotError
from intake_cvpilot.listing import closing_archive
from intake_cvpilot.partition import partition
from intake_cvpilot.warn import relayed
from intake_cvpilot.workers import Tasks

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Snapshot
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.job import Job
    from intake_cvpilot.progress import Event

__all__ = ["Brought", "bring_partition", "join", "leave", "running"]

_TELL: Final = 0.25  # seconds between two words to the caller about bytes

#: What this process takes part in, by the fetch's name.  Settings come by a call to each worker,
#: not with a task: the scheduler keeps tasks, shows them, and sends them to others.
_JOINED: dict[str, Job] = {}
_RUNNING: Counter[str] = Counter()
_LOCK = threading.Lock()


class GivenUpError(Exception):
    """The caller has gone, or wants it no more; it never leaves this module."""


@dataclass
class Brought:
    """What became of a partition on a worker."""

    key: str
    """The partition."""
    stranger: str | None = None
    """The worker's address, if it has not joined the fetch; then nothing was done."""
    manifest: Manifest | None = None
    """What is committed."""
    error: CVPilotError | None = None
    """Why nothing was."""
    changes: Changes = field(default_factory=Changes)
    """Since the listing before."""
    again: int = 0
    """Bytes that a killed run had begun to fetch."""
    traffic: Traffic = field(default_factory=Traffic)
    """What was asked of the archive."""
    events: tuple[tuple[Any, ...], ...] = ()
    """Events that have not been told yet."""
    warnings: list[str] = field(default_factory=list)
    """For the caller's user."""


def join(name: str, job: Job, mark: str, content: str) -> dict[str, Any]:
    """Take part in a fetch, if this worker sees the caller's cache.

    Parameters
    ----------
    name : str
        The fetch's.
    job : Job
        Request and settings; held in this process until `leave`.
    mark, content : str
        A file that the caller has written into the cache, and what is in it.

    Returns
    -------
    dict
        Host and library version, and whether it sees and can write the cache.
    """
    root = job.layout.root
    answer = {"host": socket.gethostname(), "version": __version__, "why": ""}
    try:
        if (root / mark).read_text() != content:
            answer["why"] = "sees another folder there"
        else:
            beside = root / f"{mark}.{os.getpid()}"
            beside.touch()
            beside.unlink()
    except FileNotFoundError:
        answer["why"] = "does not see what the caller writes there"
    except OSError as error:
        answer["why"] = f"cannot use it ({error.strerror})"
    if not answer["why"] and answer["version"] == __version__:
        _JOINED[name] = job
    return answer


def leave(name: str) -> None:
    """Forget a fetch, and its settings."""
    _JOINED.pop(name, None)


def running(name: str) -> int:
    """Count the tasks of a fetch that run in this process."""
    return _RUNNING[name]


@contextmanager
def _counted(name: str) -> Iterator[None]:
    with _LOCK:
        _RUNNING[name] += 1
    try:
        yield
    finally:
        with _LOCK:
            _RUNNING[name] -= 1


def build(name: str, task: BlockTask) -> BlockResult:
    """Build a block; see `build_block`."""
    with _counted(name):
        return build_block(task)


class Teller:
    """The progress function of a worker: tells the caller, and ends the work when it has gone.

    Bytes are added up for a quarter of a second: ten thousand objects are not as many messages.
    """

    def __init__(self, topic: str) -> None:
        from distributed import get_worker

        self._topic = topic
        self._worker = get_worker()
        self._task = self._worker.get_current_task()
        self._bytes: Counter[tuple[str, str]] = Counter()
        self._waits: set[str] = set()
        self._told = time.monotonic()

    def check(self) -> None:
        """Raise when the scheduler does not want this task's result any more."""
        task = self._worker.state.tasks.get(self._task)
        if task is None or task.state not in ("executing", "long-running"):
            raise GivenUpError

    def __call__(self, event: Event) -> None:
        self.check()
        if event.kind in ("read", "build"):
            self._bytes[event.kind, event.partition] += event.done
            if time.monotonic() - self._told > _TELL:
                self._told = time.monotonic()
                for told in self.rest():
                    self._worker.log_event(self._topic, told)
        elif event.message not in self._waits:
            self._waits.add(event.message)
            self._worker.log_event(self._topic, (event.kind, event.partition, 0, event.message))

    def pause(self, seconds: float) -> None:
        """Tell the caller that the archive asked everybody to rest."""
        self._worker.log_event(self._topic, ("pause", "", seconds, ""))

    def rest(self) -> tuple[tuple[Any, ...], ...]:
        """Take what has not been told yet."""
        events = tuple((kind, key, done, "") for (kind, key), done in self._bytes.items())
        self._bytes.clear()
        return events


def bring_partition(
    name: str, key: str, snapshot: Snapshot, seen: Manifest | None, *, metered: bool
) -> Brought:
    """Bring one partition into the cache: a task, and the partition's only writer.

    Parameters
    ----------
    name : str
        The fetch that this worker has joined.
    key : str
        The partition.
    snapshot : Snapshot
        What the caller listed.
    seen : Manifest or None
        What the caller saw in the cache.
    metered : bool
        Whether requests are taken from the cluster's bucket.
    """
    from distributed import KilledWorker, get_worker, worker_client

    job = _JOINED.get(name)
    if job is None:
        return Brought(key, stranger=get_worker().address)
    brought = Brought(key)
    teller = Teller(name)
    # It leaves its place among the worker's threads to the blocks.
    with _counted(name), relayed(brought.warnings.append), worker_client() as client:
        try:
            with ExitStack() as stack:
                bucket = None
                if metered:
                    bucket = Ration(client, name, teller.pause, teller.check)
                    stack.callback(bucket.close)
                archive = stack.enter_context(closing_archive(job, bucket))
                crew = Tasks(client.get_executor(pure=False), partial(build, name))
                assembly = Assembly(job, partition(key), seen, archive, crew, teller)
                try:
                    if job.settings.archive.startswith("socrata:"):
                        # It holds what it reads against its own count.
                        snapshot = archive.snapshot(snapshot.prefix)
                    brought.manifest = assembly.run(snapshot)
                finally:
                    brought.changes, brought.again = assembly.changes, assembly.again
                    brought.traffic = archive.traffic
        except CVPilotError as error:
            brought.error = error
        except KilledWorker as error:
            brought.error = lost(key, error)
        except GivenUpError:
            leave(name)  # the caller may not be there to say so
    brought.events = teller.rest()
    return brought


def lost(key: str, error: BaseException) -> CacheError:
    """Say that one worker after the other ended at the same work."""
    wrong = CacheError(
        f"{key}: workers ended while they worked on it, one after the other (killed, or no memory "
        "left); what was built stays, so call again; a block takes about 0.4 GB in a worker"
    )
    wrong.__cause__ = error
    return wrong


def refusals(answers: Mapping[str, Any], root: Path) -> dict[str, str]:
    """Name the workers that cannot take part, and why."""
    wrong = {}
    for address, answer in answers.items():
        if not isinstance(answer, dict):
            wrong[address] = f"could not be asked ({type(answer).__name__}): is the library there?"
        elif answer["version"] != __version__:
            wrong[address] = f"has intake-cvpilot {answer['version']}, the caller {__version__}"
        elif answer["why"]:
            wrong[address] = f"{answer['why']}: {root} on {answer['host']}"
    return wrong
