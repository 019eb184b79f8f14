"""Lines of a text without an object a line: the same as cutting it at line feeds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intake_cvpilot.decode.lines import Lines

TEXT = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"{", b"}", b"\\", b"\xc2\xa0", b"a"])).map(
    b"".join
)


def cut(text: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in text.removesuffix(b"\n").split(b"\n")]


@given(TEXT)
def test_each_line_is_what_a_line_feed_ends(text: bytes) -> None:
    lines = Lines(text)
    assert [lines[at] for at in range(len(lines))] == cut(text)


@given(TEXT, st.integers(0, 6))
def test_what_lines_hold_and_are_enclosed_by(text: bytes, most: int) -> None:
    lines, expected = Lines(text), cut(text)
    assert lines.holding(b"\\").tolist() == [b"\\" in line for line in expected]
    assert lines.enclosed(b"{", b"}", most).tolist() == [
        len(line) <= most and line.startswith(b"{") and line.endswith(b"}") for line in expected
    ]


@given(TEXT, st.data())
def test_chosen_lines_joined(text: bytes, data: st.DataObject) -> None:
    lines, expected = Lines(text), cut(text)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(expected) - 1), min_size=1)))
    assert cut(bytes(lines.joined(np.array(chosen)))) == [expected[at] for at in chosen]
