"""Values of settings as people write them, and as they are shown; secrets are masked; pure."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

__all__ = [
    "Secrets",
    "auto_text",
    "codec",
    "days",
    "days_text",
    "folder",
    "is_url",
    "masked",
    "place",
    "processes",
    "progress",
    "rate",
    "seconds",
    "secrets",
    "size",
    "size_text",
    "switch",
    "text",
    "token",
    "token_text",
    "verification",
]


class Secrets(Mapping[str, Any]):
    """Options that may hold credentials: read like a mapping, shown as names only.

    Values are masked in ``repr``, ``str`` and so in every message and log, except the few that
    are known to be harmless.
    """

    HARMLESS = frozenset({"anon", "profile", "requester_pays"})

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(options or {})

    def __getitem__(self, key: str) -> Any:
        return self._options[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __repr__(self) -> str:
        return repr({k: v if k in self.HARMLESS else "***" for k, v in self._options.items()})


_UNITS = {
    **{unit: 1000**power for power, unit in enumerate(("b", "kb", "mb", "gb", "tb", "pb", "eb"))},
    **{unit: 1000**power for power, unit in enumerate(("", "k", "m", "g", "t", "p", "e"))},
    **{
        unit: 1024**power
        for power, unit in enumerate(("b", "kib", "mib", "gib", "tib", "pib", "eib"))
    },
}
_SIZE = re.compile(r"([\d_]*\.?\d+)\s*([a-z]*)", re.ASCII)
_SWITCHES: dict[object, bool] = {
    **dict.fromkeys((1, "1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys((0, "0", "false", "f", "no", "n", "off"), False),
}


def _word(value: Any) -> Any:
    """Give text without the space around it and in lower case, anything else as it is."""
    return value.strip().lower() if isinstance(value, str) else value


def _or_none(read: Callable[[Any], Any], none: str) -> Callable[[Any], Any]:
    """Give a function that reads None, and one word for it, before all else."""
    return lambda value: None if value is None or _word(value) == none else read(value)


def _one_of(*known: str) -> Callable[[Any], str]:
    """Give a function that reads one of some words, as they are spelled here."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.strip() not in known:
            raise ValueError
        return value.strip()

    return read


def _number(value: Any) -> float:
    """Read a finite number, from text too."""
    if isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - True would be read as 1
    try:
        found = float(value)
    except (TypeError, OverflowError):
        raise ValueError from None
    if not math.isfinite(found):
        raise ValueError
    return found


def switch(value: Any) -> bool:
    """Read 1, true, yes, on, 0, false, no or off."""
    try:
        return _SWITCHES[_word(value)]
    except (KeyError, TypeError):
        raise ValueError from None


def _whole(value: Any) -> int:
    """Read a whole number, 0 or more."""
    number = _number(value)
    if number < 0 or not number.is_integer():
        raise ValueError
    return int(number if isinstance(value, str) else value)


def _processes(value: Any) -> int:
    found = _whole(value)
    if found < 1:
        raise ValueError
    return found


def _size(value: Any) -> int:
    if not isinstance(value, str):
        return _whole(value)
    match = _SIZE.fullmatch(_word(value))
    if match is None or match[2] not in _UNITS:
        raise ValueError
    return int(_number(_number(match[1]) * _UNITS[match[2]]))


def _rate(value: Any) -> float:
    found = _number(value)
    if found <= 0:
        raise ValueError
    return found


def seconds(value: Any) -> float:
    """Read seconds, 0 or more."""
    found = _number(value)
    if found < 0:
        raise ValueError
    return found


#: As `switch`, or auto as None.
progress = _or_none(switch, "auto")
#: Bytes as a number or with a unit (50GB, 1.5 GiB); none as None.
size = _or_none(_size, "none")
#: Requests a second, above 0; none as None.
rate = _or_none(_rate, "none")
#: A whole number from 1; auto as None.
processes = _or_none(_processes, "auto")
#: Whether files are checked before other engines read them.
verification = _one_of("once", "never")
codec = _one_of("snappy", "zstd")


def days(value: Any) -> timedelta:
    """Read a number of days, 0 or more, or a timedelta."""
    found = value if isinstance(value, timedelta) else timedelta(days=seconds(value))
    if found < timedelta(0):
        raise ValueError
    return found


def folder(value: Any) -> Path:
    """Read a folder; ``~`` is the home folder, and the result is absolute."""
    return Path(_path(value)).expanduser().absolute()


def is_url(value: Any) -> bool:
    """Say whether a place is given as a URL, or a chain of them."""
    return isinstance(value, str) and ("://" in value or "::" in value)


def place(value: Any) -> str:
    """Read the URL or folder of an archive; ``~`` is the home folder."""
    given = _path(value)
    return str(Path(given).expanduser()) if given.startswith("~") else given


def _path(value: Any) -> str:
    given = os.fspath(value)
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise ValueError
    return given


def secrets(value: Any) -> Secrets:
    """Read options from a mapping or the text of a JSON object."""
    given = json.loads(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ValueError
    return Secrets(given)


def token(value: Any) -> Secrets:
    """Read an app token: text without white space; it is never shown."""
    if isinstance(value, Secrets):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]{1,200}", value.strip()):
        raise ValueError
    return Secrets({"app_token": value.strip()})


def token_text(value: Secrets | None) -> str:
    """Show whether there is a token."""
    return "***" if value else "none"


def masked(url: str) -> str:
    """Hide the credentials of a URL: what stands before ``@``, and the values of its query."""
    head, mark, tail = url.partition("://")
    if not mark:
        return url
    tail = re.sub(r".*@", "***@", tail)
    return head + mark + re.sub(r"(?<==)[^&=]*", "***", tail)


def text(value: object) -> str:
    """Show a value: ``none`` for None, ``true`` and ``false`` for switches."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def auto_text(value: object) -> str:
    """Show a value that the library chooses when it is None."""
    return "auto" if value is None else text(value)


def size_text(value: int | None) -> str:
    """Show a number of bytes."""
    return "none" if value is None else f"{value:,} bytes"


def days_text(value: timedelta) -> str:
    """Show a time in days."""
    number = value / timedelta(days=1)
    return f"{number:g} day{'' if number == 1 else 's'}"
