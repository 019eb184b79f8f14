"""An object that is being read: how deep, and where a torn one can be cut."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

__all__ = ["Mark", "Nest"]

_CROWD: Final = 2**16


@dataclass(slots=True)
class Mark:
    """A ``{`` that begins a line within an object: another may begin there if this one is torn."""

    start: int
    """Its position."""
    depth: int
    """How many braces are open around it."""
    end: int = 0
    """Position after the brace that closes it; 0 while it is open."""


class Nest:
    """The braces of an object.

    Parameters
    ----------
    start : int
        Position of its opening brace, which is still to be counted.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.marks: deque[Mark] = deque()
        self._open: deque[Mark] = deque()
        self._depth = self._floor = 0

    @property
    def crowded(self) -> bool:
        """Whether there are more marks than are kept: no record has 65,536 such lines."""
        return len(self.marks) >= _CROWD

    def open(self, position: int, *, begins_line: bool) -> None:
        """Count a ``{``."""
        if begins_line:
            mark = Mark(position, self._depth)
            self.marks.append(mark)
            self._open.append(mark)
        self._depth += 1

    def close(self, after: int) -> bool:
        """Count the ``}`` that ends before a position; whether it closes the object."""
        self._depth -= 1
        if self._depth == self._floor:
            return True
        if self._open and self._open[-1].depth == self._depth:
            self._open.pop().end = after
        return False

    def begin(self, mark: Mark) -> None:
        """Go on with an object within this one that is still open; marks before it are gone."""
        while self._open.popleft() is not mark:
            pass
        self.start, self._floor = mark.start, mark.depth
