"""The data portal's columns of Tampa's signal phases.

The portal's row is a message; ours is a movement event of it.  A row is written as the message
with that one movement, so that each of ours gives one of the portal's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from intake_cvpilot.decode.names import INTERSECTION_STATUS
from intake_cvpilot.tables.portal_column import EXTERNAL_ID, WHOLE, PortalColumn, thea_metadata
from intake_cvpilot.tables.portal_forms import TEXT, Each, FromExtra, as_json
from intake_cvpilot.tables.portal_tim import minute_of_year

__all__ = ["THEA"]

P: Final = "payload_data_SPAT_"
I: Final = P + "intersections_IntersectionState_"  # noqa: E741
SPAT: Final = "payload.data.SPAT."
STATE: Final = SPAT + "intersections.IntersectionState."
MARKS: Final = ("startTime", "minEndTime", "maxEndTime", "likelyTime", "nextTime")


def _millisecond(moment: datetime | None) -> int | None:
    return None if moment is None else moment.second * 1000 + moment.microsecond // 1000


def _status(found: list[str] | None) -> str | None:
    if found is None:
        return None
    return "".join("01"[name in found] for name in INTERSECTION_STATUS).ljust(16, "0")


def _mark(moment: datetime | None) -> str | None:
    """Tenths of a second within the hour of UTC."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    return str((utc.minute * 60 + utc.second) * 10 + utc.microsecond // 100_000)


def _movement(
    group: int | None, name: str | None, state: str | None, confidence: int | None, *marks: Any
) -> str | None:
    timing = {key: text for key, at in zip(MARKS, marks, strict=True) if (text := _mark(at))}
    if confidence is not None:
        timing["confidence"] = str(confidence)
    event: dict[str, Any] = {}
    if state is not None:
        event["eventState"] = {state: None}
    if timing:
        event["timing"] = timing
    movement: dict[str, Any] = {}
    if name is not None:
        movement["movementName"] = name
    if group is not None:
        movement["signalGroup"] = str(group)
    if event:
        movement["state-time-speed"] = {"MovementEvent": event}
    return as_json(movement) if movement else None


def _lanes(found: list[int | None] | None) -> str | None:
    return None if found is None else as_json({"LaneID": [str(lane) for lane in found if lane]})


def _kept(name: str, path: str) -> PortalColumn:
    return PortalColumn(name, ("extra",), FromExtra(path=path, json=True), path)


def _text(value: Any) -> Any:
    return value


THEA: Final = (
    *(
        column
        for column in thea_metadata("spat", 32770)
        if column.name != "metadata_generatedAt_timeOfDay"
    ),
    EXTERNAL_ID,
    PortalColumn(
        P + "timeStamp",
        ("intersection_time",),
        Each(pa.int64(), minute_of_year),
        SPAT + "timeStamp",
    ),
    _kept(P + "name", SPAT + "name"),
    _kept(P + "regional", SPAT + "regional"),
    PortalColumn(
        I + "timeStamp", ("intersection_time",), Each(pa.int64(), _millisecond), STATE + "timeStamp"
    ),
    _kept(I + "moy", STATE + "moy"),
    PortalColumn(I + "name", ("intersection_name",), TEXT, STATE + "name"),
    PortalColumn(I + "id_id", ("intersection_id",), WHOLE, STATE + "id.id"),
    PortalColumn(I + "id_region", ("region_id",), WHOLE, STATE + "id.region"),
    PortalColumn(I + "status", ("status",), Each(make=_status, back=_text), STATE + "status"),
    _kept(I + "regional", STATE + "regional"),
    PortalColumn(I + "revision", ("revision",), WHOLE, STATE + "revision"),
    PortalColumn(
        I + "states_MovementState",
        (
            "signal_group",
            "movement_name",
            "event_state",
            "confidence",
            "start_time",
            "min_end_time",
            "max_end_time",
            "likely_time",
            "next_time",
        ),
        Each(make=_movement),
        STATE + "states.MovementState",
    ),
    PortalColumn(I + "enabledLanes", ("enabled_lanes",), Each(make=_lanes), STATE + "enabledLanes"),
    _kept(I + "maneuverAssistList", STATE + "maneuverAssistList"),
)
"""Tampa: the message's minute and the intersection's millisecond are those of its own clock."""
