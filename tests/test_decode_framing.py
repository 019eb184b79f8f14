"""Frames: cut at line feeds and nowhere else, in bounded memory, whatever the blocks."""

from __future__ import annotations

import gzip
import hashlib
import io
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot.decode import frames_of
from intake_cvpilot.decode.framing import (
    HEAD,
    MAX_LINE,
    Oversized,
    UnreadableError,
    frames,
    lines,
    runs,
)
from intake_cvpilot.errors import DecodeError

CONTENT = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b"{}", b" ", b"\x1c", "\u2028".encode(), b"\xef\xbb\xbf"]
    )
    | st.binary(max_size=4),
    max_size=30,
).map(b"".join)


def expected(content: bytes) -> list[tuple[int, int, bytes]]:
    start = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    found, offset = [], start
    pieces = content[start:].split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    for number, piece in enumerate(pieces, 1):
        found.append((number, offset, piece.removesuffix(b"\r")))
        offset += len(piece) + 1
    return found


@settings(deadline=None)
@given(CONTENT, st.integers(1, 9))
def test_frames_do_not_depend_on_the_blocks(content: bytes, size: int) -> None:
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    assert list(lines(blocks)) == expected(content)


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"{}", b"\xef\xbb\xbf", b"a"])).map(b"".join))
def test_runs_are_the_same_frames(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("runs") / "object"
    path.write_bytes(content)
    found = []
    for run in runs(path):
        assert isinstance(run.data, bytes)
        pieces = run.data.removesuffix(b"\n").split(b"\n")
        assert len(pieces) == run.lines
        offset = run.offset
        for number, piece in enumerate(pieces, run.line):
            found.append((number, offset, piece.removesuffix(b"\r")))
            offset += len(piece) + 1
    assert found == list(frames(path, "lines"))


@given(CONTENT, st.integers(1, 9), st.integers(0, 12))
def test_a_frame_beyond_the_limit_is_hashed_and_not_held(
    content: bytes, size: int, limit: int
) -> None:
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    for (line, offset, data), (number, start, whole) in zip(
        lines(blocks, limit), expected(content), strict=True
    ):
        assert (line, offset) == (number, start)
        if isinstance(data, Oversized):
            # The carriage return of the line's end counts here.
            raw = content[start : start + data.length]
            assert data.length > limit
            assert raw.removesuffix(b"\r") == whole
            assert data.sha256 == hashlib.sha256(raw).hexdigest()
            assert data.head == raw[:HEAD]
        else:
            assert data == whole


def test_a_line_of_100_megabytes_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "object"
    with path.open("wb") as stream:
        stream.write(b'{"a":1}\n')
        for _ in range(100):
            stream.write(b"[" * 2**20)
        stream.write(b'\n{"b":2}\n')
    tracemalloc.start()
    found = list(frames(path, "lines"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line, offset) for line, offset, _ in found] == [
        (1, 0),
        (2, 8),
        (3, 8 + 100 * 2**20 + 1),
    ]
    assert isinstance(found[1][2], Oversized)
    assert len(found[1][2]) == 100 * 2**20
    assert found[2][2] == b'{"b":2}'
    assert peak < 2.5 * MAX_LINE


def test_gzip_content_is_read_by_its_magic_bytes(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    content = b'{"a":1}\n\n{"b":2}'
    path.write_bytes(gzip.compress(content[:5]) + gzip.compress(content[5:]) + b"\0" * 600)
    assert list(frames(path, "lines")) == expected(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-3],
        lambda raw: raw[:-12] + b"\0\0\0\0" + raw[-8:],
        lambda raw: raw[:-6] + b"\xff" + raw[-5:],
        lambda raw: raw + b"more",
        lambda raw: raw[:2],
        lambda raw: raw[:40] + bytes([raw[40] ^ 8]) + raw[41:],
    ],
)
def test_damaged_gzip_gives_no_frame_at_all(tmp_path: Path, damage) -> None:
    path = tmp_path / "object"
    content = b"".join(b'{"a":%d}\n' % n for n in range(200_000))
    path.write_bytes(damage(gzip.compress(content)))
    given_out = []
    with pytest.raises(UnreadableError) as caught:
        given_out.extend(frames(path, "lines"))
    assert caught.value.args[0] == "bad_gzip"
    assert given_out == []


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "object"
    squeeze = zlib.compressobj(9, wbits=31)
    with path.open("wb") as stream:
        for _ in range(300):
            stream.write(squeeze.compress(b"\0" * 2**20))
        stream.write(squeeze.flush())
    with pytest.raises(UnreadableError, match="gzip_bomb"):
        list(frames(path, "lines"))


def test_an_unknown_framing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(b"{}")
    with pytest.raises(NotImplementedError, match="lines"):
        list(frames(path, "paragraphs"))


def test_raw_frames_leave_blanks_out_and_nothing_else() -> None:
    stream = io.BytesIO(b"\xef\xbb\xbfone\r\n \t\r\n\n" + b"x" * (MAX_LINE + 1) + b"\n\xff")
    found = list(frames_of("wydot", stream))
    assert [(frame.line, frame.offset) for frame in found] == [
        (1, 3),
        (4, 13),
        (5, 13 + MAX_LINE + 2),
    ]
    assert [frame.data for frame in found] == [b"one", b"x" * (MAX_LINE + 1), b"\xff"]


def test_raw_frames_of_damaged_gzip_are_an_error_of_ours() -> None:
    with pytest.raises(DecodeError, match="gzip"):
        list(frames_of("thea", io.BytesIO(gzip.compress(b"abc")[:-4])))
