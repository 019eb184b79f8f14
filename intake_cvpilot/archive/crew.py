"""Reading many units at a time, with few in memory, and an end at any moment."""

from __future__ import annotations

import itertools
import os
import threading
import uuid
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from intake_cvpilot.archive.stop import AbandonedError, Stop
from intake_cvpilot.archive.translate import from_disk
from intake_cvpilot.errors import CVPilotError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from intake_cvpilot.archive.base import Received, Unit

__all__ = ["arrivals", "gather"]

_GRACE = 2.0  # seconds an abandoned read waits for its threads; they write nothing after their unit


def arrivals(folder: Path) -> Callable[[], Path]:
    """Give what names for files that arrive: never a key, which may hold anything.

    The process's number is in the name, so that what a killed process left can be told.
    """
    run = f"{os.getpid()}-{uuid.uuid4().hex}"
    count = itertools.count()  # which threads may share
    return lambda: folder / f"{run}-{next(count)}.part"


def gather(
    read: Callable[[Unit, Stop], Received], units: Sequence[Unit], threads: int
) -> Generator[Received, None, None]:
    """Read units on some threads and yield them as they arrive.

    After the first failure no further unit is begun; what was under way is still yielded, so that
    it need not be read again, and then the failure is raised.  Closing the generator stops the
    threads, and removes files that nobody has taken.
    """
    if not units:
        return
    work = _Work(read, units, min(threads, len(units)))
    try:
        work.begin()
        while (received := work.next()) is not None:
            yield received
    finally:
        work.end()
    if work.failure is not None:
        raise work.failure


class _Work:
    def __init__(
        self, read: Callable[[Unit, Stop], Received], units: Sequence[Unit], threads: int
    ) -> None:
        self.failure: BaseException | None = None
        self._read = read
        self._pending = iter(units)
        self._bytes = sum(unit.size for unit in units)
        self._stop = Stop()
        self._lock = threading.Lock()
        self._done: SimpleQueue[Received | None] = SimpleQueue()
        # The caller may be slow: no more than this many units lie about unclaimed.  A queue of
        # permits and not a semaphore: Ctrl-C may come within any call of the caller's thread, and
        # one that comes within a semaphore's can leave it locked for ever.
        self._room: SimpleQueue[None] = SimpleQueue()
        self._widen(2 * threads)
        self._running = threads
        self._threads = [
            threading.Thread(target=self._run, name=f"cvpilot-read-{n}", daemon=True)
            for n in range(threads)
        ]

    def begin(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def next(self) -> Received | None:
        """Give the next unit; None when all threads have ended."""
        while self._running:
            received = self._done.get()
            if received is None:
                self._running -= 1
                continue
            self._widen()
            return received
        return None

    def end(self) -> None:
        """Stop what still runs."""
        self._stop.set()
        self._widen(len(self._threads))
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_GRACE)
        with self._lock:  # from here on, threads put away their own files
            while not self._done.empty():
                self._discard(self._done.get())

    def _run(self) -> None:
        try:
            while (unit := self._claim()) is not None:
                self._deliver(self._read(unit, self._stop))
        except AbandonedError:
            pass
        except CVPilotError as error:
            self._fail(error)
        except OSError as error:
            # Those of the archive's side are translated where they come up.
            self._fail(from_disk(error, self._bytes), error)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            self._fail(error)
        finally:
            self._done.put(None)

    def _fail(self, error: BaseException, cause: BaseException | None = None) -> None:
        if cause is not None:
            error.__cause__ = cause
        with self._lock:
            self.failure = self.failure or error

    def _claim(self) -> Unit | None:
        self._room.get()
        with self._lock:
            over = self.failure is not None or self._stop.is_set()
            unit = None if over else next(self._pending, None)
        if unit is None:
            self._widen()
        return unit

    def _widen(self, units: int = 1) -> None:
        for _ in range(units):
            self._room.put(None)

    def _deliver(self, received: Received) -> None:
        with self._lock:
            if self._stop.is_set():
                self._discard(received)
            else:
                self._done.put(received)

    @staticmethod
    def _discard(received: Received | None) -> None:
        if received is not None:
            with suppress(OSError):  # a disk that cannot even remove has said so already
                received.discard()
