"""One word to all threads of a read: nobody waits for this any more."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["AbandonedError", "Stop"]


class AbandonedError(Exception):
    """The read was given up by its caller; it never leaves the archive package."""


class Stop:
    """A flag that also wakes those who sleep and those who wait on a socket."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wake: set[Callable[[], None]] = set()

    def set(self) -> None:
        """Make every check fail from now on, and wake all."""
        self._event.set()
        with self._lock:
            for wake in self._wake:
                # The answer may have ended by itself in between.
                with suppress(Exception):
                    wake()

    def is_set(self) -> bool:
        """Say whether the read was given up."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise AbandonedError when the read was given up."""
        if self._event.is_set():
            raise AbandonedError

    def sleep(self, seconds: float) -> None:
        """Wait, unless the read is given up."""
        if self._event.wait(seconds):
            raise AbandonedError

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake`, from another thread, if the read is given up meanwhile."""
        with self._lock:
            self._wake.add(wake)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._wake.discard(wake)
