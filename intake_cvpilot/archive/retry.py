"""The one retry layer: every client's own is off.

Small and our own, because a wait here ends at once when the read is given up, the server's
Retry-After holds back all threads, and an attempt takes its turn at the throttle.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from intake_cvpilot.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable

    from intake_cvpilot.archive.meter import Meter
    from intake_cvpilot.archive.policy import Policy
    from intake_cvpilot.archive.stop import Stop
    from intake_cvpilot.archive.throttle import Throttle

__all__ = ["BusyError", "Retry", "TransientError", "UnreachableError"]

T = TypeVar("T")


class TransientError(Exception):
    """A failure that may pass; it never leaves the archive package.

    Parameters
    ----------
    cause : str
        A short text for people, without secrets.
    wait : float, optional
        Seconds to wait before the next attempt, at least; 0 for none, None for the usual wait.
    """

    def __init__(self, cause: str, *, wait: float | None = None) -> None:
        super().__init__(cause)
        self.wait = wait


class BusyError(TransientError):
    """The archive asks for fewer requests."""


class UnreachableError(TransientError):
    """No connection came about: it seldom helps to ask often."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Asks again, within bounds."""

    policy: Policy
    """How often and how long."""
    throttle: Throttle
    """Where each attempt takes its turn."""
    meter: Meter
    """Where each further attempt is counted."""

    def call(self, work: Callable[[], T], *, what: str, stop: Stop, seconds: float) -> T:
        """Do some work until it is done, it fails for good, or patience ends.

        Parameters
        ----------
        work : callable
            One attempt.  A TransientError asks for another one, any other error is final.
        what : str
            What the work is, for the message.
        stop : Stop
            Ends the waits when the caller has gone.
        seconds : float
            No attempt begins later than this after the first.

        Raises
        ------
        ArchiveError
            Patience ended; the message names the attempts, the time and the last cause.
        """
        begun = time.monotonic()
        failures = 0
        while True:
            try:
                with self.throttle.turn(stop):
                    done = work()
            except TransientError as error:
                stop.check()  # a socket that was shut for this reason is not a failure
                failures += 1
                self._wait_or_raise(error, failures, time.monotonic() - begun, what, stop, seconds)
            else:
                self.throttle.speed_up()
                return done

    def _wait_or_raise(
        self,
        error: TransientError,
        failures: int,
        elapsed: float,
        what: str,
        stop: Stop,
        seconds: float,
    ) -> None:
        policy = self.policy
        most = policy.unreachable if isinstance(error, UnreachableError) else policy.attempts
        # Full jitter: threads that failed together do not come back together.
        wait = random.uniform(0, policy.longest(failures))  # noqa: S311
        if error.wait is not None:
            wait = error.wait + (wait if error.wait > 0 else 0)
        if isinstance(error, BusyError):
            self.throttle.slow_down()
            if error.wait:
                self.throttle.pause(min(error.wait, seconds))
        if failures >= most or elapsed + wait > seconds:
            times = "once" if failures == 1 else f"{failures} times"
            raise ArchiveError(
                f"{what} failed: {error} (asked {times} in {elapsed:.1f} s"
                + (f"; the archive asks to wait {error.wait:.0f} s" if error.wait else "")
                + "); nothing of the partition was stored, ask again later"
            ) from error
        self.meter.again(f"{what}: {error}")
        self.throttle.rest(wait, stop)
