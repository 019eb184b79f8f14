"""The data portal's clock: wall time without a zone, in two spellings."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["EASTERN", "archive_stamp", "wall"]

EASTERN: Final = "America/New_York"
"""The zone in which Tampa's stamps, and the portal's of them, are written."""

_EXPORT: Final = re.compile(r"\d{2}/\d{2}/\d{4} \d{2}:\d{2}:\d{2} [AP]M")


def wall(instants: pa.Array, zone: str) -> pa.Array:
    """Give instants as milliseconds of a zone's wall clock, cut and not rounded."""
    inside = instants.cast(pa.timestamp("us", zone))
    return pc.floor_temporal(pc.local_timestamp(inside), unit="millisecond").cast(
        pa.timestamp("ms")
    )


def archive_stamp(value: Any, zone: str) -> Any:
    """Give the portal's time as the archive's record spells it.

    Parameters
    ----------
    value : object
        ``2021-04-06T10:30:00.123`` (the API), or ``04/06/2021 10:30:00 AM`` (the export of a whole
        table, which lacks the milliseconds).
    zone : str
        ``UTC`` (Wyoming) or `EASTERN` (Tampa), which neither of them says.

    Returns
    -------
    object
        Text with the archive's zone; what is no such text as it stands.
    """
    if type(value) is not str or not value.strip():
        return value
    text = value.strip()
    if _EXPORT.fullmatch(text):
        try:
            text = datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p").isoformat()  # noqa: DTZ007
        except ValueError:
            return value
    if zone == EASTERN:
        return f"{text.replace('T', ' ')} [ET]"
    return f"{text}Z"
