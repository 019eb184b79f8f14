"""Politeness: a bucket of requests, and a number of requests at a time that adapts."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from intake_cvpilot.archive.bucket import Bucket, Tokens, Unlimited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from intake_cvpilot.archive.stop import Stop

__all__ = ["Throttle"]

_POLL = (
    0.25  # seconds after which a thread that waits for its turn looks whether it is still wanted
)
_CUT_REST = 1.0  # seconds: refusals within one such span are one sign of overload, not many


class Throttle:
    """Gives each request its turn; one belongs to an archive and all its threads share it.

    Parameters
    ----------
    rate : float, Bucket or None
        Requests a second; a bucket that others draw from too; None for no limit.
    width : int
        Most requests under way at a time.  It is halved when the archive asks to slow down and
        grows by one for each round of good answers; the rate falls and recovers with it.
    """

    def __init__(self, rate: float | Bucket | None = 10.0, *, width: int = 8) -> None:
        if rate is None:
            self._bucket: Bucket = Unlimited()
        else:
            self._bucket = Tokens(rate) if isinstance(rate, int | float) else rate
        self._paused_until = 0.0
        self._most = float(width)
        self._width = float(width)
        self._under_way = 0
        self._cut_at = float("-inf")
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """Requests that may be under way at this moment."""
        return int(self._width)

    @contextmanager
    def turn(self, stop: Stop) -> Iterator[None]:
        """Wait for a token and a free place, and hold the place.

        Raises
        ------
        AbandonedError
            The read was given up meanwhile.
        """
        with self._changed:
            while self._under_way >= int(self._width):
                stop.check()
                self._changed.wait(_POLL)
            self._under_way += 1
        try:
            # Who has halved its width takes as much more of the bucket for each request.
            while (wait := self._bucket.take(self._most / self._width)) > 0:
                stop.sleep(wait)
            while (wait := self._paused_until - time.monotonic()) > 0:
                self.rest(wait, stop)
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Let no request out for so long: the archive asked for it."""
        self._bucket.pause(seconds)
        with self._changed:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def rest(self, seconds: float, stop: Stop) -> None:
        """Sleep, unless the read is given up; look each second whether the bucket still gives."""
        until = time.monotonic() + seconds
        while (wait := until - time.monotonic()) > 0:
            stop.sleep(min(wait, 1.0))
            self._bucket.check()

    def slow_down(self) -> None:
        """Halve the number of requests at a time."""
        with self._changed:
            now = time.monotonic()
            if now - self._cut_at >= _CUT_REST:
                self._cut_at = now
                self._width = max(1.0, self._width / 2)

    def speed_up(self) -> None:
        """Take a good answer as a sign that a little more is welcome."""
        if self._width < self._most:
            with self._changed:
                self._width = min(self._most, self._width + 1 / self._width)
                self._changed.notify()
