"""Whether plain values, as YAML gives them, have an outline; every slip with its place; pure.

An outline is written in plain values too.  A pattern is text that it matches as a whole, a tuple is
one of its words, a list of one outline is a list of such things.  A mapping with a pattern as its
key is any names like it, one at least, and what each is; a mapping with text as keys is exactly
these fields, of which those with ``?`` at the end may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["TEXT", "slips"]

#: Any text but none.
TEXT = re.compile(r"(?s).+")


def slips(outline: Any, value: Any, place: str = "") -> Iterator[str]:
    """Give what is wrong.

    Parameters
    ----------
    outline : re.Pattern, tuple, list or dict
        What the value has to be.
    value : object
        What it is.
    place : str
        Where it stands, names with dots between.

    Yields
    ------
    str
        Place and slip: ``here.agency: text is needed, not 5``.

    Examples
    --------
    >>> list(slips({"agency": TEXT, "of?": TEXT}, {"agency": 5}, "here"))
    ['here.agency: text is needed, not 5']
    """
    if isinstance(outline, re.Pattern):
        if not isinstance(value, str) or not outline.fullmatch(value):
            kind = "text" if outline is TEXT else f"text like {outline.pattern}"
            yield _needed(place, kind, value)
    elif isinstance(outline, tuple):
        if value not in outline:
            yield _needed(place, " or ".join(outline), value)
    elif isinstance(outline, list):
        if not isinstance(value, list):
            yield _needed(place, "a list", value)
            return
        for number, item in enumerate(value):
            yield from slips(outline[0], item, f"{place}.{number}")
    elif not isinstance(value, dict) or not value:
        yield _needed(place, "names with what they are", value)
    elif isinstance(next(iter(outline)), re.Pattern):
        ((names, each),) = outline.items()
        for name, item in value.items():
            yield from slips(names, name, _under(place, name))
            yield from slips(each, item, _under(place, name))
    else:
        yield from _fields(outline, value, place)


def _fields(outline: dict[str, Any], value: dict[Any, Any], place: str) -> Iterator[str]:
    known = {field.removesuffix("?"): each for field, each in outline.items()}
    for name, item in value.items():
        if name in known:
            yield from slips(known[name], item, _under(place, name))
        else:
            yield f"{_under(place, name)}: there is no such field; there are {', '.join(known)}"
    for name in outline:
        if not name.endswith("?") and name not in value:
            yield f"{_under(place, name)}: missing"


def _under(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)


def _needed(place: str, kind: str, value: object) -> str:
    return f"{place}: {kind} is needed, not {repr(value)[:60]}".removeprefix(": ")
