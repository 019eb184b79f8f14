"""What a source is: an agency's part of an archive, its licence and message types, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

__all__ = ["Coverage", "Dataset", "Licence", "MessageType", "Source"]


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which terms a source is published, as far as the publisher says."""

    name: str
    """Short name, e.g. ``CC BY 4.0``, or that none is stated."""
    url: str
    """Where the terms are."""
    terms: str | None = None
    """What else applies."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The records that anyone has shown: evidence, not limits of a request."""

    earliest: str | None = None
    """Day or month (ISO text) of the earliest record seen, or None for no evidence."""
    latest: str | None = None
    """Day or month (ISO text) of the latest record seen, or None for no evidence."""
    note: str | None = None
    """What else is known."""

    def __str__(self) -> str:
        seen = {
            (False, False): "no dates are known",
            (True, False): f"seen from {self.earliest}",
            (False, True): f"seen until {self.latest}",
            (True, True): f"seen from {self.earliest} to {self.latest}",
        }[self.earliest is not None, self.latest is not None]
        return f"{seen} (evidence, not limits)" + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set of the data portal."""

    id: str
    """Its id there."""
    time: str
    """The API's name of the column that says when; it files a row."""
    needs: tuple[str, ...]
    """Columns without which a page is none of this data set."""


@dataclass(frozen=True, slots=True)
class MessageType:
    """A message type of a source."""

    name: str
    """The archive's spelling, e.g. ``BSM``."""
    title: str
    """In words."""
    framing: Literal["lines", "objects"]
    """One JSON object a line, or JSON objects in sequence."""
    catalog: Mapping[str, str]
    """Name of the catalog entry for each table; the first table is the default one."""
    coverage: Coverage = field(default_factory=Coverage)
    """Earliest and latest evidence."""
    dataset: Dataset | None = None
    """Where its rows are, for a source of the data portal."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of its tables, the default one first."""
        return tuple(self.catalog)


@dataclass(frozen=True, slots=True)
class Source:
    """A source: an agency's part of an archive."""

    name: str
    """The archive's spelling, the first component of every key."""
    agency: str
    """Who collected the data."""
    title: str
    """In a line."""
    description: str
    """What to know before using it."""
    licence: Licence
    """Terms of use."""
    clock: Literal["UTC", "America/New_York"]
    """Zone in which the folders are cut."""
    bins: Literal["day", "weekday"]
    """What the fifth component of a key is: the day of the month, or the weekday of a month."""
    spill: timedelta
    """How far beyond its folder day a partition's records may reach."""
    archive: str
    """URL of the archive where the source lives unless told otherwise."""
    types: Mapping[str, MessageType]
    """Message types by name."""
    of: str | None = None
    """The source whose records these are, flattened by the data portal; None for records as
    published."""

    @property
    def records_of(self) -> str:
        """Name of the source whose records these are."""
        return self.of or self.name
