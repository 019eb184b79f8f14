"""Records of the archive as rows of the data portal, flattened as its publisher describes it.

Names that the portal has no column for are lost, as they are there.  Values are text, flags or JSON
text, and every row gets a ``:id``.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from intake_cvpilot.tables.portal_names import portal_columns

TABLES = {"BSM": "messages", "TIM": "frames", "SPAT": "movements", "EVENT": "events"}
RENAMED = (
    (r"metadata_receivedMessageDetails_(locationData_)?", "metadata_rmd_"),
    (r"metadata_odeReceivedAt", "metadata_receivedAt"),
    (r"metadata_recordGenerated(At|By)", r"metadata_generated\1"),
    (r"(metadata|payload)_dataType", "dataType"),
    (r"payload_data_coreData_", "coreData_"),
    (r"coreData_accelSet_yaw", "coreData_accelset_accelYaw"),
    (r"coreData_accelSet_", "coreData_accelset_"),
    (r"coreData_(position_)?(lat|long)(itude)?$", r"coreData_position_\2"),
    (r"coreData_(position_elevation|elev)$", "coreData_elevation"),
    (r"pathHistory_crumbData(_PathHistoryPoint)?", "part2_vse_ph_crumbdata"),
    (r"pathPrediction_radiusOfCurve", "part2_vse_pp_radiusofcurve"),
    (r"pathPrediction_", "part2_vse_pp_"),
    (r"^(events|lights)$", r"part2_vse_\1"),
    (r"^classification$", "part2_suve_classification"),
    (r"classDetails_hpmsType", "part2_suve_cd_hpmstype"),
    (r"classDetails_", "part2_suve_cd_"),
    (r"vehicleData_trailerWeight", "part2_suve_vd_trailerweight"),
    (r"vehicleData_", "part2_suve_vd_"),
    (r"vehicleAlerts_", "part2_spve_vehalert_"),
    (r"payload_data_MessageFrame_messageId", "messageId"),
    (r"payload_data_(MessageFrame_value_)?TravelerInformation_", "travelerinformation_"),
    (r"travelerinformation_dataFrames_TravelerDataFrame_", "travelerdataframe_"),
    (r"msgId_roadSignID_(position_)?", "msgId_"),
    (r"regions_GeographicalPath_description_path_offset_xy_nodes_NodeXY", "desc_nodes"),
    (r"regions_GeographicalPath_(description_path_)?", lambda f: "desc_" * bool(f[1])),
    (r"_SEQUENCE$", "_sequence"),
)
WHOLE = re.compile(
    r"_size$|^(events|lights)$|states_MovementState$|_enabledLanes$|_SEQUENCE$|PathHistoryPoint$"
)


def flatten(source: str, kind: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    """The portal's rows of a record, by the API's names."""
    known = {name.lower() for name in portal_columns(source, TABLES[kind])}
    rows = []
    for one in _split(kind, copy.deepcopy(record)):
        row = dict(_flat(one))
        for part in _parts(row):
            row.update(_flat(part))
        row = {_name(path, source, kind): value for path, value in row.items()}
        _enhance(row, source)
        rows.append(
            {
                name.lower(): _text(value)
                for name, value in row.items()
                if name.lower() in known and value not in (None, "", {}, [])
            }
        )
    return rows


def _flat(value: dict[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        path = f"{at}_{name}" if at else name
        if isinstance(inner, dict) and len(inner) == 1 and next(iter(inner.values())) in (None, ""):
            yield path, next(iter(inner))
        elif isinstance(inner, dict) and not WHOLE.search(path):
            yield from _flat(inner, path)
        else:
            yield path, inner


def _split(kind: str, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A record for each frame and path of traveler information, each intersection of SPaT."""
    data = record.get("payload", {}).get("data", {})
    if kind == "SPAT":
        held = data["SPAT"]["intersections"]
        yield from _each(record, held, "IntersectionState")
    elif kind == "TIM":
        message = data.get("MessageFrame", {}).get("value", data)["TravelerInformation"]
        _unwrap(message, "dataFrames", "TravelerDataFrame")
        for one in _each(record, message["dataFrames"], "TravelerDataFrame"):
            frame = message["dataFrames"]["TravelerDataFrame"]
            _unwrap(frame, "regions", "GeographicalPath")
            yield from _each(one, frame["regions"], "GeographicalPath")
    else:
        yield record


def _unwrap(holder: dict[str, Any], key: str, inner: str) -> None:
    """A list of objects of one key as one object of a list."""
    found = holder.get(key) or {}
    if isinstance(found, list):
        items = [item[inner] for item in found]
        found = {
            inner: [each for item in items for each in (item if isinstance(item, list) else [item])]
        }
    holder[key] = found


def _each(record: dict[str, Any], holder: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    items = holder.get(key)
    for item in items if isinstance(items, list) else [items]:
        if item is not None:
            holder[key] = item
        yield record


def _parts(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in row.pop("payload_data_partII", None) or []:
        yield part.get("value") or {}
    parts = row.pop("payload_data_partII_SEQUENCE", None) or []
    for part in parts if isinstance(parts, list) else [parts]:
        yield from part["partII-Value"].values()


def _name(path: str, source: str, kind: str) -> str:
    if source == "wydot" and kind == "TIM" and path == "metadata_recordGeneratedBy":
        return path
    for old, new in RENAMED:
        path = re.sub(old, new, path)
    return path


def _enhance(row: dict[str, Any], source: str) -> None:
    """What the publisher adds, and turns into text."""
    for name in ("metadata_generatedAt", "metadata_receivedAt"):
        if name in row:
            row[name] = _stamp(row[name])
    wheels = row.pop("coreData_brakes_wheelBrakes", None)
    if isinstance(wheels, str):
        names = ("unavailable", "leftFront", "leftRear", "rightFront", "rightRear")
        row |= {
            f"coreData_brakes_wheelBrakes_{n}": bit for n, bit in zip(names, wheels, strict=True)
        }
    road = {
        name: row[f"travelerdataframe_id_{name}"]
        for name in ("id", "region")
        if source == "wydot" and f"travelerdataframe_id_{name}" in row
    }
    row |= {"travelerdataframe_id": road}
    if source == "thea" and "coreData_size" in row:
        row["coreData_size"] = {name: int(cm) for name, cm in row["coreData_size"].items()}
    row |= {"randomNum": 0.25, "coreData_position": "POINT (1 2)"}
    if "eventHeader_eventTimeBin" in row:
        *_, row["dayOfWeekBin"], row["timeOfDayBin"] = row["eventHeader_eventTimeBin"].split("-")


def _stamp(text: str) -> str:
    """Without its zone, to the millisecond."""
    found = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d+):(\d+):(\d+)(?:\.(\d+))?", text)
    clock = ":".join(part.zfill(2) for part in found.groups()[1:4])
    return f"{found[1]}T{clock}.{(found[5] or '')[:3].ljust(3, '0')}"


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
