"""Bytes to frames: where each record of an object begins, and its bytes.

``lines`` framing cuts at line feeds and nowhere else (U+2028 and carriage returns stand within
lines).  A byte order mark is accepted at byte 0 only.  Content that begins with gzip's magic bytes
is decompressed.  Memory is bounded by the longest line that is read.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "HEAD",
    "MAX_LINE",
    "Frame",
    "Oversized",
    "UnreadableError",
    "frames",
    "frames_in",
    "lines",
    "whole",
]

MAX_LINE: Final = 16 * 2**20
"""Longest frame in bytes that is read; a longer one is only hashed."""
HEAD: Final = 64 * 2**10
"""Bytes of a frame that the quarantine keeps."""
_BLOCK: Final = 2**20
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_FREE: Final = 64 * 2**20
_RATIO: Final = 250


class UnreadableError(Exception):
    """The object as a whole cannot be read; ``args`` are the reason and a detail."""


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


def frames(path: Path, framing: str) -> Iterator[Frame]:
    """The frames of one object on disk.

    Parameters
    ----------
    path : Path
        The object's bytes.
    framing : str
        ``lines``; ``objects`` comes with the source that needs it.

    Raises
    ------
    UnreadableError
        Before the first frame, when the object as a whole cannot be read (damaged gzip, a
        decompression bomb).
    """
    with path.open("rb") as stream:
        yield from frames_in(stream, framing)


def frames_in(stream: IO[bytes], framing: str, limit: int = MAX_LINE) -> Iterator[Frame]:
    """The frames of an open object; see `frames`.

    Parameters
    ----------
    stream : binary file
        At its beginning, and able to seek.
    framing : str
        How records follow each other.
    limit : int
        Longest frame in bytes that is given whole.
    """
    split = _FRAMINGS.get(framing)
    if split is None:
        raise NotImplementedError(
            f"framing {framing!r} is not decoded yet; it can read: {', '.join(_FRAMINGS)}"
        )
    magic = stream.read(2)
    stream.seek(0)
    if magic != _GZIP:
        yield from split(_blocks(stream), limit)
        return
    size = stream.seek(0, 2)
    stream.seek(0)
    # Only the end of the stream holds its checksum: verify all before the first frame is used.
    for _ in _inflate(stream, size):
        pass
    stream.seek(0)
    yield from split(_inflate(stream, size), limit)


def whole(path: Path) -> Oversized:
    """An object of which no frame can be read, as one."""
    long = _Long([])
    with path.open("rb") as stream:
        for block in _blocks(stream):
            long.add(block)
    return long.done()


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _inflate(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Decompressed blocks of one or more gzip members; zeros may pad the end."""
    limit = _FREE + _RATIO * size
    total = 0
    data = b""
    member = zlib.decompressobj(wbits=31)
    started = True
    while True:
        if not data and not (data := stream.read(_BLOCK)):
            break
        if not started:
            data = data.lstrip(b"\0")
            if not data:
                continue
            member, started = zlib.decompressobj(wbits=31), True
        try:
            block = member.decompress(data, _BLOCK)
        except zlib.error as error:
            raise UnreadableError("bad_gzip", "the gzip content is damaged") from error
        total += len(block)
        if total > limit:
            raise UnreadableError("gzip_bomb", f"more than {limit} bytes from {size} of gzip")
        if block:
            yield block
        data = member.unconsumed_tail or member.unused_data
        if member.eof:
            started = False
    if started:
        raise UnreadableError("bad_gzip", "the gzip content ends too early")


class _Long:
    """A line beyond the limit, as it streams through."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.head = b""
        self.length = 0
        self.digest = hashlib.sha256()
        for piece in pieces:
            self.add(piece)

    def add(self, piece: bytes) -> None:
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]
        self.length += len(piece)
        self.digest.update(piece)

    def done(self) -> Oversized:
        return Oversized(self.head, self.length, self.digest.hexdigest())


def lines(blocks: Iterator[bytes], limit: int = MAX_LINE) -> Iterator[Frame]:
    """Cut blocks of bytes at line feeds; a last line without one counts, an empty one does not."""
    number, offset = 1, 0
    rest: list[bytes] = []
    held = 0
    long: _Long | None = None
    begun = False
    for block in _with_bom_whole(blocks):
        if not begun:
            begun = True
            if block.startswith(_BOM):
                block, offset = block[3:], 3
        pieces = block.split(b"\n")
        tail = pieces.pop()
        if pieces and (held or long):
            piece = pieces[0]
            if long is None and held + len(piece) <= limit:
                pieces[0] = b"".join((*rest, piece))
            else:
                long = long or _Long(rest)
                long.add(piece)
                yield number, offset, long.done()
                number, offset = number + 1, offset + long.length + 1
                del pieces[0]
            rest, held, long = [], 0, None
        for piece in pieces:
            yield number, offset, piece[:-1] if piece.endswith(b"\r") else piece
            number += 1
            offset += len(piece) + 1
        if long is None and held + len(tail) > limit:
            long = _Long(rest)
            rest, held = [], 0
        if long is not None:
            long.add(tail)
        elif tail:
            rest.append(tail)
            held += len(tail)
    if long is not None:
        yield number, offset, long.done()
    elif held:
        piece = b"".join(rest)
        yield number, offset, piece[:-1] if piece.endswith(b"\r") else piece


def _with_bom_whole(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, the first block long enough to show a byte order mark."""
    first = b""
    for block in blocks:
        first += block
        if len(first) >= len(_BOM):
            break
    if first:
        yield first
    yield from blocks


_FRAMINGS: Final[dict[str, Callable[[Iterator[bytes], int], Iterator[Frame]]]] = {"lines": lines}
