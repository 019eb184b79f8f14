"""What exists: sources, their folder clocks, licences and message types, read from sources.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError

from intake_cvpilot.errors import CVPilotError, InvalidRequestError

__all__ = [
    "Coverage",
    "Dataset",
    "Licence",
    "MessageType",
    "Source",
    "load",
    "message_type",
    "source",
    "sources",
    "suggestion",
]

FILE = "sources.yaml"

# Names become components of keys and, with them, of local paths.
_SourceName = Annotated[str, Field(pattern=r"^[a-z_]+$")]
_TypeName = Annotated[str, Field(pattern=r"^[A-Z]+$")]
_EntryName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_STRICT: dict[str, Any] = {"extra": "forbid", "strict": True, "str_min_length": 1}


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which terms a source is published, as far as the publisher says."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: str
    """Short name, e.g. ``CC BY 4.0``, or that none is stated."""
    url: str
    """Where the terms are."""
    terms: str | None = None
    """What else applies."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The records that anyone has shown: evidence, not limits of a request."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

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

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    id: Annotated[str, Field(pattern=r"^[a-z0-9]{4}-[a-z0-9]{4}$")]
    """Its id there."""
    time: _EntryName
    """The API's name of the column that says when; it files a row."""
    needs: tuple[_EntryName, ...]
    """Columns without which a page is none of this data set."""


@dataclass(frozen=True, slots=True)
class MessageType:
    """A message type of a source."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: _TypeName
    """The archive's spelling, e.g. ``BSM``."""
    title: str
    """In words."""
    framing: Literal["lines", "objects"]
    """One JSON object a line, or JSON objects in sequence."""
    catalog: Annotated[Mapping[_EntryName, _EntryName], Field(min_length=1)]
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

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: _SourceName
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
    spill: Annotated[timedelta, Field(ge=timedelta(0))]
    """How far beyond its folder day a partition's records may reach."""
    archive: str
    """URL of the archive where the source lives unless told otherwise."""
    types: Annotated[Mapping[str, MessageType], Field(min_length=1)]
    """Message types by name."""
    of: _SourceName | None = None
    """The source whose records these are, flattened by the data portal; None for records as
    published."""

    @property
    def records_of(self) -> str:
        """Name of the source whose records these are."""
        return self.of or self.name


def load(text: str, name: str = FILE) -> Mapping[str, Source]:
    """Read and check a description of sources.

    Parameters
    ----------
    text : str
        YAML in the form of ``sources.yaml``.
    name : str
        The file's name, for messages.

    Returns
    -------
    mapping of str to Source
        In the order of the file.

    Raises
    ------
    CVPilotError
        Naming the file and each entry that is wrong.
    """
    import json

    import yaml

    try:
        # The safe loader in C, where PyYAML has it: a tenth of the time.
        raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        # JSON, because strict checking reads durations and mappings from it and from nothing else.
        document = json.dumps(_named(raw))
        checked = TypeAdapter(dict[str, Source]).validate_json(document)
    except ValidationError as error:
        raise CVPilotError(
            f"{name}: " + "; ".join(f"{_place(e['loc'])}: {e['msg']}" for e in error.errors())
        ) from None
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise CVPilotError(f"{name}: {' '.join(str(error).split())}") from None
    places: dict[str, str] = {}
    for owner in checked.values():
        for kind in owner.types.values():
            for table, entry in kind.catalog.items():
                place = f"{owner.name}.types.{kind.name}.tables.{table}"
                if entry in places:
                    raise CVPilotError(f"{name}: {place}: {entry} is that of {places[entry]} too")
                places[entry] = place
    return checked


def _place(location: tuple[int | str, ...]) -> str:
    """Write a place as in the file, where ``catalog`` is called ``tables``."""
    return ".".join("tables" if part == "catalog" else str(part) for part in location)


def _named(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Write the names of sources and types into their entries; the file has them as keys only."""
    return {
        name: {
            "name": name,
            **entry,
            "types": {
                kind: {
                    "name": kind,
                    **{"catalog" if key == "tables" else key: value for key, value in body.items()},
                }
                for kind, body in entry.get("types", {}).items()
            },
        }
        for name, entry in raw.items()
    }


@cache
def sources() -> Mapping[str, Source]:
    """Give all sources by name; the file is read on the first call."""
    return load(files("intake_cvpilot").joinpath(FILE).read_text(encoding="utf-8"))


def source(name: str) -> Source:
    """Give a source.

    Parameters
    ----------
    name : str
        Its name in any case.

    Returns
    -------
    Source
        As sources.yaml describes it.

    Raises
    ------
    InvalidRequestError
        There is no such source; the message lists those there are.
    """
    known = sources()
    found = known.get(_text(name, "source").casefold())
    if found is None:
        raise InvalidRequestError(
            f"there is no source {_short(name)}{suggestion(name, known)}; "
            f"sources: {', '.join(known)}"
        )
    return found


def message_type(source_name: str, name: str) -> MessageType:
    """Give a message type of a source.

    Parameters
    ----------
    source_name, name : str
        Names in any case.

    Returns
    -------
    MessageType
        As sources.yaml describes it.

    Raises
    ------
    InvalidRequestError
        There is no such source, or it has no such type; the message lists what it has.
    """
    owner = source(source_name)
    found = owner.types.get(_text(name, "message type").upper())
    if found is None:
        raise InvalidRequestError(
            f"{owner.name} has no message type {_short(name)}{suggestion(name, owner.types)}; "
            f"message types of {owner.name}: {', '.join(owner.types)}"
        )
    return found


def suggestion(name: str, known: Iterable[str]) -> str:
    """Give ``" (did you mean X?)"`` for the nearest known name, or nothing."""
    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold()[:80], folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[near[0]]}?)" if near else ""


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"a {what} is text, not {type(value).__name__}")
    return value


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:40] + "...")
