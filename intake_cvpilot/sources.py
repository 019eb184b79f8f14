"""What exists: sources, their folder clocks, licences and message types, read from sources.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from intake_cvpilot.agency import Coverage, Dataset, Licence, MessageType, Source
from intake_cvpilot.errors import CVPilotError, InvalidRequestError
from intake_cvpilot.outline import TEXT, slips

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
_SOURCE, _TYPE, _ENTRY = (re.compile(p) for p in (r"[a-z_]+", r"[A-Z]+", r"[a-z][a-z0-9_]*"))
_DURATION = re.compile(r"PT(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", re.ASCII)
_OUTLINE = {
    _SOURCE: {
        "agency": TEXT,
        "title": TEXT,
        "description": TEXT,
        "licence": {"name": TEXT, "url": TEXT, "terms?": TEXT},
        "clock": ("UTC", "America/New_York"),
        "bins": ("day", "weekday"),
        "spill": _DURATION,
        "archive": TEXT,
        "of?": _SOURCE,
        "types": {
            _TYPE: {
                "title": TEXT,
                "framing": ("lines", "objects"),
                "tables": {_ENTRY: _ENTRY},
                "coverage?": {"earliest?": TEXT, "latest?": TEXT, "note?": TEXT},
                "dataset?": {
                    "id": re.compile(r"[a-z0-9]{4}-[a-z0-9]{4}"),
                    "time": _ENTRY,
                    "needs": [_ENTRY],
                },
            }
        },
    }
}


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
    import yaml

    try:
        # The safe loader in C, where PyYAML has it: a tenth of the time.
        raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        raise CVPilotError(f"{name}: {' '.join(str(error).split())}") from None
    if wrong := list(slips(_OUTLINE, raw)):
        raise CVPilotError(f"{name}: {'; '.join(wrong)}")
    found = {owner: _source(owner, **entry) for owner, entry in raw.items()}
    places: dict[str, str] = {}
    for owner in found.values():
        for kind in owner.types.values():
            for table, entry in kind.catalog.items():
                place = f"{owner.name}.types.{kind.name}.tables.{table}"
                if entry in places:
                    raise CVPilotError(f"{name}: {place}: {entry} is that of {places[entry]} too")
                places[entry] = place
    return found


def _source(
    name: str, *, licence: dict[str, str], spill: str, types: dict[str, Any], **rest: Any
) -> Source:
    return Source(
        name,
        licence=Licence(**licence),
        spill=_duration(spill),
        types={kind: _message_type(kind, **entry) for kind, entry in types.items()},
        **rest,
    )


def _duration(text: str) -> timedelta:
    found = {unit: int(number) for number, unit in re.findall(r"(\d+)([HMS])", text)}
    return timedelta(hours=found.get("H", 0), minutes=found.get("M", 0), seconds=found.get("S", 0))


def _message_type(
    name: str,
    *,
    tables: dict[str, str],
    coverage: dict[str, str] | None = None,
    dataset: dict[str, Any] | None = None,
    **rest: Any,
) -> MessageType:
    return MessageType(
        name,
        catalog=tables,
        coverage=Coverage(**coverage or {}),
        dataset=Dataset(**{**dataset, "needs": tuple(dataset["needs"])}) if dataset else None,
        **rest,
    )


@cache
def sources() -> Mapping[str, Source]:
    """Give all sources by name; the file is read on the first call."""
    return load(Path(__file__).with_name(FILE).read_text(encoding="utf-8"))


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
            f"there is no source {_short(name)}{_meant(name, known)}; sources: {', '.join(known)}"
        )
    return found


def _meant(name: str, known: Mapping[str, Source]) -> str:
    """Suggest a source for the name of an entry of the catalog, of a state or a city."""
    word = name.casefold().strip()
    for each in known.values():
        for kind in each.types.values():
            if word in kind.catalog.values():
                entry = f"{word} is an entry of the catalog"
                return f" ({entry}: as arguments these are {each.name} {kind.name.lower()})"
    about = (each.name for each in known.values() if word in each.title.casefold())
    place = next(about, None) if len(word) > 3 else None
    return f" (did you mean {place}?)" if place else suggestion(name, known)


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
    import difflib

    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold()[:80], folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[near[0]]}?)" if near else ""


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"a {what} is text, not {type(value).__name__}")
    return value


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:40] + "...")
