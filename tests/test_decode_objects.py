"""Objects framing: objects are found whatever stands between, before or within broken ones."""

from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intake_cvpilot.decode.framing import MAX_LINE, Oversized, UnreadableError, frames
from intake_cvpilot.decode.objects import objects
from intake_cvpilot.decode.strict import Rejected, parse

SPACE = b" \t\n\r\v\f"

WORDS = st.one_of(
    st.sampled_from(["}{", '"', "\\", "\n{", '{"a":', "]}", "// {", "}\n{", "", "\u2028"]),
    st.text(max_size=6),
)
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(-5, 5), st.floats(-9, 9), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def written(draw):
    """An object as some program writes it; with indent 0 inner objects begin lines, too."""
    value = draw(st.dictionaries(WORDS, VALUES, max_size=4))
    text = json.dumps(value, indent=draw(st.sampled_from([None, 0, 1, 2, "\t"])))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return text.encode()


SPACES = st.text(" \t\n\r\v\f", max_size=4).map(str.encode)
SCRAPS = st.one_of(
    st.lists(
        st.sampled_from([*'{}[]":,\\\n \tx1', "\n{", "}{", '{"a":', '"b":[', "}\n"]),
        max_size=12,
    ).map("".join),
    st.text(max_size=8),
).map(str.encode)


def cut(content: bytes, size: int = 2**20, limit: int = MAX_LINE):
    return list(objects((content[at : at + size] for at in range(0, len(content), size)), limit))


def check(content: bytes, found, limit: int = MAX_LINE) -> None:
    """Every byte belongs to one frame or is white space between frames."""
    end = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    for line, offset, data in found:
        assert not content[end:offset].strip(SPACE)
        assert line == content.count(b"\n", 0, offset) + 1
        end = offset + len(data)
        raw = content[offset:end]
        assert raw[:1].strip(SPACE)
        if isinstance(data, Oversized):
            assert data.length > limit
            assert data.sha256 == hashlib.sha256(raw).hexdigest()
        else:
            assert data == raw == raw.strip(SPACE)
            assert len(data) <= limit
    assert not content[end:].strip(SPACE)


@given(st.lists(st.tuples(written(), SPACES), max_size=5), SPACES, st.booleans(), st.integers(1, 9))
def test_the_frames_are_the_objects_whatever_space_stands_between(pairs, before, mark, size):
    content = b"\xef\xbb\xbf" * mark + before + b"".join(text + space for text, space in pairs)
    found = cut(content)
    assert [data for _, _, data in found] == [text for text, _ in pairs]
    check(content, found)
    assert cut(content, size) == found


def test_a_long_frame_begins_with_no_space() -> None:
    content = b"{\n{}\t\0\0\0\0\0"
    found = cut(content, limit=5)
    check(content, found, 5)
    assert [offset for _, offset, _ in found] == [0, 2, 5]


@given(st.one_of(st.binary(max_size=60), st.lists(SCRAPS, max_size=8).map(b"".join)), st.data())
def test_frames_and_space_partition_any_bytes(content, data):
    limit = data.draw(st.sampled_from([1, 2, 5, 9, 20, MAX_LINE]))
    found = cut(content, limit=limit)
    check(content, found, limit)
    assert cut(content, data.draw(st.integers(1, 9)), limit) == found


@given(st.lists(st.tuples(written(), SCRAPS), min_size=1, max_size=4), SCRAPS)
@example([(b'{"v": 1}', b"}"), (b'{"v": 2}', b"")], b'{"torn": [')
@example([(b'{"v": 1}', b"}\n}\n}")], b"{\n{\n{")
@example([(b'{\n"v": {\n}\n}', b"}\n}")], b'{"a":\n{"a":')
@example([(b"{}", b"")], b'{"a": "\\')
def test_objects_that_begin_a_line_are_found_beside_garbage(pairs, first):
    content = first
    wanted = []
    for text, garbage in pairs:
        content += b"\n"
        wanted.append((len(content), text))
        content += text + garbage
    found = cut(content)
    check(content, found)
    given_out = {offset: data for _, offset, data in found}
    for offset, text in wanted:
        if given_out.get(offset) != text:
            # Garbage made it part of an object that is JSON itself.
            (around,) = [raw for at, raw in given_out.items() if at < offset < at + len(raw)]
            assert json.loads(around)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b" \r\n\v", []),
        (b'{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}{"b":2}  {"c":3}', [b'{"a":1}', b'{"b":2}', b'{"c":3}']),
        (b'[{"a":1},{"b":2}]', [b"[", b'{"a":1}', b",", b'{"b":2}', b"]"]),
        # Torn within a string, a list, before a value; the next line or the next }{ is another.
        (b'{"a":"x\n{"b":2}', [b'{"a":"x', b'{"b":2}']),
        (b'{"a":[1,\n{"b":2}', [b'{"a":[1,', b'{"b":2}']),
        (b'{"a":\n{"b":2}\n{"c":3}', [b'{"a":', b'{"b":2}', b'{"c":3}']),
        (b'{"a":{"x":1}{"b":2}', [b'{"a":{"x":1}', b'{"b":2}']),
        (
            b'{\n "a": {\n  "b": 1,\n}{\n "c": 2\n}\n',
            [b'{\n "a": {\n  "b": 1,\n}', b'{\n "c": 2\n}'],
        ),
        # An object over many lines that is JSON is never cut.
        (b'{"a":\n{"b":\n{}\n}\n}', [b'{"a":\n{"b":\n{}\n}\n}']),
        (b'{"a":1}}\n{"b":2}', [b'{"a":1}', b"}", b'{"b":2}']),
        (b'{"a":"}{"}{"b":"{"}', [b'{"a":"}{"}', b'{"b":"{"}']),
        (b'{"a":1}\x00{"b":2}', [b'{"a":1}', b"\x00", b'{"b":2}']),
    ],
)
def test_examples(content, expected):
    assert [data for _, _, data in cut(content)] == expected
    assert [data for _, _, data in cut(content, 1)] == expected


def test_what_is_no_object_is_rejected_by_the_parser():
    found = cut(b'garbage {"a": [1, 2}\n{"torn": "x\n{"b": {"c": 2}}\n]')
    *bad, good = sorted(found, key=lambda frame: b"c" in frame[2])
    assert parse(good[2]) == {"b": {"c": 2}}
    for _, _, data in bad:
        with pytest.raises(Rejected, match="not_json"):
            parse(data)
    assert len(found) == 5


def test_an_object_up_to_the_limit_is_given_whole():
    text = b'{"a":"%s"}' % (b"x" * 92)
    assert cut(text + b"\n" + text, limit=100)[1] == (2, 101, text)
    (long, other) = cut(text[:-2] + b'x"}' + text, limit=100)
    assert isinstance(long[2], Oversized)
    assert long[2].length == 101
    assert other == (1, 101, text)


def test_a_torn_object_before_a_long_one_does_not_take_it_along():
    """Together they are beyond the limit; each of them is not."""
    torn, whole = b'{"a": [%s' % (b"1," * 20), b'{"b": "%s"}' % (b"x" * 70)
    assert [data for *_, data in cut(torn + b"\n" + whole, limit=100)] == [torn, whole]


@pytest.mark.parametrize(
    "unit",
    [
        b"{",
        b'{"a":[',
        b'{"a":[\n',
        b"{\n",
        b'{"',
        b'}{\\"',
        b'"\\',
        b"}",
        b"{},",
        b"{}\n",
        b"a{",
        b'{"a":\n',
        b" ",
        b"\n\n",
        b"}  ",
        b'{"a":"x\n',
    ],
)
def test_memory_is_bounded_for_any_repetition(unit):
    """Most of what is held are the bytes up to the limit, and marks where lines begin."""
    limit, block = 2**11, unit * (2**10 // len(unit))
    tracemalloc.start()
    covered = sum(len(data) for _, _, data in objects((block for _ in range(60)), limit))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    spaces = 60 * sum(block.count(byte) for byte in SPACE)
    assert 60 * len(block) - spaces <= covered <= 60 * len(block)
    assert peak < 100 * limit


def test_gzip_and_files(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"a":1}\n\n{"b":\n2}'
    path = tmp_path / "object"
    for raw in (content, gzip.compress(content)):
        path.write_bytes(raw)
        assert list(frames(path, "objects")) == [(1, 3, b'{"a":1}'), (3, 12, b'{"b":\n2}')]
    path.write_bytes(gzip.compress(content)[:-5])
    with pytest.raises(UnreadableError):
        list(frames(path, "objects"))


def test_real_events_are_one_frame_each(bucket: Path) -> None:
    events = sorted((bucket / "nycdot").rglob("*.txt"))
    assert events
    raw = [path.read_bytes() for path in events]
    assert [data for path in events for *_, data in frames(path, "objects")] == [
        text.strip() for text in raw
    ]
    pretty = [json.dumps(json.loads(text), indent=4).encode() for text in raw]
    flat = [json.dumps(json.loads(text), indent=0).encode() for text in raw]
    for texts in (raw, pretty, flat):
        for between in (b"", b"\n", b" \r\n\r\n"):
            assert [data for *_, data in cut(between.join(texts))] == [t.strip() for t in texts]
