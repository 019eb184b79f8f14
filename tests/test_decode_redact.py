"""No user name or password survives, in values that were decoded and in bytes that were not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot.decode.redact import is_secret, redact, redact_bytes

SECRETS = ["rsuUsername", "rsuPassword", "password", "user", "userName", "snmp_user-name", "PWD",
           "passwd", "dbPassphrase", "Login", "credentials", "clientSecret", "apiKey"]  # fmt: skip
PLAIN = ["authenticated", "passenger", "compass", "bypass", "rsuTarget", "id", "userAgent",
         "streamId", "usage", "position", "blogin"]  # fmt: skip


@pytest.mark.parametrize("key", SECRETS)
def test_secret_keys(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", PLAIN)
def test_plain_keys(key: str) -> None:
    assert not is_secret(key)


@pytest.mark.parametrize(
    "written",
    [
        '{"rsuPassword":"hunter2","a":1',
        '{"rsuPassword" : "hunter2"',
        '{"rsu\\u0050\\u0061ssword":"hunter2"',
        '{"rsuPassword":"hunter2',
        '{"rsuPassword":"x\\"hunter2","a"',
        "{'rsuPassword': 'hunter2', 'a': 1}",
        "{rsuPassword: hunter2}",
        "rsuPassword=hunter2;",
        '{"rsuPassword":["hunter2",{"a":"hunter2"}],"b":1',
        '{"rsuPassword":{"clear":"hunter2"',
        '{"rsuPass\\u0077ord":"hunter2"}}',
        "<rsuPassword>hunter2</rsuPassword>",
        '{"a":"\\u0022","rsuUsername":"hunter2","rsuPassword":"hunter2"}{',
        '"rsuPassword"\t:\r\n"hunter2"',
        'torn","rsuPassword":"hunter2","a":"b"}',
        'torn","a":{"rsuPassword": ["hunter2"]},"a":"b"}',
        '{"a"\'{"b":1,"rsuPassword":"hunter2"}',
        'it\'s torn","rsuPassword":"hunter2","a":"that\'s all"',
        '{"rsuPassword:"hunter2","a":1}',
        '{"user":"hunter2","a":1}',
        '{"a":{},"Login":{"b":"hunter2"}}',
    ],
)
def test_raw_bytes_lose_the_value_and_keep_the_rest(written: str) -> None:
    shown, count = redact_bytes(b"\xff before " + written.encode() + b' "rest":7')
    assert b"hunter2" not in shown
    assert shown.startswith(b"\xff before ")
    assert b"***" in shown
    assert count >= 1


def test_what_stands_after_the_value_stays() -> None:
    shown, count = redact_bytes(b'{"user":"me","a":{"password":12},"b":[1,2]}x')
    assert (shown, count) == (b'{"user":"***","a":{"password":"***"},"b":[1,2]}x', 2)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_bytes_without_a_secret_key_are_untouched(data: bytes) -> None:
    if not is_secret(data.decode("latin-1")) and b"\\u" not in data:
        assert redact_bytes(data) == (data, 0)


@settings(deadline=None)
@given(st.binary(max_size=30), st.sampled_from(SECRETS), st.binary(max_size=30))
def test_no_bytes_crash_it(before: bytes, key: str, after: bytes) -> None:
    redact_bytes(before + key.encode() + after)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(SECRETS + PLAIN), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("key", SECRETS)
def test_each_key_alone_in_raw_bytes(key: str) -> None:
    shown, count = redact_bytes(f'{{"metadata":{{}},"{key}":"hunter2"}}'.encode())
    assert (shown, count) == (f'{{"metadata":{{}},"{key}":"***"}}'.encode(), 1)


@settings(deadline=None)
@given(VALUES)
def test_decoded_values(value: object) -> None:
    def check(found: object) -> None:
        if isinstance(found, dict):
            for key, inner in found.items():
                if is_secret(key):
                    assert inner in ("***", None, "", [], {})
                else:
                    check(inner)
        elif isinstance(found, list):
            for inner in found:
                check(inner)

    check(redact(value))
    check(json.loads(json.dumps(redact(value))))
