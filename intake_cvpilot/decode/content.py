"""The content of an archive object as it comes in: what is at hand, and where it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from intake_cvpilot.decode.frame import Frame

__all__ = ["SPACE", "Content"]

SPACE: Final = b" \t\n\r\v\f"
"""White space of any kind, as ``bytes.isspace`` has it."""
_SPACES: Final = re.compile(rb"[ \t\n\r\v\f]*+")
_BETWEEN: Final = re.compile(rb"\}[ \t\n\r\v\f]*+\{")


class Content:
    """Bytes that are not given out yet.  Positions are offsets in the whole content.

    Parameters
    ----------
    blocks : iterator of bytes
        The content, cut anywhere.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.data = b""
        self.base = 0
        self._blocks = blocks
        self._line, self._counted = 1, 0
        self._bound = self._after = self._seen = 0

    @property
    def end(self) -> int:
        """First position that is not at hand."""
        return self.base + len(self.data)

    def more(self, keep: int) -> bool:
        """Read on, holding the bytes from ``keep``; False at the end of the content.

        At least as much is read as is held, so that looking at it all again costs little.
        """
        held, fresh, size = self.data[keep - self.base :], [], 0
        for block in self._blocks:
            fresh.append(block)
            size += len(block)
            if size > len(held):
                break
        if not size:
            return False
        self.line(keep)
        self.data, self.base = b"".join((held, *fresh)), keep
        return True

    def line(self, position: int) -> int:
        """Number of a position's line, the first is 1; to be asked in order."""
        self._line += self.data.count(b"\n", self._counted - self.base, position - self.base)
        self._counted = position
        return self._line

    def byte(self, position: int) -> int:
        """The byte at a position at hand."""
        return self.data[position - self.base]

    def cut(self, start: int, end: int) -> bytes:
        """The bytes from start to before end."""
        return self.data[start - self.base : end - self.base]

    def view(self, start: int, end: int) -> memoryview:
        """The same bytes, not copied."""
        return memoryview(self.data)[start - self.base : end - self.base]

    def solid_at_hand(self, position: int) -> int:
        """First position from there on that is no white space, or ``end``."""
        found = _SPACES.match(self.data, position - self.base)
        return found.end() + self.base if found else position

    def solid(self, position: int) -> int | None:
        """First position from there on that is no white space; None if only white space is left."""
        while (position := self.solid_at_hand(position)) == self.end:
            if not self.more(position):
                return None
        return position

    def boundary(self, start: int, limit: int) -> int | None:
        """Where the next object may begin: after a ``}`` that a ``{`` or the end follows.

        None if that is farther from ``start`` than the limit.
        """
        while self._bound <= start:
            if self._seen < self.end:
                found = _BETWEEN.search(self.data, max(start, self._after) - self.base)
                if found:
                    self._bound = found.start() + 1 + self.base
                    break
                self._seen = self.end
                # What follows the last brace is still to come.
                whole = self.data.rstrip(SPACE)
                self._after = self.base + len(whole) - whole.endswith(b"}")
            if self.end - start > limit:
                return None
            if not self.more(start):
                self._bound = self.end
        return self._bound if self._bound - start <= limit else None

    def piece(self, start: int, end: int) -> Iterator[Frame]:
        """What stands between two positions as a frame, unless it is white space."""
        data = self.cut(start, end).rstrip(SPACE)
        solid = data.lstrip(SPACE)
        if solid:
            position = start + len(data) - len(solid)
            yield self.line(position), position, solid
