"""Records altered so little that most of them stay of the ordinary form."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
from mutate import NUMBERS, TEXTS

__all__ = ["nudged"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
Set = Callable[[Any], None]


def nudged(line: bytes, rng: random.Random) -> bytes:
    """The record with up to three of its values changed within their kind, or one left out."""
    record = _decode(line)
    for _ in range(rng.choices((0, 1, 2, 3), (90, 6, 3, 1))[0]):
        places = list(_leaves(record))
        if not places:
            break
        holder, key = rng.choice(places)
        if isinstance(holder, dict) and rng.random() < 0.1:
            del holder[key]
        else:
            holder[key] = _near(holder[key], rng)
    try:
        return _encode(record)
    except UnicodeEncodeError:  # half of a surrogate pair
        return line


def _leaves(value: Any) -> Any:
    """Holder and key of every value that holds no other."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, (dict, list)) and inner:
            yield from _leaves(inner)
        else:
            yield value, key


def _near(value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        step = rng.choice((1, 0.5, 0.02, 0.0125, 1e-7))
        near = (value + step, value - step, -value, 0.0, value * 2, float(value))
        return rng.choice(near) if rng.random() < 0.7 else rng.choice(NUMBERS)
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        near = (value[:at], value[at:], value + rng.choice("09aZ .-"), value.upper(), "NA")
        return rng.choice(near) if rng.random() < 0.7 else rng.choice(TEXTS)
    return rng.choice((None, {}, [], "", value))
