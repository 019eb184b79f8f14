"""BSM: the table ``messages``, a row a message."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from intake_cvpilot.decode import names
from intake_cvpilot.tables.column import Column, Table
from intake_cvpilot.tables.shared import CLOSING, OPENING, SERIAL, double, enum, text

__all__ = ["MESSAGES", "PATH_POINT"]


def _nested(name: str, unit: str) -> pa.Field:
    return pa.field(name, pa.float64(), metadata={"unit": unit})


PATH_POINT: Final = pa.struct(
    [
        _nested("latitude_offset", "deg"),
        _nested("longitude_offset", "deg"),
        _nested("elevation_offset", "m"),
        _nested("time_offset", "s"),
    ]
)
"""One point of a vehicle's path; the past point is the position minus the offset."""


def _small(name: str, description: str, standard: str, portal: str = "") -> Column:
    return Column(name, pa.int16(), description, standard=standard, portal_name=portal)


def _bool(name: str, description: str, standard: str, portal: str = "") -> Column:
    return Column(name, pa.bool_(), description, standard=standard, portal_name=portal)


def _names(name: str, description: str, standard: str, portal: str = "") -> Column:
    return Column(name, pa.list_(pa.string()), description, standard=standard, portal_name=portal)


_BRAKE: Final = "coreData_brakes_wheelBrakes_"
BODY: Final = (
    enum(
        "bsm_source",
        "Whether the log's own vehicle (EV) or a remote one (RV) sent the message.",
        "ODE metadata.bsmSource",
        "metadata_bsmSource",
    ),
    text("vehicle_id", "Temporary id of the vehicle.", "DE_TemporaryID", "coreData_id"),
    _small("msg_count", "Counter of the sender, 0 to 127.", "DE_MsgCount", "coreData_msgCnt"),
    Column(
        "sec_mark",
        pa.int32(),
        "Millisecond within the minute of sending; 60000 and above within a leap second.",
        "ms",
        "DE_DSecond",
        portal_name="coreData_secMark",
    ),
    double("latitude", "deg", "Latitude, north positive.", "DE_Latitude", "coreData_position_lat"),
    double(
        "longitude", "deg", "Longitude, east positive.", "DE_Longitude", "coreData_position_long"
    ),
    double("elevation", "m", "Height above the ellipsoid.", "DE_Elevation", "coreData_elevation"),
    double("speed", "m/s", "Speed.", "DE_Speed", "coreData_speed"),
    double("heading", "deg", "Heading, clockwise from north.", "DE_Heading", "coreData_heading"),
    double(
        "steering_angle",
        "deg",
        "Angle of the steering wheel, right positive; +-189 is saturated.",
        "DE_SteeringWheelAngle",
        "coreData_angle",
    ),
    double(
        "accel_long",
        "m/s2",
        "Acceleration, forward positive.",
        "DE_Acceleration",
        "coreData_accelset_long",
    ),
    double(
        "accel_lat",
        "m/s2",
        "Acceleration, right positive.",
        "DE_Acceleration",
        "coreData_accelset_lat",
    ),
    double(
        "accel_vert",
        "m/s2",
        "Acceleration, downward positive; may or may not hold gravity.",
        "DE_VerticalAcceleration",
        "coreData_accelset_vert",
    ),
    double(
        "yaw_rate", "deg/s", "Yaw rate, right positive.", "DE_YawRate", "coreData_accelset_accelYaw"
    ),
    double(
        "accuracy_semi_major",
        "m",
        "Semi-major axis of the position's error ellipse; 12.70 and more.",
        "DE_SemiMajorAxisAccuracy",
        "coreData_accuracy_semiMajor",
    ),
    double(
        "accuracy_semi_minor",
        "m",
        "Semi-minor axis of the position's error ellipse; 12.70 and more.",
        "DE_SemiMinorAxisAccuracy",
        "coreData_accuracy_semiMinor",
    ),
    double(
        "accuracy_orientation",
        "deg",
        "Direction of the semi-major axis, clockwise from north.",
        "DE_SemiMajorAxisOrientation",
        "coreData_accuracy_orientation",
    ),
    enum(
        "transmission",
        "State of the transmission; WYDOT's NEUTRAL is a decoder's artefact and is null.",
        "DE_TransmissionState",
        "coreData_transmission",
        names.TRANSMISSION,
    ),
    _bool(
        "brake_left_front",
        "Left front brake active.",
        "DE_BrakeAppliedStatus",
        _BRAKE + "leftFront",
    ),
    _bool(
        "brake_left_rear", "Left rear brake active.", "DE_BrakeAppliedStatus", _BRAKE + "leftRear"
    ),
    _bool(
        "brake_right_front",
        "Right front brake active.",
        "DE_BrakeAppliedStatus",
        _BRAKE + "rightFront",
    ),
    _bool(
        "brake_right_rear",
        "Right rear brake active.",
        "DE_BrakeAppliedStatus",
        _BRAKE + "rightRear",
    ),
    enum(
        "traction",
        "Traction control.",
        "DE_TractionControlStatus",
        "coreData_brakes_traction",
        names.ABS,
    ),
    enum("abs", "Antilock brakes.", "DE_AntiLockBrakeStatus", "coreData_brakes_abs", names.ABS),
    enum(
        "scs",
        "Stability control.",
        "DE_StabilityControlStatus",
        "coreData_brakes_scs",
        names.ABS,
    ),
    enum(
        "brake_boost",
        "Brake boost.",
        "DE_BrakeBoostApplied",
        "coreData_brakes_brakeBoost",
        names.BRAKE_BOOST,
    ),
    enum(
        "aux_brakes",
        "Auxiliary brakes.",
        "DE_AuxiliaryBrakeStatus",
        "coreData_brakes_auxBrakes",
        names.AUX_BRAKES,
    ),
    double("vehicle_width", "m", "Width of the vehicle.", "DE_VehicleWidth", "coreData_size"),
    double("vehicle_length", "m", "Length of the vehicle.", "DE_VehicleLength", "coreData_size"),
    Column(
        "path_history",
        pa.list_(PATH_POINT),
        "Past points, newest first: past point = position minus offset, time_offset before it.",
        "deg, deg, m, s",
        "DF_PathHistoryPointList",
        portal_name="part2_vse_ph_crumbdata",
    ),
    double(
        "path_radius",
        "m",
        "Predicted radius of curvature, right positive; null on a straight path.",
        "DE_RadiusOfCurvature",
        "part2_vse_pp_radiusofcurve",
    ),
    _bool("path_straight", "Whether the predicted path is straight.", "DE_RadiusOfCurvature"),
    double(
        "path_confidence",
        "%",
        "Confidence of the prediction.",
        "DE_Confidence",
        "part2_vse_pp_confidence",
    ),
    _names(
        "events",
        "Event flags that are set; empty: none.",
        "DE_VehicleEventFlags",
        "part2_vse_events",
    ),
    _names(
        "lights",
        "Exterior lights that are on; empty: none.",
        "DE_ExteriorLights",
        "part2_vse_lights",
    ),
    _small(
        "vehicle_class",
        "Class of the vehicle.",
        "DE_BasicVehicleClass",
        "part2_suve_classification",
    ),
    enum(
        "vehicle_role",
        "Role of the vehicle.",
        "DE_BasicVehicleRole",
        "part2_suve_cd_role",
        names.ROLES,
    ),
    enum(
        "hpms_type",
        "Type of the vehicle (HPMS).",
        "DE_VehicleType",
        "part2_suve_cd_hpmstype",
        names.HPMS_TYPES,
    ),
    enum("fuel_type", "Fuel.", "DE_FuelType", categories=names.FUEL_TYPES),
    double(
        "vehicle_height", "m", "Height of the vehicle.", "DE_VehicleHeight", "part2_suve_vd_height"
    ),
    double(
        "bumper_front",
        "m",
        "Height of the front bumper.",
        "DE_BumperHeight",
        "part2_suve_vd_bumpers_front",
    ),
    double(
        "bumper_rear",
        "m",
        "Height of the rear bumper.",
        "DE_BumperHeight",
        "part2_suve_vd_bumpers_rear",
    ),
    double(
        "vehicle_mass",
        "kg",
        "Mass of the vehicle; 170000 and more.",
        "DE_VehicleMass",
        "part2_suve_vd_mass",
    ),
    double(
        "trailer_weight",
        "kg",
        "Weight of the trailer.",
        "DE_TrailerWeight",
        "part2_suve_vd_trailerweight",
    ),
)

MESSAGES: Final = Table(
    name="messages",
    version="1.0",
    description="Basic safety messages, a row a message.",
    columns=(*OPENING, *BODY, *CLOSING),
    order=(
        "event_time",
        "vehicle_id",
        "sec_mark",
        "msg_count",
        "record_id",
        "object_id",
        "line",
    ),
    same=("event_time", "vehicle_id", "sec_mark", "msg_count"),
    own=frozenset({"received_time", *SERIAL, "object_id", "line"}),
    moving=("sent_time",),
)
"""The table of basic safety messages; its raw paths are added by ``tables.table``."""
