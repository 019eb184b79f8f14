"""Buckets of requests: what may be asked of an archive in a time, by all who draw from one."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

from intake_cvpilot.errors import InvalidRequestError

__all__ = ["BURST", "Bucket", "Tokens", "Unlimited"]

#: Requests that may go out at once after a rest.
BURST: Final = 10


class Bucket(Protocol):
    """Where each request takes a token, or more when its archive asked to slow down."""

    def take(self, cost: float) -> float:
        """Take tokens; else give the seconds after which to ask again."""
        ...

    def pause(self, seconds: float) -> None:
        """Hear that the archive asked for a rest."""
        ...

    def check(self) -> None:
        """Raise when nobody wants the requests any more."""
        ...


class Unlimited:
    """No limit."""

    def take(self, cost: float) -> float:  # noqa: ARG002 - nothing costs anything
        """Take nothing."""
        return 0.0

    def pause(self, seconds: float) -> None:
        """Do nothing: the throttle itself rests."""

    def check(self) -> None:
        """Do nothing."""


class Tokens(Unlimited):
    """A token bucket of this process.

    Parameters
    ----------
    rate : float
        Requests a second.
    burst : int
        Requests that may go out at once after a rest.
    """

    def __init__(self, rate: float, burst: int = BURST) -> None:
        if not rate > 0:
            raise InvalidRequestError(
                f"rate is requests a second and above zero, or None for no limit; it is {rate!r}"
            )
        self._rate = rate
        self._burst = self._tokens = float(burst)
        self._filled = time.monotonic()
        self._lock = threading.Lock()

    def take(self, cost: float) -> float:
        """Take tokens; else give the seconds until there are enough."""
        cost = min(cost, self._burst)
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
            self._filled = now
            if self._tokens >= cost:
                self._tokens -= cost
                return 0.0
            return (cost - self._tokens) / self._rate
