"""Where things are and what is allowed; the only module that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from intake_cvpilot import values
from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.options import UNSET, Unset
from intake_cvpilot.values import Secrets

__all__ = ["SETTINGS", "Described", "Secrets", "Setting", "Settings", "resolve", "unknown"]


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
    cache_options: Secrets
    """How to reach a published cache."""
    archive: str = field(repr=False)
    """URL or folder of the archive; it may hold credentials."""
    storage_options: Secrets
    """How to reach the archive."""
    offline: bool
    """Open no socket."""
    max_bytes: int | None
    """Most raw bytes that one call may read; None for no limit."""
    cache_limit: int | None
    """Bytes that the cache may take, over all archives; None for no limit."""
    rate: float | None
    """Requests a second to the archive; None for no limit."""
    jobs: int | None
    """Processes that decode; None for the usable cores, at most 4."""
    lock_timeout: float
    """Seconds to wait for another process that fetches the same partition."""
    settle: timedelta
    """How long after a partition's end its listing is not taken for final."""
    recheck: timedelta
    """Age after which a listing that is not final is taken again."""
    codec: Literal["snappy", "zstd"]
    """Compression of new parts."""
    verify: Literal["once", "never"]
    """Whether a part's whole hash is checked before another engine reads the file."""
    progress: bool | None
    """Bars or silence; None for bars on a terminal and in notebooks."""
    published: str | None = field(default=None, repr=False)
    """URL of a published cache, which is only read; it may hold credentials.  Then `cache_dir` is
    a place that cannot be written."""
    app_token: Secrets = field(default_factory=Secrets, repr=False)
    """App token of the data portal; empty for none."""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Where each value came from: ``argument``, a variable's name, or ``default``."""

    @property
    def reach(self) -> Secrets:
        """How to reach the archive: the storage options, and for a data portal its token."""
        if not self.archive.startswith("socrata:"):
            return self.storage_options
        return Secrets({**self.app_token, **self.storage_options})

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
    show: Callable[[Any], str] = values.text
    """Text of a value, for people."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"CVPILOT_{self.name.upper()}"


_SIZES = 'a number of bytes, "50GB", "1.5 GiB" or "none"'
_DAYS = "a number of days, e.g. 60 or 0.5"
_SWITCHES = "true or false (also 1, yes, on, 0, no, off)"
_FOLDERS = "a folder, or to read offline the URL of a published cache"
_OPTIONS = 'a mapping (in the environment a JSON object), e.g. {"anon": false, "profile": "work"}'

#: Every setting; the page docs/settings.md lists the same.
SETTINGS: tuple[Setting, ...] = (
    Setting("cache_dir", values.folder, _FOLDERS, "the user's cache folder"),
    Setting("cache_options", values.secrets, _OPTIONS, "{}"),
    Setting("archive", values.place, "a URL or a folder", "the source's own", values.masked),
    Setting("storage_options", values.secrets, _OPTIONS, "{}"),
    Setting("offline", values.switch, _SWITCHES, "false"),
    Setting("max_bytes", values.size, _SIZES, "50GB", values.size_text),
    Setting("cache_limit", values.size, _SIZES, "none", values.size_text),
    Setting("rate", values.rate, 'requests a second, above 0, or "none"', "10"),
    Setting("jobs", values.processes, 'a whole number from 1, or "auto"', "auto", values.auto_text),
    Setting("lock_timeout", values.seconds, "seconds, 0 or more", "3600"),
    Setting("settle", values.days, _DAYS, "60", values.days_text),
    Setting("recheck", values.days, _DAYS, "1", values.days_text),
    Setting("codec", values.codec, "snappy or zstd", "snappy"),
    Setting("verify", values.verification, "once or never", "once"),
    Setting("progress", values.progress, f"{_SWITCHES}, or auto", "auto", values.auto_text),
    Setting("app_token", values.token, "the data portal's app token", "none", values.token_text),
)

#: Where None is a value (no limit), so that "not given" needs a word of its own.
_NONE_IS_A_VALUE = frozenset({"cache_limit", "max_bytes", "rate"})


def resolve(
    *,
    source: str | None = None,
    cache_dir: str | Path | None = None,
    cache_options: Mapping[str, Any] | None = None,
    archive: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
    offline: bool | None = None,
    max_bytes: int | str | Unset | None = UNSET,
    cache_limit: int | str | Unset | None = UNSET,
    rate: float | Unset | None = UNSET,
    jobs: int | None = None,
    lock_timeout: float | None = None,
    settle: float | timedelta | None = None,
    recheck: float | timedelta | None = None,
    codec: Literal["snappy", "zstd"] | None = None,
    verify: Literal["once", "never"] | None = None,
    progress: bool | None = None,
    app_token: str | None = None,
    published: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settle every setting: the argument, else the environment variable, else the default.

    Parameters
    ----------
    source : str, optional
        The source that names the default archive; None for the first one there is.
    cache_dir, cache_options, archive, storage_options, offline, max_bytes, rate, jobs, \
lock_timeout, settle, recheck, codec, verify, progress, app_token
        See `Settings`; None is "not given", but for ``max_bytes`` and ``rate``,
        where it lifts the limit.  ``settle`` and ``recheck`` are days or a timedelta.
    cache_limit : int, str or None
        Bytes that the cache may take; None for any number.
    published : bool
        Whether ``cache_dir`` may be the URL of a published cache.
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
        "cache_options": cache_options,
        "archive": archive,
        "storage_options": storage_options,
        "offline": offline,
        "max_bytes": max_bytes,
        "cache_limit": cache_limit,
        "rate": rate,
        "jobs": jobs,
        "lock_timeout": lock_timeout,
        "settle": settle,
        "recheck": recheck,
        "codec": codec,
        "verify": verify,
        "progress": progress,
        "app_token": app_token,
    }
    variables = os.environ if environ is None else environ
    settled: dict[str, Any] = {}
    place = cache_dir or variables.get("CVPILOT_CACHE_DIR", "")
    if published and values.is_url(place):
        given["cache_dir"], settled["published"] = os.devnull, str(place).strip().rstrip("/")
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        name, argument = setting.name, given[setting.name]
        if argument is not UNSET and (argument is not None or name in _NONE_IS_A_VALUE):
            settled[name] = _checked(setting, argument, name)
            origins[name] = "argument"
        elif variables.get(setting.variable, "").strip() and _fits(
            setting, variables[setting.variable], source
        ):
            settled[name] = _checked(setting, variables[setting.variable], setting.variable)
            origins[name] = setting.variable
        else:
            settled[name] = _default(setting, source)
            origins[name] = "default"
    return Settings(**settled, origins=origins)


def _fits(setting: Setting, text: str, source: str | None) -> bool:
    """Say whether a variable is meant for a source: the bucket's archive has no portal's rows."""
    if setting.name not in ("archive", "storage_options") or source is None:
        return True
    from intake_cvpilot import sources

    portal = sources.source(source).of is not None
    if setting.name == "archive":
        return portal == text.strip().startswith("socrata:") or text.strip().endswith(".csv")
    return not portal


def _default(setting: Setting, source: str | None) -> Any:
    if setting.name == "cache_dir":
        from platformdirs import user_cache_path

        return user_cache_path("intake-cvpilot", appauthor=False).absolute()
    if setting.name == "app_token":
        return Secrets()
    if setting.name == "archive":
        from intake_cvpilot import sources

        return sources.source(source or next(iter(sources.sources()))).archive
    return setting.read(setting.default)


def _checked(setting: Setting, value: Any, where: str) -> Any:
    if setting.name == "cache_dir" and values.is_url(value):
        raise InvalidRequestError(
            f"{where}: this call needs a folder; the URL of a published cache is for open_* and "
            "the like, which read it with offline=True"
        )
    try:
        return setting.read(value)
    # RuntimeError: ``~someone`` without a home, and JSON nested too deep.
    except (ValueError, TypeError, OverflowError, RuntimeError):
        # What may hold a secret is not repeated.
        hidden = setting.name in ("archive", "storage_options", "app_token", "cache_options")
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
