"""Leftovers of records that become several rows, put back where they stood.

A message gives a row a region.  Cells are taken from the message, its frames and their regions as
if they stood at the usual place; what remains of each is kept apart, with its real place.  `whole`
joins them again, so that ``extra`` shows raw paths whatever the record's shape was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.decode.nothing import says_nothing

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path

__all__ = [
    "KEPT",
    "Change",
    "Left",
    "Place",
    "Respelled",
    "detach",
    "joined",
    "lone",
    "nested",
    "speaks",
    "whole",
]

KEPT: Final = object()
"""The original of a change that only moved a value."""


def lone(value: Any) -> Any:
    """The one element of a list of one, else the value: the archive writes either."""
    return value[0] if type(value) is list and len(value) == 1 else value


def speaks(value: Any) -> bool:
    """Whether ``extra`` would show anything of a value; quick where it would."""
    if type(value) is dict:
        # ``{"advisory": ""}`` is a name.
        name = len(value) == 1 and next(iter(value.values())) in (None, "")
        return name or any(map(speaks, value.values()))
    if type(value) is list:
        return any(map(speaks, value))
    return value is not None and value != ""


@dataclass(frozen=True, slots=True)
class Change:
    """A value that was moved or rewritten before its item was read."""

    usual: Path
    """Where it was put."""
    real: Path
    """Where it stood."""
    original: Any
    """What it was, or ``KEPT``."""


@dataclass(slots=True)
class Respelled:
    """An item and the changes that give it the usual form."""

    item: dict[str, Any]
    """The raw object; it is changed."""
    changes: list[Change] = field(default_factory=list)
    """What was changed, in order."""

    def at(self, *path: str) -> Any:
        """The value at a path, through lists of one; None if there is none."""
        inner: Any = self.item
        for step in path:
            if type(inner) is list and len(inner) == 1:
                inner = inner[0]
            inner = inner.get(step) if type(inner) is dict else None
        return inner

    def move(self, real: tuple[str, ...], usual: tuple[str, ...]) -> None:
        """Move a value, unless its new place is taken."""
        value = self.at(*real)
        if says_nothing(value) or not says_nothing(self.at(*usual)) or not self._free(usual):
            return
        _holder(self.item, real).pop(real[-1])
        _holder(self.item, usual)[usual[-1]] = value
        self.changes.append(Change(usual, real, KEPT))

    def rewrite(self, path: tuple[str, ...], value: Any) -> None:
        """Give a value that is there its usual form."""
        holder = _holder(self.item, path)
        self.changes.append(Change(path, path, holder[path[-1]]))
        holder[path[-1]] = value

    def _free(self, path: tuple[str, ...]) -> bool:
        """Whether nothing but objects stand on the way to a path."""
        return all(
            says_nothing(inner) or type(lone(inner)) is dict
            for inner in (self.at(*path[:end]) for end in range(1, len(path)))
        )


def _holder(item: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The object that holds the last step of a path; objects on the way are made."""
    inner = item
    for step in path[:-1]:
        found = lone(inner.get(step))
        if type(found) is not dict:
            found = inner[step] = {}
        inner = found
    return inner


@dataclass(frozen=True, slots=True)
class Place:
    """What remains of a message, frame or region, and where it belongs."""

    usual: Path
    """Where its cells are declared to stand."""
    real: Path
    """Where it stood."""
    kept: Any
    """What was not taken."""
    changes: tuple[Change, ...] = ()
    """Changes within it."""


@dataclass(frozen=True, slots=True)
class Left:
    """Leftovers that a row shares with others of its record."""

    record: dict[str, Any]
    """The record without what columns hold, and without its frames."""
    places: tuple[Place, ...]
    """From the innermost (region) to the outermost (message)."""


def whole(own: dict[str, Any], left: Left) -> dict[str, Any]:
    """Join a row's own leftover (cells that were put back) with those that it shares.

    Parameters
    ----------
    own : dict
        Cells at their usual paths; it is used up.
    left : Left
        Not changed.
    """
    found = []
    for place in left.places:
        kept = joined(place.kept, detach(own, place.usual))
        for change in reversed(place.changes):
            kept = _undone(kept, change)
        found.append(nested(place.real, kept))
    total: Any = joined(left.record, own)
    for value in reversed(found):
        total = joined(total, value)
    return total if type(total) is dict else {}


def _undone(item: Any, change: Change) -> Any:
    if type(item) is not dict:
        return item
    item = _copied(item, change.usual)
    value = detach(item, change.usual)
    if says_nothing(value):
        return item
    return joined(item, nested(change.real, value if change.original is KEPT else change.original))


def _copied(item: dict[str, Any], path: Path) -> dict[str, Any]:
    """The item with the objects along a path copied, so that shared ones stay as they are."""
    top = inner = dict(item)
    for step in path[:-1]:
        found = lone(inner.get(str(step)))
        if type(found) is not dict:
            break
        inner[str(step)] = inner = dict(found)
    return top


def detach(holder: Any, path: Path) -> Any:
    """Take out the value at a path, through lists of one; None if there is none."""
    inner = holder
    for step in path[:-1]:
        inner = lone(inner.get(step)) if type(inner) is dict else None
    return inner.pop(path[-1], None) if type(inner) is dict else None


def nested(path: Path, value: Any) -> Any:
    """A value below a path; nothing below a path is nothing."""
    if says_nothing(value):
        return None
    for step in reversed(path):
        value = [*[None] * step, value] if isinstance(step, int) else {step: value}
    return value


def joined(one: Any, other: Any) -> Any:
    """Two leftovers as one; neither is changed."""
    if says_nothing(other):
        return one
    if says_nothing(one):
        return other
    if type(one) is dict and type(other) is dict:
        return {
            key: joined(one.get(key), other.get(key)) if key in other else one[key]
            for key in {**one, **other}
        }
    if type(one) is list and type(other) is list:
        return [joined(a, b) for a, b in zip_longest(one, other)]
    return one if one == other and type(one) is type(other) else [one, other]
