"""Counting what is asked of an archive, from many threads."""

from __future__ import annotations

import threading

from intake_cvpilot.archive.base import Traffic

__all__ = ["Meter"]

_CAUSES_KEPT = 20


class Meter:
    """The only writer of a Traffic."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self._lock = threading.Lock()

    def listed(self) -> None:
        """Count a list request."""
        with self._lock:
            self.traffic.lists += 1

    def asked(self) -> None:
        """Count a read request."""
        with self._lock:
            self.traffic.reads += 1

    def again(self, cause: str) -> None:
        """Count a request that is sent again."""
        with self._lock:
            self.traffic.retries += 1
            self.traffic.errors.append(cause)
            del self.traffic.errors[:-_CAUSES_KEPT]

    def verified(self, size: int) -> None:
        """Count the bytes of a verified unit."""
        with self._lock:
            self.traffic.bytes += size

    def wasted(self, size: int) -> None:
        """Count body bytes that were thrown away."""
        with self._lock:
            self.traffic.bytes_again += size
