"""One bucket of requests for a whole cluster: the caller fills it, every worker takes from it.

The tokens pass through a queue of the scheduler.  A caller that has gone fills nothing, so nothing
is asked of the archive in its name any more; a worker that is lost takes at most what it held.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from intake_cvpilot.archive.bucket import BURST

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from distributed import Client, Queue

__all__ = ["Ration", "Supply"]

_LOOK = 0.1  # seconds between two looks of a worker that waits; blocking there would be logged
_KEPT = 1.0  # seconds after which a worker's unused tokens are worth nothing
_BUNDLES = 20  # a second at most: a higher rate comes in larger bundles


class Supply:
    """Fills a cluster's bucket at a rate; a context manager of the caller.

    It begins empty: the caller's own listing may have just used a burst.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    name : str
        Of the queue; nobody else's.
    rate : float
        Requests a second of the whole cluster.
    """

    def __init__(self, client: Client, name: str, rate: float) -> None:
        from distributed import Queue

        self._bundle = max(1.0, rate / _BUNDLES)
        self._every = self._bundle / rate
        # What is put between two looks has to have room.
        self._most = max(BURST, 3 * _LOOK * rate) / self._bundle
        self._queue: Queue = Queue(name, client=client)
        self._paused_until = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cvpilot-supply", daemon=True)

    def __enter__(self) -> Supply:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(5)
        self._queue.close()

    def pause(self, seconds: float) -> None:
        """Give out nothing for so long: the archive told one of the workers."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def _run(self) -> None:
        # When the scheduler has gone, so has the fetch.
        with suppress(OSError, RuntimeError):
            self._fill()

    def _fill(self) -> None:
        following = time.monotonic() + self._every
        while not self._over.wait(max(0.0, following - time.monotonic())):
            if self._paused_until > time.monotonic():
                self._queue.get(batch=True)
                following = time.monotonic() + min(1.0, self._paused_until - time.monotonic())
                continue
            if self._queue.qsize() < self._most:
                self._queue.put(self._bundle)
            # One token late is made up for, the time in which nobody asked is not.
            following = max(following, time.monotonic() - self._every) + self._every


class Ration:
    """The bucket as a worker's threads see it; see `intake_cvpilot.archive.bucket.Bucket`.

    Parameters
    ----------
    client : distributed.Client
        The worker's own.
    name : str
        Of the queue.
    pause : callable
        Tells the caller that the archive asked for a rest of so many seconds.
    check : callable
        Raises when nobody wants the requests any more.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        pause: Callable[[float], None],
        check: Callable[[], None],
    ) -> None:
        from distributed import Queue

        self._queue: Any = Queue(name, client=client)
        self._held = 0.0
        self._until = 0.0
        self._lock = threading.Lock()
        self.pause = pause
        self.check = check

    def take(self, cost: float) -> float:
        """Take tokens; else give the seconds after which to ask again."""
        with self._lock:
            if self._held < cost:
                self.check()
                if self._until < time.monotonic():
                    self._held = 0.0
                self._held += sum(self._queue.get(batch=True))
                self._until = time.monotonic() + _KEPT
            if self._held < cost:
                return _LOOK
            self._held -= cost
            return 0.0

    def close(self) -> None:
        """Let the scheduler forget that this worker looks at the queue."""
        self._queue.close()
