"""Progress as values: the library calls a function with events; bars live in the front ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Event", "Progress", "silent"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a fetch."""

    kind: Literal["plan", "list", "read", "build", "commit", "fail", "wait", "done"]
    """What happened: planned, listed, a unit read, a block built, a partition committed or
    failed, waiting for a lock (told about once a second), or all done.  The message of ``plan`` is
    the plan, that of ``done`` the report."""
    partition: str
    """The partition's key; empty for ``plan``."""
    done: int = 0
    """Bytes of this step (``read``, ``build``), or partitions to do (``plan``)."""
    total: int = 0
    """Bytes of the partition (``list``, ``plan``)."""
    message: str = ""
    """A short text for people."""


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore an event."""
