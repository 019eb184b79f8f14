"""``objects`` framing: JSON objects in sequence, white space of any kind or none between.

An object ends at its own closing brace.  Whatever is not such an object is a frame of its own,
which the JSON parser then rejects, and the next object is found:

- between objects, a frame of other bytes ends where any ``{`` stands;
- an object is *broken* when its braces do not close before the end of the content or the limit,
  when a string runs over a line feed, when a backslash stands outside strings, or when ``}`` is
  followed by ``{`` within it.  It ends where a line begins with ``{``, or where a ``{`` follows a
  ``}``; the same rule cuts what was read of it, so that no object that begins a line is lost to a
  torn one before it.

An object whose braces close is never cut when it is JSON, whatever its lines begin with.  Every
byte belongs to one frame or is white space between frames, and each is looked at a bounded number
of times.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from intake_cvpilot.decode.content import SPACE, Content
from intake_cvpilot.decode.frame import BOM, MAX_LINE, Long, with_bom_whole
from intake_cvpilot.decode.nest import Nest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from intake_cvpilot.decode.frame import Frame

    Steps = Generator[Frame, None, int]

__all__ = ["objects"]

_ANY: Final = re.compile(rb"\{")
_NEXT: Final = re.compile(rb"(?:\n|\}[ \t\n\r\v\f]*+)\{")
# Everything up to the next brace outside strings.
_RUN: Final = re.compile(
    rb'[^"{}\\]*+(?:"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"[^"{}\\]*+)*+',
)
# A string without its end: torn by a line feed, else cut off where the bytes at hand end.
_STRING: Final = re.compile(rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+\\?+(\n)?')
_OPEN: Final = ord("{")
_CLOSE: Final = ord("}")
_QUOTE: Final = ord('"')
_FEED: Final = ord("\n")
_END: Final = -1
_LONG: Final = -2
# Objects within a broken one that are tried as JSON before the rest is taken for broken, too.
_DOUBTS: Final = 128
_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode


def objects(blocks: Iterator[bytes], limit: int = MAX_LINE) -> Iterator[Frame]:
    """Cut blocks of bytes into objects and what stands between them.

    Parameters
    ----------
    blocks : iterator of bytes
        The content, cut anywhere; the frames do not depend on where.
    limit : int
        Longest frame in bytes that is given whole.
    """
    text = Content(with_bom_whole(blocks))
    end = len(BOM) if text.more(0) and text.data.startswith(BOM) else 0
    while (at := text.solid(end)) is not None:
        if text.byte(at) == _OPEN:
            end = yield from _object(text, at, limit)
        else:
            end = yield from _lost(text, at, at, limit, _ANY)


def _object(text: Content, start: int, limit: int) -> Steps:
    """The frames of the object that begins at a brace, broken or not; where they end."""
    end = text.boundary(start, limit)
    if end is not None and _is_json(text.view(start, end)):
        yield from text.piece(start, end)
        return end
    nest = Nest(start)
    at, closed = start, -1
    while True:
        at, byte = _token(text, at, nest.start, limit)
        if byte == _CLOSE:
            closed = at = at + 1
            if nest.close(closed):
                yield from _closed(text, nest, closed)
                return closed
        elif byte == _OPEN and not nest.crowded and not _follows(text, closed, at):
            nest.open(at, begins_line=at > nest.start and text.byte(at - 1) == _FEED)
            at, closed = at + 1, -1
        else:
            full = nest.start + limit
            rest = yield from _shed(text, nest, at - limit if byte == _LONG else None)
            if rest is not None:
                if byte != _LONG:
                    return (yield from _after(text, rest, at, closed, byte, limit))
                # What stands before the limit may already be what an object follows.
                at = rest + len(text.cut(rest, full).rstrip(SPACE)) - 1
                return (yield from _lost(text, rest, at, limit))


def _follows(text: Content, closed: int, at: int) -> bool:
    """Whether only white space stands after the last closing brace."""
    return closed >= 0 and text.solid_at_hand(closed) == at


def _token(text: Content, at: int, start: int, limit: int) -> tuple[int, int]:
    """Position and byte of the next brace, or of what breaks the object that begins at start."""
    while True:
        run = _RUN.match(text.data, at - text.base)
        at = run.end() + text.base if run else at
        if at - start >= limit:
            return at, _LONG
        if at < text.end:
            byte = text.byte(at)
            if byte != _QUOTE:
                return at, byte
            string = _STRING.match(text.data, at - text.base)
            if string and string[1]:
                return at, _LONG if string.end() + text.base - start > limit else _QUOTE
        if text.end - start > limit:
            return at, _LONG
        if not text.more(start):
            return at, _END


def _closed(text: Content, nest: Nest, end: int) -> Iterator[Frame]:
    """An object whose braces close: whole if it is JSON or cannot be cut, else in pieces."""
    start: int | None = nest.start
    if nest.marks and not _is_json(text.view(nest.start, end)):
        start = yield from _shed(text, nest, None)
    if start is not None:
        yield from text.piece(start, end)


def _shed(text: Content, nest: Nest, after: int | None) -> Generator[Frame, None, int | None]:
    """Give out what was read of a broken object, cut where lines begin with a brace.

    Closed objects among it are frames.  Where an open one begins behind ``after``, reading goes on
    with that one and None is returned, else where the rest begins.
    """
    start, doubts = nest.start, 0
    while nest.marks:
        mark = nest.marks.popleft()
        if mark.start < start:
            continue
        yield from text.piece(start, mark.start)
        start = mark.start
        if not mark.end:
            if after is not None and start > after:
                nest.begin(mark)
                return None
            continue
        inner = nest.marks and nest.marks[0].start < mark.end
        if inner and (doubts == _DOUBTS or not _is_json(text.view(start, mark.end))):
            doubts = min(doubts + 1, _DOUBTS)
            continue
        yield from text.piece(start, mark.end)
        start = mark.end
    return start


def _after(text: Content, rest: int, at: int, closed: int, byte: int, limit: int) -> Steps:
    """What remains of a broken object: it ends at an object that follows, or is skipped over."""
    if byte == _END:
        at = text.end
    elif byte != _OPEN or not (_follows(text, closed, at) or text.byte(at - 1) == _FEED):
        return (yield from _lost(text, rest, at, limit))
    yield from text.piece(rest, at)
    return at


def _lost(text: Content, start: int, at: int, limit: int, end: re.Pattern[bytes] = _NEXT) -> Steps:
    """A frame of anything, up to the first brace from ``at`` on that ``end`` finds."""
    solid = text.solid(start)
    if solid is None:
        return text.end
    start, at = solid, max(at, solid)
    line, held = text.line(start), start
    long: Long | None = None
    tail = b""
    while True:
        stop = _brace(text, end, at)
        if long:
            stop = min(stop, _joint(text, held, tail))
        if not long and stop - start > limit:
            long = Long()
        if long:
            chunk = text.cut(held, stop)
            long.add(chunk)
            tail = _tail(tail, chunk)
            held = at = stop
        if stop < text.end or not text.more(held):
            break
    if long:
        yield line, start, long.done()
        return held
    yield from text.piece(start, stop)
    return stop


def _brace(text: Content, end: re.Pattern[bytes], at: int) -> int:
    found = end.search(text.data, at - text.base)
    return found.end() - 1 + text.base if found else text.end


def _joint(text: Content, held: int, tail: bytes) -> int:
    """The brace that ends a frame whose last bytes are gone, see `_tail`; else the end."""
    at = text.solid_at_hand(held)
    ends = at < text.end and text.byte(at) == _OPEN
    ends = ends and (b"}" in tail or (at == held and b"\n" in tail))
    return at if ends else text.end


def _tail(tail: bytes, chunk: bytes) -> bytes:
    """``}`` if that is the last byte but white space, and a line feed if that is the last one."""
    solid = chunk.rstrip(SPACE)
    brace = solid[-1:] == b"}" if solid else b"}" in tail
    feed = chunk[-1:] == b"\n" if chunk else b"\n" in tail
    return b"}" * brace + b"\n" * feed


def _is_json(data: memoryview) -> bool:
    try:
        _raw(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True
