"""Rules of SPaT: time marks and minutes of the year to instants, the pass of a repeated hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.eastern import HOUR
from intake_cvpilot.decode.readers import Odd
from intake_cvpilot.tables.column import TIMESTAMP
from intake_cvpilot.tables.eastern import AMBIGUOUS

if TYPE_CHECKING:
    from intake_cvpilot.tables.sheet import Sheet

__all__ = ["MARKS", "intersection_time", "minute_pass", "time_marks"]

MARKS: Final = ("start_time", "min_end_time", "max_end_time", "likely_time", "next_time")
"""Columns of time marks, tenths of a second within the hour of UTC."""
_TENTH: Final = 100_000
_MINUTE: Final = 60_000_000
_DAY: Final = 24 * HOUR

Micros = npt.NDArray[np.int64]


def time_marks(sheet: Sheet) -> None:
    """Each mark is the instant nearest to event_time that has it: at most half an hour away.

    A rule "a mark below now is in the next hour" would be wrong: marks lie in the past, too.
    """
    times, _ = sheet.micros("event_time")
    hours = times - times % HOUR
    # A folder hour is too coarse a time for the nearest hour to mean anything.
    placed = pc.not_equal(sheet.cells["time_basis"], "folder").to_numpy(zero_copy_only=False)
    for name in MARKS:
        marks, good = sheet.micros(name)
        lost = good & ~placed
        if lost.any():
            sheet.put_back(name, np.flatnonzero(lost).tolist())
            sheet.quality.count(name, "no_event_time", int(lost.sum()))
        found = hours + marks * _TENTH
        apart = found - times
        found -= np.where(apart > HOUR // 2, HOUR, 0)
        found += np.where(apart < -HOUR // 2, HOUR, 0)
        sheet.cells[name] = pa.array(found, mask=~good | lost).cast(TIMESTAMP)


def minute_pass(sheet: Sheet) -> None:
    """Rows of a repeated hour: the pass in which the message's minute of the year lies.

    The message's own minute first, then those of its intersections, which may be stale: one that is
    more than half an hour from both passes tells nothing.
    """
    basis = sheet.cells["time_basis"]
    doubtful = pc.equal(basis, AMBIGUOUS).to_numpy(zero_copy_only=False)
    if not doubtful.any():
        return
    times, _ = sheet.micros("event_time")
    years = _years(times)
    messages, stamped = sheet.micros("_message_minute")
    minutes, own = sheet.micros("_minute")
    hints: dict[tuple[int, int], list[int]] = {}
    rows = np.flatnonzero(doubtful).tolist()
    for row in rows:
        told = hints.setdefault(_record(sheet, row), [])
        if stamped[row] and not told:
            told.append(int(years[row] + messages[row] * _MINUTE))
        if own[row]:
            told.append(int(years[row] + minutes[row] * _MINUTE))
    later = np.zeros(len(times), dtype=np.int64)
    for row in rows:
        known = _pass(int(times[row]), hints[_record(sheet, row)])
        doubtful[row] = known is None
        later[row] = HOUR if known else 0
    sheet.cells["event_time"] = pa.array(times + later).cast(TIMESTAMP)
    settled = pc.and_(pc.equal(basis, AMBIGUOUS), pa.array(~doubtful))
    sheet.cells["time_basis"] = pc.if_else(settled, "generated", basis)


def _record(sheet: Sheet, row: int) -> tuple[int, int]:
    return int(sheet.origins.object_id[row]), int(sheet.origins.line[row])


def _pass(first: int, hints: list[int]) -> bool | None:
    """False for the first pass, True for the second, None when no hint is near either."""
    for hint in hints:
        for second in (False, True):
            if abs(hint - first - second * HOUR) <= HOUR // 2:
                return second
    return None


def _years(times: Micros, later: int = 0) -> Micros:
    """The first instants of the years of instants, or of years some years later."""
    years = times.astype("datetime64[us]").astype("datetime64[Y]") + later
    return years.astype("datetime64[us]").astype(np.int64)


def intersection_time(sheet: Sheet) -> None:
    """The minute of the year (the intersection's, else the message's) and its millisecond.

    The year is that of event_time; the one before, if the instant would lie more than a day after
    event_time; the one after, if it would then lie within a day of it.
    """
    times, _ = sheet.micros("event_time")
    own, given = sheet.micros("_minute")
    message, stamped = sheet.micros("_message_minute")
    milliseconds, exact = sheet.micros("_millisecond")
    good = (given | stamped) & exact
    within = np.where(given, own, message) * _MINUTE + milliseconds * 1000
    same, before, after = (_years(times, later) + within for later in (0, -1, 1))
    found = np.where(same - times > _DAY, before, same)
    found = np.where(np.abs(after - times) <= _DAY, after, found)
    sheet.cells["intersection_time"] = pa.array(found, mask=~good).cast(TIMESTAMP)
    timed = given | stamped
    _blame(sheet, ("_minute", "_message_minute"), ~timed)
    _blame(sheet, ("_millisecond",), timed & ~exact)
    _keep(sheet, "_minute", given & ~good)
    _keep(sheet, "_millisecond", exact & ~good)
    # The message's minute is told by intersection_time, or it is that of event_time itself.
    told = good & (~given | (own == message))
    told |= _years(times) + message * _MINUTE == times - times % _MINUTE
    _keep(sheet, "_message_minute", stamped & ~told)


def _keep(sheet: Sheet, name: str, where: npt.NDArray[np.bool_]) -> None:
    if where.any():
        sheet.put_back(name, np.flatnonzero(where).tolist())


def _blame(sheet: Sheet, inputs: tuple[str, ...], where: npt.NDArray[np.bool_]) -> None:
    """Count why rows have no intersection_time: by the first input that is not just missing."""
    readers = [cell.reader for cell in sheet.layout.cells if cell.column in inputs]
    columns = [sheet.raw[cell.column] for cell in sheet.layout.cells if cell.column in inputs]
    for row in np.flatnonzero(where).tolist():
        reason = "missing"
        for reader, column in zip(readers, columns, strict=True):
            if reason == "missing" and column[row] is not None:
                try:
                    reader.one(column[row])
                except Odd as odd:
                    reason = odd.reason
        sheet.quality.count("intersection_time", reason)
