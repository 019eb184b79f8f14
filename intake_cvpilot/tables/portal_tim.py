"""The data portal's columns of traveler information: Wyoming and Tampa, raw values of J2735."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa

from intake_cvpilot.decode import j2735
from intake_cvpilot.tables.portal_column import (
    WHOLE,
    PortalColumn,
    thea_metadata,
    wydot_metadata,
)
from intake_cvpilot.tables.portal_forms import (
    TEXT,
    Each,
    FromExtra,
    Nothing,
    Point,
    Scaled,
    as_json,
    loads,
)

__all__ = ["THEA", "WYDOT", "minute_of_year"]

M: Final = "travelerinformation_"
F: Final = "travelerdataframe_"
SIGN: Final = "msgId.roadSignID."
KINDS: Final = ("advisory", "workZone", "genericSign", "speedLimit", "exitService")
_E7: Final = 10_000_000


def minute_of_year(moment: datetime | None) -> int | None:
    """Give the minute of the UTC year in which an instant lies."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    return int((utc - datetime(utc.year, 1, 1, tzinfo=UTC)).total_seconds() // 60)


def _year(moment: datetime | None) -> int | None:
    return None if moment is None else moment.astimezone(UTC).year


def _duration(minutes: int | None, forever: bool | None) -> int | None:  # noqa: FBT001 -- a cell
    return 32000 if forever else minutes


def _sequence(kind: str) -> Each:
    def make(found: str | None, items: list[dict[str, Any]] | None) -> str | None:
        if found != kind or items is None:
            return None
        said = [{k: v for k, v in item.items() if v is not None} for item in items]
        return as_json([{"item": item} for item in said])

    return Each(make=make, back=_items)


def _items(value: Any) -> Any:
    """JSON, or a list as Python writes it: the portal's loader left some so."""
    found = loads(value)
    if type(found) is str:
        try:
            return ast.literal_eval(found)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return found
    return found


def _codes(found: list[int] | None) -> str | None:
    return as_json(found) if found else None


def _nodes(points: list[dict[str, Any]] | None, height: float | None) -> str | None:
    """Absolute nodes, whatever the record's own were: the same points."""
    if points is None:
        return None
    nodes: list[dict[str, Any]] = []
    below = height
    for point in points:
        place = {"lon": round(point["longitude"] * _E7), "lat": round(point["latitude"] * _E7)}
        node: dict[str, Any] = {"delta": {"node-LatLon": place}}
        here = point["elevation"]
        if here is not None and below is not None:
            node["attributes"] = {"dElevation": round((here - below) * 10)}
            below = here
        nodes.append(node)
    return as_json(nodes)


def _id(number: int | None, region: int | None) -> str | None:
    both = {"id": number, "region": region}
    known = {name: value for name, value in both.items() if value is not None}
    return as_json(known) if known else None


def _message(root: str) -> tuple[PortalColumn, ...]:
    return (
        PortalColumn(
            M + "timeStamp",
            ("message_time",),
            Each(pa.int64(), minute_of_year, lambda value: value),
            root + "timeStamp",
        ),
        PortalColumn(M + "packetID", ("packet_id",), TEXT, root + "packetID"),
        PortalColumn(M + "urlB", ("extra",), FromExtra(path=root + "urlB"), root + "urlB"),
        PortalColumn(M + "msgCnt", ("msg_count",), WHOLE, root + "msgCnt"),
    )


def _kept(frame: str, *names: str) -> tuple[PortalColumn, ...]:
    """What no column holds: kept in ``extra`` where it says something."""
    return tuple(
        PortalColumn(F + name, ("extra",), FromExtra(path=frame + path, json=True), frame + path)
        for name, path in (name.split("=") if "=" in name else (name, name) for name in names)
    )


def _place(name: str, column: str, path: str) -> tuple[PortalColumn, ...]:
    """Latitude, longitude and elevation, raw."""
    return tuple(
        PortalColumn(
            f"{F}{name}_{end}", (f"{column}_{kind}",), Scaled(unit=element.step), f"{path}.{end}"
        )
        for end, kind, element in (
            ("lat", "latitude", j2735.LATITUDE),
            ("long", "longitude", j2735.LONGITUDE),
            ("elevation", "elevation", j2735.ELEVATION),
        )
    )


def _frame(root: str, duration: str) -> tuple[PortalColumn, ...]:
    frame = root + "dataFrames.TravelerDataFrame."
    region = frame + "regions.GeographicalPath."
    path = region + "description.path."
    return (
        PortalColumn(
            F + "startYear", ("start_time",), Each(pa.int64(), _year), frame + "startYear"
        ),
        PortalColumn(
            F + "startTime", ("start_time",), Each(pa.int64(), minute_of_year), frame + "startTime"
        ),
        PortalColumn(
            F + duration,
            ("duration_minutes", "until_further_notice"),
            Each(pa.int64(), _duration),
            frame + duration,
        ),
        PortalColumn(F + "priority", ("priority",), WHOLE, frame + "priority"),
        PortalColumn(F + "frameType", ("frame_type",), TEXT, frame + "frameType"),
        *(
            PortalColumn(
                f"{F}content_{kind}_sequence",
                ("content_type", "content"),
                _sequence(kind),
                f"{frame}content.{kind}.SEQUENCE",
            )
            for kind in KINDS
        ),
        PortalColumn(F + "msgId_mutcdCode", ("mutcd",), TEXT, frame + SIGN + "mutcdCode"),
        PortalColumn(F + "msgId_viewAngle", ("view_angle",), TEXT, frame + SIGN + "viewAngle"),
        *_place("msgId", "sign", frame + SIGN + "position"),
        *_place("anchor", "anchor", region + "anchor"),
        PortalColumn(
            F + "closedPath",
            ("closed_path",),
            Each(make=lambda found: None if found is None else str(found).lower()),
            region + "closedPath",
        ),
        PortalColumn(F + "directionality", ("directionality",), TEXT, region + "directionality"),
        PortalColumn(F + "name", ("name",), TEXT, region + "name"),
        PortalColumn(
            F + "laneWidth", ("lane_width",), Scaled(unit=Fraction(1, 100)), region + "laneWidth"
        ),
        PortalColumn(F + "direction", ("direction",), TEXT, region + "direction"),
        PortalColumn(
            F + "desc_nodes",
            ("path", "anchor_elevation"),
            Each(make=_nodes, back=_items),
            path + "offset.xy.nodes.NodeXY",
        ),
        PortalColumn(
            F + "desc_scale",
            (),
            Nothing(pa.int64()),
            path + "scale",
            why_null="desc_nodes are written as absolute nodes, which no scale applies to",
        ),
        PortalColumn(F + "msgId_position", ("sign_longitude", "sign_latitude"), Point()),
        *_kept(frame, "sspTimRights", "sspLocationRights", "sspMsgRights1", "sspMsgRights2"),
    )


_WYDOT: Final = "payload.data.MessageFrame.value.TravelerInformation."
_WYDOT_FRAME: Final = _WYDOT + "dataFrames.TravelerDataFrame."
_REQUEST: Final = "metadata.request."
_SNMP: Final = (
    "mode",
    "deliverystop",
    "rsuid",
    "deliverystart",
    "enable",
    "channel",
    "msgid",
    "interval",
    "status",
)

WYDOT: Final = (
    *wydot_metadata("metadata_recordGeneratedBy", "us.dot.its.jpo.ode.model.OdeTimPayload"),
    PortalColumn(
        "metadata_request_rsus",
        ("extra",),
        FromExtra(path=_REQUEST + "rsus", json=True),
        _REQUEST + "rsus",
    ),
    *(
        PortalColumn(
            f"metadata_request_snmp_{name}",
            ("extra",),
            FromExtra(path=f"{_REQUEST}snmp.{name}"),
            f"{_REQUEST}snmp.{name}",
        )
        for name in _SNMP
    ),
    PortalColumn(
        "dataType",
        ("extra",),
        FromExtra(path="payload.dataType", usual="TravelerInformation"),
        "payload.dataType",
    ),
    PortalColumn(
        "messageId",
        ("extra",),
        FromExtra(pa.int64(), "payload.data.MessageFrame.messageId", 31),
        "payload.data.MessageFrame.messageId",
    ),
    *_message(_WYDOT),
    *_frame(_WYDOT, "durationTime"),
    PortalColumn(F + "url", ("url",), TEXT, _WYDOT_FRAME + "url"),
    PortalColumn(F + "content_itis", ("itis_codes",), Each(make=_codes)),
    PortalColumn(
        F + "id",
        ("road_id", "road_region_id"),
        Each(make=_id),
        _WYDOT_FRAME + "regions.GeographicalPath.id",
    ),
    *_kept(_WYDOT_FRAME, f"msgId_crc={SIGN}crc"),
)
"""Wyoming: what a message asks a roadside unit to do (``request``) is in ``extra``."""

_THEA: Final = "payload.data.TravelerInformation."
_THEA_FRAME: Final = _THEA + "dataFrames.TravelerDataFrame."

THEA: Final = (
    *thea_metadata("tim", 32771),
    *_message(_THEA),
    PortalColumn(
        M + "regional",
        ("extra",),
        FromExtra(path=_THEA + "regional", json=True),
        _THEA + "regional",
    ),
    *_frame(_THEA, "duratonTime"),
    PortalColumn(F + "id_id", ("road_id",), WHOLE, _THEA_FRAME + "regions.GeographicalPath.id.id"),
    PortalColumn(
        F + "id_region",
        ("road_region_id",),
        WHOLE,
        _THEA_FRAME + "regions.GeographicalPath.id.region",
    ),
    PortalColumn(
        F + "msgId_furtherInfoId",
        ("further_info_id",),
        TEXT,
        _THEA_FRAME + "msgId.furtherInfoID",
    ),
    *_kept(
        _THEA_FRAME,
        "anchor_regional=regions.GeographicalPath.anchor.regional",
        f"msgId_msgCrc={SIGN}crc",
        f"msgId_regional={SIGN}position.regional",
    ),
)
"""Tampa."""
