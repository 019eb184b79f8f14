"""The one table of SAE J2735 data elements: unit, step, range and sentinels of each.

Raw integers (THEA, part of NYC) and published numbers (WYDOT) are both read with it.  Ranges and
sentinels are those of SAE J2735 (2016-03); where the pilots deviate, the note says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ["ELEMENTS", "GRAVITY", "RADIUS_UNITS", "Element", "mass"]

GRAVITY: Final = Fraction("9.80665")
"""Standard gravity in m/s2; J2735 gives vertical acceleration in units of 0.02 G."""


@dataclass(frozen=True, slots=True)
class Element:
    """A data element: how a raw integer becomes a value, and which integers say nothing."""

    name: str
    """Name in SAE J2735."""
    unit: str
    """Unit of the value: SI or degrees; empty for a plain number."""
    step: Fraction
    """Value of one raw unit, exact: raw 1291 of 0.02 m/s is 25.82, not 25.820000000000002."""
    low: int
    """Lowest valid raw integer, inclusive."""
    high: int
    """Highest valid raw integer, inclusive; saturated ends are valid."""
    unavailable: frozenset[int] = frozenset()
    """Raw integers that mean "not available"."""
    note: str = ""
    """What the ends of the range mean, or how a pilot deviates."""


def _element(
    name: str,
    unit: str,
    step: str | Fraction,
    low: int,
    high: int,
    *unavailable: int,
    note: str = "",
) -> Element:
    return Element(name, unit, Fraction(step), low, high, frozenset(unavailable), note)


LATITUDE: Final = _element("DE_Latitude", "deg", "1e-7", -900000000, 900000000, 900000001)
LONGITUDE: Final = _element("DE_Longitude", "deg", "1e-7", -1800000000, 1800000000, 1800000001)
ELEVATION: Final = _element(
    "DE_Elevation", "m", "0.1", -4095, 61439, -4096, note="both ends are saturated"
)
SPEED: Final = _element("DE_Speed", "m/s", "0.02", 0, 8190, 8191)
HEADING: Final = _element("DE_Heading", "deg", "0.0125", 0, 28799, 28800)
STEERING_ANGLE: Final = _element(
    "DE_SteeringWheelAngle", "deg", "1.5", -126, 126, 127, note="+-189 deg is saturated"
)
ACCELERATION: Final = _element(
    "DE_Acceleration", "m/s2", "0.01", -2000, 2000, 2001, note="+-20.00 m/s2 is saturated"
)
VERTICAL_ACCELERATION: Final = _element(
    "DE_VerticalAcceleration", "m/s2", Fraction("0.02") * GRAVITY, -126, 127, -127
)
YAW_RATE: Final = _element(
    "DE_YawRate", "deg/s", "0.01", -32767, 32767, note="has no sentinel; +-327.67 is saturated"
)
SEMI_AXIS: Final = _element(
    "DE_SemiMajorAxisAccuracy, DE_SemiMinorAxisAccuracy",
    "m",
    "0.05",
    0,
    254,
    255,
    note='12.70 m means "12.70 m or more"',
)
ORIENTATION: Final = _element(
    "DE_SemiMajorAxisOrientation", "deg", Fraction(360, 65535), 0, 65534, 65535
)
VEHICLE_WIDTH: Final = _element("DE_VehicleWidth", "m", "0.01", 1, 1023, 0)
VEHICLE_LENGTH: Final = _element("DE_VehicleLength", "m", "0.01", 1, 4095, 0)
MSG_COUNT: Final = _element("DE_MsgCount", "", "1", 0, 127)
SEC_MARK: Final = _element(
    "DE_DSecond", "ms", "1", 0, 60999, 65535, note="60000 and above: within a leap second"
)
OFFSET_LL: Final = _element(
    "DE_OffsetLL-B18", "deg", "1e-7", -131071, 131071, -131072, note="both ends are saturated"
)
VERTICAL_OFFSET: Final = _element(
    "DE_VertOffset-B12", "m", "0.1", -2047, 2047, -2048, note="both ends are saturated"
)
TIME_OFFSET: Final = _element(
    "DE_TimeOffset", "s", "0.01", 1, 65534, 65535, note='655.34 s means "655.34 s or more"'
)
RADIUS_OF_CURVATURE: Final = _element(
    "DE_RadiusOfCurvature", "m", "0.1", -32767, 32766, 32767, note="raw 32767: a straight path"
)
CONFIDENCE: Final = _element("DE_Confidence", "%", "0.5", 0, 200)
VEHICLE_CLASS: Final = _element("DE_BasicVehicleClass", "", "1", 1, 255, 0)
VEHICLE_HEIGHT: Final = _element("DE_VehicleHeight", "m", "0.05", 0, 127)
BUMPER_HEIGHT: Final = _element("DE_BumperHeight", "m", "0.01", 0, 127)
VEHICLE_MASS: Final = _element(
    "DE_VehicleMass", "kg", "1", 0, 254, 255, note="steps, see mass(); 254: over 170000 kg"
)
TRAILER_WEIGHT: Final = _element("DE_TrailerWeight", "kg", "2", 0, 64255)
LANE_WIDTH: Final = _element("DE_LaneWidth", "m", "0.01", 0, 32767)
PRIORITY: Final = _element("DE_SignPriority", "", "1", 0, 7)
ITIS_CODE: Final = _element("DE_ITIScodes", "", "1", 0, 65535)
MINUTE_OF_YEAR: Final = _element("DE_MinuteOfTheYear", "min", "1", 0, 527039, 527040)
YEAR: Final = _element("DE_DYear", "year", "1", 1, 4095, 0)
DURATION: Final = _element(
    "DE_MinutesDuration", "min", "1", 0, 31999, 32000, note="32000: until further notice"
)
TIME_MARK: Final = _element(
    "DE_TimeMark", "s", "0.1", 0, 35999, 36000, 36001, note="36000: more than an hour ahead"
)
TIME_CONFIDENCE: Final = _element("DE_TimeIntervalConfidence", "", "1", 0, 15)
CIRCLE_RADIUS: Final = _element("DE_Radius-B12", "", "1", 0, 4095)
LOCAL_OFFSET: Final = _element(
    "NYC X_m, Y_m, Z_m",
    "m",
    "0.001",
    -(10**9),
    10**9,
    note="metres in the frame of an event, in the place of latitude, longitude and elevation",
)
LOCAL_TIME: Final = _element(
    "NYC T_s", "s", "0.001", -(10**9), 10**9, note="seconds after the warning of an event"
)
PAST_TIME_OFFSET: Final = _element(
    "NYC tOffset_s", "s", "0.01", -65534, -1, -65535, note="DE_TimeOffset with its sign turned"
)

ELEMENTS: Final[dict[str, Element]] = {
    name: value for name, value in list(globals().items()) if isinstance(value, Element)
}
"""Every element by its name in this module."""

RADIUS_UNITS: Final[tuple[tuple[str, Fraction], ...]] = (
    ("centimeter", Fraction("0.01")),
    ("cm2-5", Fraction("0.025")),
    ("decimeter", Fraction("0.1")),
    ("meter", Fraction(1)),
    ("kilometer", Fraction(1000)),
    ("foot", Fraction("0.3048")),
    ("yard", Fraction("0.9144")),
    ("mile", Fraction("1609.344")),
)
"""DE_DistanceUnits in order: name and metres."""


def mass(raw: int) -> int | None:
    """Vehicle mass of a DE_VehicleMass step.

    Parameters
    ----------
    raw : int
        0..255.

    Returns
    -------
    int or None
        kg; None for 255 (unavailable).  254, "over 170000 kg", is kept as 170000.
    """
    if raw <= 80:
        return 50 * raw
    if raw <= 200:
        return 4000 + 500 * (raw - 80)
    if raw <= 253:
        return 64000 + 2000 * (raw - 200)
    return 170000 if raw == 254 else None
