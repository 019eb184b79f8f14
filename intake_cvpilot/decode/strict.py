"""One line of bytes to one JSON object, or a named reason why not.

The decoder is msgspec, which refuses NaN, overflow, lone surrogates, invalid UTF-8 and trailing
content.  Two things are added: duplicate keys and a limit on nesting that does not depend on how
deep the interpreter's stack happens to be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

__all__ = ["MAX_DEPTH", "Rejected", "parse"]

MAX_DEPTH: Final = 128
"""Deepest nesting that is read; the archive's own records reach about 25."""

T = TypeVar("T")
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Rejected(Exception):  # noqa: N818 - an outcome of decoding, counted by its reason
    """A frame that cannot become a record; it goes to the quarantine, never to a caller.

    Attributes
    ----------
    reason : str
        A stable name, counted in the manifest.
    detail : str
        One sentence for people.  Holds no value of the record.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def parse(data: bytes) -> dict[str, Any]:
    """Decode one JSON object strictly.

    Raises
    ------
    Rejected
        With the reason ``not_json``, ``not_object``, ``invalid_utf8``, ``duplicate_key``,
        ``not_finite``, ``out_of_range``, ``lone_surrogate`` or ``too_deep``.
    """
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise Rejected("too_deep", f"nested deeper than {MAX_DEPTH}")
    try:
        try:
            record = _decode(data)
        except RecursionError:
            record = _fresh(lambda: _decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _reason(data) from error
    if type(record) is not dict:
        raise Rejected("not_object", f"a JSON {_kind(record)}, not an object")
    if _loses_keys(data, record):
        raise Rejected("duplicate_key", "an object has the same key twice")
    return record


def _loses_keys(data: bytes, record: dict[str, Any]) -> bool:
    r"""Whether decoding dropped a member: every dropped member takes quotes with it.

    Exact, because encoding writes two quotes for each string and ``\\"`` for each quote within one,
    as the source did unless it wrote a quote as ``\\u0022``.
    """
    if b"\\" not in data or b"\\u0022" not in data:
        with suppress(RecursionError):
            return data.count(b'"') != _encode(record).count(b'"')
    seen: list[bool] = []

    def pairs(items: list[tuple[str, Any]]) -> None:
        seen.append(len({key for key, _ in items}) != len(items))

    _fresh(lambda: json.loads(data, object_pairs_hook=pairs, parse_int=len, parse_float=len))
    return any(seen)


def _depth(data: bytes) -> int:
    """Depth of nesting, exact up to the limit and beyond it only known to be more.

    Peels the innermost pairs of brackets, one level of the whole line at a time.
    """
    found = _peel(data.translate(_ONE_KIND, _NOT_BRACKETS))
    if found is not None:
        return found
    # Brackets within strings are in the way: take the strings out.
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    found = _peel(brackets)
    if found is not None:
        return found
    # Too deep, or unbalanced and thus no JSON: the opening brackets decide the reason's name.
    deepest = level = 0
    for byte in brackets:
        level += 1 if byte == ord("[") else -1
        deepest = max(deepest, level)
        if deepest > MAX_DEPTH:
            break
    return deepest


def _peel(brackets: bytes) -> int | None:
    """Levels of balanced brackets; None when they are more than the limit or not balanced."""
    for level in range(MAX_DEPTH + 1):
        if not brackets:
            return level
        peeled = brackets.replace(b"[]", b"")
        if len(peeled) == len(brackets):
            return None
        brackets = peeled
    return None


def _fresh(work: Callable[[], T]) -> T:
    """Run on a fresh stack: the caller's own may be too deep for a line within the limit."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _kind(value: object) -> str:
    names = {list: "array", str: "string", int: "number", float: "number", bool: "literal"}
    return names.get(type(value), "null")


class _NamedError(ValueError):
    """Raised within json.loads to name the first thing that strict JSON forbids."""


def _reason(data: bytes) -> Rejected:
    """The precise reason for what the fast decoder refused; only bad lines pay for it."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejected("invalid_utf8", f"invalid UTF-8 at byte {error.start}")

    def constant(name: str) -> None:
        raise _NamedError("not_finite", f"{name} is no JSON number")

    def whole(digits: str) -> int:
        if len(digits) > 4300:
            raise _NamedError("out_of_range", f"an integer of {len(digits)} characters")
        return 0

    def real(digits: str) -> float:
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            raise _NamedError("out_of_range", "a number beyond the range of a double")
        return value

    try:
        value = json.loads(text, parse_constant=constant, parse_int=whole, parse_float=real)
    except _NamedError as named:
        return Rejected(*named.args)
    except json.JSONDecodeError as error:
        return Rejected("not_json", f"{error.msg} at character {error.pos}")
    except (ValueError, RecursionError):
        return Rejected("not_json", "not valid JSON")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Rejected("lone_surrogate", "half of a surrogate pair")
    except (ValueError, RecursionError):
        pass
    return Rejected("not_json", "not valid JSON")
