"""What is asked of the data portal: windows of a table, and pages of a window; pure.

A partition's rows are told by the column that says when: bounds are ``>= a AND < b``, for
``between`` would include both ends.  New York's rows have bins in the place of times.  Within a
partition rows lie in folders as the bucket's records do: hours of the stamp, or periods.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from urllib.parse import quote, unquote

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.partition import PERIODS, WEEKDAYS
from intake_cvpilot.sources import Dataset, message_type, source, sources

__all__ = ["Page", "Window", "bin_name", "literal", "window"]

_PAGE: Final = re.compile(r"(?P<rows>[1-9]\d{0,8})-rows(?:-after-(?P<after>.+))?")
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT(?P<hour>[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?")
_NA: Final = ("NA", "N/A")
_BIN: Final = re.compile(
    rf"(?P<year>\d{{4}}|\d\d)-(?P<month>0[1-9]|1[0-2])-(?P<weekday>{'|'.join(WEEKDAYS)}|N/A)"
    rf"-(?:{'|'.join(PERIODS)}|N/A)",
    re.ASCII,
)


def literal(value: str) -> str:
    """Give a text as SoQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def bin_name(text: str) -> str | None:
    """Give year, month and weekday of a bin as ``2021-04-FRI``; None where no partition has it."""
    found = _BIN.fullmatch(text)
    if found is None:
        return None
    year, month, weekday = found["year"], found["month"], found["weekday"]
    return f"{year if len(year) == 4 else '20' + year}-{month}-{weekday.replace('/', '')}"


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of a partition."""

    prefix: str
    """The partition's key with its trailing slash."""
    dataset: Dataset
    """The table."""
    day: date | None
    """The day on the folder clock; None for bins."""
    bins: tuple[str, ...] = ()
    """Every spelling of the bins that belong to the partition."""

    @property
    def where(self) -> str:
        """The condition of all its rows."""
        if self.day is None:
            return self._among(self.bins)
        return self._between(f"{self.day}T00:00:00.000", f"{self.day + timedelta(1)}T00:00:00.000")

    @property
    def timeless(self) -> str:
        """The condition of rows that belong to no partition."""
        return f"{self.dataset.time} IS NULL"

    def folder(self, when: object) -> str | None:
        """Give the folder (hour or period) of a row, None where it is not of this partition."""
        if type(when) is not str:
            return None
        if self.day is None:
            period = when.partition("-")[2].partition("-")[2].partition("-")[2]
            return None if when not in self.bins else "NA" if period in _NA else period
        found = _STAMP.fullmatch(when)
        return found["hour"] if found and when.startswith(f"{self.day}T") else None

    def within(self, folder: str) -> str:
        """Give the condition of the rows of one of its folders."""
        if self.day is None:
            return self._among(tuple(name for name in self.bins if self.folder(name) == folder))
        after = (
            f"{self.day}T{int(folder) + 1:02}"
            if folder != "23"
            else f"{self.day + timedelta(1)}T00"
        )
        return self._between(f"{self.day}T{folder}:00:00.000", f"{after}:00:00.000")

    def _between(self, start: str, end: str) -> str:
        name = self.dataset.time
        return f"{name} >= {literal(start)} AND {name} < {literal(end)}"

    def _among(self, names: tuple[str, ...]) -> str:
        return f"{self.dataset.time} in ({', '.join(map(literal, names))})"


def window(prefix: str) -> Window:
    """Give the window of a partition.

    Raises
    ------
    InvalidRequestError
        Its source is none of the data portal's.
    """
    name, kind, year, month, last = prefix.removesuffix("/").split("/")[:5]
    dataset = message_type(name, kind).dataset
    if dataset is None:
        portal = ", ".join(each.name for each in sources().values() if each.of)
        raise InvalidRequestError(
            f"{name} is not in the data portal; its sources are {portal} (or leave archive= out)"
        )
    if source(name).bins == "day":
        return Window(prefix, dataset, date(int(year), int(month), int(last)))
    weekdays = _NA if last == "NA" else (last,)
    bins = [
        f"{a_year}-{month}-{weekday}-{period}"
        for a_year in (year, year[2:])
        for weekday in weekdays
        for period in (*PERIODS, "N/A")
    ]
    return Window(prefix, dataset, None, tuple(bins))


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive rows of a folder in the order of their ``:id``; its key says all of it."""

    prefix: str
    """The partition's key with its trailing slash."""
    folder: str
    """The folder."""
    rows: int
    """How many rows."""
    after: str | None
    """The ``:id`` of the row before; None for the folder's first page."""

    @property
    def key(self) -> str:
        """The name of the page, which is what `parse` reads."""
        after = "" if self.after is None else f"-after-{quote(self.after, safe='')}"
        return f"{self.prefix}{self.folder}/{self.rows}-rows{after}"

    @classmethod
    def parse(cls, key: str) -> Page:
        """Give the page of a key.

        Raises
        ------
        InvalidRequestError
            It is of another form.
        """
        *head, folder, name = key.split("/")
        found = _PAGE.fullmatch(name)
        if found is None or len(head) != 5:
            raise InvalidRequestError(f"{key[:120]!r} is no page of the data portal")
        after = found["after"]
        return cls("/".join(head) + "/", folder, int(found["rows"]), after and unquote(after))
