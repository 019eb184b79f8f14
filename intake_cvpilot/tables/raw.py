"""Rules for raw J2735 values of which one feeds several columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from intake_cvpilot.tables.sheet import Sheet

__all__ = ["hand_down", "raw_radius", "wheel_brake_bits"]

_STRAIGHT: Final = 32767
_BRAKES: Final = (
    ("brake_left_front", "leftFront"),
    ("brake_left_rear", "leftRear"),
    ("brake_right_front", "rightFront"),
    ("brake_right_rear", "rightRear"),
)


def hand_down(sheet: Sheet, source: str, columns: Iterable[str]) -> None:
    """Count the reasons of an input's null cells for each column that is made of it."""
    reasons = sheet.quality.nulls.pop(source, None)
    for column in columns:
        for reason, number in (reasons or {}).items():
            sheet.quality.count(column, reason, number)


def wheel_brake_bits(sheet: Sheet) -> None:
    """The four brakes from the bit string ``_wheel_brakes``, whose first bit is "unavailable"."""
    cells = sheet.cells["_wheel_brakes"]
    null = pc.is_null(cells).to_numpy(zero_copy_only=False)
    unavailable = _with(cells, "unavailable")
    hand_down(sheet, "_wheel_brakes", [column for column, _ in _BRAKES])
    for column, name in _BRAKES:
        sheet.cells[column] = pa.array(_with(cells, name), mask=null | unavailable)
        sheet.quality.count(column, "unavailable", int(unavailable.sum()))


def _with(lists: Any, name: str) -> npt.NDArray[np.bool_]:
    """Which lists hold a name."""
    found = np.zeros(len(lists), dtype=bool)
    same = pc.equal(pc.list_flatten(lists), name).to_numpy(zero_copy_only=False)
    found[pc.list_parent_indices(lists).to_numpy()[same]] = True
    return found


def raw_radius(sheet: Sheet) -> None:
    """path_radius and path_straight from ``_radius``: raw 32767 is a straight path."""
    values, good = sheet.micros("_radius")
    straight = good & (values == _STRAIGHT)
    hand_down(sheet, "_radius", ("path_radius", "path_straight"))
    sheet.cells["path_radius"] = pa.array(values / 10.0, mask=~good | straight)
    sheet.cells["path_straight"] = pa.array(straight, mask=~good)
    sheet.quality.count("path_radius", "unavailable", int(straight.sum()))
