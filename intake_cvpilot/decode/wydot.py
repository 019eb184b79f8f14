"""Raw shapes of Wyoming (wydot, wydot_backup): ODE JSON with published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from intake_cvpilot.decode import j2735, names
from intake_cvpilot.decode.j2735 import GRAVITY, Element
from intake_cvpilot.decode.labels import Bits, Flag, Name, Text
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Integer, Mass, Number, Stamp, Structs
from intake_cvpilot.decode.shape import Cell, Group, Layout, Row, Shape, object_at
from intake_cvpilot.decode.stamps import parse
from intake_cvpilot.decode.strict import Rejected

__all__ = ["BSM", "FIRST_METADATA", "METADATA", "PARTS", "check_zone", "one_version"]

M: Final = "metadata."
D: Final = "payload.data."
C: Final = "payload.data.coreData."
V: Final = "payload.data.partII.VehicleSafetyExtensions."
S: Final = "payload.data.partII.SupplementalVehicleExtensions."
LOCATION: Final = "metadata.receivedMessageDetails.locationData."
SERIAL: Final = "metadata.serialId."
CM: Final = Fraction("0.01")


def _si(element: Element, scale: Fraction | int = 1) -> Number:
    return Number(element, Fraction(scale))


def _name(*known: str, null: Sequence[str] = ("unavailable",)) -> Name:
    return Name(known, frozenset(null))


METADATA: Final = (
    Cell("_generated", M + "recordGeneratedAt", Stamp(), serves="event_time time_basis"),
    Cell("received_time", M + "odeReceivedAt", Stamp()),
    Cell("schema_version", M + "schemaVersion", Integer(0, 32767)),
    Cell("generated_by", M + "recordGeneratedBy", Text()),
    Cell("record_type", M + "recordType", Text()),
    Cell("log_file", M + "logFileName", Text()),
    Cell("security_result", M + "securityResultCode", Text()),
    Cell("sanitized", M + "sanitized", Flag()),
    Cell("stream_id", SERIAL + "streamId", Text()),
    Cell("bundle_id", SERIAL + "bundleId", Integer()),
    Cell("bundle_size", SERIAL + "bundleSize", Integer(-(2**31), 2**31 - 1)),
    Cell("record_id", SERIAL + "recordId", Integer()),
    Cell("serial_number", SERIAL + "serialNumber", Integer()),
    Cell("receiver_latitude", LOCATION + "latitude", _si(j2735.LATITUDE)),
    Cell("receiver_longitude", LOCATION + "longitude", _si(j2735.LONGITUDE)),
    Cell("receiver_elevation", LOCATION + "elevation", _si(j2735.ELEVATION)),
    Cell("receiver_speed", LOCATION + "speed", _si(j2735.SPEED)),
    Cell("receiver_heading", LOCATION + "heading", _si(j2735.HEADING)),
    Cell(
        "receiver_source",
        M + "receivedMessageDetails.rxSource",
        Text(null=frozenset({"NA"})),
    ),
)
"""Of every WYDOT record from version 2 on."""

FIRST_METADATA: Final = (
    Cell("_clock", M + "generatedAt", Stamp(), serves="event_time time_basis"),
    Cell("_received", M + "receivedAt", Stamp(), serves="received_time"),
)
"""Names that only the first versions have; ``generatedAt`` is the receiver's clock."""

_CORE: Final = (
    Cell("bsm_source", M + "bsmSource", Text()),
    Cell("_payload_time", D + "timeStamp", Stamp(), serves="event_time time_basis"),
    Cell("vehicle_id", C + "id", Text(width=8)),
    Cell("msg_count", C + "msgCnt", Integer.of(j2735.MSG_COUNT)),
    Cell("sec_mark", C + "secMark", Integer.of(j2735.SEC_MARK)),
    Cell("latitude", C + "position.latitude", _si(j2735.LATITUDE)),
    Cell("longitude", C + "position.longitude", _si(j2735.LONGITUDE)),
    Cell("elevation", C + "position.elevation", _si(j2735.ELEVATION)),
    Cell("speed", C + "speed", _si(j2735.SPEED)),
    Cell("heading", C + "heading", _si(j2735.HEADING)),
    Cell("steering_angle", C + "angle", _si(j2735.STEERING_ANGLE)),
    Cell("accel_long", C + "accelSet.accelLong", _si(j2735.ACCELERATION)),
    Cell("accel_lat", C + "accelSet.accelLat", _si(j2735.ACCELERATION)),
    Cell("accel_vert", C + "accelSet.accelVert", _si(j2735.VERTICAL_ACCELERATION, GRAVITY)),
    Cell("yaw_rate", C + "accelSet.accelYaw", _si(j2735.YAW_RATE)),
    Cell("accuracy_semi_major", C + "accuracy.semiMajor", _si(j2735.SEMI_AXIS)),
    Cell("accuracy_semi_minor", C + "accuracy.semiMinor", _si(j2735.SEMI_AXIS)),
    Cell("accuracy_orientation", C + "accuracy.orientation", _si(j2735.ORIENTATION)),
    # The ODE read an object as an integer, so "NEUTRAL" is what it wrote for every value.
    Cell(
        "transmission",
        C + "transmission",
        Name(names.TRANSMISSION, artefact=frozenset({"neutral"})),
    ),
    Cell("brake_left_front", C + "brakes.wheelBrakes.leftFront", Flag()),
    Cell("brake_left_rear", C + "brakes.wheelBrakes.leftRear", Flag()),
    Cell("brake_right_front", C + "brakes.wheelBrakes.rightFront", Flag()),
    Cell("brake_right_rear", C + "brakes.wheelBrakes.rightRear", Flag()),
    Cell(
        "_brakes_unavailable",
        C + "brakes.wheelBrakes.unavailable",
        Flag(),
        serves="brake_left_front brake_left_rear brake_right_front brake_right_rear",
    ),
    Cell("traction", C + "brakes.traction", _name(*names.ABS)),
    Cell("abs", C + "brakes.abs", _name(*names.ABS)),
    Cell("scs", C + "brakes.scs", _name(*names.ABS)),
    Cell("brake_boost", C + "brakes.brakeBoost", _name(*names.BRAKE_BOOST)),
    Cell("aux_brakes", C + "brakes.auxBrakes", _name(*names.AUX_BRAKES)),
    Cell("vehicle_width", C + "size.width", _si(j2735.VEHICLE_WIDTH, CM)),
    Cell("vehicle_length", C + "size.length", _si(j2735.VEHICLE_LENGTH, CM)),
    Cell(
        "path_history",
        V + "pathHistory.crumbData",
        Structs(
            (
                ("latitude_offset", "latOffset", _si(j2735.OFFSET_LL)),
                ("longitude_offset", "lonOffset", _si(j2735.OFFSET_LL)),
                ("elevation_offset", "elevationOffset", _si(j2735.VERTICAL_OFFSET)),
                ("time_offset", "timeOffset", _si(j2735.TIME_OFFSET)),
            )
        ),
    ),
    Cell("path_radius", V + "pathPrediction.radiusOfCurve", _si(j2735.RADIUS_OF_CURVATURE)),
    Cell("path_confidence", V + "pathPrediction.confidence", _si(j2735.CONFIDENCE)),
    Cell("events", V + "events", Bits(names.EVENTS)),
    Cell("lights", V + "lights", Bits(names.LIGHTS)),
    Cell("vehicle_class", S + "classification", Integer.of(j2735.VEHICLE_CLASS)),
    Cell(
        "_key_type",
        S + "classDetails.keyType",
        Integer.of(j2735.VEHICLE_CLASS),
        serves="vehicle_class",
    ),
    Cell("vehicle_role", S + "classDetails.role", _name(*names.ROLES)),
    Cell("hpms_type", S + "classDetails.hpmsType", _name(*names.HPMS_TYPES, null=("none",))),
    Cell("fuel_type", S + "classDetails.fuelType", _name(*names.FUEL_TYPES, null=("unknownfuel",))),
    Cell("vehicle_height", S + "vehicleData.height", _si(j2735.VEHICLE_HEIGHT)),
    Cell("bumper_front", S + "vehicleData.bumpers.front", _si(j2735.BUMPER_HEIGHT)),
    Cell("bumper_rear", S + "vehicleData.bumpers.rear", _si(j2735.BUMPER_HEIGHT)),
    Cell("vehicle_mass", S + "vehicleData.mass", Mass(steps=False)),
    Cell("trailer_weight", S + "vehicleData.trailerWeight", _si(j2735.TRAILER_WEIGHT)),
)

_ABSORB: Final = {
    "metadata.payloadType": ("us.dot.its.jpo.ode.model.OdeBsmPayload",),
    "payload.dataType": ("us.dot.its.jpo.ode.plugin.j2735.J2735Bsm",),
}
_RULES: Final = (
    "event_time",
    "sent_time",
    "receiver_position",
    "wheel_brakes",
    "decoded_radius",
    "vehicle_class",
)

PARTS: Final = {
    "vehiclesafetyextensions": "VehicleSafetyExtensions",
    "vehiclesafetyext": "VehicleSafetyExtensions",
    "supplementalvehicleextensions": "SupplementalVehicleExtensions",
    "supplementalvehicleext": "SupplementalVehicleExtensions",
    "specialvehicleextensions": "SpecialVehicleExtensions",
    "specialvehicleext": "SpecialVehicleExtensions",
    "0": "VehicleSafetyExtensions",
    "1": "SpecialVehicleExtensions",
    "2": "SupplementalVehicleExtensions",
}
"""Part II extensions by every spelling of their id, in small letters."""


def fold_parts(data: dict[str, Any]) -> None:
    """Turn ``partII`` from a list of ``{id, value}`` into one object by extension name.

    What is not of that form stays as it is, in a list under the key ``other``.
    """
    parts = data.get("partII")
    if type(parts) is dict:
        parts = [parts]
    if type(parts) is not list:
        return
    folded: dict[str, Any] = {}
    other: list[Any] = []
    for part in parts:
        if type(part) is dict and type(part.get("id")) in (str, int):
            name = PARTS.get(str(part["id"]).strip().lower())
            value = part.get("value")
            if type(value) is list and len(value) == 1:
                value = value[0]
            usual = type(value) is dict or says_nothing(value)
            if usual and name is not None and name not in folded:
                folded[name] = value or {}
                if len(part) > 2 or (len(part) == 2 and "value" not in part):
                    part.pop("value", None)
                    other.append(part)
                continue
        if not says_nothing(part):
            other.append(part)
    if other:
        folded["other"] = other
    data["partII"] = folded


def check_zone(record: dict[str, Any], *path: str) -> None:
    """Reject a record whose event time names no zone: WYDOT's clocks are not to be guessed.

    Parameters
    ----------
    record : dict
        The decoded record.
    *path : str
        Keys below ``metadata``, in the order of fallbacks; the first that holds a stamp counts.
    """
    metadata = object_at(record, "metadata") or {}
    for key in path:
        text = metadata.get(key)
        if type(text) is not str or not text:
            continue
        if text.endswith(("Z", "Z[UTC]")):
            return
        moment = parse(text)
        if moment is None:
            continue
        if moment.offset is None:
            raise Rejected("no_zone", f"metadata.{key} names no time zone")
        return


def _bsm_rows(record: dict[str, Any], stamps: tuple[str, ...], group: Group) -> list[Row]:
    data = object_at(record, "payload", "data")
    if data is None or not object_at(data, "coreData"):
        raise _not_bsm(record, data)
    check_zone(record, *stamps)
    if "partII" in data:
        fold_parts(data)
    values: list[Any] = []
    group.take(record, values)
    return [(0, values, record)]


def one_version(record: dict[str, Any]) -> None:
    """Version 1 repeats its schema version at the top and in the payload: keep one."""
    metadata = object_at(record, "metadata")
    if metadata is None:
        return
    if "schemaVersion" not in metadata and "schemaVersion" in record:
        metadata["schemaVersion"] = record.pop("schemaVersion")
    for holder in (record, object_at(record, "payload") or {}):
        if holder.get("schemaVersion", metadata) == metadata.get("schemaVersion"):
            del holder["schemaVersion"]


def _not_bsm(record: dict[str, Any], data: dict[str, Any] | None) -> Rejected:
    payload = object_at(record, "payload") or {}
    kind = payload.get("dataType")
    expected = _ABSORB["payload.dataType"][0]
    if data and (type(kind) is str and kind not in ("", expected)):
        return Rejected("wrong_type", "the payload's dataType is that of another message type")
    if data and any(key in data for key in ("MessageFrame", "TravelerInformation", "SPAT")):
        return Rejected("wrong_type", "the payload is that of another message type")
    return Rejected("missing_core", "payload.data.coreData is absent or empty")


def _first_rows(record: dict[str, Any], _raw: bytes) -> list[Row]:
    one_version(record)
    stamps = ("recordGeneratedAt", "generatedAt", "odeReceivedAt", "receivedAt")
    return _bsm_rows(record, stamps, _FIRST_GROUP)


def _later_rows(record: dict[str, Any], _raw: bytes) -> list[Row]:
    return _bsm_rows(record, ("recordGeneratedAt", "odeReceivedAt"), _LATER_GROUP)


_FIRST_GROUP: Final = Group((*METADATA, *FIRST_METADATA, *_CORE), absorb=_ABSORB)
_LATER_GROUP: Final = Group((*METADATA, *_CORE), absorb=_ABSORB)
_REQUIRED: Final = ("_generated", "vehicle_id", "msg_count")
BSM: Final = (
    Shape((1, 2), (Layout("messages", (_FIRST_GROUP,), _RULES),), _first_rows, _REQUIRED),
    Shape(
        (3, 4, 5, 6),
        (Layout("messages", (_LATER_GROUP,), _RULES),),
        _later_rows,
        _REQUIRED,
        ordinary="wydot_bsm",
    ),
)
"""Versions 1 and 2 (names moved), and 3 to 6 (values missing in the older of them)."""
