"""TIM: the table ``frames``, a row a message's data frame and geographical path."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from intake_cvpilot.decode import names
from intake_cvpilot.decode.tim_area import GEOMETRIES
from intake_cvpilot.decode.tim_content import KINDS
from intake_cvpilot.tables.column import TIMESTAMP, Column, Table
from intake_cvpilot.tables.shared import CLOSING, OPENING, SERIAL, double, enum, text

__all__ = ["FRAMES", "ITEM", "NODE"]

ITEM: Final = pa.struct([pa.field("itis", pa.int32()), pa.field("text", pa.string())])
"""One item of a content: a code or a text."""
NODE: Final = pa.struct(
    [
        pa.field("longitude", pa.float64(), metadata={"unit": "deg"}),
        pa.field("latitude", pa.float64(), metadata={"unit": "deg"}),
        pa.field("elevation", pa.float64(), metadata={"unit": "m"}),
    ]
)
"""One point of a path."""

_FRAME: Final = "travelerdataframe_"
_SIGN: Final = _FRAME + "msgId_"


def _instant(name: str, description: str, standard: str, portal: str = "") -> Column:
    return Column(name, TIMESTAMP, description, "UTC", standard, portal_name=portal)


def _whole(
    name: str, kind: pa.DataType, description: str, standard: str = "", portal: str = ""
) -> Column:
    return Column(name, kind, description, standard=standard, portal_name=portal)


BODY: Final = (
    text(
        "packet_id",
        "Id of the message, 18 capital hexadecimal digits.",
        "DE_UniqueMSGID",
        "travelerinformation_packetID",
    ),
    _whole(
        "msg_count",
        pa.int16(),
        "Counter of the sender, 0 to 127.",
        "DE_MsgCount",
        "travelerinformation_msgCnt",
    ),
    _instant(
        "message_time",
        "The message's own minute of the year, in the year of event_time or the one before.",
        "DE_MinuteOfTheYear",
        "travelerinformation_timeStamp",
    ),
    _whole(
        "frame",
        pa.int16(),
        "Position of the data frame in the message; null when there is none.",
        "DF_TravelerDataFrame",
    ),
    _whole(
        "region",
        pa.int16(),
        "Position of the geographical path in the frame; null when there is none.",
        "DF_GeographicalPath",
    ),
    enum(
        "frame_type",
        "Kind of sign that the frame stands for.",
        "DE_TravelerInfoType",
        _FRAME + "frameType",
        names.FRAME_TYPES,
    ),
    _instant(
        "start_time",
        "When the frame begins to hold; a device that logs its own clock (dnMsg) may be hours off.",
        "DE_DYear, DE_MinuteOfTheYear",
        _FRAME + "startTime",
    ),
    Column(
        "duration_minutes",
        pa.int32(),
        "How long the frame holds; null until further notice.",
        "min",
        "DE_MinutesDuration",
        portal_name=_FRAME + "durationTime",
    ),
    _whole(
        "until_further_notice",
        pa.bool_(),
        "Whether the frame holds until further notice (a duration of 32000).",
        "DE_MinutesDuration",
    ),
    _instant("end_time", "start_time plus the duration.", "DE_MinutesDuration"),
    _whole(
        "priority",
        pa.int16(),
        "Priority of the sign, 0 to 7.",
        "DE_SignPriority",
        _FRAME + "priority",
    ),
    enum(
        "content_type",
        "Kind of content.",
        "DF_TravelerDataFrame.content",
        categories=KINDS,
    ),
    _whole(
        "content",
        pa.list_(ITEM),
        "ITIS codes and texts in order; an item is one or the other.",
        "DF_ITIScodesAndText",
    ),
    _whole(
        "itis_codes",
        pa.list_(pa.int32()),
        "The ITIS codes of the content in order.",
        "DE_ITIScodes",
        _FRAME + "content_itis",
    ),
    _whole(
        "texts",
        pa.list_(pa.string()),
        "The texts of the content in order.",
        "DE_ITIStext",
    ),
    text("name", "Name of the geographical path.", "DE_DescriptiveName", _FRAME + "name"),
    _whole(
        "road_id",
        pa.int32(),
        "Id of the road segment; 0 is for testing.",
        "DE_RoadSegmentID",
        _FRAME + "id_id",
    ),
    _whole(
        "road_region_id",
        pa.int32(),
        "Id of the road's regulator; 0 is for testing.",
        "DE_RoadRegulatorID",
        _FRAME + "id_region",
    ),
    double("sign_latitude", "deg", "Latitude of the sign.", "DE_Latitude", _SIGN + "lat"),
    double("sign_longitude", "deg", "Longitude of the sign.", "DE_Longitude", _SIGN + "long"),
    double("sign_elevation", "m", "Height of the sign.", "DE_Elevation", _SIGN + "elevation"),
    text(
        "further_info_id",
        "Id of further information, 4 hexadecimal digits.",
        "DE_FurtherInfoID",
        _SIGN + "furtherInfoId",
    ),
    enum("mutcd", "Class of the sign.", "DE_MUTCDCode", _SIGN + "mutcdCode", names.MUTCD),
    text(
        "view_angle",
        "Headings from which the sign is seen: 16 bits of 22.5 degrees, clockwise from north.",
        "DE_HeadingSlice",
        _SIGN + "viewAngle",
    ),
    double(
        "anchor_latitude",
        "deg",
        "Latitude of the point from which the path is counted.",
        "DE_Latitude",
        _FRAME + "anchor_lat",
    ),
    double(
        "anchor_longitude",
        "deg",
        "Longitude of the point from which the path is counted.",
        "DE_Longitude",
        _FRAME + "anchor_long",
    ),
    double(
        "anchor_elevation",
        "m",
        "Height of the point from which the path is counted.",
        "DE_Elevation",
        _FRAME + "anchor_elevation",
    ),
    double(
        "lane_width",
        "m",
        "Width of the lane; Wyoming means that of the zone.",
        "DE_LaneWidth",
        _FRAME + "laneWidth",
    ),
    text(
        "direction",
        "Headings to which it applies: 16 bits of 22.5 degrees, clockwise from north.",
        "DE_HeadingSlice",
        _FRAME + "direction",
    ),
    enum(
        "directionality",
        "Direction of travel along the path.",
        "DE_DirectionOfUse",
        _FRAME + "directionality",
        names.DIRECTIONALITY,
    ),
    _whole(
        "closed_path",
        pa.bool_(),
        "Whether the path encloses an area.",
        "DF_GeographicalPath.closedPath",
        _FRAME + "closedPath",
    ),
    enum(
        "geometry",
        "What the place is drawn as; region: the outline of an area.",
        "DF_GeographicalPath.description",
        categories=GEOMETRIES,
    ),
    Column(
        "path",
        pa.list_(NODE),
        "Points of the line or outline, absolute, without the anchor.",
        "deg, deg, m",
        "DF_NodeListXY, DF_NodeListLL, DF_RegionList",
        portal_name=_FRAME + "desc_nodes",
    ),
    double("circle_latitude", "deg", "Latitude of the circle's center.", "DE_Latitude"),
    double("circle_longitude", "deg", "Longitude of the circle's center.", "DE_Longitude"),
    double("circle_radius", "m", "Radius of the circle.", "DE_Radius_B12, DE_DistanceUnits"),
    text("url", "Address of further information.", "DE_URL-Short", _FRAME + "url"),
)

FRAMES: Final = Table(
    name="frames",
    version="1.0",
    description="Traveler information, a row a message's data frame and geographical path.",
    columns=(*OPENING, *BODY, *CLOSING),
    order=(
        "event_time",
        "packet_id",
        "msg_count",
        "record_id",
        "object_id",
        "line",
        "frame",
        "region",
    ),
    same=("event_time", "packet_id", "msg_count"),
    own=frozenset({"received_time", *SERIAL, "object_id", "line"}),
)
"""The table of traveler information; its raw paths are added by ``tables.table``."""
