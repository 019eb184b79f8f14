"""Politeness: a token bucket over requests, and a number of requests at a time that adapts."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from intake_cvpilot.errors import InvalidRequestError

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
    rate : float or None
        Requests a second; None for no limit.
    burst : int
        Requests that may go out at once after a rest.
    width : int
        Most requests under way at a time.  It is halved when the archive asks to slow down and
        grows by one for each round of good answers; the rate falls and recovers with it.
    """

    def __init__(self, rate: float | None = 10.0, *, burst: int = 10, width: int = 8) -> None:
        if rate is not None and not rate > 0:
            raise InvalidRequestError(
                f"rate is requests a second and above zero, or None for no limit; it is {rate!r}"
            )
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled = time.monotonic()
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
            while (wait := self._take()) > 0:
                stop.sleep(wait)
            while (wait := self._paused_until - time.monotonic()) > 0:
                stop.sleep(wait)
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Let no request out for so long: the archive asked for it."""
        with self._changed:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)

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

    def _take(self) -> float:
        """Take a token; else give the seconds until there is one."""
        if self._rate is None:
            return 0.0
        with self._changed:
            now = time.monotonic()
            rate = self._rate * self._width / self._most
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * rate)
            self._filled = now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / rate
