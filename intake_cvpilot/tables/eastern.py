"""Whole columns on THEA's clock: stamps to instants, and which rows lie in a repeated hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.eastern import HOUR, is_repeated, passes, repeats
from intake_cvpilot.tables.column import TIMESTAMP

if TYPE_CHECKING:
    from collections import Counter

    from intake_cvpilot.tables.sheet import Sheet

__all__ = ["AMBIGUOUS", "eastern_instants", "repeated_hour"]

AMBIGUOUS: Final = "generated_ambiguous"
"""The time_basis of a row in a repeated hour, as long as nothing tells which pass it means."""


def eastern_instants(written: pa.Array, notes: Counter[str]) -> pa.Array:
    """Stamps of the ordinary form ``2019-01-14 00:20:30.046 [ET]`` as instants.

    Parameters
    ----------
    written : pyarrow.StringArray
        Stamps of that form, or nulls.
    notes : Counter
        Stamps in repeated and skipped hours are counted here.

    Returns
    -------
    pyarrow.TimestampArray
        As `decode.eastern.EasternStamp` reads them.
    """
    wall = pc.cast(pc.replace_substring(written, " [ET]", ""), pa.timestamp("us"))
    values = pc.fill_null(pc.cast(wall, pa.int64()), 0).to_numpy(zero_copy_only=False)
    there = pc.is_valid(wall).to_numpy(zero_copy_only=False)
    hours, place = np.unique(values // HOUR, return_inverse=True)
    found = [passes(hour) for hour in hours.tolist()]
    for kind in ("repeated", "skipped"):
        odd = np.array([getattr(one, kind) for one in found], dtype=bool)
        if odd.any():
            notes[f"{kind}_hour"] += int((odd[place] & there).sum())
    shift = np.array([one.first for one in found], dtype=np.int64)
    return pa.array(values - shift[place], mask=~there).cast(TIMESTAMP)


def repeated_hour(sheet: Sheet) -> None:
    """Mark rows whose generation stamp lies in a repeated hour: which pass is not known yet."""
    times, _ = sheet.micros("event_time")
    hours = times // HOUR
    special = [hour for hour in np.unique(hours).tolist() if is_repeated(hour)]
    if not special:
        return
    basis = sheet.cells["time_basis"]
    generated = pc.equal(basis, "generated").to_numpy(zero_copy_only=False)
    doubtful = np.isin(hours, special) & generated
    raw = sheet.raw["_generated"]
    for row in np.flatnonzero(doubtful).tolist():
        doubtful[row] = repeats(raw[row])
    sheet.cells["time_basis"] = pc.if_else(pa.array(doubtful), AMBIGUOUS, basis)
