"""Raw shapes of Tampa (thea): XER turned into JSON, every payload value a raw J2735 text.

Enumerations are objects of one key (``{"unavailable": null}``), lists of one element are that
element, and times are wall time (see `eastern`).
"""

from __future__ import annotations

from typing import Any, Final

from intake_cvpilot.decode import j2735, names
from intake_cvpilot.decode.eastern import EasternStamp
from intake_cvpilot.decode.labels import Bits, Name, Text
from intake_cvpilot.decode.nothing import alone, says_nothing
from intake_cvpilot.decode.readers import Integer, Mass, Number, Structs
from intake_cvpilot.decode.shape import Cell, Group, Layout, Row, Shape, object_at
from intake_cvpilot.decode.strict import Rejected
from intake_cvpilot.decode.wydot import PARTS

__all__ = ["BSM", "METADATA", "absorb", "content"]

M: Final = "metadata."
D: Final = "payload.data."
C: Final = "payload.data.coreData."
V: Final = "payload.data.partII.VehicleSafetyExtensions."
S: Final = "payload.data.partII.SupplementalVehicleExtensions."

METADATA: Final = (
    Cell("_generated", M + "recordGeneratedAt", EasternStamp(), serves="event_time time_basis"),
    Cell("_payload_time", D + "timeStamp", EasternStamp(), serves="event_time time_basis"),
    Cell("received_time", M + "odeReceivedAt", EasternStamp()),
    Cell("schema_version", M + "schemaVersion", Integer(0, 32767)),
    # Wyoming writes "RSU" for the same kind of device.
    Cell("generated_by", M + "recordGeneratedBy", Text(upper=True)),
    Cell("log_file", M + "logFileName", Text()),
    Cell("log_direction", M + "kind", Name(("in", "out"), frozenset())),
    Cell("rsu_id", M + "RSUID", Text()),
)
"""Of every THEA record.  The rules ``event_time`` and ``repeated_hour`` go with it."""

_KINDS: Final = {"bsm": "coreData", "spat": "SPAT", "tim": "TravelerInformation"}


def absorb(kind: str, psid: int) -> dict[str, tuple[Any, ...]]:
    """Values of the metadata that say nothing in the folder of a message type.

    Parameters
    ----------
    kind : str
        The expected ``metadata.dataType``: bsm, spat or tim.
    psid : int
        The expected provider service identifier.
    """
    return {
        M + "dataType": (kind,),
        M + "psid": (str(psid), psid),
        M + "externalID": ("NA",),
    }


def content(record: dict[str, Any], kind: str) -> dict[str, Any]:
    """The object below ``payload.data`` that makes a record what it is.

    Parameters
    ----------
    record : dict
        The decoded record.
    kind : str
        bsm, spat or tim.

    Returns
    -------
    dict
        ``coreData``, ``SPAT`` or ``TravelerInformation``; never empty.

    Raises
    ------
    Rejected
        ``wrong_type`` for a record of another type, ``missing_core`` when there is nothing.
    """
    key = _KINDS[kind]
    data = object_at(record, "payload", "data") or {}
    found = object_at(data, key)
    if found:
        return found
    named = (object_at(record, "metadata") or {}).get("dataType")
    others = set(_KINDS) - {kind}
    if type(named) is str and named in others:
        raise Rejected("wrong_type", f"metadata.dataType is {named}, not {kind}")
    if any(object_at(data, _KINDS[other]) for other in others):
        raise Rejected("wrong_type", "the payload is that of another message type")
    raise Rejected("missing_core", f"payload.data.{key} is absent or empty")


def _name(*known: str, null: str = "unavailable") -> Name:
    return Name(known, frozenset({null}))


_CORE: Final = (
    Cell("bsm_source", M + "bsmSource", Text()),
    # Scrambled text, of any length: never filled with zeros.
    Cell("vehicle_id", C + "id", Text()),
    Cell("msg_count", C + "msgCnt", Integer.of(j2735.MSG_COUNT)),
    Cell("sec_mark", C + "secMark", Integer.of(j2735.SEC_MARK)),
    Cell("latitude", C + "lat", Number(j2735.LATITUDE)),
    Cell("longitude", C + "long", Number(j2735.LONGITUDE)),
    Cell("elevation", C + "elev", Number(j2735.ELEVATION)),
    Cell("speed", C + "speed", Number(j2735.SPEED)),
    Cell("heading", C + "heading", Number(j2735.HEADING)),
    Cell("steering_angle", C + "angle", Number(j2735.STEERING_ANGLE)),
    Cell("accel_long", C + "accelSet.long", Number(j2735.ACCELERATION)),
    Cell("accel_lat", C + "accelSet.lat", Number(j2735.ACCELERATION)),
    Cell("accel_vert", C + "accelSet.vert", Number(j2735.VERTICAL_ACCELERATION)),
    Cell("yaw_rate", C + "accelSet.yaw", Number(j2735.YAW_RATE)),
    Cell("accuracy_semi_major", C + "accuracy.semiMajor", Number(j2735.SEMI_AXIS)),
    Cell("accuracy_semi_minor", C + "accuracy.semiMinor", Number(j2735.SEMI_AXIS)),
    Cell("accuracy_orientation", C + "accuracy.orientation", Number(j2735.ORIENTATION)),
    Cell("transmission", C + "transmission", _name(*names.TRANSMISSION)),
    Cell(
        "_wheel_brakes",
        C + "brakes.wheelBrakes",
        Bits(names.WHEEL_BRAKES, width=5, fixed=True),
        serves="brake_left_front brake_left_rear brake_right_front brake_right_rear",
    ),
    Cell("traction", C + "brakes.traction", _name(*names.ABS)),
    Cell("abs", C + "brakes.abs", _name(*names.ABS)),
    Cell("scs", C + "brakes.scs", _name(*names.ABS)),
    Cell("brake_boost", C + "brakes.brakeBoost", _name(*names.BRAKE_BOOST)),
    Cell("aux_brakes", C + "brakes.auxBrakes", _name(*names.AUX_BRAKES)),
    Cell("vehicle_width", C + "size.width", Number(j2735.VEHICLE_WIDTH)),
    Cell("vehicle_length", C + "size.length", Number(j2735.VEHICLE_LENGTH)),
    Cell(
        "path_history",
        V + "pathHistory.crumbData.PathHistoryPoint",
        Structs(
            (
                ("latitude_offset", "latOffset", Number(j2735.OFFSET_LL)),
                ("longitude_offset", "lonOffset", Number(j2735.OFFSET_LL)),
                ("elevation_offset", "elevationOffset", Number(j2735.VERTICAL_OFFSET)),
                ("time_offset", "timeOffset", Number(j2735.TIME_OFFSET)),
            )
        ),
    ),
    Cell(
        "_radius",
        V + "pathPrediction.radiusOfCurve",
        Integer(-32767, 32767),
        serves="path_radius path_straight",
    ),
    Cell("path_confidence", V + "pathPrediction.confidence", Number(j2735.CONFIDENCE)),
    Cell("events", V + "events", Bits(names.EVENTS, width=13)),
    Cell("lights", V + "lights", Bits(names.LIGHTS, width=9)),
    Cell("vehicle_class", S + "classification", Integer.of(j2735.VEHICLE_CLASS)),
    Cell(
        "_key_type",
        S + "classDetails.keyType",
        Integer.of(j2735.VEHICLE_CLASS),
        serves="vehicle_class",
    ),
    Cell("vehicle_role", S + "classDetails.role", _name(*names.ROLES)),
    Cell("hpms_type", S + "classDetails.hpmsType", _name(*names.HPMS_TYPES, null="none")),
    Cell("fuel_type", S + "classDetails.fuelType", _name(*names.FUEL_TYPES, null="unknownfuel")),
    Cell("vehicle_height", S + "vehicleData.height", Number(j2735.VEHICLE_HEIGHT)),
    Cell("bumper_front", S + "vehicleData.bumpers.front", Number(j2735.BUMPER_HEIGHT)),
    Cell("bumper_rear", S + "vehicleData.bumpers.rear", Number(j2735.BUMPER_HEIGHT)),
    Cell("vehicle_mass", S + "vehicleData.mass", Mass(steps=True)),
    Cell("trailer_weight", S + "vehicleData.trailerWeight", Number(j2735.TRAILER_WEIGHT)),
)
_RULES: Final = (
    "event_time",
    "repeated_hour",
    "sent_time",
    "wheel_brake_bits",
    "raw_radius",
    "vehicle_class",
)
_GROUP: Final = Group((*METADATA, *_CORE), absorb=absorb("bsm", 32))


def fold_parts(data: dict[str, Any]) -> None:
    """Turn ``partII.SEQUENCE``, an object or a list of them, into one object by extension name.

    What is not of that form stays as it is, in a list under the key ``other``.
    """
    holder = alone(data["partII"])
    parts = holder.pop("SEQUENCE", None) if type(holder) is dict else holder
    folded: dict[str, Any] = holder if type(holder) is dict else {}
    other = [
        left
        for part in (parts if type(parts) is list else [parts])
        if not says_nothing(left := _fold(part, folded))
    ]
    if other:
        folded["other"] = [folded["other"], *other] if "other" in folded else other
    data["partII"] = folded


def _fold(part: Any, folded: dict[str, Any]) -> Any:
    """Move the extensions of one part to ``folded``; what remains of it."""
    value = alone(part.get("partII-Value")) if type(part) is dict else None
    if type(value) is not dict:
        return part
    moved = []
    for key, inner in list(value.items()):
        name, body = PARTS.get(key.lower()), alone(inner)
        if name and name not in folded and (type(body) is dict or says_nothing(body)):
            folded[name] = body or {}
            moved.append(name)
            del value[key]
    if not moved:
        return part
    if not value:
        del part["partII-Value"]
    if PARTS.get(str(part.get("partII-Id"))) in moved:
        del part["partII-Id"]
    return part


def _bsm_rows(record: dict[str, Any], _: bytes) -> list[Row]:
    content(record, "bsm")
    data = object_at(record, "payload", "data") or {}
    if not says_nothing(data.get("partII")):
        fold_parts(data)
    values: list[Any] = []
    _GROUP.take(record, values)
    return [(0, values, record)]


BSM: Final = (
    Shape(
        (1,),
        (Layout("messages", (_GROUP,), _RULES),),
        _bsm_rows,
        ("_generated", "vehicle_id", "msg_count"),
    ),
)
"""Version 1 is the only one; the number is THEA's own."""
