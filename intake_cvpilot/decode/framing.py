"""Bytes to frames: where each record of an object begins, and its bytes.

``lines`` framing cuts at line feeds and nowhere else (U+2028 and carriage returns stand within
lines).  ``objects`` framing is in `objects`.  A byte order mark is accepted at byte 0 only.
Content that begins with gzip's magic bytes is decompressed.  Memory is bounded by the longest frame
that is read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from intake_cvpilot.decode.frame import (
    BOM,
    HEAD,
    MAX_LINE,
    Frame,
    Long,
    Oversized,
    Run,
    with_bom_whole,
)
from intake_cvpilot.decode.objects import objects

if TYPE_CHECKING:
    from intake_cvpilot.extent import Stored

__all__ = [
    "HEAD",
    "MAX_LINE",
    "Frame",
    "Oversized",
    "Run",
    "UnreadableError",
    "frames",
    "frames_in",
    "lines",
    "runs",
    "runs_in",
    "whole",
]

# Most objects are smaller, and are one run.
_BLOCK: Final = 2 * 2**20
_GZIP: Final = b"\x1f\x8b"
_FEED: Final = ord("\n")
_FREE: Final = 64 * 2**20
_RATIO: Final = 250


class UnreadableError(Exception):
    """The object as a whole cannot be read; ``args`` are the reason and a detail."""


def frames(path: Stored, framing: str) -> Iterator[Frame]:
    """The frames of one object on disk.

    Parameters
    ----------
    path : Path or Extent
        The object's bytes.
    framing : str
        ``lines`` or ``objects``.

    Raises
    ------
    UnreadableError
        Before the first frame, when the object as a whole cannot be read (damaged gzip, a
        decompression bomb).
    """
    # Blocks are read whole: a buffer would be filled for nothing.
    with path.open("rb", buffering=0) as stream:
        yield from frames_in(stream, framing)


def runs(path: Stored) -> Iterator[Run]:
    """The frames of one object on disk in ``lines`` framing, many at once; see `frames`."""
    with path.open("rb", buffering=0) as stream:
        blocks = _content(stream)
        first = next(blocks, b"")
        second = next(blocks, None)
        if second is None:
            yield from _runs_of(first)
        else:
            yield from runs_in(chain((first, second), blocks))


def _runs_of(block: bytes) -> Iterator[Run]:
    """What `runs_in` gives of an object that is one block, as most are: no line is too long."""
    text = block.removeprefix(BOM)
    offset, end = len(block) - len(text), text.rfind(b"\n") + 1
    count = _feeds(text) if end else 0
    if end:
        yield Run(1, offset, count, text[:end])
    if end < len(text):
        yield Run(count + 1, offset + end, 1, text[end:])


def _feeds(block: bytes) -> int:
    # Four times as fast as ``bytes.count``.
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == _FEED))


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
    return split(_content(stream), limit)


def _content(stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks of an open object's bytes, decompressed where they are gzip."""
    first = stream.read(_BLOCK)
    if not first.startswith(_GZIP):
        if first:
            yield first
        yield from _blocks(stream)
        return
    size = stream.seek(0, 2)
    stream.seek(0)
    # Only the end of the stream holds its checksum: verify all before the first frame is used.
    for _ in _inflate(stream, size):
        pass
    stream.seek(0)
    yield from _inflate(stream, size)


def whole(path: Stored) -> Oversized:
    """An object of which no frame can be read, as one."""
    long = Long([])
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


def lines(blocks: Iterator[bytes], limit: int = MAX_LINE) -> Iterator[Frame]:
    """Cut blocks of bytes at line feeds; a last line without one counts, an empty one does not."""
    for run in runs_in(blocks, limit):
        if isinstance(run.data, Oversized):
            yield run.line, run.offset, run.data
            continue
        number, offset = run.line, run.offset
        for piece in run.data.removesuffix(b"\n").split(b"\n"):
            yield number, offset, piece[:-1] if piece.endswith(b"\r") else piece
            number += 1
            offset += len(piece) + 1


def runs_in(blocks: Iterator[bytes], limit: int = MAX_LINE) -> Iterator[Run]:
    """Cut blocks of bytes where they are cut least: the whole lines of each are one run."""
    number, offset = 1, 0
    rest: list[bytes] = []
    held = 0
    long: Long | None = None
    begun = False
    for block in with_bom_whole(blocks):
        if not begun:
            begun = True
            if block.startswith(BOM):
                block, offset = block[3:], 3
        start, end = 0, block.rfind(b"\n")
        if end >= 0 and (held or long):
            first = block.find(b"\n")
            if long or held + first > limit:
                long = long or Long(rest)
                long.add(block[:first])
                yield Run(number, offset, 1, long.done())
                number, offset = number + 1, offset + long.length + 1
                rest, held, long = [], 0, None
                start = first + 1
        if start <= end:
            text = b"".join((*rest, block[start : end + 1]))
            count = _feeds(text)
            yield Run(number, offset, count, text)
            number, offset = number + count, offset + len(text)
            rest, held = [], 0
        tail = block[end + 1 :]
        if long is None and held + len(tail) > limit:
            long = Long(rest)
            rest, held = [], 0
        if long is not None:
            long.add(tail)
        elif tail:
            rest.append(tail)
            held += len(tail)
    if long is not None:
        yield Run(number, offset, 1, long.done())
    elif held:
        yield Run(number, offset, 1, b"".join(rest))


_FRAMINGS: Final[dict[str, Callable[[Iterator[bytes], int], Iterator[Frame]]]] = {
    "lines": lines,
    "objects": objects,
}
