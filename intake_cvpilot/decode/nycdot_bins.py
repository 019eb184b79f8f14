"""New York's bins and codes: what the few words of an event header say.

Each function reads one raw value and gives one cell, or raises `Odd` with the reason for none.
Names are those of the publisher's description of its data processing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from intake_cvpilot.decode.labels import fold
from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Integer, Odd
from intake_cvpilot.decode.redact import redact
from intake_cvpilot.partition import PERIODS, WEEKDAYS

__all__ = [
    "BOROUGHS",
    "GROUPS",
    "ROAD_TYPES",
    "borough",
    "differs",
    "folder",
    "group_kind",
    "month",
    "near_rsu",
    "parameters",
    "period",
    "plow_seen",
    "road_type",
    "trace",
    "weekday",
    "year",
]

BOROUGHS: Final = ("BK", "BX", "MN", "QN", "SI")
"""Brooklyn, The Bronx, Manhattan, Queens, Staten Island."""
ROAD_TYPES: Final = ("1wayAve", "2wayAve", "1waySt", "2waySt", "FWY", "ART", "OTH")
"""The first four in Manhattan only; freeways, arterials and others as the data spells them."""
GROUPS: Final = ("test", "control", "treatment")
"""Kinds of vehicle groups."""

_CONTROL: Final = 20
_NOTHING: Final = frozenset({"n/a", "na"})
_NEAR: Final[Mapping[str, bool]] = {"cv": True, "ny": False}
_BOROUGHS: Final = {fold(name): name for name in BOROUGHS}
_ROADS: Final = {fold(name): name for name in ROAD_TYPES}
_WEEKDAYS: Final = {**{name.lower(): name for name in WEEKDAYS}, "n/a": "NA"}
_PERIODS: Final = {**{name.lower(): name for name in PERIODS}, "n/a": "NA"}


@lru_cache(4096)
def _split(text: str, parts: int) -> tuple[str, ...]:
    found = tuple(part.strip().lower() for part in text.split("-"))
    if len(found) != parts:
        raise Odd("unreadable")
    return found


def _part(raw: Any, index: int, parts: int) -> str:
    if says_nothing(raw):
        raise Odd("missing")
    if type(raw) is not str:
        raise Odd("unreadable")
    return _split(raw, parts)[index]


def _named(name: str, names: Mapping[str, Any]) -> Any:
    if name not in names:
        raise Odd("unreadable")
    return names[name]


def _number(raw: Any, index: int) -> int:
    text = _part(raw, index, 4)
    if text in _NOTHING:
        raise Odd("unavailable")
    if not (text.isascii() and text.isdigit()) or len(text) > 4:
        raise Odd("unreadable")
    return int(text)


def year(raw: Any) -> int:
    """The year of an ``eventTimeBin`` (``2021-04-FRI-AM``); two digits are of this century."""
    found = _number(raw, 0)
    if found < 100:
        return 2000 + found
    if not 1900 <= found < 2200:
        raise Odd("out_of_range")
    return found


def month(raw: Any) -> int:
    """The month of an ``eventTimeBin``, 1 to 12."""
    found = _number(raw, 1)
    if not 1 <= found <= 12:
        raise Odd("out_of_range")
    return found


def weekday(raw: Any) -> str:
    """The weekday of an ``eventTimeBin``; NA where the publisher withholds it."""
    return str(_named(_part(raw, 2, 4), _WEEKDAYS))


def period(raw: Any) -> str:
    """The period of the day of an ``eventTimeBin``; NA where the publisher withholds it."""
    return str(_named(_part(raw, 3, 4), _PERIODS))


def _location(raw: Any) -> str:
    """The folded ``eventLocationBin``, or why it says nothing."""
    if says_nothing(raw):
        raise Odd("missing")
    if type(raw) is not str:
        raise Odd("unreadable")
    if raw.strip().lower() in _NOTHING:
        raise Odd("unavailable")
    return fold(raw)


def _place(raw: Any, index: int) -> str:
    if _location(raw) == "nonnyc":
        raise Odd("missing")
    return _part(raw, index, 3)


def near_rsu(raw: Any) -> bool:
    """Whether an ``eventLocationBin`` (``CV-MN-2wayAve``) is near a roadside unit.

    ``nonNYC``, outside the city, is not: no unit of the pilot stands there.
    """
    if _location(raw) == "nonnyc":
        return False
    return bool(_named(_part(raw, 0, 3), _NEAR))


def borough(raw: Any) -> str:
    """The borough of an ``eventLocationBin``."""
    return str(_named(_place(raw, 1), _BOROUGHS))


def road_type(raw: Any) -> str:
    """The road type of an ``eventLocationBin``, as the data spells it."""
    return str(_named(_place(raw, 2), _ROADS))


def trace(raw: Any) -> bool:
    """Whether ``precipitation1Hr`` is ``T``, a trace; the number has been read already."""
    return type(raw) is str and raw.strip() == "T"


def plow_seen(raw: Any) -> bool:
    """Whether ``lastPlowed`` says that a plow came by; -1: plows are out, none came here yet."""
    return Integer(-1, 2**31 - 1).one(raw) >= 0


def group_kind(raw: Any) -> str:
    """The kind of a ``grpId``: up to 19 test, 20 control, from 21 on treatment."""
    found = Integer(0, 2**15 - 1).one(raw)
    return GROUPS[(found >= _CONTROL) + (found > _CONTROL)]


def parameters(raw: Any) -> list[tuple[str, str]]:
    """Names and texts of ``parameters``, secrets hidden; what is no text as its JSON."""
    if says_nothing(raw):
        raise Odd("missing")
    if type(raw) is not dict:
        raise Odd("unreadable")
    return [
        (name, value if type(value) is str else json.dumps(value, ensure_ascii=False))
        for name, value in redact(raw).items()
    ]


def folder(key: str) -> int:
    """The bins of a key's folders as one number, which stands in the place of a folder hour.

    Parameters
    ----------
    key : str
        ``nycdot/EVENT/{year}/{month}/{weekday}/{period}/...``.

    Returns
    -------
    int
        For `differs`; a folder that is no bin counts as zero.
    """
    steps = (*key.split("/")[2:6], "", "", "", "")
    in_year, in_month = (
        int(step) if step.isascii() and step.isdigit() else 0 for step in steps[:2]
    )
    code = (in_year % 10_000) * 100 + in_month % 100
    for step, names in ((steps[2], WEEKDAYS), (steps[3], PERIODS)):
        code = code * 10 + (names.index(step) + 1 if step in names else 0)
    return code


def differs(raw: Any, code: int) -> bool:
    """Whether an ``eventTimeBin`` disagrees with its folders, as far as both can be read."""
    rest, of_day = divmod(code, 10)
    rest, of_week = divmod(rest, 10)
    known = [*divmod(rest, 100), ("", *WEEKDAYS)[of_week], ("", *PERIODS)[of_day]]
    for read, bin_ in zip((year, month, weekday, period), known, strict=True):
        try:
            if bin_ and read(raw) != bin_:
                return True
        except Odd:
            continue
    return False
