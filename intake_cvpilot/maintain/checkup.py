"""Whether everything that a fetch needs is in order, before one is begun."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from intake_cvpilot.archive import identity, open_archive
from intake_cvpilot.cache.layout import require_mark
from intake_cvpilot.cache.probe import Tried, probe
from intake_cvpilot.errors import AccessDeniedError, CacheError, CVPilotError
from intake_cvpilot.settings import Settings, resolve, unknown
from intake_cvpilot.sources import source as known_source
from intake_cvpilot.sources import sources
from intake_cvpilot.wording import amount

__all__ = ["Checkup", "doctor"]

_PACKAGES = (
    *("intake-cvpilot", "intake", "dask", "pandas", "pyarrow", "numpy", "fsspec", "botocore"),
    *("urllib3", "filelock", "msgspec", "loky"),
)


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was tried, and how it went."""

    tried: tuple[Tried, ...]
    """In the order in which it was tried."""
    versions: Mapping[str, str]
    """Python, the system, and the packages that this library stands on."""
    denied: bool = False
    """Whether the archive refuses access."""

    @property
    def is_good(self) -> bool:
        """Whether nothing is bad."""
        return all(one.state != "bad" for one in self.tried)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {**asdict(self), "good": self.is_good}

    def __str__(self) -> str:
        signs = {"good": "ok  ", "note": "note", "bad": "BAD "}
        lines = [f"{signs[one.state]}  {one.name}: {one.text}" for one in self.tried]
        lines.append("      " + ", ".join(f"{k} {v}" for k, v in self.versions.items()))
        return "\n".join(lines)


def doctor(
    *,
    source: str | None = None,
    archive: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
    cache_dir: str | Path | None = None,
    offline: bool | None = None,
) -> Checkup:
    """Try what a fetch needs: the cache, its file system, and the archive with one listing.

    Parameters
    ----------
    source : str, optional
        The source whose archive is tried; None for the first one.
    archive : str or path, optional
        As for ``fetch``.
    storage_options : mapping, optional
        As for ``fetch``.
    cache_dir : str or path, optional
        As for ``fetch``.
    offline : bool, optional
        Open no socket: the archive is not tried.

    Returns
    -------
    Checkup
        What was tried.  Credentials are named, never shown.

    Raises
    ------
    InvalidRequestError
        A setting is not valid.

    Examples
    --------
    >>> print(doctor(offline=True))  # doctest: +SKIP
    """
    settings = resolve(
        source=None if source is None else known_source(source).name,
        archive=archive,
        storage_options=storage_options,
        cache_dir=cache_dir,
        offline=offline,
    )
    answer, denied = _archive(settings, source)
    tried = (*probe(settings.cache_dir), *_mark(settings), *_settings(settings), answer)
    return Checkup(tried, _versions(), denied)


def _mark(settings: Settings) -> Iterator[Tried]:
    if settings.cache_dir.exists():
        try:
            require_mark(settings.cache_dir)
        except CacheError as error:
            state = "bad" if (settings.cache_dir / "cache.json").exists() else "note"
            yield Tried("mark", state, str(error))  # type: ignore[arg-type]


def _settings(settings: Settings) -> Iterator[Tried]:
    for name in unknown():
        yield Tried("settings", "note", f"no such setting: {name}")
    names = sorted(settings.reach)
    said = f"storage_options has {', '.join(names)}" if names else "no storage_options"
    yield Tried("credentials", "good", f"{said}; values are never shown")


def _archive(settings: Settings, source: str | None) -> tuple[Tried, bool]:
    named = identity(settings.archive, settings.storage_options)
    if settings.offline:
        return Tried("archive", "note", f"{named} was not tried: offline"), False
    owner = known_source(source) if source else next(iter(sources().values()))
    prefix = f"{owner.name}/{next(iter(owner.types))}/2021/04/01/"
    try:
        if settings.archive.endswith(".csv"):
            return Tried("archive", "note", f"{named} is split into days when it is read"), False
        found = open_archive(settings.archive, storage_options=settings.reach, rate=settings.rate)
        try:
            listed = found.snapshot(prefix)
        finally:
            found.close()
    except CVPilotError as error:
        return Tried("archive", "bad", str(error)), isinstance(error, AccessDeniedError)
    return Tried(
        "archive", "good", f"{named} lists {amount(len(listed.units), 'object')} of {prefix}"
    ), False


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "system": platform.platform(terse=True)}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # pragma: no cover - all of them are required
            found[name] = "missing"
    return found
