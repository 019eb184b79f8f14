"""Warnings that point at the caller's line, however deep in the library they arise."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["relayed", "warn"]

_ear: ContextVar[Callable[[str], None] | None] = ContextVar("cvpilot_warnings", default=None)


def warn(message: str) -> None:
    """Warn, and name the line outside the library that led here."""
    if (ear := _ear.get()) is not None:
        ear(message)
        return
    depth, frame = 1, sys._getframe()  # noqa: SLF001 - what warnings itself uses
    while frame.f_back is not None and ours(frame.f_globals.get("__name__", "")):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, stacklevel=depth)


@contextmanager
def relayed(ear: Callable[[str], None]) -> Iterator[None]:
    """Hand this thread's warnings to a function: their reader is in another process."""
    before = _ear.set(ear)
    try:
        yield
    finally:
        _ear.reset(before)


def ours(name: str) -> bool:
    """Say whether a module is one of the library's, or of the machinery that calls it."""
    return name.partition(".")[0] in ("intake_cvpilot", "contextlib", "click")
