"""Rules of the tables ``events`` and ``bsms``: columns that a raw value of the header decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode import nycdot_bins
from intake_cvpilot.decode.readers import DIGITS, Odd
from intake_cvpilot.tables.exact import SILENT

if TYPE_CHECKING:
    from intake_cvpilot.tables.sheet import Rule, Sheet

__all__ = ["EVENT_RULES", "PARAMETERS"]

PARAMETERS: Final = pa.map_(pa.string(), pa.string())
"""Type of the column ``parameters``."""
_BINS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "year": nycdot_bins.year,
    "month": nycdot_bins.month,
    "weekday": nycdot_bins.weekday,
    "period": nycdot_bins.period,
}
_PLACES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "near_rsu": nycdot_bins.near_rsu,
    "borough": nycdot_bins.borough,
    "road_type": nycdot_bins.road_type,
}


def _derive(sheet: Sheet, column: str, raw: str, read: Callable[[Any], Any]) -> list[int]:
    """Read a column from another's raw values; the rows whose value is odd."""
    cells: list[Any] = []
    odd: list[int] = []
    for row, value in enumerate(sheet.raw[raw]):
        try:
            cells.append(read(value))
        except Odd as why:
            cells.append(None)
            sheet.quality.count(column, why.reason)
            if why.reason not in SILENT:
                odd.append(row)
    kind = sheet.table.schema.field(column).type
    sheet.cells[column] = pa.array(cells, pa.string() if pa.types.is_dictionary(kind) else kind)
    return odd


def event_bins(sheet: Sheet) -> None:
    """Year, month, weekday, period and place of an event; a bin unlike its folder is noted."""
    for column, read in _BINS.items():
        sheet.put_back("_time_bin", _derive(sheet, column, "_time_bin", read))
    for column, read in _PLACES.items():
        sheet.put_back("location_bin", _derive(sheet, column, "location_bin", read))
    pairs = zip(sheet.raw["_time_bin"], sheet.origins.folder.tolist(), strict=True)
    apart = sum(nycdot_bins.differs(raw, folder) for raw, folder in pairs)
    if apart:
        sheet.quality.notes["bin_unlike_folder"] += apart


def event_header(sheet: Sheet) -> None:
    """What one value of the header says besides its own column."""
    _derive(sheet, "group_kind", "group", nycdot_bins.group_kind)
    _derive(sheet, "plow_seen", "minutes_since_plow", nycdot_bins.plow_seen)
    reader = next(c.reader for c in sheet.layout.cells if c.column == "precipitation")

    def trace(raw: Any) -> bool:
        reader.one(raw)
        return nycdot_bins.trace(raw)

    _derive(sheet, "precipitation_trace", "precipitation", trace)
    sheet.put_back("parameters", _derive(sheet, "parameters", "parameters", nycdot_bins.parameters))


def bsm_bins(sheet: Sheet) -> None:
    """Weekday and period of a BSM's event, whose own row keeps what cannot be read."""
    for column in ("weekday", "period"):
        _derive(sheet, column, "_time_bin", _BINS[column])


def is_host(sheet: Sheet) -> None:
    """Whether the event's host vehicle sent the message."""
    found = pc.equal(sheet.cells["vehicle_id"], sheet.cells["_host"])
    sheet.cells["is_host"] = found
    sheet.quality.count("is_host", "missing", found.null_count)


def local_path(sheet: Sheet) -> None:
    """Path points in the frame of the event.

    The publisher subtracted x and y from those of the last BSM that the event lists, whichever
    vehicle sent it, but z and t from those of the BSM itself.
    """
    paths = sheet.cells["path_history"]
    rows = pc.list_parent_indices(paths).to_numpy()
    points = pc.list_flatten(paths)
    fields = []
    for number, (name, origin, sign) in enumerate(
        (("x", "_last_x", -1), ("y", "_last_y", -1), ("z", "z", -1), ("t", "t", 1))
    ):
        offsets = np.asarray(points.field(number).to_numpy(zero_copy_only=False), np.float64)
        places = sheet.numbers(origin)[rows] + sign * offsets
        lost = int((np.isnan(places) & ~np.isnan(offsets)).sum())
        sheet.quality.count(f"path_history.{name}", "missing", lost)
        fields.append(pa.array(np.round(places, DIGITS), from_pandas=True))
    struct = pa.StructArray.from_arrays(fields, names=["x", "y", "z", "t"])
    lengths = pc.fill_null(pc.list_value_length(paths), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))
    sheet.cells["path_history"] = pa.ListArray.from_arrays(offsets, struct, mask=pc.is_null(paths))


EVENT_RULES: Final[Mapping[str, Rule]] = {
    "event_bins": event_bins,
    "event_header": event_header,
    "bsm_bins": bsm_bins,
    "is_host": is_host,
    "local_path": local_path,
}
"""Every rule by its name."""
