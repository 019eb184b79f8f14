"""The ODE's own form of traveler information: degrees, metres and stamps instead of raw integers.

Frames of that form have ``startDateTime``, its regions ``anchorPosition``; ``description`` is the
name of the key beside it that holds it.  It is given J2735's form, with numbers marked as
published.  No record of it was seen in the archive: nodes in metres, whose unit nobody documents,
stay unread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.decode.j2735 import LATITUDE, LONGITUDE
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Odd, number
from intake_cvpilot.decode.tim_content import Content, kind_of, phrases
from intake_cvpilot.decode.tim_readers import Published, index_name

if TYPE_CHECKING:
    from intake_cvpilot.decode.places import Respelled

__all__ = ["frame", "region"]

_DIRECTIONALITY: Final = ("unavailable", "forward", "reverse", "both")
_FRAME_TYPES: Final = ("unknown", "advisory", "roadSignage", "commercialSignage")
_MUTCD: Final = ("none", "regulatory", "warning", "maintenance", "motoristService", "guide", "rec")
_E7: Final = 10_000_000


def frame(done: Respelled) -> Content | None:
    """Give a frame J2735's form; other frames stay as they are.

    Returns
    -------
    Content or None
        What the frame says, where it says so in the ODE's form; it is taken out.
    """
    item = done.item
    if not says_nothing(item.get("startDateTime")):
        _position(done, ("msgId", "roadSignID", "position"))
        _named(done, ("frameType",), _FRAME_TYPES)
        _named(done, ("msgId", "roadSignID", "mutcdCode"), _MUTCD)
    if type(item.get("content")) is not str or kind_of(item["content"]) is None:
        return None
    said = Content(kind_of(item.pop("content")))
    items = item.get("items")
    if type(items) is list:
        said.items, item["items"] = phrases(items)
    return said


def region(done: Respelled) -> None:
    """Give a region J2735's form; other regions stay as they are."""
    item = done.item
    if says_nothing(item.get("anchorPosition")) and type(item.get("description")) is not str:
        return
    _position(done, ("anchorPosition",))
    done.move(("anchorPosition",), ("anchor",))
    done.move(("regulatorID",), ("id", "region"))
    done.move(("segmentID",), ("id", "id"))
    _published(done, ("laneWidth",))
    _named(done, ("directionality",), _DIRECTIONALITY)
    name = item.get("description")
    if type(name) is str and name in ("path", "geometry", "oldRegion"):
        del item["description"]
        done.move((name,), ("description", name))
    for key in ("position", "center"):
        _position(done, ("description", "geometry", "circle", key))
    _nodes(done)


def _nodes(done: Respelled) -> None:
    """Nodes in degrees as J2735 writes them."""
    path = done.at("description", "path")
    nodes = path.get("nodes") if type(path) is dict else None
    if type(nodes) is not list or "offset" in path:
        return
    forms = [_node(node) for node in nodes]
    if all(form is not None for form in forms):
        done.rewrite(("description", "path", "nodes"), {"NodeLL": forms})
        done.move(
            ("description", "path", "nodes"), ("description", "path", "offset", "ll", "nodes")
        )
        if path.get("type") in ("ll", "xy"):
            del path["type"]


def _node(node: Any) -> Any:
    if type(node) is not dict or type(node.get("delta")) is not str:
        return None
    try:
        lon, lat = (round(number(node[key]) * _E7) for key in ("nodeLong", "nodeLat"))
    except (KeyError, Odd, OverflowError):
        return None
    rest = {k: v for k, v in node.items() if k not in ("delta", "nodeLong", "nodeLat")}
    form = node["delta"] if node["delta"] != "node-LL" else "node-LL6"
    return {"delta": {form: {"lon": lon, "lat": lat}}, **rest}


def _position(done: Respelled, path: tuple[str, ...]) -> None:
    """Mark degrees and metres; raw integers are as large as no degrees are."""
    holder = done.at(*path)
    if type(holder) is not dict:
        return
    for keys, most in ((("latitude", "lat"), LATITUDE), (("longitude", "long", "lon"), LONGITUDE)):
        for key in keys:
            try:
                small = abs(number(holder.get(key))) <= most.high / _E7
            except Odd:
                continue
            if not small:
                return
    for key in ("latitude", "lat", "longitude", "long", "lon", "elevation"):
        if key in holder:
            _published(done, (*path, key))


def _published(done: Respelled, path: tuple[str, ...]) -> None:
    try:
        value = number(done.at(*path))
    except Odd:
        return
    if abs(value) < 2**53:
        done.rewrite(path, Published(value))


def _named(done: Respelled, path: tuple[str, ...], names: tuple[str, ...]) -> None:
    raw = done.at(*path)
    if not says_nothing(raw):
        name = index_name(raw, names)
        if name is not raw:
            done.rewrite(path, name)
