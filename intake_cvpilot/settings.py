"""Where things are and what is allowed; the only module that reads the environment."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.options import UNSET, Unset

__all__ = ["SETTINGS", "Described", "Secrets", "Setting", "Settings", "resolve", "unknown"]

_GB = 10**9


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


class Described(NamedTuple):
    """A setting as it holds, for people: secrets are masked."""

    name: str
    """Name of the setting."""
    value: str
    """Its value, as text."""
    origin: str
    """``argument``, the name of the environment variable, or ``default``."""


@dataclass(frozen=True)
class Settings:
    """Where things are and what is allowed, settled once for a call."""

    cache_dir: Path
    """Folder of the cache, absolute; it need not exist."""
    archive: str = field(repr=False)
    """URL or folder of the archive; it may hold credentials."""
    storage_options: Secrets
    """How to reach the archive."""
    offline: bool
    """Open no socket."""
    max_bytes: int | None
    """Most raw bytes that one call may read; None for no limit."""
    rate: float | None
    """Requests a second to the archive; None for no limit."""
    jobs: int | None
    """Processes that decode; None for the usable cores, at most 4."""
    lock_timeout: float
    """Seconds to wait for another process that fetches the same partition."""
    cache_limit: int | None
    """Bytes that the cache should not exceed; None for no limit."""
    settle: timedelta
    """How long after a partition's end its listing is not taken for final."""
    recheck: timedelta
    """Age after which a listing that is not final is taken again."""
    verify: Literal["once", "never"]
    """Whether a part's whole hash is checked before another engine reads the file."""
    progress: bool | None
    """Bars or silence; None for bars on a terminal and in notebooks."""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Where each value came from: ``argument``, a variable's name, or ``default``."""

    def describe(self) -> tuple[Described, ...]:
        """Give every setting with its value and where it came from, secrets masked."""
        return tuple(
            Described(
                setting.name,
                setting.show(getattr(self, setting.name)),
                self.origins.get(setting.name, "default"),
            )
            for setting in SETTINGS
        )


class Setting(NamedTuple):
    """One setting: how it is given and read."""

    name: str
    """Field of Settings and name of the argument; ``CVPILOT_`` and it in capitals is the
    environment variable."""
    read: Callable[[Any], Any]
    """Value from an argument or text; raises ValueError."""
    forms: str
    """What would be valid, for messages."""
    default: str
    """The default as text, for the documentation; what ``read`` reads where it is a value."""
    show: Callable[[Any], str] = str
    """Text of a value, for people."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"CVPILOT_{self.name.upper()}"


def _folder(value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not str(value) or "\0" in str(value):
        raise ValueError
    return Path(value).expanduser().absolute()


def _place(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)) or not str(value) or "\0" in str(value):
        raise ValueError
    text = os.fspath(value)
    return str(Path(text).expanduser()) if text.startswith("~") else str(text)


def _masked(url: str) -> str:
    """Hide what stands between ``://`` and ``@``, and a query's values."""
    url = re.sub(r"(?<=://)[^/@]*@", "***@", url)
    return re.sub(r"(?<==)[^&=]*", "***", url) if "?" in url else url


def _options(value: Any) -> Secrets:
    given = json.loads(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ValueError
    return Secrets(given)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if not isinstance(value, str) or value.strip().lower() not in words:
        raise ValueError
    return words[value.strip().lower()]


def _or_none(read: Callable[[Any], Any], word: str = "none") -> Callable[[Any], Any]:
    """Read ``none`` (or another word) as None."""

    def checked(value: Any) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() == word):
            return None
        return read(value)

    return checked


def _bytes(value: Any) -> int:
    from pydantic import ByteSize, TypeAdapter

    if isinstance(value, bool):
        raise ValueError
    return int(TypeAdapter(ByteSize).validate_python(value))


def _number(value: Any) -> float:
    from pydantic import FiniteFloat, TypeAdapter

    if isinstance(value, bool):
        raise ValueError
    return float(TypeAdapter(FiniteFloat).validate_python(value))


def _at_least_0(value: Any) -> float:
    number = _number(value)
    if number < 0:
        raise ValueError
    return number


def _positive(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError
    return number


def _processes(value: Any) -> int:
    number = _positive(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _days(value: Any) -> timedelta:
    return value if isinstance(value, timedelta) else timedelta(days=_at_least_0(value))


def _verify(value: Any) -> str:
    if value not in ("once", "never"):
        raise ValueError
    return str(value)


def _size_text(value: int | None) -> str:
    return "none" if value is None else f"{value:,} bytes"


def _none_text(value: object) -> str:
    return "none" if value is None else str(value)


def _auto_text(value: object) -> str:
    return "auto" if value is None else str(value).lower()


def _days_text(value: timedelta) -> str:
    return f"{value / timedelta(days=1):g} days"


_SIZES = 'a number of bytes, "50GB", "1.5 GiB" or "none"'
_DAYS = "a number of days, e.g. 60 or 0.5"
_SWITCHES = "1, true, yes, on, 0, false, no or off"

#: Every setting; the page docs/settings.md lists the same.
SETTINGS: tuple[Setting, ...] = (
    Setting("cache_dir", _folder, "a folder", "the user's cache folder"),
    Setting("archive", _place, "a URL or a folder", "the source's own", _masked),
    Setting(
        "storage_options",
        _options,
        'a mapping (in the environment a JSON object), e.g. {"anon": false, "profile": "work"}',
        "{}",
        repr,
    ),
    Setting("offline", _switch, _SWITCHES, "false", lambda on: str(on).lower()),
    Setting("max_bytes", _or_none(_bytes), _SIZES, "50GB", _size_text),
    Setting("rate", _or_none(_positive), 'requests a second above 0, or "none"', "10", _none_text),
    Setting(
        "jobs", _or_none(_processes, "auto"), 'a whole number from 1, or "auto"', "auto", _auto_text
    ),
    Setting("lock_timeout", _at_least_0, "seconds, 0 or more", "3600"),
    Setting("cache_limit", _or_none(_bytes), _SIZES, "none", _size_text),
    Setting("settle", _days, _DAYS, "60", _days_text),
    Setting("recheck", _days, _DAYS, "1", _days_text),
    Setting("verify", _verify, "once or never", "once"),
    Setting("progress", _or_none(_switch, "auto"), f"{_SWITCHES}, or auto", "auto", _auto_text),
)

#: Where None is a value (no limit), so that "not given" needs a word of its own.
_NONE_IS_A_VALUE = frozenset({"max_bytes", "rate", "cache_limit"})


def resolve(
    *,
    source: str | None = None,
    cache_dir: str | Path | None = None,
    archive: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
    offline: bool | None = None,
    max_bytes: int | str | Unset | None = UNSET,
    rate: float | Unset | None = UNSET,
    jobs: int | None = None,
    lock_timeout: float | None = None,
    cache_limit: int | str | Unset | None = UNSET,
    settle: float | timedelta | None = None,
    recheck: float | timedelta | None = None,
    verify: Literal["once", "never"] | None = None,
    progress: bool | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settle every setting: the argument, else the environment variable, else the default.

    Parameters
    ----------
    source : str, optional
        The source that names the default archive; None for the first one there is.
    cache_dir, archive, storage_options, offline, max_bytes, rate, jobs, lock_timeout, \
cache_limit, settle, recheck, verify, progress
        See `Settings`; None is "not given", but for ``max_bytes``, ``rate`` and ``cache_limit``,
        where it lifts the limit.  ``settle`` and ``recheck`` are days or a timedelta.
    environ : mapping of str to str, optional
        The environment; that of the process by default.  Empty variables count as not set.

    Returns
    -------
    Settings
        Nothing was created, opened or looked for.

    Raises
    ------
    InvalidRequestError
        A value is not valid; the message names the argument or variable and what would be.
    """
    given = {
        "cache_dir": cache_dir,
        "archive": archive,
        "storage_options": storage_options,
        "offline": offline,
        "max_bytes": max_bytes,
        "rate": rate,
        "jobs": jobs,
        "lock_timeout": lock_timeout,
        "cache_limit": cache_limit,
        "settle": settle,
        "recheck": recheck,
        "verify": verify,
        "progress": progress,
    }
    variables = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        name, argument = setting.name, given[setting.name]
        if argument is not UNSET and (argument is not None or name in _NONE_IS_A_VALUE):
            values[name] = _checked(setting, argument, name)
            origins[name] = "argument"
        elif variables.get(setting.variable, "").strip():
            values[name] = _checked(setting, variables[setting.variable], setting.variable)
            origins[name] = setting.variable
        else:
            values[name] = _default(setting, source)
            origins[name] = "default"
    return Settings(**values, origins=origins)


def _default(setting: Setting, source: str | None) -> Any:
    if setting.name == "cache_dir":
        from platformdirs import user_cache_path

        return user_cache_path("intake-cvpilot", appauthor=False).absolute()
    if setting.name == "archive":
        from intake_cvpilot import sources

        return sources.source(source or next(iter(sources.sources()))).archive
    return setting.read(setting.default)


def _checked(setting: Setting, value: Any, where: str) -> Any:
    try:
        return setting.read(value)
    # RuntimeError: ``~someone`` without a home, and JSON nested too deep.
    except (ValueError, TypeError, OverflowError, RuntimeError):
        # What may hold a secret is not repeated.
        hidden = setting.name in ("archive", "storage_options")
        shown = "the value" if hidden else repr(value)[:60]
        raise InvalidRequestError(f"{where}: {shown} is not valid; give {setting.forms}") from None


def unknown(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Name the environment variables that look like settings and are none: slips of the pen.

    Parameters
    ----------
    environ : mapping of str to str, optional
        The environment; that of the process by default.

    Returns
    -------
    tuple of str
        Such as ``CVPILOT_CACHEDIR (did you mean CVPILOT_CACHE_DIR?)``.
    """
    from intake_cvpilot.sources import suggestion

    known = [setting.variable for setting in SETTINGS]
    variables = os.environ if environ is None else environ
    return tuple(
        f"{name}{suggestion(name, known)}"
        for name in sorted(variables)
        if name.startswith("CVPILOT_") and name not in known
    )
