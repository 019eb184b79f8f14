"""Progress bars for people: on a terminal and in notebooks, silent elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from intake_cvpilot.progress import Event, Progress, silent

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["showing", "without_summary"]

logger = logging.getLogger(__name__)


@contextmanager
def showing(wish: Progress | bool | None) -> Iterator[Progress]:  # noqa: FBT001 - as given
    """Give the function that a fetch calls with its events.

    Parameters
    ----------
    wish : callable, bool or None
        The caller's own function; True or False for bars or silence; None for bars where a
        person looks (a terminal, a notebook).

    Yields
    ------
    callable
        Takes one Event.
    """
    if callable(wish):
        yield wish
    elif wish or (wish is None and somebody_looks()):
        bars = Bars()
        try:
            yield bars.show
        finally:
            bars.close()
    else:
        yield silent


@contextmanager
def without_summary(wish: bool | None) -> Iterator[Progress]:  # noqa: FBT001 - as given
    """Show progress for a command, whose own result is the report."""
    with showing(wish) as show:
        yield lambda event: None if event.kind == "done" else show(event)


def somebody_looks() -> bool:
    """Say whether standard error is a terminal or this is a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Bars:
    """One bar of raw bytes; the partition under way stands beside it."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._said: set[str] = set()

    def show(self, event: Event) -> None:
        """Draw one event."""
        if event.kind == "wait" and event.message not in self._said:
            self._said.add(event.message)
            logger.warning("%s", event.message)
        if event.kind == "plan":
            self._bar = new_bar(event.total)
        if self._bar is None:
            return
        if event.kind == "done":
            self._bar.write(event.message, file=sys.stderr)
            return
        if event.partition:
            self._bar.set_description(event.partition, refresh=False)
        if event.kind == "read":
            self._bar.update(event.done)
        else:
            self._bar.set_postfix_str(event.kind)

    def close(self) -> None:
        """Leave the finished bar on the screen."""
        if self._bar is not None:
            self._bar.close()


def new_bar(total: int) -> tqdm[Any]:
    """Give a bar that counts bytes; a widget in a notebook that has the widgets."""
    notebook = "ipykernel" in sys.modules and find_spec("ipywidgets") is not None
    kind: type[tqdm[Any]] = import_module("tqdm.notebook" if notebook else "tqdm").tqdm
    return kind(total=total, unit="B", unit_scale=True, unit_divisor=1024, dynamic_ncols=True)
