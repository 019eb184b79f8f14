"""Rules of the table ``frames``: times, content, geometry, and the places of what remains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from intake_cvpilot.decode.j2735 import MINUTE_OF_YEAR
from intake_cvpilot.decode.places import whole
from intake_cvpilot.decode.readers import Integer, Odd
from intake_cvpilot.tables.column import TIMESTAMP
from intake_cvpilot.tables.exact import SILENT
from intake_cvpilot.tables.raw import hand_down
from intake_cvpilot.tables.tim import ITEM, NODE

if TYPE_CHECKING:
    from intake_cvpilot.decode.tim_area import Area
    from intake_cvpilot.decode.tim_content import Content
    from intake_cvpilot.tables.sheet import Rule, Sheet

__all__ = ["TIM_RULES"]

_MINUTE: Final = 60_000_000
_DAY: Final = 1440 * _MINUTE
_MINUTES: Final = MINUTE_OF_YEAR.high
_FOREVER: Final = Integer(0, 32000)
_ENDED: Final = {"unknown": "unavailable"}
"""Reasons of nodes as reasons of null cells."""

Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def payload_time(sheet: Sheet) -> None:
    """The message's time stamp, where it is one, as the second choice for event_time."""
    values, good = sheet.micros("_minute")
    sheet.cells["_payload_time"] = pa.array(values, mask=~(good & ~_is_minute(values)))


def message_time(sheet: Sheet) -> None:
    """The minute of the year as an instant; a stamp is one already."""
    values, good = sheet.micros("_minute")
    times, _ = sheet.micros("event_time")
    found = np.where(_is_minute(values), _of_year(times, values), values)
    hand_down(sheet, "_minute", ("message_time",))
    _instants(sheet, "message_time", found, good)


def start_time(sheet: Sheet) -> None:
    """Year and minute of the start, or a minute of the year without one; else startDateTime."""
    years, has_year = sheet.micros("_start_year")
    minutes, good = sheet.micros("_start")
    stamps, stamped = sheet.micros("_start_stamp")
    times, _ = sheet.micros("event_time")
    found = np.where(has_year, _year(years - 1970) + minutes * _MINUTE, _of_year(times, minutes))
    odd = _spoken(sheet, "_start_year")
    reasons = sheet.quality.nulls.pop("_start", Counter())
    for reason, number in reasons.items():
        sheet.quality.count("start_time", reason, number)
    # A stamp fills what the year and minute leave empty.
    filled = stamped & ~good
    sheet.quality.count("start_time", "missing", -int(filled.sum()))
    for row in np.flatnonzero(good & odd).tolist():
        sheet.quality.count("start_time", _reason(sheet, "_start_year", row))
        sheet.put_back("_start", [row])
    good = good & ~odd
    _instants(sheet, "start_time", np.where(good, found, stamps), good | filled)


def duration(sheet: Sheet) -> None:
    """until_further_notice (a duration of 32000), and end_time."""
    raw = sheet.raw["duration_minutes"]
    until: list[bool | None] = []
    for value in raw:
        try:
            until.append(_FOREVER.one(value) == 32000)
        except Odd as odd:
            until.append(None)
            sheet.quality.count("until_further_notice", odd.reason)
    sheet.cells["until_further_notice"] = pa.array(until, type=pa.bool_())
    starts, started = sheet.micros("start_time")
    minutes, good = sheet.micros("duration_minutes")
    both = started & good
    sheet.quality.count("end_time", "missing", int((~both).sum()))
    _instants(sheet, "end_time", starts + minutes * _MINUTE, both)


def content(sheet: Sheet) -> None:
    """content_type, content, itis_codes and texts."""
    said: Sequence[Content | None] = sheet.raw["_content"]
    items = [None if one is None else one.items for one in said]
    sheet.cells["content_type"] = pa.array([one and one.kind for one in said], type=pa.string())
    sheet.cells["content"] = pa.array(items, type=pa.list_(ITEM))
    for name, key, kind in (("itis_codes", "itis", pa.int32()), ("texts", "text", pa.string())):
        lists = [_of(found, key) for found in items]
        sheet.cells[name] = pa.array(lists, type=pa.list_(kind))
        sheet.quality.count(name, "missing", lists.count(None))
    sheet.quality.count("content", "missing", items.count(None))
    sheet.quality.count(
        "content_type", "missing", sum(one is None or one.kind is None for one in said)
    )
    for one in said:
        for odd, number in (one.odd if one is not None else {}).items():
            field, _, reason = odd.partition(" ")
            sheet.quality.count(f"content.{field}", reason, number)


def _of(items: list[dict[str, Any]] | None, key: str) -> list[Any] | None:
    return None if items is None else [item[key] for item in items if item[key] is not None]


def area(sheet: Sheet) -> None:
    """The path: absolute points; why one ends early is counted, as is why there is none."""
    paths: list[Any] = []
    drawn: Sequence[Area | None] = sheet.raw["_area"]
    for one in drawn:
        trace = one.trace if one is not None else None
        if trace is None or not trace.points:
            paths.append(None)
            ended = trace.ended if trace is not None else ""
            sheet.quality.count("path", _ENDED.get(ended, ended) or "missing")
            continue
        paths.append([point.degrees for point in trace.points])
        if trace.ended:
            sheet.quality.notes[f"path_ended_{trace.ended}"] += 1
        sheet.quality.notes.update(trace.notes)
    sheet.cells["path"] = pa.array(paths, type=pa.list_(NODE))


def circle(sheet: Sheet) -> None:
    """The radius in metres; one whose unit is missing or unknown goes to ``extra``."""
    radius, unit = sheet.valid("_radius"), sheet.valid("_unit")
    both = radius & unit
    found = sheet.numbers("_radius") * sheet.numbers("_unit")
    sheet.cells["circle_radius"] = pa.array(found, mask=~both)
    for row in np.flatnonzero(~both).tolist():
        reason = _reason(sheet, "_radius", row)
        if reason in ("", "missing"):
            reason = _reason(sheet, "_unit", row) or "missing"
        sheet.quality.count("circle_radius", reason)
    sheet.put_back("_radius", np.flatnonzero(radius & ~unit).tolist())
    sheet.put_back("_unit", np.flatnonzero(unit & ~radius).tolist())


def places(sheet: Sheet) -> None:
    """Put what remains of message, frame and region back where it stood."""
    for row, left in enumerate(sheet.raw["_left"]):
        sheet.leftovers[row] = whole(sheet.leftovers[row], left)


def _is_minute(values: Whole) -> Mask:
    return (values >= 0) & (values <= _MINUTES)


def _of_year(times: Whole, minutes: Whole) -> Whole:
    """Minutes of the year of each time, or of the year before if that lies a day after it."""
    years = times.view("M8[us]").astype("M8[Y]").astype(np.int64)
    found = _year(years) + minutes * _MINUTE
    return np.where(found - times > _DAY, _year(years - 1) + minutes * _MINUTE, found)


def _year(since_1970: Whole) -> Whole:
    """First instant of years, microseconds since 1970 UTC."""
    return since_1970.view("M8[Y]").astype("M8[us]").view(np.int64)


def _instants(sheet: Sheet, name: str, values: Whole, good: Mask) -> None:
    sheet.cells[name] = pa.array(values, mask=~good).cast(TIMESTAMP)


def _reason(sheet: Sheet, name: str, row: int) -> str:
    """Why an input is null in a row; empty when it is not."""
    cell = next(cell for cell in sheet.layout.cells if cell.column == name)
    try:
        cell.reader.one(sheet.raw[name][row])
    except Odd as odd:
        return odd.reason
    return ""


def _spoken(sheet: Sheet, name: str) -> Mask:
    """Where an input says something that could not be read."""
    odd = ~sheet.valid(name)
    for row in np.flatnonzero(odd).tolist():
        odd[row] = _reason(sheet, name, row) not in SILENT
    return odd


TIM_RULES: Final[Mapping[str, Rule]] = {
    "tim_payload_time": payload_time,
    "tim_message_time": message_time,
    "tim_start_time": start_time,
    "tim_duration": duration,
    "tim_content": content,
    "tim_area": area,
    "tim_circle": circle,
    "tim_places": places,
}
"""Every rule by its name."""
