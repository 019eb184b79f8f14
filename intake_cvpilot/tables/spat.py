"""SPaT: the table ``movements``, a row a (message, intersection, signal group, movement event).

Rows are sorted by (event_time, rsu_id, object_id, line), and those of a message stay as published:
the sort is stable, and records reach it in the order of their lines.  A repeat is equal in every
column but received_time, the columns of the logging, object_id and line; rows of one message do
not repeat each other.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from intake_cvpilot.decode import names
from intake_cvpilot.tables.column import TIMESTAMP, Column, Table
from intake_cvpilot.tables.marks import MARKS
from intake_cvpilot.tables.shared import CLOSING, OPENING, SERIAL, enum, text

__all__ = ["MOVEMENTS"]


def _whole(name: str, kind: pa.DataType, description: str, standard: str, portal: str) -> Column:
    return Column(name, kind, description, standard=standard, portal_name=portal)


def _instant(name: str, description: str, portal: str = "") -> Column:
    return Column(name, TIMESTAMP, description, "UTC", "DE_TimeMark", portal_name=portal)


BODY: Final = (
    _whole(
        "intersection_id",
        pa.int32(),
        "Id of the intersection within its region; 0 to 255 are for tests.",
        "DE_IntersectionID",
        "",
    ),
    _whole(
        "region_id",
        pa.int32(),
        "Id of the authority that numbers the intersections; 0 is for tests.",
        "DE_RoadRegulatorID",
        "",
    ),
    text("intersection_name", "Name of the intersection.", "DE_DescriptiveName"),
    _whole(
        "revision",
        pa.int16(),
        "Counter of the intersection's changes, 0 to 127.",
        "DE_MsgCount",
        "",
    ),
    Column(
        "status",
        pa.list_(pa.string()),
        "Status flags of the controller that are set; empty: none.",
        standard="DE_IntersectionStatusObject",
    ),
    Column(
        "intersection_time",
        TIMESTAMP,
        "The controller's own clock; it may be stale by hours, and no mark is placed by it.",
        "UTC",
        "DE_MinuteOfTheYear, DE_DSecond",
    ),
    _whole(
        "signal_group",
        pa.int16(),
        "Signal group within the intersection; 255 is permanently green.",
        "DE_SignalGroupID",
        "",
    ),
    text("movement_name", "Name of the movement.", "DE_DescriptiveName"),
    _whole("event", pa.int16(), "Position of the event in its movement, from 0.", "", ""),
    enum(
        "event_state",
        "State of the signal; dark is a state, too.",
        "DE_MovementPhaseState",
        categories=names.EVENT_STATES,
    ),
    _instant("start_time", "When the state begins or began."),
    _instant("min_end_time", "Earliest end of the state."),
    _instant("max_end_time", "Latest end of the state."),
    _instant("likely_time", "Most likely end of the state."),
    _instant("next_time", "When the state is expected next."),
    _whole(
        "confidence",
        pa.int16(),
        "Class of the likely time's confidence, 0 to 15; no percentage.",
        "DE_TimeIntervalConfidence",
        "",
    ),
    Column(
        "enabled_lanes",
        pa.list_(pa.int16()),
        "Lanes of the intersection that are in use now, of those that come and go.",
        standard="DF_EnabledLaneList",
    ),
)

MOVEMENTS: Final = Table(
    name="movements",
    version="1.0",
    description="Signal phase and timing: a row a message, intersection, signal group and event.",
    columns=(*OPENING, *BODY, *CLOSING),
    order=("event_time", "rsu_id", "object_id", "line"),
    same=("event_time", "rsu_id"),
    own=frozenset({"received_time", *SERIAL, "object_id", "line"}),
    moving=MARKS,
)
"""The table of signal phases; its raw paths are added by ``tables.table``."""
