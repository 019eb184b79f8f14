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
    while found := _WORD.search(data, position):
        position = found.end()
        after = _AFTER_KEY.match(data, position)
        if after is None or not is_secret(_text(found.group())):
            continue
        start, end = after.end(), _end_of_value(data, after.end())
        if end > start:
            pieces += [data[done:start], b'"' + HIDDEN.encode() + b'"']
            done = position = end
            count += 1
    return (b"".join([*pieces, data[done:]]), count) if count else (data, 0)


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
