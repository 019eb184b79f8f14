"""Where blocks are built: in this process, over a pool of processes, or as tasks of a cluster.

The only module that knows about processes.  A task and its result are small values; the rows
stay in the files that the worker wrote.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import TYPE_CHECKING, Protocol

from intake_cvpilot.build import BlockResult, BlockTask, build_block, load_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from loky import ProcessPoolExecutor

__all__ = ["Inline", "Pool", "Tasks", "Workers", "default_jobs", "workers"]

#: Below this many raw bytes the start of a pool (about a second) costs more than it saves.
POOL_THRESHOLD = 64 * 2**20

#: How often a process looks whether its caller lives, in seconds.
_LOOK = 0.25

#: More processes than this would pass the memory promised for all of them together.
MOST_JOBS = 4


class Workers(Protocol):
    """Builds blocks and gives back futures; a context manager that leaves no process behind."""

    def submit(self, task: BlockTask) -> Future[BlockResult]:
        """Start, or do, the work on one block."""
        ...

    def __enter__(self) -> Workers: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Inline:
    """Builds each block at once, in the caller's process."""

    def submit(self, task: BlockTask) -> Future[BlockResult]:
        """Build the block; the future is done when this returns."""
        future: Future[BlockResult] = Future()
        try:
            future.set_result(build_block(task))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future

    def __enter__(self) -> Inline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class Pool:
    """Builds blocks over loky processes, which need no main guard in the caller's script.

    They start at once, so that they are ready when the first block has arrived.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._executor = new_executor(jobs)
        self._executor.submit(load_all)  # the first task starts all of them

    def submit(self, task: BlockTask) -> Future[BlockResult]:
        """Queue the block."""
        try:
            return self._submit(task)
        except BrokenExecutor:  # by an earlier block, whose own future says so
            self._executor.shutdown(wait=True, kill_workers=True)
            self._executor = new_executor(self._jobs)
            return self._submit(task)

    def _submit(self, task: BlockTask) -> Future[BlockResult]:
        future: Future[BlockResult] = self._executor.submit(build_block, task)
        return future

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(wait=True, kill_workers=kind is not None)


class Tasks(Inline):
    """Builds blocks as tasks of whatever stands behind an executor, which is not ours to end.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Hands tasks on, to the workers of a cluster say.
    build : callable
        What is done there with a task.
    """

    def __init__(self, executor: Executor, build: Callable[[BlockTask], BlockResult]) -> None:
        self._executor = executor
        self._build = build

    def submit(self, task: BlockTask) -> Future[BlockResult]:
        """Queue the block."""
        return self._executor.submit(self._build, task)


def new_executor(jobs: int) -> ProcessPoolExecutor:
    """Give processes that end by themselves when nothing comes for a minute."""
    from loky import ProcessPoolExecutor

    return ProcessPoolExecutor(
        max_workers=jobs, timeout=60, initializer=begin, initargs=(os.getpid(),)
    )


def begin(caller: int) -> None:
    """Make a process ready."""
    end_with(caller)
    load_all()
    gc.freeze()  # the collector need not walk the modules, least of all when the process ends


def end_with(caller: int) -> None:
    """End this process soon after the one that started it, however that one ends."""

    def watch() -> None:
        while os.getppid() == caller:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, name="cvpilot-caller", daemon=True).start()


def default_jobs() -> int:
    """Give the number of processes used when none is asked for: the usable cores, at most 4."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:  # pragma: no cover - platforms without affinity
        cores = os.cpu_count() or 1
    return min(cores, MOST_JOBS)


def workers(jobs: int | None, raw_bytes: int) -> Workers:
    """Choose where blocks are built.

    Parameters
    ----------
    jobs : int or None
        Processes to use; None for the usable cores (at most 4); 1 builds in this process.
    raw_bytes : int
        Raw bytes to decode; below 64 MiB no pool is started.

    Returns
    -------
    Workers
        A context manager.
    """
    chosen = default_jobs() if jobs is None else jobs
    # A daemonic process may have no children (multiprocessing refuses them).
    if chosen == 1 or raw_bytes < POOL_THRESHOLD or multiprocessing.current_process().daemon:
        return Inline()
    return Pool(chosen)
