"""One line to one object, or a named reason why not."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intake_cvpilot.decode.strict import MAX_DEPTH, Rejected, parse


def reason(data: bytes) -> str:
    try:
        parse(data)
    except Rejected as rejected:
        return rejected.reason
    return "accepted"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", "accepted"),
        (b' \t{"a": 1}\r', "accepted"),
        (b'{"a":"\\u0000\\u2028"}', "accepted"),
        (b'{"a":123456789012345678901234567890}', "accepted"),
        (b'{"a":1}{"a":2}', "not_json"),
        (b'{"a":1},', "not_json"),
        (b'{"a":1,}', "not_json"),
        (b'{"a":1', "not_json"),
        (b"{'a':1}", "not_json"),
        (b'{"a":01}', "not_json"),
        (b'{"a":"\x01"}', "not_json"),
        (b"\x00", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'{"a":+1}', "not_json"),
        (b'{"a":.5}', "not_json"),
        (b"[]", "not_object"),
        (b'[{"a":1}]', "not_object"),
        (b"5", "not_object"),
        (b'"text"', "not_object"),
        (b"null", "not_object"),
        (b"true", "not_object"),
        (b'{"a":"\xff"}', "invalid_utf8"),
        (b'{"a":"\xed\xa0\x80"}', "invalid_utf8"),
        (b'\xff\xfe{\x00"\x00', "invalid_utf8"),
        (b'{"a":1,"a":1}', "duplicate_key"),
        (b'{"b":{"a":1,"\\u0061":[]}}', "duplicate_key"),
        (b'{"a\\u0022":1,"a\\"":2}', "duplicate_key"),
        (b'{"x":"\\u0022","a":1,"a":2}', "duplicate_key"),
        (b'{"a":NaN}', "not_finite"),
        (b'{"a":Infinity}', "not_finite"),
        (b'{"a":-Infinity}', "not_finite"),
        (b'{"a":1e999}', "out_of_range"),
        (b'{"a":-1E+400}', "out_of_range"),
        (b'{"a":' + b"9" * 5000 + b"}", "out_of_range"),
        (b'{"a":"\\ud800"}', "lone_surrogate"),
        (b'{"\\udc00":1}', "lone_surrogate"),
        (b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}", "accepted"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "too_deep"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "too_deep"),
        (b"[" * 1_000_000, "too_deep"),
        (b'{"a":"' + b"[" * 1000 + b'"}', "accepted"),
        (b'{"a":"' + b"[" * 1000 + b"]" * 1000 + b'"}', "accepted"),
        (b'{"a":"}' + b"{[" * 500 + b'"}', "accepted"),
        (b'{"a":[' + b"[]," * 500 + b"[]]}", "accepted"),
        (b"]" * 500 + b"{}", "not_json"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value,
)
def test_each_fault_has_its_name(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def has_duplicates(text: str) -> bool:
    seen = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        seen.append(len({key for key, _ in items}) < len(items))
        return dict(items)

    json.loads(text, object_pairs_hook=pairs)
    return any(seen)


KEYS = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"\\""', '"\\u0022"', '"\\\\"', '""'])
SCALARS = st.sampled_from(
    ['"x"', '"\\""', '"\\u0022"', '"\\\\"', '"{:\\"a\\":"', "1", "null", "{}"]
)
MEMBERS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda items: "{" + " , ".join(f"{key} :{value}" for key, value in items) + "}"
        ),
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, MEMBERS), max_size=4))
@example([('"a"', '"\\u0022"'), ('"a"', "1")])
def test_duplicate_keys_are_found_exactly(items: list[tuple[str, str]]) -> None:
    text = "{" + ",".join(f"{key}:{value}" for key, value in items) + "}"
    assert reason(text.encode()) == ("duplicate_key" if has_duplicates(text) else "accepted")


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_crash_it(data: bytes) -> None:
    reason(data)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text()
            | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
    )
)
def test_every_object_is_read_as_it_is(record: dict[str, object]) -> None:
    assert parse(json.dumps(record).encode()) == record


def test_the_limit_of_depth_does_not_depend_on_the_stack() -> None:
    depth = MAX_DEPTH - 1
    fits = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    twice = b'{"\\u0022":1,"a":' + b"[" * depth + b"]" * depth + b"}"

    def deeper(levels: int) -> list[str]:
        if levels:
            return deeper(levels - 1)
        return [reason(fits), reason(twice), reason(b'{"a":' + fits + b"}")]

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    for room in (60, 90, 110, 150, 300):
        assert deeper(sys.getrecursionlimit() - used - room) == ["accepted", "accepted", "too_deep"]
