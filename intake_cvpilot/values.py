"""Values of settings as people write them, and as they are shown; secrets are masked; pure."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ByteSize, Field, TypeAdapter

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


def _reader(kind: Any, *, none: str | None = None) -> Callable[[Any], Any]:
    """Give a function that reads a type from text or a value, and one word as None."""
    adapter = TypeAdapter[Any](kind)

    def read(value: Any) -> Any:
        if isinstance(value, str):
            value = value.strip()
            if value.lower() == none:
                return None
        if value is None and none is not None:
            return None
        if isinstance(value, bool) and kind is not bool:
            raise ValueError  # True would be read as 1
        return adapter.validate_python(value)

    return read


#: 1, true, yes, on, 0, false, no, off.
switch = _reader(bool)
#: The same, or auto as None.
progress = _reader(bool, none="auto")
#: Bytes as a number or with a unit (50GB, 1.5 GiB); none as None.
size = _reader(ByteSize, none="none")
#: Requests a second, above 0; none as None.
rate = _reader(Annotated[float, Field(gt=0, allow_inf_nan=False)], none="none")
#: Seconds, 0 or more.
seconds = _reader(Annotated[float, Field(ge=0, allow_inf_nan=False)])
#: A whole number from 1; auto as None.
processes = _reader(Annotated[int, Field(ge=1)], none="auto")
#: Whether files are checked before other engines read them.
verification = _reader(Literal["once", "never"])
codec = _reader(Literal["snappy", "zstd"])


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
