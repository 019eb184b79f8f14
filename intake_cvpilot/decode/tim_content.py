"""What a data frame says: ITIS codes and texts, in order."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from intake_cvpilot.decode.j2735 import ITIS_CODE
from intake_cvpilot.decode.labels import fold
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.places import lone
from intake_cvpilot.decode.readers import Integer, Odd

__all__ = ["KINDS", "Content", "content", "kind_of", "phrases"]

KINDS: Final = ("advisory", "workZone", "genericSign", "speedLimit", "exitService")
"""The choices of a data frame's content."""
_FOLDED: Final = {fold(kind): kind for kind in KINDS} | {"genericsignage": "genericSign"}
_ITIS: Final = Integer.of(ITIS_CODE)


@dataclass(slots=True)
class Content:
    """The content of a data frame."""

    kind: str | None = None
    """One of ``KINDS``."""
    items: list[dict[str, Any]] | None = None
    """Objects of ``itis`` and ``text``, one of them None; None when there is no item."""
    odd: Counter[str] = field(default_factory=Counter)
    """Reasons for codes that could not be read, by field (``itis out_of_range``)."""


def kind_of(name: str) -> str | None:
    """The kind that a name of a content means, whatever its spelling."""
    return _FOLDED.get(fold(name).replace(" ", ""))


def content(raw: Any) -> Content:
    """Read a content.

    Parameters
    ----------
    raw : object
        ``{kind: {"SEQUENCE": items}}``.  What is read is taken out of it.
    """
    done = Content()
    holder = lone(raw)
    if type(holder) is not dict:
        return done
    for key in list(holder):
        kind = kind_of(key)
        if kind is not None:
            done.kind = kind
            if says_nothing(holder[key]):
                del holder[key]
            else:
                phrase = lone(holder[key])
                if type(phrase) is dict and "SEQUENCE" in phrase:
                    _items(phrase, "SEQUENCE", done)
                elif type(holder[key]) is list:
                    _items(holder, key, done)
            break
    return done


def phrases(raw: list[Any]) -> tuple[list[dict[str, Any]] | None, Any]:
    """Items of the ODE's own form: a number is a code, other text is text (``'45`` is text).

    Returns
    -------
    tuple
        The items, and what of the list could not be read, in its place.
    """
    items: list[dict[str, Any]] = []
    left: list[Any] = []
    for entry in raw:
        try:
            if type(entry) is str and not entry.strip().isdigit():
                items.append({"itis": None, "text": entry.removeprefix("'")})
            else:
                items.append({"itis": _ITIS.one(entry), "text": None})
            left.append(None)
        except Odd:
            left.append(entry)
    return items or None, left


def _items(holder: dict[str, Any], key: str, done: Content) -> None:
    entries = holder[key] if type(holder[key]) is list else [holder[key]]
    items = [item for entry in entries if (item := _item(entry, done)) is not None]
    done.items = items or None


def _item(entry: Any, done: Content) -> dict[str, Any] | None:
    holder = lone(entry)
    if type(holder) is dict and "item" in holder:
        holder = lone(holder["item"])
    if type(holder) is not dict:
        return None
    item: dict[str, Any] = {"itis": None, "text": None}
    for name, read in (("itis", _ITIS.one), ("text", _text)):
        if says_nothing(holder.get(name)):
            continue
        try:
            item[name] = read(holder[name])
        except Odd as odd:
            done.odd[f"{name} {odd.reason}"] += 1
            continue
        del holder[name]
    return item if item["itis"] is not None or item["text"] is not None else None


def _text(raw: Any) -> str:
    """Text; the archive turned text that looks like a number or a literal into one."""
    if type(raw) is str:
        return raw
    if type(raw) in (int, float, bool):
        return json.dumps(raw)
    raise Odd("unreadable")
