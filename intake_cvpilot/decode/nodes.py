"""Lists of nodes to absolute coordinates: pure geometry on SAE J2735's node forms.

A list starts at an anchor.  ``node-XY1..6`` are centimetres east and north of the node before,
``node-LL1..6`` are 1e-7 degrees from it, ``node-LatLon`` is absolute and restarts the sum, and the
offsets of an old region are metres.  Sums of degrees are kept as whole 1e-7 degrees, so they are
exact; metres become degrees with the radii of curvature of WGS 84 at the node before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from intake_cvpilot.decode.j2735 import LATITUDE, LONGITUDE
from intake_cvpilot.decode.labels import fold
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Odd, number

__all__ = ["FORMS", "Form", "Point", "Trace", "moved", "trace"]

E7: Final = 10_000_000
"""Units of a coordinate in a degree."""
_AXIS: Final = 6_378_137.0
_ECCENTRICITY: Final = 0.00669437999014
_WHOLE: Final = 10**18


@dataclass(frozen=True, slots=True)
class Point:
    """Where a list of nodes has come to."""

    latitude: float
    """1e-7 degrees; a whole number as long as only degrees were added."""
    longitude: float
    """1e-7 degrees."""
    elevation: float | None
    """0.1 m; None where it is not known."""

    @property
    def degrees(self) -> dict[str, float | None]:
        """The point in degrees and metres."""
        return {
            "longitude": self.longitude / E7,
            "latitude": self.latitude / E7,
            "elevation": None if self.elevation is None else round(self.elevation / 10, 7),
        }


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a node: the keys of its two values, and their bits."""

    east: tuple[str, ...]
    """Keys of the value towards the east; only the first is the standard's."""
    north: tuple[str, ...]
    """Keys of the value towards the north."""
    bits: int
    """Size of each value; the most negative one means "unknown".  0: absolute coordinates."""
    metres: float
    """What one unit is in metres; 0: 1e-7 degrees."""


_LON: Final = ("lon", "long", "longitude")
_LAT: Final = ("lat", "latitude")
FORMS: Final[dict[str, Form]] = {
    **{
        f"node-XY{n}": Form(("x",), ("y",), bits, 0.01)
        for n, bits in enumerate((10, 11, 12, 13, 14, 16), start=1)
    },
    **{
        f"node-LL{n}": Form(_LON, _LAT, bits, 0)
        for n, bits in enumerate((12, 14, 16, 18, 22, 24), start=1)
    },
    "node-LatLon": Form(_LON, _LAT, 0, 0),
}
"""The forms of DF_NodeOffsetPointXY and DF_NodeOffsetPointLL by name."""
OFFSETS: Final = Form(("xOffset",), ("yOffset",), 16, 1.0)
"""DF_RegionOffsets; the third value, ``zOffset``, is towards the zenith."""
_FOLDED: Final = {fold(name): form for name, form in FORMS.items()}


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a list of nodes leads."""

    points: tuple[Point, ...]
    """The nodes, without the anchor."""
    ended: str
    """Why the list was not followed to its end; empty when it was: ``unknown`` (the standard's
    "unknown"), ``unreadable``, ``out_of_range`` or ``no_anchor``."""
    notes: tuple[str, ...] = ()
    """What else was odd: ``node_elevation_unknown``."""


def trace(nodes: list[Any], start: Point | None, *, scale: int = 0, old: bool = False) -> Trace:
    """Follow a list of nodes.

    Parameters
    ----------
    nodes : list
        Raw nodes.  What is read is taken out of them, so that attributes that no column holds
        remain; a node at which the trace ends, and those after it, are left whole (but the
        standard's "unknown" at the very end, which says nothing).
    start : Point or None
        The anchor, if it is known.
    scale : int
        Deltas are multiplied by 2 to this power, 0 to 15.
    old : bool
        Whether the nodes are DF_RegionOffsets.

    Returns
    -------
    Trace
        The points as far as they can be known.
    """
    points: list[Point] = []
    notes: list[str] = []
    here = start
    for count, node in enumerate(nodes, start=1):
        try:
            here = _offset(node, here, scale) if old else _node(node, here, scale, notes)
        except Odd as odd:
            if odd.reason == "unknown" and count == len(nodes):
                _take_last(node, old=old)
            return Trace(tuple(points), odd.reason, tuple(notes))
        points.append(here)
    return Trace(tuple(points), "", tuple(notes))


def _take_last(node: Any, *, old: bool) -> None:
    """The standard's "unknown" at the end says no more than that the list ends."""
    if old:
        holder = _lone(node)
        _take(holder, holder, OFFSETS)
    else:
        _take(*_parts(node))


def moved(here: Point, east: float, north: float) -> Point:
    """The point some metres east and north of another.

    Raises
    ------
    Odd
        ``out_of_range`` at and beyond the poles.
    """
    phi = math.radians(here.latitude / E7)
    if abs(phi) >= math.pi / 2:
        raise Odd("out_of_range")
    root = 1 - _ECCENTRICITY * math.sin(phi) ** 2
    meridian = _AXIS * (1 - _ECCENTRICITY) / root**1.5
    parallel = _AXIS / math.sqrt(root) * math.cos(phi)
    return _checked(
        here.latitude + math.degrees(north / meridian) * E7,
        here.longitude + math.degrees(east / parallel) * E7,
        here.elevation,
    )


def _node(node: Any, here: Point | None, scale: int, notes: list[str]) -> Point:
    holder, values, form = _parts(node)
    point = _raised(_reached(form, values, here, scale), holder, notes)
    # Only now is the node known to be read.
    _take(holder, values, form)
    return point


def _parts(node: Any) -> tuple[dict[str, Any], dict[str, Any], Form]:
    """The node, the object of its two values, and its form."""
    holder = _lone(node)
    delta = _lone(holder.get("delta"))
    if len(delta) != 1:
        raise Odd("unreadable")
    name, inner = next(iter(delta.items()))
    form = FORMS.get(name) or _FOLDED.get(fold(name))
    if form is None:
        raise Odd("unreadable")
    return holder, _lone(inner), form


def _take(holder: dict[str, Any], values: dict[str, Any], form: Form) -> None:
    """Take the values out of a node."""
    for keys in (form.east, form.north):
        values.pop(_key(values, keys), None)
    if not values:
        holder.pop("delta", None)


def _key(values: dict[str, Any], keys: tuple[str, ...]) -> str:
    """The first of the keys that is there."""
    if keys[0] in values:
        return keys[0]
    return next((key for key in keys if key in values), keys[0])


def _reached(form: Form, values: dict[str, Any], here: Point | None, scale: int) -> Point:
    east = _whole(values.get(_key(values, form.east)))
    north = _whole(values.get(_key(values, form.north)))
    if form.bits == 0:
        if north in LATITUDE.unavailable or east in LONGITUDE.unavailable:
            raise Odd("unknown")
        if abs(east) > LONGITUDE.high:
            raise Odd("out_of_range")
        return _checked(north, east, here.elevation if here else None)
    limit = 1 << (form.bits - 1)
    if east == -limit or north == -limit:
        raise Odd("unknown")
    if not (-limit < east < limit and -limit < north < limit):
        raise Odd("out_of_range")
    if here is None:
        raise Odd("no_anchor")
    east, north = east << scale, north << scale
    if form.metres:
        return moved(here, east * form.metres, north * form.metres)
    return _checked(here.latitude + north, here.longitude + east, here.elevation)


def _raised(point: Point, holder: dict[str, Any], notes: list[str]) -> Point:
    """The point with the node's ``dElevation`` (0.1 m), which is taken out when it is read."""
    attributes = holder.get("attributes")
    if type(attributes) is list and len(attributes) == 1:
        attributes = attributes[0]
    if type(attributes) is not dict or says_nothing(attributes.get("dElevation")):
        return point
    try:
        up = _whole(attributes["dElevation"])
    except Odd:
        up = _WHOLE
    if -512 <= up < 512:
        del attributes["dElevation"]
    if -512 < up < 512:
        known = None if point.elevation is None else point.elevation + up
        return Point(point.latitude, point.longitude, known)
    notes.append("node_elevation_unknown")
    return Point(point.latitude, point.longitude, None)


def _offset(node: Any, here: Point | None, scale: int) -> Point:
    holder = _lone(node)
    point = _reached(OFFSETS, holder, here, scale)
    if not says_nothing(holder.get("zOffset")):
        up = _whole(holder["zOffset"])
        if not -32768 <= up < 32768:
            raise Odd("out_of_range")
        known = None if point.elevation is None or up == -32768 else point.elevation
        if known is not None:
            known += 10 * (up << scale)
        point = Point(point.latitude, point.longitude, known)
    for key in ("xOffset", "yOffset", "zOffset"):
        holder.pop(key, None)
    return point


def _lone(value: Any) -> dict[str, Any]:
    """An object, or the one object of a list.

    Raises
    ------
    Odd
        ``unreadable``.
    """
    if type(value) is list and len(value) == 1:
        value = value[0]
    if type(value) is not dict:
        raise Odd("unreadable")
    return value


def _whole(raw: Any) -> int:
    if type(raw) is int and -_WHOLE < raw < _WHOLE:
        return raw
    try:
        value = number(raw)
    except Odd as odd:
        raise Odd("unreadable" if odd.reason == "missing" else odd.reason) from None
    if not -_WHOLE < value < _WHOLE or value != int(value):
        raise Odd("out_of_range" if abs(value) >= _WHOLE else "unreadable")
    return int(value)


def _checked(latitude: float, longitude: float, elevation: float | None) -> Point:
    if abs(longitude) > LONGITUDE.high:
        # Beyond the antimeridian.
        turned = longitude - math.copysign(360 * E7, longitude)
        if abs(turned) > LONGITUDE.high:
            raise Odd("out_of_range")
        longitude = turned
    if abs(latitude) > LATITUDE.high:
        raise Odd("out_of_range")
    return Point(latitude, longitude, elevation)
