"""Where a traveler information message stands in a record, and where its frames and regions do.

The message is the first ``TravelerInformation`` below ``payload.data``, else the first object with
``dataframes``.  Lists of frames and regions come as a lone object, as a list, as a list of one-key
objects, or one within the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.decode.places import lone, speaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from intake_cvpilot.decode.leftover import Path

__all__ = ["FRAMES", "REGIONS", "Found", "collect", "message"]

FRAMES: Final = ("dataFrames", "dataframes", "TravelerDataFrame")
"""Keys below which data frames stand."""
REGIONS: Final = ("regions", "GeographicalPath")
"""Keys below which geographical paths stand."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object within a record."""

    item: dict[str, Any]
    """It."""
    path: Path
    """Where it stands."""


def message(record: dict[str, Any], usual: tuple[str, ...]) -> tuple[dict[str, Any], Path] | None:
    """The message and its path, or None.

    Parameters
    ----------
    record : dict
        The decoded record.
    usual : tuple of str
        Where the message mostly stands; looked at first.
    """
    inner: Any = record
    for step in usual:
        inner = inner.get(step) if type(inner) is dict else None
    if type(inner) is dict and inner:
        return inner, usual
    payload = lone(record.get("payload"))
    data = payload.get("data") if type(payload) is dict else None
    at = ("payload", "data")
    for path, holder in _objects(data, at):
        value = lone(holder.get("TravelerInformation"))
        if type(value) is dict and value:
            return value, (*path, "TravelerInformation")
    for path, holder in _objects(data, at):
        if any(type(holder.get(key)) in (dict, list) for key in FRAMES[:2]):
            return holder, path
    return None


def _objects(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object at and below a value, outer ones first, else in the record's order."""
    if type(value) is dict:
        yield path, value
        for key, inner in value.items():
            yield from _objects(inner, (*path, key))
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from _objects(inner, (*path, index))


def collect(holder: dict[str, Any], keys: tuple[str, ...]) -> list[Found]:
    """Take frames or regions out of an object.

    Parameters
    ----------
    holder : dict
        A message or a frame.  What is no object stays in it.
    keys : tuple of str
        ``FRAMES`` or ``REGIONS``.

    Returns
    -------
    list of Found
        In the record's order; paths are relative to ``holder``.
    """
    found: list[Found] = []
    for key in [key for key in holder if key in keys]:
        _collect(holder, key, (key,), keys, found)
    return found


def _collect(holder: Any, key: Any, path: Path, keys: tuple[str, ...], found: list[Found]) -> None:
    value: Any = holder[key]
    if type(value) is list:
        for index in range(len(value)):
            _collect(value, index, (*path, index), keys, found)
    elif type(value) is dict:
        wrapped = [name for name in value if name in keys]
        if not wrapped and speaks(value):
            found.append(Found(value, path))
            value = None
        for name in wrapped:
            _collect(value, name, (*path, name), keys, found)
    if type(holder) is list:
        holder[key] = value
    elif not speaks(value):
        del holder[key]
