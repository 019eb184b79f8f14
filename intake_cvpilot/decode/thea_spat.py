"""THEA SPaT: a row a (message, intersection, signal group, movement event).

Lists of one element come as that element.  What no column holds of the message stands in the extra
of each of its rows, likewise of an intersection and of a movement: a row can be read alone.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from intake_cvpilot.decode import j2735, names
from intake_cvpilot.decode.labels import Bits, Name, Text
from intake_cvpilot.decode.leftover import Path, put
from intake_cvpilot.decode.nothing import alone, says_nothing, speaking
from intake_cvpilot.decode.readers import Integer, Integers
from intake_cvpilot.decode.shape import Cell, Group, Layout, Row, Shape
from intake_cvpilot.decode.thea import METADATA, absorb, content

__all__ = ["SPAT"]

_SPAT: Final = "payload.data.SPAT."
_INTERSECTION: Final = _SPAT + "intersections.IntersectionState"
_MOVEMENT: Final = _INTERSECTION + ".states.MovementState"
_EVENT: Final = _MOVEMENT + ".state-time-speed.MovementEvent"

_HEAD_GROUP: Final = Group(
    (
        *METADATA,
        Cell(
            "_message_minute",
            _SPAT + "timeStamp",
            Integer.of(j2735.MINUTE_OF_YEAR),
            serves="intersection_time",
        ),
    ),
    absorb=absorb("spat", 32770),
)
_INTERSECTION_GROUP: Final = Group(
    (
        Cell("intersection_id", "id.id", Integer(0, 65535)),
        Cell("region_id", "id.region", Integer(0, 65535)),
        Cell("intersection_name", "name", Text()),
        Cell("revision", "revision", Integer.of(j2735.MSG_COUNT)),
        Cell("status", "status", Bits(names.INTERSECTION_STATUS, width=16, fixed=True)),
        Cell("_minute", "moy", Integer.of(j2735.MINUTE_OF_YEAR), serves="intersection_time"),
        Cell("_millisecond", "timeStamp", Integer.of(j2735.SEC_MARK), serves="intersection_time"),
        Cell("enabled_lanes", "enabledLanes.LaneID", Integers(Integer(0, 255, frozenset({0})))),
    ),
    prefix=_INTERSECTION,
)
_MOVEMENT_GROUP: Final = Group(
    (
        Cell("signal_group", "signalGroup", Integer(0, 255, frozenset({0}))),
        Cell("movement_name", "movementName", Text()),
    ),
    prefix=_MOVEMENT,
)
_POSITION_GROUP: Final = Group((Cell("event", "[]", Integer(0, 32767)),), prefix=_EVENT)
_MARK: Final = Integer.of(j2735.TIME_MARK)
_EVENT_GROUP: Final = Group(
    (
        Cell("event_state", "eventState", Name(names.EVENT_STATES)),
        Cell("start_time", "timing.startTime", _MARK),
        Cell("min_end_time", "timing.minEndTime", _MARK),
        Cell("max_end_time", "timing.maxEndTime", _MARK),
        Cell("likely_time", "timing.likelyTime", _MARK),
        Cell("next_time", "timing.nextTime", _MARK),
        Cell("confidence", "timing.confidence", Integer.of(j2735.TIME_CONFIDENCE)),
    ),
    prefix=_EVENT,
)
_GROUPS: Final = (
    _HEAD_GROUP,
    _INTERSECTION_GROUP,
    _MOVEMENT_GROUP,
    _POSITION_GROUP,
    _EVENT_GROUP,
)
_NO_EVENT: Final = [None] * len(_EVENT_GROUP.cells)
_RULES: Final = ("event_time", "repeated_hour", "minute_pass", "time_marks", "intersection_time")
_Item = tuple[list[Any], dict[str, Any]]
"""Raw values of an item, and what remains of it."""


def _items(holder: dict[str, Any], outer: str, inner: str) -> list[dict[str, Any]]:
    """Take the objects of a list out of its holder; what is no object stays there as ``other``."""
    box = alone(holder.pop(outer, None))
    found = box.pop(inner, None) if type(box) is dict else box
    if type(found) is not list:
        found = [found]
    items = [item for item in found if type(item) is dict and item]
    rest = speaking(box) if box and type(box) is dict else {}
    if len(items) < len(found):
        other = [item for item in found if type(item) is not dict and not says_nothing(item)]
        if other:
            rest = {**rest, "other": other}
    if rest:
        holder[outer] = rest
    return items


def _rows(record: dict[str, Any], _: bytes) -> list[Row]:
    spat = content(record, "spat")
    intersections = _items(spat, "intersections", "IntersectionState")
    head: list[Any] = []
    _HEAD_GROUP.take(record, head)
    rows: list[Row] = []
    for intersection in intersections or [{}]:
        movements = _items(intersection, "states", "MovementState")
        place: list[Any] = head.copy()
        _INTERSECTION_GROUP.take(intersection, place)
        for movement in movements or [{}]:
            rows += _movement(place, movement, (record, intersection))
    return rows


def _movement(
    place: list[Any], movement: dict[str, Any], above: tuple[dict[str, Any], dict[str, Any]]
) -> list[Row]:
    events = _items(movement, "state-time-speed", "MovementEvent")
    values = place.copy()
    _MOVEMENT_GROUP.take(movement, values)
    if not events:
        return [(0, [*values, None, *_NO_EVENT], _leftover(*above, movement, {}))]
    rows: list[Row] = []
    for position, event in enumerate(events):
        row = [*values, position]
        _EVENT_GROUP.take(event, row)
        rows.append((0, row, _leftover(*above, movement, event)))
    return rows


def _leftover(record: dict[str, Any], *items: dict[str, Any]) -> dict[str, Any]:
    """What remains of a message and of one item on each level, the row's own copy."""
    left = deepcopy(record) if record else {}
    if any(items):
        for item, path in zip(items, _PATHS, strict=True):
            if said := speaking(item):
                put(left, path, deepcopy(said))
    return left


_PATHS: Final[tuple[Path, ...]] = tuple(
    tuple(path.split(".")) for path in (_INTERSECTION, _MOVEMENT, _EVENT)
)

SPAT: Final = (
    Shape(
        (1,),
        (Layout("movements", _GROUPS, _RULES),),
        _rows,
        ("_generated", "intersection_id"),
    ),
)
"""Version 1 is the only one; the number is THEA's own."""
