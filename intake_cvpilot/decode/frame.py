"""What a frame is: the bytes of one record and where they stand, held or only hashed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BOM", "HEAD", "MAX_LINE", "Frame", "Long", "Oversized", "Run", "with_bom_whole"]

MAX_LINE: Final = 16 * 2**20
"""Longest frame in bytes that is read; a longer one is only hashed."""
HEAD: Final = 64 * 2**10
"""Bytes of a frame that the quarantine keeps."""
BOM: Final = b"\xef\xbb\xbf"
"""UTF-8's byte order mark, accepted at byte 0 only."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """A frame beyond the limit: it was streamed through and is not held."""

    head: bytes
    """The first 64 KiB."""
    length: int
    """Bytes."""
    sha256: str
    """Of all its bytes, hex."""

    def __len__(self) -> int:
        return self.length


Frame = tuple[int, int, bytes | Oversized]
"""Line number (the first is 1), byte offset in the (decompressed) object, content without its end.
A plain tuple, because there is one for each line of the archive."""


@dataclass(frozen=True, slots=True)
class Run:
    """Frames that follow each other, each a line: whole ones, or a single one beyond the limit."""

    line: int
    """Number of the first."""
    offset: int
    """Byte offset of the first."""
    lines: int
    """How many they are."""
    data: bytes | Oversized
    """Their content, as it stands in the object; only the object's last line may lack its end."""


class Long:
    """A frame beyond the limit, as it streams through.

    Parameters
    ----------
    pieces : iterable of bytes
        What was held of it so far.
    """

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self.head = b""
        self.length = 0
        self.digest = hashlib.sha256()
        for piece in pieces:
            self.add(piece)

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]
        self.length += len(piece)
        self.digest.update(piece)

    def done(self) -> Oversized:
        """What is kept of it."""
        return Oversized(self.head, self.length, self.digest.hexdigest())


def with_bom_whole(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, the first block long enough to show a byte order mark."""
    first = b""
    for block in blocks:
        first += block
        if len(first) >= len(BOM):
            break
    if first:
        yield first
    yield from blocks
