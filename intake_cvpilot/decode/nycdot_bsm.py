"""The BSMs within an event of New York: partly SI, partly raw, places relative to the event.

Numbers that the publisher rescaled keep their sentinels, rescaled like any value: 163.82 m/s is
raw 8191.  What it did not touch is raw J2735.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from intake_cvpilot.decode import j2735, names
from intake_cvpilot.decode.labels import Bits, Flag, Name, Text
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.places import lone
from intake_cvpilot.decode.readers import Integer, Mass, Number, Odd, Opaque, Reader, Structs
from intake_cvpilot.decode.shape import Cell, Group, Row, object_at
from intake_cvpilot.decode.wydot import PARTS

__all__ = ["BSM", "EVENT", "HASH", "RULES", "VEHICLE_ID", "HexBits", "rows"]

HASH: Final = "(sha256 of the object)"
"""Stands for a raw path where the value is the hash of the object's bytes."""
_LAST: Final = "bsmList (last)"
R: Final = "bsmRecord."
M: Final = "bsmRecord.bsmMsg."
C: Final = "bsmRecord.bsmMsg.coreData."
V: Final = "bsmRecord.bsmMsg.partII.VehicleSafetyExtensions."
S: Final = "bsmRecord.bsmMsg.partII.SupplementalVehicleExtensions."

# Published as G / 9.81, whatever was meant: -127 steps of 0.02 G are -0.259.
_VERTICAL: Final = Number(j2735.VERTICAL_ACCELERATION, Fraction("9.81") ** 2)
VEHICLE_ID: Final = Text(width=8, null=frozenset({"00000000"}))
"""A temporary id; zeros stand for none."""
_PART: Final = ("partII-Id", "partII-Value")
_BRAKES: Final = "brake_left_front brake_left_rear brake_right_front brake_right_rear"


@dataclass(frozen=True)
class HexBits(Bits):
    """A bit string as bare left-aligned hexadecimal: ``78`` is the four wheels of five bits."""

    def one(self, raw: Any) -> list[str]:
        """See :class:`Reader`."""
        if type(raw) is int and raw >= 0:
            raw = str(raw).zfill(2)
        if says_nothing(raw):
            raise Odd("missing")
        return super().one({"value": raw, "length": self.width})


def _si(element: j2735.Element) -> Number:
    return Number(element, Fraction(1))


def _name(*known: str) -> Name:
    return Name(known)


EVENT: Final = Group(
    (
        Cell("event_id", HASH, Text()),
        Cell("_time_bin", "eventHeader.eventTimeBin", Opaque(), serves="weekday period"),
        Cell("_host", "eventHeader.hostVehID", Text(), serves="is_host"),
        Cell("_last_x", f"{_LAST}.{C}X_m", _si(j2735.LOCAL_OFFSET), serves="path_history"),
        Cell("_last_y", f"{_LAST}.{C}Y_m", _si(j2735.LOCAL_OFFSET), serves="path_history"),
    )
)
"""What each BSM takes from its event."""

BSM: Final = Group(
    (
        Cell("sequence", "eventMsgSeqNum", Integer(0, 2**31 - 1)),
        Cell("rf_level", R + "msgHeader.myRFLevel", Integer(-(2**15), 2**15 - 1, frozenset({0}))),
        Cell("authenticated", R + "msgHeader.authenticated", Flag()),
        Cell("t", C + "T_s", _si(j2735.LOCAL_TIME)),
        Cell("x", C + "X_m", _si(j2735.LOCAL_OFFSET)),
        Cell("y", C + "Y_m", _si(j2735.LOCAL_OFFSET)),
        Cell("z", C + "Z_m", _si(j2735.LOCAL_OFFSET)),
        Cell("vehicle_id", C + "id", VEHICLE_ID),
        Cell("msg_count", C + "msgCnt", Integer.of(j2735.MSG_COUNT)),
        Cell("speed", C + "speed_mps", _si(j2735.SPEED)),
        Cell("heading", C + "heading_deg", _si(j2735.HEADING)),
        Cell("accel_long", C + "accelSet.long_mpss", _si(j2735.ACCELERATION)),
        Cell("accel_lat", C + "accelSet.lat_mpss", _si(j2735.ACCELERATION)),
        Cell("accel_vert", C + "accelSet.vert_mpss", _VERTICAL),
        Cell("yaw_rate", C + "accelSet.yaw_dps", _si(j2735.YAW_RATE)),
        Cell("steering_angle", C + "angle", Number(j2735.STEERING_ANGLE)),
        Cell("accuracy_semi_major", C + "accuracy.semiMajor", Number(j2735.SEMI_AXIS)),
        Cell("accuracy_semi_minor", C + "accuracy.semiMinor", Number(j2735.SEMI_AXIS)),
        Cell("accuracy_orientation", C + "accuracy.orientation", Number(j2735.ORIENTATION)),
        Cell("transmission", C + "transmission", _name(*names.TRANSMISSION)),
        Cell(
            "_wheel_brakes",
            C + "brakes.wheelBrakes",
            HexBits(names.WHEEL_BRAKES, width=5),
            serves=_BRAKES,
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
            V + "pathHistory.crumbData",
            Structs(
                (
                    ("x", "xOffset_m", _si(j2735.LOCAL_OFFSET)),
                    ("y", "yOffset_m", _si(j2735.LOCAL_OFFSET)),
                    ("z", "zOffset_m", _si(j2735.VERTICAL_OFFSET)),
                    ("t", "tOffset_s", _si(j2735.PAST_TIME_OFFSET)),
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
        Cell("events", V + "events", Bits(names.EVENTS)),
        Cell("lights", V + "lights", Bits(names.LIGHTS)),
        Cell("vehicle_class", S + "classification", Integer.of(j2735.VEHICLE_CLASS)),
        Cell("vehicle_height", S + "vehicleData.height", Number(j2735.VEHICLE_HEIGHT)),
        Cell("vehicle_mass", S + "vehicleData.mass", Mass(steps=True)),
    ),
    prefix="bsmList",
)
"""One item of ``bsmList``."""

RULES: Final = ("bsm_bins", "is_host", "wheel_brake_bits", "raw_radius", "local_path")
"""Rules of the table ``bsms``."""


def rows(record: dict[str, Any], header: dict[str, Any], event_id: str) -> list[Row]:
    """The rows of an event's BSMs; what is no BSM stays in the record.

    Parameters
    ----------
    record : dict
        The event; objects in ``bsmList`` are taken out of it.
    header : dict
        Its ``eventHeader``, still whole.
    event_id : str
        The event's id.
    """
    listed = record.get("bsmList")
    if type(listed) is dict:
        listed = [listed] if listed else []
    if type(listed) is not list:
        return []
    items = [item for item in listed if type(item) is dict]
    others = [None if type(item) is dict else item for item in listed]
    record["bsmList"] = others if any(not says_nothing(item) for item in others) else []
    shared: list[Any] = []
    EVENT.take(_shared(header, items, event_id), shared)
    return [_row(item, shared) for item in items]


def _row(item: dict[str, Any], shared: list[Any]) -> Row:
    values = [*shared]
    message = object_at(item, "bsmRecord", "bsmMsg")
    if message and not says_nothing(message.get("partII")):
        _fold_parts(message)
    BSM.take(item, values)
    return 1, values, {"bsmList": item} if item else {}


def _shared(header: dict[str, Any], items: list[dict[str, Any]], event_id: str) -> dict[str, Any]:
    """What BSMs take from their event.  Odd values are left to the event's own row."""
    core = object_at(items[-1], "bsmRecord", "bsmMsg", "coreData") if items else None
    metres = _si(j2735.LOCAL_OFFSET)
    last = {name: _read(metres, core.get(name)) for name in ("X_m", "Y_m")} if core else {}
    return {
        HASH: event_id,
        "eventHeader": {
            "eventTimeBin": header.get("eventTimeBin"),
            "hostVehID": _read(VEHICLE_ID, header.get("hostVehID")),
        },
        _LAST: {"bsmRecord": {"bsmMsg": {"coreData": last}}},
    }


def _read(reader: Reader, raw: Any) -> Any:
    try:
        return reader.one(raw)
    except Odd:
        return None


def _fold_parts(message: dict[str, Any]) -> None:
    """Turn ``partII`` from a list of ``{partII-Id, partII-Value}`` into an object by name.

    What is not of that form stays as it is, in a list under the key ``other``.
    """
    parts = message["partII"]
    folded: dict[str, Any] = {}
    other = [
        left
        for part in (parts if type(parts) is list else [parts])
        if not says_nothing(left := _fold(part, folded))
    ]
    if other:
        folded["other"] = other
    message["partII"] = folded


def _fold(part: Any, folded: dict[str, Any]) -> Any:
    """Move the extension of one part to ``folded``; what remains of it."""
    if type(part) is not dict:
        return part
    name, value = PARTS.get(str(part.get("partII-Id"))), lone(part.get("partII-Value"))
    if name is None or name in folded or not (type(value) is dict or says_nothing(value)):
        return part
    folded[name] = value or {}
    return {key: inner for key, inner in part.items() if key not in _PART}
