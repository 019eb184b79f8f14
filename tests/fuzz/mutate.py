"""Records of the archive's shapes, altered: in their structure, and now and then in their bytes."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from intake_cvpilot.decode.redact import is_secret

__all__ = ["MARK", "alter_object", "altered", "seed_lines"]

MARK = "zq-hidden-7f"
"""Stands wherever a sample holds a user name or a password."""
LINES = (1, 2, 16, 100, 200)
LONGEST = 12_000
"""Bytes of a record from which it is not altered any further: else records grow without end."""
SECRET_KEYS = ["rsuUsername", "rsuPassword", "password", "user", "userName", "snmp_user-name",
               "PWD", "Login", "apiKey", "clientSecret", "rsu_user", "credentials"]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 7, 127, 128, 255, 256, 361, 511, 2001, 8191, 28800, 32767, 65535, 65536,
           900000001, 1800000001, -900000000, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64, 10**30,
           0.0, -0.0, 0.5, 1e-320, 1e308, -1e308, 41.123456789, 1234567.5]  # fmt: skip
TEXTS = [
    "",
    " ",
    "0",
    "-1",
    "NA",
    "null",
    "true",
    "1e3",
    "1e999",
    "NaN",
    "Infinity",
    "41.5",
    "+5",
    " 7 ",
    "0x1F",
    "1_000",
    "\u0663",
    "36001",
    "65535",
    "0101",
    "1111111111111",
    "0F9E8D7C",
    "unavailable",
    "unavailable(7)",
    "forwardGears",
    "ON",
    "off",
    "stop-And-Remain",
    "\0",
    "\u2028",
    "\ud83d\ude97",
    "\ufeff",
    "z" * 300,
    "2020-03-01T12:00:00Z",
    "2020-03-01T12:00:00.1234567Z[UTC]",
    "2020-03-01T12:00:00",
    "2020-03-01T24:00:00Z",
    "2016-12-31T23:59:60Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2020-03-01T12:00:00+14:00",
    "2020-02-30T00:00:00Z",
    "2019-11-03 01:30:00 [ET]",
    "2019-11-03 01:30:00.5 [ET]",
    "2019-03-10 02:30:00 [ET]",
    "9999-12-31 23:59:59 [ET]",
    "0001-01-01 00:00:00 [ET]",
    "2021-05-TUE-PM",
    "2021-13-XXX-AM",
    "1E400",
    "9" * 400,
]
CONSTANTS = [None, True, False, {}, [], [None], {"": None}, {"a": {"b": [1]}}, [[]], [{}]]
JUNK = [b"", b" \t", b"{}", b"[]", b"null", b"\xef\xbb\xbf", b'{"a":NaN}', b"\0", b"{", b"}", b'"',
        b"}{", b'{"a":1}{"a":2}', b"\xff\xfe", b"\xe2\x80\xa8", b"\x0b\x0c", b"[" * 300,
        b'{"a":' * 200 + b"1" + b"}" * 200, b'{"a":' + b"9" * 5000 + b"}", b'{"a":"\\ud800"}',
        b'{"metadata":{},"payload":{}}', b'{"metadata":{"schemaVersion":99}}']  # fmt: skip
Place = tuple[Any, Any]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def seed_lines(records: Sequence[Any]) -> list[bytes]:
    """Records on a line each, their user names and passwords replaced by the mark."""
    return [json.dumps(_marked(record), separators=(",", ":")).encode() for record in records]


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: MARK if is_secret(k) and isinstance(v, str) else _marked(v) for k, v in value.items()
        }
    return [_marked(inner) for inner in value] if isinstance(value, list) else value


def alter_object(data: bytes, size: int, seed: int, seeds: Sequence[bytes]) -> bytes:
    """Another object: up to 200 records, each made of one of this object or of the samples.

    Parameters
    ----------
    data : bytes
        An object.
    size : int
        The most bytes that may be given back.
    seed : int
        Decides everything.
    seeds : sequence of bytes
        The samples.
    """
    rng = random.Random(seed)
    own = [line for line in data.split(b"\n") if line[:1] == b"{"] or seeds
    end = rng.choices((b"\n", b"\r\n", b"", b"\n\n", b" ", b"\r", b",\n"), (80, 8, 4, 3, 2, 2, 1))[
        0
    ]
    pieces, held = [], 0
    for _ in range(rng.choices(LINES, (1, 1, 3, 15, 80))[0]):
        piece = altered(rng.choice(own if rng.random() < 0.6 else seeds), rng, seeds)
        held += len(piece) + len(end)
        if held > size - 100:
            break
        pieces.append(piece)
    content = end.join(pieces) + (end if rng.random() < 0.7 else b"")
    if rng.random() < 0.03:
        content = b"\xef\xbb\xbf" + content
    if rng.random() < 0.02:
        content = gzip.compress(content, 1, mtime=0)
        if rng.random() < 0.5:
            content = _in_bytes(content, rng, seeds)
    return content[:size]


def altered(line: bytes, rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Another record."""
    if rng.random() < 0.02:
        return rng.choice(JUNK)
    if len(line) > LONGEST:
        line = rng.choice(seeds)
    try:
        record = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _in_bytes(line, rng, seeds)
    if not isinstance(record, dict):
        return _in_bytes(line, rng, seeds)
    for _ in range(1 + int(rng.expovariate(0.8))):
        _in_structure(record, rng, seeds)
    try:
        line = _encode(record)
    except (RecursionError, ValueError):  # deeper than an encoder goes
        return rng.choice(seeds)
    style = rng.random()
    if style < 0.002:
        line = json.dumps(record, indent=rng.choice((0, 1)), ensure_ascii=True).encode()
    elif style < 0.06:
        line = json.dumps(record, ensure_ascii=True).encode()
    if rng.random() < 0.03:
        line = _in_bytes(line, rng, seeds)
    return line


def _places(value: Any) -> Iterator[Place]:
    """Holder and key of every value."""
    stack = [value]
    while stack:
        holder = stack.pop()
        for key, inner in holder.items() if type(holder) is dict else enumerate(holder):
            yield holder, key
            if type(inner) is dict or type(inner) is list:
                stack.append(inner)


def _place(record: Any, rng: random.Random) -> Place | None:
    """A place within the record; deep ones as likely as those above them."""
    if rng.random() < 0.3:
        return rng.choice(list(_places(record)) or [None])
    holder, key = None, None
    inner = record
    while (type(inner) is dict or type(inner) is list) and inner:
        if holder is not None and rng.random() < 0.15:
            break
        holder = inner
        key = rng.choice(list(inner)) if type(inner) is dict else rng.randrange(len(inner))
        inner = holder[key]
    return None if holder is None else (holder, key)


def _in_structure(record: Any, rng: random.Random, seeds: Sequence[bytes]) -> None:
    found = _place(record, rng)
    if found is None:
        record["metadata"] = {}
        return
    holder, key = found
    value = holder[key]
    kind = rng.random()
    if kind < 0.40:
        holder[key] = _value(value, rng)
    elif kind < 0.50:
        del holder[key]
    elif kind < 0.58:
        holder[key] = rng.choice(([value], [value, copy.deepcopy(value)], {"value": value}))
    elif kind < 0.63 and isinstance(value, (list, dict)) and value:
        holder[key] = _other_container(value, rng)
    elif kind < 0.72 and isinstance(holder, dict):
        name = _name(key, rng)
        holder[name] = copy.deepcopy(value)
        if rng.random() < 0.7 and name != key and not is_secret(key):
            del holder[key]
    elif kind < 0.78 and isinstance(holder, dict):
        keys = rng.choice((["a", "", "extra", "metadata", "0", "a.b", "\u2028"], SECRET_KEYS))
        name = rng.choice(keys)
        holder[name] = rng.choice((MARK, [MARK], {"a": MARK})) if is_secret(name) else value
    elif kind < 0.90:
        _splice(holder, key, record, rng, seeds)
    elif isinstance(holder, list):
        rng.shuffle(holder)
        holder.extend(copy.deepcopy(holder[: rng.choice((1, 2, 9))]))
    else:
        rng.choice((_turn, _deepen))(holder, key, rng)


def _turn(holder: dict[str, Any], _: str, rng: random.Random) -> None:
    """Members in another order."""
    items = list(holder.items())
    rng.shuffle(items)
    holder.clear()
    holder.update(items)


def _deepen(holder: Any, key: Any, rng: random.Random) -> None:
    """A value many levels deeper, about the limit."""
    value = holder[key]
    for _ in range(rng.choice((2, 8, 115, 122, 126, 128, 140))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    holder[key] = value


def _value(value: Any, rng: random.Random) -> Any:
    """A value in place of another, often a near one."""
    kind = rng.random()
    if kind < 0.3 and isinstance(value, (int, float)) and not isinstance(value, bool):
        near = (value + 1, value - 1, -value, str(value), value // 2, value * 10)
        return rng.choice(near) if abs(value) < 1e300 else 0
    if kind < 0.3 and isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        near = (value + " ", value.upper(), value[:at], value[at:], value[:at] + "0" + value[at:],
                value.swapcase(), {value: None}, value[:at] + "9" + value[at + 1 :])  # fmt: skip
        return int(value) if value.isdigit() and at % 2 else rng.choice(near)
    if kind < 0.6:
        return rng.choice(NUMBERS)
    if kind < 0.8:
        return rng.choice(TEXTS)
    if kind < 0.9:
        return str(rng.choice(NUMBERS))
    return copy.deepcopy(rng.choice(CONSTANTS))


def _other_container(value: Any, rng: random.Random) -> Any:
    if isinstance(value, list):
        return rng.choice((value[0], {str(n): v for n, v in enumerate(value)}, value[::-1]))
    return rng.choice(
        (list(value.values()), [{k: v} for k, v in value.items()], next(iter(value.values())))
    )


def _name(key: str, rng: random.Random) -> str:
    near = (key.lower(), key.upper(), key + "_", key[1:], key[:-1], "x" + key, key[:1].swapcase() +
            key[1:], key.replace("-", "_"), key.replace("_", "-"), f"{key}.{key}")  # fmt: skip
    return rng.choice(near)


def _splice(holder: Any, key: Any, record: Any, rng: random.Random, seeds: Sequence[bytes]) -> None:
    """A value of another place, of this record or of a sample, here."""
    other = _place(record if rng.random() < 0.5 else _decode(rng.choice(seeds)), rng)
    if other is None or (isinstance(other[1], str) and is_secret(other[1])):
        return
    value = copy.deepcopy(other[0][other[1]])
    if isinstance(holder, dict) and isinstance(other[1], str) and rng.random() < 0.5:
        holder[other[1]] = value
    else:
        holder[key] = value


def _in_bytes(line: bytes, rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    at, to = sorted((rng.randrange(len(line) + 1), rng.randrange(len(line) + 1)))
    kind = rng.randrange(9)
    if kind == 0:
        return line[:to]
    if kind == 1:
        return line[at:]
    if kind == 2:
        return line[:at] + bytes([rng.randrange(256)]) + line[at + 1 :]
    if kind == 3:
        return line[:at] + rng.choice(JUNK) + line[at:]
    if kind == 4:
        return line + rng.choice((b"", b" ", b"\n", b",")) + rng.choice(seeds)
    if kind == 5:
        return line[:at] + rng.choice(seeds)
    if kind == 6:
        return line.replace(b"{", b'{"metadata":1,', 1)
    if kind == 7:
        return line[:at] + line[to:]
    return line.replace(rng.choice((b'"', b",", b":", b"}")), rng.choice((b"", b"'", b"\n")), 1)
