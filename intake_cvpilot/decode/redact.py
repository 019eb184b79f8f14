"""User names and passwords out of whatever is kept: ``extra`` and the quarantine.

TIM records carry the sign-on names of roadside units.  A value is replaced when its *key* looks
like a user name or a password, in decoded values and in raw bytes that nobody could decode.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from intake_cvpilot.decode.nothing import says_nothing

__all__ = ["HIDDEN", "is_secret", "redact", "redact_bytes"]

HIDDEN: Final = "***"
_LOOKS: Final = (
    r"user[\W_]*name|password|passwd|passphrase|passcode|\bpwd\b|_pwd|rsu_?user|^user$|^login$"
    r"|credential|secret|api[\W_]*key"
)
_KEY: Final = re.compile(_LOOKS, re.IGNORECASE)
# A quoted string (either kind of quotes, perhaps torn off at the end) or a bare word.
_WORD: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|\'(?:[^\'\\]|\\.)*\'?|[\w.-]+', re.DOTALL)
# The same where keys are looked for.  An apostrophe in a text must not hide what comes after it.
_NAME: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|\'(?:[^\'"\\]|\\.)*\'|[\w.-]+', re.DOTALL)
# A key that lost its closing quote ends with the quote that opens its value.
_UNCLOSED: Final = re.compile(rb"([\w.-]+)\s*[:=>]\s*\"$")
# A key is a bare word where a torn string before it turned inside and outside round: then its
# closing quote is still to come.
_AFTER_KEY: Final = re.compile(rb"[\"']?\s*[:=>]\s*")
# Finds every key above anywhere in text: what it does not find needs no closer look.
_HINT: Final = re.compile(rb"user|pass|pwd|login|credential|secret|api|\\u", re.IGNORECASE)


def is_secret(key: str) -> bool:
    """Whether a key looks like that of a user name or a password."""
    return _KEY.search(key) is not None


def redact(value: Any) -> Any:
    """The decoded value with the values of secret keys replaced, at any depth."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if is_secret(key) and not says_nothing(inner) else redact(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    return value


def redact_bytes(data: bytes) -> tuple[bytes, int]:
    """Raw bytes with the values of secret keys replaced, and how many were.

    Works on bytes that are no JSON: it goes by words, not by structure.
    """
    if _HINT.search(data) is None:
        return data, 0
    pieces: list[bytes] = []
    done = count = position = 0
    while found := _NAME.search(data, position):
        position = found.end()
        start = _start_of_value(data, found)
        if start is None:
            continue
        end = _end_of_value(data, start)
        if end > start:
            pieces += [data[done:start], b'"' + HIDDEN.encode() + b'"']
            done = position = end
            count += 1
    return (b"".join([*pieces, data[done:]]), count) if count else (data, 0)


def _start_of_value(data: bytes, name: re.Match[bytes]) -> int | None:
    """Where the value of a secret key begins; None when the name is no such key."""
    after = _AFTER_KEY.match(data, name.end())
    if after is not None and is_secret(_text(name.group())):
        return after.end()
    key = _UNCLOSED.search(data, max(name.start(), name.end() - 100), name.end())
    return name.end() - 1 if key and is_secret(_text(key[1])) else None


def _text(word: bytes) -> str:
    """The word as text, its JSON escapes read."""
    try:
        return str(json.loads(word))
    except ValueError:
        return word.strip(b"\"'").decode("latin-1")


def _end_of_value(data: bytes, start: int) -> int:
    """Where the value that begins at ``start`` ends; an unclosed one ends with the data."""
    opening = data[start : start + 1]
    if opening not in (b"{", b"["):
        found = _WORD.match(data, start)
        if found is None:
            found = re.compile(rb"[^,}\]\s]*").match(data, start)
        return found.end() if found else start
    level, position = 0, start
    token = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
    while found := token.search(data, position):
        position = found.end()
        if found.group() in (b"{", b"["):
            level += 1
        elif found.group() in (b"}", b"]"):
            level -= 1
            if level == 0:
                return position
    return len(data)
