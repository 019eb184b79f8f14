"""Rules of the message tables: columns that need more than one raw value, or all of a column.

Layouts name them; the order matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from intake_cvpilot.tables.column import TIMESTAMP
from intake_cvpilot.tables.eastern import repeated_hour
from intake_cvpilot.tables.event_rules import EVENT_RULES
from intake_cvpilot.tables.marks import intersection_time, minute_pass, time_marks
from intake_cvpilot.tables.raw import raw_radius, wheel_brake_bits
from intake_cvpilot.tables.rules_tim import TIM_RULES
from intake_cvpilot.tables.shared import TIME_BASES

if TYPE_CHECKING:
    from intake_cvpilot.tables.sheet import Rule, Sheet

__all__ = ["RULES"]

_MINUTE: Final = 60_000_000
_BRAKES: Final = (
    "brake_left_front",
    "brake_left_rear",
    "brake_right_front",
    "brake_right_rear",
)
# Wyoming and the bench just south of it.  No ground there lies below 900 m.
_WYOMING: Final = (40.0, 45.1, -111.1, -104.0)


def event_time(sheet: Sheet) -> None:
    """event_time and time_basis: generated, payload, received (the receiver's clock), folder.

    ``_clock`` is version 1's ``generatedAt``, which is the receiver's clock; ``_received`` its
    ``receivedAt``.
    """
    received = _first(sheet, ("received_time", "_received"))
    if "_received" in sheet.cells:
        _fill_received(sheet, received)
    choices = (
        (sheet.micros("_generated"), "generated"),
        (sheet.micros("_payload_time"), "payload"),
        (sheet.micros("_clock"), "received"),
        (received, "received"),
    )
    times = sheet.origins.folder
    basis = np.full(len(times), TIME_BASES.index("folder"), dtype=np.int32)
    for (values, good), name in reversed(choices):
        times = np.where(good, values, times)
        basis = np.where(good, TIME_BASES.index(name), basis)
    sheet.cells["event_time"] = pa.array(times).cast(TIMESTAMP)
    sheet.cells["time_basis"] = pa.array(TIME_BASES).take(pa.array(basis))
    sheet.cells["_by_folder"] = pa.array(basis == TIME_BASES.index("folder"))


def _first(
    sheet: Sheet, columns: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    values, good = sheet.micros(columns[0])
    for name in columns[1:]:
        more, there = sheet.micros(name)
        values, good = np.where(good, values, more), good | there
    return values, good


def _fill_received(
    sheet: Sheet, received: tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]
) -> None:
    values, good = received
    had = sheet.valid("received_time")
    both = had & sheet.valid("_received")
    sheet.put_back("_received", np.flatnonzero(both).tolist())
    whole = pa.array(values, mask=~good).cast(TIMESTAMP)
    sheet.fill("received_time", np.flatnonzero(good & ~had).tolist(), whole)


def sent_time(sheet: Sheet) -> None:
    """The instant nearest to event_time whose millisecond within the minute is sec_mark."""
    times, _ = sheet.micros("event_time")
    marks, good = sheet.micros("sec_mark")
    sent = times - times % _MINUTE + marks * 1000
    apart = sent - times
    sent = np.where(apart > _MINUTE // 2, sent - _MINUTE, sent)
    sent = np.where(apart < -_MINUTE // 2, sent + _MINUTE, sent)
    # A folder hour is too coarse a time for the nearest minute to mean anything.
    good &= ~sheet.cells["_by_folder"].to_numpy(zero_copy_only=False)
    sheet.cells["sent_time"] = pa.array(sent, mask=~good).cast(TIMESTAMP)
    sheet.quality.count("sent_time", "missing", int((~good).sum()))


def receiver_position(sheet: Sheet) -> None:
    """All five values 0: nothing is known; latitude and longitude 0: no position."""
    latitude = sheet.numbers("receiver_latitude")
    longitude = sheet.numbers("receiver_longitude")
    elevation = sheet.numbers("receiver_elevation")
    nowhere = (latitude == 0) & (longitude == 0)
    still = (sheet.numbers("receiver_speed") == 0) & (sheet.numbers("receiver_heading") == 0)
    nothing = nowhere & still & (elevation == 0)
    south, north, west, east = _WYOMING
    there = (latitude > south) & (latitude < north) & (longitude > west) & (longitude < east)
    for name in ("receiver_latitude", "receiver_longitude"):
        sheet.blank(name, nowhere, "unavailable")
    sheet.blank("receiver_elevation", nothing | (there & (elevation == 0)), "unavailable")
    for name in ("receiver_speed", "receiver_heading"):
        sheet.blank(name, nothing, "unavailable")


def wheel_brakes(sheet: Sheet) -> None:
    """Brakes of which the record says that they are not available."""
    flag = sheet.cells["_brakes_unavailable"]
    unavailable = np.asarray(flag.fill_null(fill_value=False).to_numpy(zero_copy_only=False))
    for name in _BRAKES:
        sheet.blank(name, unavailable, "unavailable")


def decoded_radius(sheet: Sheet) -> None:
    """Published radius 0.0: raw 32767 (straight), missing or out of range; confidence tells."""
    radius = sheet.numbers("path_radius")
    there = ~np.isnan(radius)
    zero = radius == 0
    known = there & (~zero | (sheet.numbers("path_confidence") > 0))
    sheet.cells["path_straight"] = pa.array(zero, mask=~known)
    sheet.quality.count("path_straight", "missing", int((~there).sum()))
    sheet.quality.count("path_straight", "unavailable", int((there & ~known).sum()))
    sheet.blank("path_radius", zero, "unavailable")


def vehicle_class(sheet: Sheet) -> None:
    """The classification, else the key type; a key type that differs goes to ``extra``."""
    chosen, good = sheet.micros("vehicle_class")
    key, there = sheet.micros("_key_type")
    differs = good & there & (chosen != key)
    sheet.put_back("_key_type", np.flatnonzero(differs).tolist())
    filled = there & ~good
    if filled.any():
        whole = pa.array(np.where(good, chosen, key), mask=~(good | there))
        sheet.fill("vehicle_class", np.flatnonzero(filled).tolist(), whole)


RULES: Final[Mapping[str, Rule]] = {
    "event_time": event_time,
    "repeated_hour": repeated_hour,
    "sent_time": sent_time,
    "receiver_position": receiver_position,
    "wheel_brakes": wheel_brakes,
    "decoded_radius": decoded_radius,
    "vehicle_class": vehicle_class,
    "raw_radius": raw_radius,
    "wheel_brake_bits": wheel_brake_bits,
    "minute_pass": minute_pass,
    "time_marks": time_marks,
    "intersection_time": intersection_time,
    **TIM_RULES,
    **EVENT_RULES,
}
"""Every rule by its name."""
