"""Reading many units at a time, with few in memory, and an end at any moment."""

from __future__ import annotations

import itertools
import os
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from intake_cvpilot.archive.stop import AbandonedError, Stop
from intake_cvpilot.archive.translate import from_disk
from intake_cvpilot.errors import CVPilotError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from intake_cvpilot.archive.base import Received, Unit

__all__ = ["arrivals", "gather"]

_GRACE = 2.0  # seconds an abandoned read waits for its threads; they write nothing after their unit

# What one thread may be ahead of the caller: bytes, and units.
_ROOM: Final = 2 * 2**20
_MOST: Final = 32
# Waking the caller costs as much as reading a tiny file.  Of units that come faster than the first,
# some are left until it looks itself, at the latest after the second; in seconds.
_TOGETHER: Final = 0.01
_LOOK: Final = 0.05
# A local disk is as fast as the caller, and more threads would only dispute the interpreter: one is
# added when the caller has waited so long, in seconds.
_PATIENCE: Final = 0.005


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
        self._done: deque[Received] = deque()
        # Says that there is something, or (True) that a thread has ended.
        self._bell: SimpleQueue[bool] = SimpleQueue()
        # The caller may be slow: no more than this many units lie about unclaimed, two for each
        # thread, and more of units that are all small.  A queue of
        # permits and not a semaphore: Ctrl-C may come within any call of the caller's thread, and
        # one that comes within a semaphore's can leave it locked for ever.
        self._room: SimpleQueue[None] = SimpleQueue()
        largest = max(unit.size for unit in units)
        self._widen(threads * max(2, min(_MOST, _ROOM // (largest + 1))))
        self._most = threads
        self._running = 0
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        """Start a thread."""
        name = f"cvpilot-read-{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._threads.append(thread)
        self._running += 1
        thread.start()

    def next(self) -> Received | None:
        """Give the next unit; None when all threads have ended."""
        while not self._done:
            if not self._running:
                return None
            may_grow = len(self._threads) < self._most
            try:
                if self._bell.get(timeout=_PATIENCE if may_grow else _LOOK):
                    self._running -= 1
            except Empty:
                if may_grow and not self._done:
                    self.begin()
        self._widen()
        return self._done.popleft()

    def end(self) -> None:
        """Stop what still runs."""
        self._stop.set()
        self._widen(len(self._threads))
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_GRACE)
        with self._lock:  # from here on, threads put away their own files
            self._discard(self._done)

    def _run(self) -> None:
        try:
            quiet, since = 0, time.monotonic()
            while (unit := self._claim()) is not None:
                self._deliver(self._read(unit, self._stop))
                quiet += 1
                if quiet == _MOST or time.monotonic() - since > _TOGETHER:
                    self._bell.put(False)  # noqa: FBT003
                    quiet, since = 0, time.monotonic()
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
            self._bell.put(True)  # noqa: FBT003

    def _fail(self, error: BaseException, cause: BaseException | None = None) -> None:
        if cause is not None:
            error.__cause__ = cause
        with self._lock:
            self.failure = self.failure or error

    def _claim(self) -> Unit | None:
        try:
            self._room.get_nowait()
        except Empty:
            self._bell.put(False)  # noqa: FBT003 - there is no room before some are taken
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
                self._discard([received])
            else:
                self._done.append(received)

    @staticmethod
    def _discard(held: Iterable[Received]) -> None:
        for received in held:
            with suppress(OSError):  # a disk that cannot even remove has said so already
                received.discard()
