"""The data portal's columns of New York's events."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import pyarrow as pa

from intake_cvpilot.tables.portal_column import FLAG, WHOLE, PortalColumn
from intake_cvpilot.tables.portal_forms import TEXT, Each, FromExtra, Nothing, Scaled

__all__ = ["EVENT"]

H: Final = "eventHeader."
E: Final = "eventHeader_"
PARAMETERS: Final = (
    "recordingROI",
    "timeRecordBefore",
    "timeRecordFollow",
    "timeRecordResolution",
    "minSpdThreshold",
    "timeToCrash",
    "excessiveCurveSpd",
    "excessiveSpd",
    "excessiveSpdTime",
    "excessiveCurveSpdTime",
    "excessiveZoneSpd",
    "excessiveZoneSpdTime",
    "minCurveSpd",
    "minZoneSpd",
    "stopBarTolerance",
    "yellowDurationTolerance",
    "hardBrakingThreshold",
    "assumedDriverBraking",
    "postedHeightLimit",
    "postedSizeLimit",
    "postedZoneSpeed",
    "regulatorySpeed",
)
"""The parameters that the portal has a column for; the table's ``parameters`` holds them all."""


def _time_bin(
    year: int | None, month: int | None, weekday: str | None, period: str | None
) -> str | None:
    if year is None or month is None or weekday is None or period is None:
        return None
    named = ("N/A" if name == "NA" else name for name in (weekday, period))
    return "-".join((str(year), f"{month:02}", *named))


def _inches(millimetres: float | None, trace: bool | None) -> str | None:  # noqa: FBT001 -- a cell
    if trace:
        return "T"
    return None if millimetres is None else f"{millimetres / 25.4:.2f}"


def _plowed(minutes: int | None, seen: bool | None) -> int | None:  # noqa: FBT001 -- a cell
    return -1 if seen is False else minutes


def _parameter(name: str) -> Each:
    def make(found: list[tuple[str, str]] | None) -> str | None:
        return dict(found).get(name) if found is not None else None

    return Each(make=make, back=str)


def _same(value: Any) -> Any:
    return value


EVENT: Final = (
    PortalColumn(
        E + "eventTimeBin",
        ("year", "month", "weekday", "period"),
        Each(make=_time_bin, back=_same),
        H + "eventTimeBin",
    ),
    PortalColumn("dayOfWeekBin", ("weekday",), TEXT),
    PortalColumn("timeOfDayBin", ("period",), TEXT),
    PortalColumn(E + "eventLocationBin", ("location_bin",), TEXT, H + "eventLocationBin"),
    PortalColumn("nearRSU", ("near_rsu",), FLAG),
    PortalColumn("bureauBin", ("borough",), TEXT),
    PortalColumn("roadTypeBin", ("road_type",), TEXT),
    *(
        PortalColumn(E + name, (column,), form, H + name)
        for name, column, form in (
            ("locationSource", "location_source", TEXT),
            ("asdFirmwareVersion", "firmware", TEXT),
            ("eventAlertActive", "alert_active", FLAG),
            ("eventAlertSent", "alert_sent", FLAG),
            ("eventAlertHeard", "alert_heard", FLAG),
            ("hostVehID", "host_vehicle_id", TEXT),
            ("targetVehID", "target_vehicle_id", TEXT),
            ("triggerHVSeqNum", "host_sequence", WHOLE),
            ("triggerTVSeqNum", "target_sequence", WHOLE),
            ("eventType", "event_type", TEXT),
        )
    ),
    PortalColumn(
        E + "eventStatus",
        ("extra",),
        FromExtra(path=H + "eventStatus", usual="Obfuscated"),
        H + "eventStatus",
    ),
    PortalColumn(E + "grpId", ("group",), WHOLE, H + "grpId"),
    PortalColumn(E + "weatherCondition", ("weather",), TEXT, H + "weatherCondition"),
    PortalColumn(
        E + "airTemperature",
        ("air_temperature",),
        Scaled(unit=Fraction(5, 9), zero=32),
        H + "airTemperature",
    ),
    PortalColumn(
        E + "precipitation1Hr",
        ("precipitation", "precipitation_trace"),
        Each(make=_inches, back=_same),
        H + "precipitation1Hr",
    ),
    PortalColumn(
        E + "windSpeed", ("wind_speed",), Scaled(unit=Fraction("0.514444")), H + "windSpeed"
    ),
    PortalColumn(
        E + "speedCondition",
        ("speed_condition",),
        Scaled(unit=Fraction("0.44704")),
        H + "speedCondition",
    ),
    PortalColumn(
        E + "lastPlowed",
        ("minutes_since_plow", "plow_seen"),
        Each(pa.int64(), _plowed),
        H + "lastPlowed",
    ),
    *(
        PortalColumn(
            f"{E}parameters_{name}", ("parameters",), _parameter(name), f"{H}parameters.{name}"
        )
        for name in PARAMETERS
    ),
    PortalColumn(
        "bsmList",
        (),
        Nothing(json=True),
        "bsmList",
        why_null="the messages of an event are rows of the table bsms",
    ),
    PortalColumn("mapList", ("maps",), Each(), "mapList"),
    PortalColumn("spatList", ("spats",), Each(), "spatList"),
    PortalColumn("timList", ("tims",), Each(), "timList"),
)
"""New York: the header's own units (degrees F, knots, miles an hour, inches)."""
