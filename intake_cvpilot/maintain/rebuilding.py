"""Partitions that are brought in order from the archive: damaged ones, and what came late."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Unpack

from intake_cvpilot.build import table_versions
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.verify import Checked
from intake_cvpilot.cache.verify import verify as check
from intake_cvpilot.errors import CacheError, CVPilotError, DamagedError, OfflineError
from intake_cvpilot.errors import PartitionsFailedError as Failed
from intake_cvpilot.fetch import run
from intake_cvpilot.job import prepare
from intake_cvpilot.maintain.selection import Stock, StockOptions, stocks
from intake_cvpilot.options import Unset, with_options
from intake_cvpilot.settings import resolve
from intake_cvpilot.state import age_of, newer_text
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.progress import Progress
    from intake_cvpilot.report import Report

__all__ = ["RebuildOptions", "Rebuilt", "refresh", "repair"]


class RebuildOptions(StockOptions, total=False):
    """Keyword arguments of ``repair`` and ``refresh``, besides `StockOptions`."""

    offline: bool | None
    """Open no socket."""
    rate: float | Unset | None
    """Requests a second to the archive; None lifts the limit (default 10)."""
    jobs: int | None
    """Processes that decode; None for the usable cores, at most 4."""
    max_bytes: int | str | Unset | None
    """Most raw bytes that one call may read; None lifts the limit."""
    lock_timeout: float | None
    """Seconds to wait for another process that fetches the same partition."""
    progress: Progress | bool | None
    """As for ``fetch``."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was brought in order."""

    cache: str
    """Folder of the cache."""
    damaged: tuple[Checked, ...] = ()
    """What `repair` found damaged; all of it is whole now, but for what is in `failures`."""
    reports: tuple[Report, ...] = ()
    """What was done, for each source and message type."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Partitions that are as they were, and why."""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {
            "cache": self.cache,
            "damaged": [one.to_dict() for one in self.damaged],
            "reports": [report.to_dict() for report in self.reports],
            "failures": dict(self.failures),
        }

    def __str__(self) -> str:
        lines = [str(report) for report in self.reports] or ["nothing to do"]
        for one in self.damaged:
            end = "as it was" if one.key in self.failures else "repaired"
            lines.append(f"  {one.key}: {', '.join(p.file for p in one.problems)}: {end}")
        for report in self.reports:
            lines += [f"  {p.key}: {p.changes}" for p in report.partitions if p.changes]
        lines += [f"  failed: {key}: {why}" for key, why in self.failures.items()]
        return "\n".join(lines)


@with_options(RebuildOptions)
def repair(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[RebuildOptions],
) -> Rebuilt:
    """Check every byte of the cache, and fetch anew what is damaged and nothing else.

    Damaged files stay where they are until the new ones are renamed over them or committed, so a
    repair that fails leaves what can still be read of them.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    start, end : date, datetime or str, optional
        Only partitions whose window meets the range (dates included, instants half-open).
    **options
        See `intake_cvpilot.maintain.rebuilding.RebuildOptions`.

    Returns
    -------
    Rebuilt
        What was damaged, and what was done.  What a newer library wrote and what lies behind a
        link is left alone and is in `failures`.

    Raises
    ------
    InvalidRequestError
        An unknown name or half a range.
    OfflineError
        Something is damaged, and the archive may not be asked; everything is as it was.

    Examples
    --------
    >>> repair("wydot", "BSM", "2021-04-01", "2021-04-07")  # doctest: +SKIP
    """
    damaged: list[Checked] = []
    failures: dict[str, str] = {}
    todo: list[tuple[Stock, list[str]]] = []
    found = stocks(source, message_type, start, end, options)
    for stock in found:
        wrong = [one for key in stock.keys if (one := check(stock.layout, key, deep=True)).problems]
        damaged += wrong
        refused = _refused(stock, wrong)
        failures |= refused
        todo.append((stock, [one.key for one in wrong if one.key not in refused]))
    keys = [key for _, some in todo for key in some]
    settings = resolve(cache_dir=options.get("cache_dir"), offline=options.get("offline"))
    if keys and settings.offline:
        raise OfflineError(
            f"offline, and {amount(len(keys), 'partition')} of {settings.cache_dir} are damaged: "
            f"{', '.join(keys[:5])}. Their files are kept as they are; with access to the archive, "
            f"repair them:\n  {found[0].layout.repair(keys[0])}"
        )
    reports = _rebuild(todo, options, failures)
    return Rebuilt(str(settings.cache_dir), tuple(damaged), reports, failures)


def _refused(stock: Stock, wrong: Collection[Checked]) -> dict[str, str]:
    """Name what no repair may touch: a newer library's partitions, and those behind links."""
    refused = {}
    for one in wrong:
        try:
            manifest = load(stock.layout, one.key)
        except DamagedError:
            continue
        except CacheError as error:
            refused[one.key] = str(error)
            continue
        ours = table_versions(stock.source, stock.message_type)
        if manifest and age_of(ours, manifest.table_versions) == "newer":
            what = newer_text(ours, manifest.table_versions)
            refused[one.key] = str(stock.layout.newer(one.key, what))
    return refused


@with_options(RebuildOptions)
def refresh(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    *,
    newer: bool = False,
    **options: Unpack[RebuildOptions],
) -> Rebuilt:
    """List the cached partitions again, also the closed ones, and fetch what is new.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    start, end : date, datetime or str, optional
        Only partitions whose window meets the range (dates included, instants half-open).
    newer : bool
        Also fetch anew, with this library's tables, what a newer version of it wrote.  Until the
        new generation is committed the other stays; without `newer` it is in `failures`.
    **options
        See `intake_cvpilot.maintain.rebuilding.RebuildOptions`.

    Returns
    -------
    Rebuilt
        The reports tell added, changed and deleted objects apart.  Only blocks with such objects
        are rebuilt, and only their objects are read.

    Raises
    ------
    InvalidRequestError
        An unknown name or half a range.
    OfflineError
        The archive may not be asked.

    Examples
    --------
    >>> print(refresh("wydot", "BSM", "2021-04-01", "2021-04-07"))  # doctest: +SKIP
    """
    settings = resolve(cache_dir=options.get("cache_dir"), offline=options.get("offline"))
    if settings.offline:
        raise OfflineError("refresh lists the archive again, and offline forbids that")
    failures: dict[str, str] = {}
    found = stocks(source, message_type, start, end, options)
    todo = [(stock, list(_committed(stock))) for stock in found]
    reports = _rebuild(todo, options, failures, over_newer=newer)
    return Rebuilt(str(settings.cache_dir), (), reports, failures)


def _committed(stock: Stock) -> list[str]:
    return [key for key in stock.keys if stock.layout.manifest(key).exists()]


def _rebuild(
    todo: Collection[tuple[Stock, list[str]]],
    options: Mapping[str, Any],
    failures: dict[str, str],
    *,
    over_newer: bool = False,
) -> tuple[Report, ...]:
    reports = []
    for stock, keys in todo:
        if not keys:
            continue
        start, end = _range(keys)
        taken = {k: v for k, v in options.items() if k not in ("timezone", "weekday", "progress")}
        job = prepare(stock.source, stock.message_type, start, end, {**taken, "refresh": True})
        try:
            meant = replace(job, only=frozenset(keys), over_newer=over_newer)
            done = run(meant, options.get("progress"))
            reports.append(done.report)
        except Failed as error:
            failures |= {key: str(cause) for key, cause in error.failures.items()}
            if error.report is not None:
                reports.append(error.report)
        except CVPilotError as error:
            if sum(bool(some) for _, some in todo) == 1:
                raise
            failures |= dict.fromkeys(keys, str(error))
    return tuple(reports)


def _range(keys: Collection[str]) -> tuple[str, str]:
    """Give the days, or for weekday bins the whole months, that hold the partitions."""
    first, last = (key.split("/")[2:] for key in (min(keys), max(keys)))
    if first[2].isdigit():
        return "-".join(first), "-".join(last)
    days = monthrange(int(last[0]), int(last[1]))[1]
    return f"{first[0]}-{first[1]}-01", f"{last[0]}-{last[1]}-{days}"
