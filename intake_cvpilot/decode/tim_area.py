"""Where a geographical path lies: its anchor, and its description as a line or an outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from intake_cvpilot.decode.j2735 import ELEVATION, LATITUDE, LONGITUDE, Element
from intake_cvpilot.decode.nodes import Point, Trace, trace
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.places import lone, speaks
from intake_cvpilot.decode.readers import Integer, Odd
from intake_cvpilot.decode.tim_readers import Measure, Published

__all__ = ["GEOMETRIES", "Area", "anchor", "area"]

GEOMETRIES: Final = ("path", "circle", "region")
"""What a description can be."""
_SCALE: Final = Integer(0, 15)
_E7: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Area:
    """What a description draws."""

    kind: str | None = None
    """One of ``GEOMETRIES``."""
    trace: Trace | None = None
    """Its nodes; None where it has none."""


def anchor(raw: Any) -> Point | None:
    """The point from which nodes are counted, None where it is not known.

    Parameters
    ----------
    raw : object
        ``{lat, long, elevation}``; nothing is taken out of it.
    """
    holder = lone(raw)
    if type(holder) is not dict:
        return None
    latitude = _units(LATITUDE, holder.get("lat"), _E7)
    longitude = _units(LONGITUDE, holder.get("long"), _E7)
    if latitude is None or longitude is None:
        return None
    return Point(latitude, longitude, _units(ELEVATION, holder.get("elevation"), 10))


def _units(element: Element, raw: Any, step: int) -> float | None:
    """A coordinate in units of the standard, whole where it can be."""
    try:
        value = Measure(element).one(raw)
    except Odd:
        return None
    if type(raw) is Published:
        return round(value * step, 6)
    return round(value * step)


def area(description: Any, start: Point | None) -> Area:
    """Read a description.

    Parameters
    ----------
    description : object
        ``{path: ...}``, ``{geometry: ...}`` or ``{oldRegion: ...}``.  Nodes that are read are taken
        out of it, and so is the scale; circles are not, cells of their own take them.
    start : Point or None
        The anchor of the geographical path.
    """
    holder = lone(description)
    if type(holder) is not dict:
        return Area()
    if "path" in holder:
        return Area("path", _path(lone(holder["path"]), start))
    old = lone(holder.get("oldRegion"))
    # Its circle, if it is one, has been put beside other circles.
    if type(old) is dict and ("geometry" not in holder or speaks(old.get("area"))):
        return _old(lone(old.get("area")), start)
    if "geometry" in holder:
        return Area("circle")
    return Area()


def _path(path: Any, start: Point | None) -> Trace | None:
    if type(path) is not dict:
        return None
    offset = lone(path.get("offset"))
    if type(offset) is not dict:
        return None
    for key in ("xy", "ll"):
        holder = lone(offset.get(key))
        if type(holder) is dict and "nodes" in holder:
            return _nodes(holder, "nodes", ("NodeXY", "NodeLL"), path, start)
        if not says_nothing(holder):
            # A computed lane, which refers to a map that this message does not hold.
            return Trace((), "unreadable")
    return None


def _old(found: Any, start: Point | None) -> Area:
    if type(found) is not dict:
        return Area("region")
    shape = lone(found.get("shapePointSet"))
    if type(shape) is dict:
        begin = anchor(shape.get("anchor")) or start
        nodes = lone(shape.get("nodeList"))
        if type(nodes) is not dict:
            return Area("path")
        return Area("path", _nodes(nodes, "nodes", ("NodeXY", "NodeLL"), {}, begin))
    outline = lone(found.get("regionPointSet"))
    if type(outline) is dict:
        begin = anchor(outline.get("anchor")) or start
        keys = ("RegionOffsets",)
        return Area("region", _nodes(outline, "nodeList", keys, outline, begin, old=True))
    return Area("region")


def _nodes(
    holder: dict[str, Any],
    key: str,
    names: tuple[str, ...],
    scaled: dict[str, Any],
    start: Point | None,
    *,
    old: bool = False,
) -> Trace | None:
    """Follow the nodes below a key; those that are read are taken out."""
    inside: Any = holder.get(key)
    if says_nothing(inside):
        return None
    if type(lone(inside)) is dict:
        inner = lone(inside)
        found = next((name for name in names if name in inner), None)
        if found is not None:
            holder, key = inner, found
    nodes = holder[key] if type(holder[key]) is list else [holder[key]]
    nodes = [_unwrapped(node, names) for node in nodes]
    if all(says_nothing(node) for node in nodes):
        return None
    try:
        scale = 0 if says_nothing(scaled.get("scale")) else _SCALE.one(scaled["scale"])
    except Odd as odd:
        return Trace((), odd.reason)
    done = trace(nodes, start, scale=scale, old=old)
    if not speaks(nodes):
        del holder[key]
    scaled.pop("scale", None)
    return done


def _unwrapped(node: Any, names: tuple[str, ...]) -> Any:
    """A node that came as an object of one key (``{"NodeXY": ...}``)."""
    inner = lone(node)
    if type(inner) is dict and len(inner) == 1:
        name, value = next(iter(inner.items()))
        if name in names:
            return value
    return node
