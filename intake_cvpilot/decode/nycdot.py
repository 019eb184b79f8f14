"""Raw shapes of New York (nycdot): events, each with the BSMs around it.

An event says when and where it happened in bins only; times and places within it are seconds and
metres from the warning.  Its header mixes units, see `Reported`; its BSMs are in `nycdot_bsm`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Final

from intake_cvpilot.decode import nycdot_bsm
from intake_cvpilot.decode.labels import Flag, Text
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Integer, Odd, Opaque, Reader, number
from intake_cvpilot.decode.redact import redact
from intake_cvpilot.decode.shape import (
    Cell,
    Group,
    Layout,
    Reading,
    Row,
    Shape,
    Shapes,
    object_at,
    published_version,
)
from intake_cvpilot.decode.strict import Rejected

__all__ = ["EVENT", "Events", "Listed", "Reported"]

H: Final = "eventHeader."
_LISTS: Final = {"map": "mapList", "spat": "spatList", "tim": "timList"}


@dataclass(frozen=True)
class Reported(Reader):
    """A number of the weather or traffic report, in the unit of the report.

    ``M`` means that it is missing there.
    """

    kind: ClassVar[str] = "double"

    low: int
    """Lowest number as reported, inclusive."""
    high: int
    """Highest number as reported, inclusive."""
    unit: Fraction
    """The unit of the report in that of the column."""
    zero: int = 0
    """The reported number that is 0 in the column."""
    trace: bool = False
    """Whether ``T``, a trace, is read as 0."""

    def one(self, raw: Any) -> float:
        """See :class:`Reader`."""
        if type(raw) is str and raw.strip() in ("M", "N/A"):
            raise Odd("unavailable")
        if self.trace and type(raw) is str and raw.strip() == "T":
            return 0.0
        x = number(raw)
        if not self.low <= x <= self.high:
            raise Odd("out_of_range")
        return float((Fraction(x) - self.zero) * self.unit)


@dataclass(frozen=True)
class Listed(Reader):
    """A list of messages as JSON text; a lone object is a list of one."""

    kind: ClassVar[str] = "string"

    def one(self, raw: Any) -> str:
        """See :class:`Reader`."""
        if says_nothing(raw):
            raise Odd("missing")
        if type(raw) not in (list, dict):
            raise Odd("unreadable")
        listed = raw if type(raw) is list else [raw]
        return json.dumps(redact(listed), separators=(",", ":"), ensure_ascii=False)


_SEQUENCE: Final = Integer(0, 16383, frozenset({16384}))
_COUNT: Final = Integer(0, 2**31 - 1)

_COMPUTED: Final = Group(
    (
        Cell("event_id", nycdot_bsm.HASH, Text()),
        Cell("bsm_count", "bsmList (length)", _COUNT),
        *(Cell(f"{name}_count", f"{path} (length)", _COUNT) for name, path in _LISTS.items()),
    )
)
_HEADER: Final = Group(
    (
        Cell("_time_bin", H + "eventTimeBin", Opaque(), serves="year month weekday period"),
        Cell(
            "location_bin",
            H + "eventLocationBin",
            Text(null=frozenset({"N/A"})),
            serves="location_bin near_rsu borough road_type",
        ),
        Cell("location_source", H + "locationSource", Text(null=frozenset({"N/A"}))),
        Cell("event_type", H + "eventType", Text()),
        Cell("alert_active", H + "eventAlertActive", Flag()),
        Cell("alert_sent", H + "eventAlertSent", Flag()),
        Cell("alert_heard", H + "eventAlertHeard", Flag()),
        Cell("host_vehicle_id", H + "hostVehID", nycdot_bsm.VEHICLE_ID),
        Cell("target_vehicle_id", H + "targetVehID", nycdot_bsm.VEHICLE_ID),
        Cell("host_sequence", H + "triggerHVSeqNum", _SEQUENCE),
        Cell("target_sequence", H + "triggerTVSeqNum", _SEQUENCE),
        Cell("group", H + "grpId", Integer(0, 2**15 - 1), serves="group group_kind"),
        Cell("firmware", H + "asdFirmwareVersion", Text()),
        Cell("weather", H + "weatherCondition", Text(null=frozenset({"N/A", "M"}))),
        Cell("air_temperature", H + "airTemperature", Reported(-459, 999, Fraction(5, 9), 32)),
        Cell("wind_speed", H + "windSpeed", Reported(0, 250, Fraction("0.514444"))),
        Cell(
            "precipitation",
            H + "precipitation1Hr",
            Reported(0, 50, Fraction("25.4"), trace=True),
            serves="precipitation precipitation_trace",
        ),
        Cell("speed_condition", H + "speedCondition", Reported(0, 250, Fraction("0.44704"))),
        Cell(
            "minutes_since_plow",
            H + "lastPlowed",
            Integer(0, 2**31 - 1, frozenset({-1})),
            serves="minutes_since_plow plow_seen",
        ),
        Cell("parameters", H + "parameters", Opaque()),
        *(Cell(f"{name}s", path, Listed()) for name, path in _LISTS.items()),
    ),
    absorb={H + "eventStatus": ("Obfuscated",)},
)


def _rows(record: dict[str, Any], raw: bytes) -> list[Row]:
    header = object_at(record, "eventHeader")
    if not header:
        raise _no_event(record)
    event_id = hashlib.sha256(raw).hexdigest()[:16]
    rows = nycdot_bsm.rows(record, header, event_id)
    counts = {"bsm": len(rows)} | {name: _length(record.get(path)) for name, path in _LISTS.items()}
    computed: dict[str, Any] = {nycdot_bsm.HASH: event_id, "bsmList (length)": counts["bsm"]}
    computed |= {f"{path} (length)": counts[name] for name, path in _LISTS.items()}
    values: list[Any] = []
    _COMPUTED.take(computed, values)
    _HEADER.take(record, values)
    return [(0, values, record), *rows]


def _length(listed: Any) -> int | None:
    """How many messages a list holds; None for what is no list."""
    if type(listed) is list:
        return len(listed)
    if type(listed) is dict:
        return min(len(listed), 1)
    return 0 if says_nothing(listed) else None


def _no_event(record: dict[str, Any]) -> Rejected:
    if "payload" in record and "metadata" in record:
        return Rejected("wrong_type", "a record of another message type")
    return Rejected("missing_core", "eventHeader is absent or empty")


@dataclass(frozen=True)
class Events(Shapes):
    """The shapes of New York, whose records carry no schema version."""

    def read(self, record: dict[str, Any], raw: bytes) -> Reading:
        """Take a record apart; one that does carry a version is noted as unknown.

        Raises
        ------
        Rejected
            With the reason ``missing_core`` or ``wrong_type``.
        """
        version = published_version(record)
        (shape,) = self.shapes
        return Reading(shape, shape.rows(record, raw), version, known=version is None)


EVENT: Final = (
    Shape(
        (),
        (
            Layout("events", (_COMPUTED, _HEADER), ("event_bins", "event_header")),
            Layout("bsms", (nycdot_bsm.EVENT, nycdot_bsm.BSM), nycdot_bsm.RULES),
        ),
        _rows,
    ),
)
