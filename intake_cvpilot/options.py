"""What every entry point takes besides source, message type and range, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from intake_cvpilot.errors import InvalidRequestError

if TYPE_CHECKING:
    from intake_cvpilot.progress import Progress

__all__ = [
    "UNSET",
    "CacheOptions",
    "DaskOptions",
    "FrameOptions",
    "IndexOptions",
    "Options",
    "Unset",
    "with_options",
]

Function = TypeVar("Function", bound=Callable[..., Any])


class Unset:
    """The type of UNSET: not given, so that the environment and then the default decide."""

    def __repr__(self) -> str:
        return "<from the environment, else the default>"


UNSET = Unset()


class CacheOptions(TypedDict, total=False):
    """Keyword arguments of every call about a range: what is wanted, and which cache and archive.

    Those about the cache and the archive are taken from the environment when they are not given
    (see the page on settings), and last from the source's own defaults.
    """

    timezone: str
    """IANA zone of naive bounds (default UTC)."""
    weekday: str | Sequence[str] | None
    """Only nycdot: MON to SUN or NA; None for all."""
    period: str | Sequence[str] | None
    """Only nycdot: NT, AM, MD, PM, EV or NA; None for all."""
    archive: str | Path | None
    """URL or folder of the archive."""
    storage_options: Mapping[str, Any] | None
    """How to reach it: ``anon``, ``profile``, ``key``, ``secret``, ``endpoint_url`` and others."""
    cache_dir: str | Path | None
    """Folder of the cache; with ``offline=True`` also the URL of a published one, which is read
    in its place."""
    cache_options: Mapping[str, Any] | None
    """How to reach a published cache, like ``storage_options``."""


class Options(CacheOptions, total=False):
    """Keyword arguments of ``plan``, ``fetch`` and every ``open_*``, besides `CacheOptions`."""

    offline: bool | None
    """Do not ask the archive; what the cache lacks is an OfflineError.  No socket is opened, but to
    a published cache that ``cache_dir`` names."""
    refresh: bool
    """List every partition again and rebuild what changed (default False)."""
    rate: float | Unset | None
    """Requests a second to the archive; None lifts the limit (default 10)."""
    jobs: int | None
    """Processes that decode; None for the usable cores, at most 4."""
    max_bytes: int | str | Unset | None
    """Most raw bytes that one call may read, e.g. ``"50GB"``; None lifts the limit."""
    cache_limit: int | str | Unset | None
    """Bytes that the cache may take, e.g. ``"200GB"``: what was used least recently goes first
    (default: no limit)."""
    allow_stale: bool
    """Read partitions of an older major table version, with a warning, where they cannot be
    rebuilt (default False)."""
    lock_timeout: float | None
    """Seconds to wait for another process that fetches the same partition."""
    codec: Literal["snappy", "zstd"] | None
    """Compression of new parts (default snappy); it changes no row, and what is cached stays."""
    on_error: Literal["raise", "skip"]
    """After the other partitions were finished: raise what failed (default), or warn and go on."""
    client: Any
    """Where partitions are fetched and decoded: a ``dask.distributed.Client``, False for this
    machine alone, None (default) for the active client if there is one whose workers see the
    cache."""
    lock: Any
    """A lock, or its file: the request is its own where none is given, and what is not as it names
    it is a LockMismatchError; see `lock`."""
    progress: Progress | bool | None
    """A function that is called with events; True or False for bars or silence; None (default)
    for bars on a terminal and in notebooks."""


class FrameOptions(Options, total=False):
    """Keyword arguments of every ``open_*`` that gives a table."""

    table: str | None
    """Which table, where a message type has more than one (nycdot: events, bsms)."""
    columns: Sequence[str] | None
    """Columns to read, in this order; None for all."""
    filters: Any
    """A pyarrow expression, or ``[(column, op, value), ...]`` as ``pandas.read_parquet`` takes."""
    outside: Literal["drop", "keep"]
    """Rows outside their partition's window (misfiled, broken clocks): drop (default) or keep."""
    repeats: Literal["keep", "drop"]
    """Exact repeats of another row (``is_repeat``): keep (default) or drop."""
    names: Literal["tables", "portal"]
    """Columns as our tables have them (default), or under the data portal's names and in its
    forms; ``columns`` are then names of the portal, ``filters`` always ours."""


class IndexOptions(FrameOptions, total=False):
    """Keyword arguments of the openers that give pandas or dask frames."""

    index: Literal["event_time"] | None
    """Column to set as the index: sorted over the whole range, in dask with known divisions;
    None (default) for a RangeIndex."""


class DaskOptions(IndexOptions, total=False):
    """Keyword arguments of the opener that gives dask frames."""

    partition: Literal["part", "day", "auto"]
    """What makes a partition of the frame: a part, some hours of a day (default); a day (nycdot:
    a weekday of a month); or neighbouring parts of about 128 MB in memory with all columns."""


#: Defaults shown in the signatures; everything else defaults to None.
DEFAULTS: Mapping[str, Any] = {
    "timezone": "UTC",
    "refresh": False,
    "rate": UNSET,
    "max_bytes": UNSET,
    "cache_limit": UNSET,
    "allow_stale": False,
    "on_error": "raise",
    "outside": "drop",
    "repeats": "keep",
    "partition": "part",
    "names": "tables",
}


def with_options(options: type[Any]) -> Callable[[Function], Function]:
    """Show a TypedDict's keys as keyword-only parameters, and refuse any other keyword.

    Completion in notebooks and ``help()`` read the signature, so a bare ``**options`` would hide
    what can be asked for.
    """
    keys = tuple(options.__annotations__)

    def decorate(function: Function) -> Function:
        plain = inspect.signature(function)
        own = [p for p in plain.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shown = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS.get(key))
            for key in keys
        ]
        names = {parameter.name for parameter in own} | set(keys)

        @wraps(function)
        def checked(*args: Any, **keywords: Any) -> Any:
            unknown = sorted(set(keywords) - names)
            if unknown:
                # Read only here: it needs a package that a bare import must not load.
                from intake_cvpilot.sources import suggestion

                wrong = ", ".join(f"{name}{suggestion(name, names)}" for name in unknown)
                raise InvalidRequestError(
                    f"{function.__name__}() does not take {wrong}; "
                    f"it takes {', '.join(p.name for p in own)}, {', '.join(keys)}"
                )
            return function(*args, **keywords)

        checked.__signature__ = plain.replace(parameters=[*own, *shown])  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate
