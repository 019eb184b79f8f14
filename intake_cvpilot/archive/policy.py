"""The bounds of patience: how often and how long an archive is asked before a failure is told."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a fetch is with an archive."""

    attempts: int = 6
    """Most requests for one list page or one object, the first among them."""
    unreachable: int = 3
    """Most attempts when no connection comes about (refused, unknown host, dead proxy)."""
    first_wait: float = 0.5
    """Seconds before the second attempt, at most; the bound doubles with each further one."""
    longest_wait: float = 20.0
    """Seconds that the bound of a wait grows to."""
    total: float = 600.0
    """Seconds for all attempts at one list page or object together, before `pace` is added."""
    pace: float = 64 * 1024.0
    """Bytes a second of a slow but honest line: a big object has size / pace seconds more."""
    slowest: float = 1024.0
    """Bytes a second; a body that brings less over `window` is broken off."""
    window: float = 30.0
    """Seconds over which the throughput of a body is measured."""
    connect_timeout: float = 10.0
    """Seconds for a connection to come about."""
    read_timeout: float = 30.0
    """Seconds of silence on a connection."""

    def allowed(self, size: int = 0) -> float:
        """Give the seconds that all attempts at an answer of that many bytes may take."""
        return self.total + size / self.pace

    def longest(self, failures: int) -> float:
        """Give the upper bound, in seconds, of the wait after that many failures."""
        return float(min(self.longest_wait, self.first_wait * 2 ** (failures - 1)))
