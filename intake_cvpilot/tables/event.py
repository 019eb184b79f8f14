"""EVENT: the tables ``events``, a row an event, and ``bsms``, a row a BSM within an event.

Rows are sorted by period, event and origin, and those of an event stay as listed.  An event is a
repeat when the same bytes were published before, and so are its BSMs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pyarrow as pa

from intake_cvpilot.decode import nycdot_bins
from intake_cvpilot.partition import PERIODS, WEEKDAYS
from intake_cvpilot.tables import bsm
from intake_cvpilot.tables.column import Column, Table
from intake_cvpilot.tables.event_rules import PARAMETERS
from intake_cvpilot.tables.shared import CLOSING, double, enum, text

__all__ = ["BSMS", "EVENTS", "LOCAL_POINT"]

_ORDER: Final = ("period", "event_id", "object_id", "line")
_HEADER: Final = "NYC eventHeader."


def _plain(
    name: str, kind: pa.DataType, description: str, field: str = "", portal: str = ""
) -> Column:
    return Column(name, kind, description, standard=field, portal_name=portal)


def _header(name: str, kind: pa.DataType, description: str, field: str) -> Column:
    return _plain(name, kind, description, _HEADER + field, f"eventHeader_{field}")


def _flag(name: str, description: str, field: str) -> Column:
    return _header(name, pa.bool_(), description, field)


def _count(name: str, description: str) -> Column:
    return _plain(name, pa.int32(), description)


def _number(name: str, unit: str, description: str, field: str) -> Column:
    return double(name, unit, description, _HEADER + field, f"eventHeader_{field}")


_EVENT_ID: Final = text(
    "event_id", "First 16 hex digits of the SHA-256 of the event's bytes; equal in both tables."
)
_WEEKDAY: Final = enum(
    "weekday",
    "Day of the week in New York; NA where the publisher withholds it.",
    _HEADER + "eventTimeBin",
    "dayOfWeekBin",
    WEEKDAYS,
)
_PERIOD: Final = enum(
    "period",
    "Time of the day in New York: NT 0-6, AM 6-10, MD 10-15, PM 15-20, EV 20-24 h, NA withheld.",
    _HEADER + "eventTimeBin",
    "timeOfDayBin",
    PERIODS,
)

EVENTS: Final = Table(
    name="events",
    version="1.0",
    description="Events, warnings and controls alike: a row an event.",
    columns=(
        _EVENT_ID,
        _header("year", pa.int16(), "Year.", "eventTimeBin"),
        _plain("month", pa.int8(), "Month, 1 to 12.", _HEADER + "eventTimeBin"),
        _WEEKDAY,
        _PERIOD,
        _header("location_bin", pa.string(), "Place as published.", "eventLocationBin"),
        _plain(
            "near_rsu",
            pa.bool_(),
            "Whether the road is near a roadside unit; false outside the city.",
            _HEADER + "eventLocationBin",
            "nearRSU",
        ),
        enum(
            "borough",
            "Borough: Brooklyn, The Bronx, Manhattan, Queens, Staten Island.",
            _HEADER + "eventLocationBin",
            "bureauBin",
            nycdot_bins.BOROUGHS,
        ),
        enum(
            "road_type",
            "Avenues and streets of Manhattan by their ways; freeway, arterial or other road.",
            _HEADER + "eventLocationBin",
            "roadTypeBin",
            nycdot_bins.ROAD_TYPES,
        ),
        enum(
            "location_source",
            "How the host vehicle located itself; meaningful from firmware 4.3 on.",
            _HEADER + "locationSource",
            "eventHeader_locationSource",
        ),
        enum(
            "event_type",
            "Application that gave the warning, e.g. fcw: forward crash warning.",
            _HEADER + "eventType",
            "eventHeader_eventType",
        ),
        _flag(
            "alert_active", "Whether the warning was delivered to the driver.", "eventAlertActive"
        ),
        _flag("alert_sent", "Whether the conditions for a warning were met.", "eventAlertSent"),
        _flag("alert_heard", "Whether the device heard its own alert.", "eventAlertHeard"),
        _header("host_vehicle_id", pa.string(), "Temporary id of the warned vehicle.", "hostVehID"),
        _header(
            "target_vehicle_id",
            pa.string(),
            "Temporary id of the other vehicle; null where none is part of it.",
            "targetVehID",
        ),
        _header(
            "host_sequence",
            pa.int32(),
            "Sequence of the host's BSM that triggered the warning.",
            "triggerHVSeqNum",
        ),
        _header(
            "target_sequence",
            pa.int32(),
            "Sequence of the other vehicle's BSM that triggered the warning.",
            "triggerTVSeqNum",
        ),
        _header("group", pa.int16(), "Number of the host's group.", "grpId"),
        enum(
            "group_kind",
            "Test vehicles (to 19), control (20: no warning is delivered), treatment (from 21).",
            _HEADER + "grpId",
            categories=nycdot_bins.GROUPS,
        ),
        _header("firmware", pa.string(), "Firmware of the host's device.", "asdFirmwareVersion"),
        enum(
            "weather",
            "Weather as the National Weather Service names it.",
            _HEADER + "weatherCondition",
            "eventHeader_weatherCondition",
        ),
        _number("air_temperature", "degC", "Air temperature.", "airTemperature"),
        _number("wind_speed", "m/s", "Wind speed.", "windSpeed"),
        _number("precipitation", "mm", "Precipitation of the past hour.", "precipitation1Hr"),
        _plain(
            "precipitation_trace",
            pa.bool_(),
            "Whether the report says that it was too little to measure (T).",
            _HEADER + "precipitation1Hr",
        ),
        _number(
            "speed_condition",
            "m/s",
            "Average speed on the road, of segments of a mile or more.",
            "speedCondition",
        ),
        replace(
            _header(
                "minutes_since_plow",
                pa.int32(),
                "Time since a snow plow was seen on the road, in steps of 5.",
                "lastPlowed",
            ),
            unit="min",
        ),
        _plain(
            "plow_seen",
            pa.bool_(),
            "False: plows are out, none came here yet; null: no plow is out.",
            _HEADER + "lastPlowed",
        ),
        _plain(
            "parameters",
            PARAMETERS,
            "Settings of the application as published, units unstated.",
            _HEADER + "parameters",
        ),
        _count("bsm_count", "BSMs of the event: its rows in bsms."),
        _count("map_count", "MAP messages of the event."),
        _count("spat_count", "SPaT messages of the event."),
        _count("tim_count", "TIM messages of the event."),
        _plain("maps", pa.string(), "Its MAP messages as JSON text.", "NYC mapList", "mapList"),
        _plain("spats", pa.string(), "Its SPaT messages as JSON text.", "NYC spatList", "spatList"),
        _plain("tims", pa.string(), "Its TIM messages as JSON text.", "NYC timList", "timList"),
        *CLOSING,
    ),
    order=_ORDER,
    same=("period", "event_id"),
    own=frozenset({"object_id", "line"}),
)
"""The table of events; its raw paths are added by ``tables.table``."""

LOCAL_POINT: Final = pa.struct(
    [
        pa.field(name, pa.float64(), metadata={"unit": unit})
        for name, unit in (("x", "m"), ("y", "m"), ("z", "m"), ("t", "s"))
    ]
)
"""A point of a vehicle's path in the frame of the event."""

_SHARED: Final = {column.name: replace(column, portal_name="") for column in bsm.BODY}


def _as_in_messages(*names: str) -> tuple[Column, ...]:
    return tuple(_SHARED[name] for name in names)


BSMS: Final = Table(
    name="bsms",
    version="1.0",
    description="Basic safety messages around events: a row a message within an event.",
    columns=(
        _EVENT_ID,
        _WEEKDAY,
        _PERIOD,
        _plain("sequence", pa.int32(), "Number of the message in the event.", "NYC eventMsgSeqNum"),
        double("t", "s", "Time after the warning.", "NYC T_s"),
        double("x", "m", "East of where the host was when it triggered the warning.", "NYC X_m"),
        double("y", "m", "North of there.", "NYC Y_m"),
        double("z", "m", "Above there.", "NYC Z_m"),
        *_as_in_messages("vehicle_id"),
        _plain("is_host", pa.bool_(), "Whether the event's host vehicle sent it."),
        replace(
            _plain(
                "rf_level",
                pa.int16(),
                "Level of the received signal; null for the host's own.",
                "NYC myRFLevel",
            ),
            unit="dBm",
        ),
        _plain("authenticated", pa.bool_(), "Whether its signature is good.", "NYC authenticated"),
        *_as_in_messages(
            "msg_count",
            "speed",
            "heading",
            "accel_long",
            "accel_lat",
            "accel_vert",
            "yaw_rate",
            "steering_angle",
            "accuracy_semi_major",
            "accuracy_semi_minor",
            "accuracy_orientation",
            "transmission",
            "brake_left_front",
            "brake_left_rear",
            "brake_right_front",
            "brake_right_rear",
            "traction",
            "abs",
            "scs",
            "brake_boost",
            "aux_brakes",
            "vehicle_width",
            "vehicle_length",
            "vehicle_class",
            "vehicle_height",
            "vehicle_mass",
        ),
        Column(
            "path_history",
            pa.list_(LOCAL_POINT),
            "Past points in the frame of the event, newest first.",
            "m, m, m, s",
            "DF_PathHistoryPointList",
        ),
        *_as_in_messages("path_radius", "path_straight", "path_confidence", "events", "lights"),
        *CLOSING,
    ),
    order=_ORDER,
    same=("period", "event_id"),
    own=frozenset({"object_id", "line"}),
)
"""The table of the BSMs within events; its raw paths are added by ``tables.table``."""
