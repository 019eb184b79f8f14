"""Whether the cache is whole, and whether it still is what the archive has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Unpack

from intake_cvpilot.account import is_like, read_objects, unverified_since
from intake_cvpilot.archive import open_archive
from intake_cvpilot.cache.layout import split_folder
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.notes import note_good, was_good
from intake_cvpilot.cache.verify import Checked
from intake_cvpilot.cache.verify import verify as check
from intake_cvpilot.changes import Changes, changes
from intake_cvpilot.errors import CacheError, CVPilotError, OfflineError
from intake_cvpilot.maintain.selection import Stock, StockOptions, stocks
from intake_cvpilot.options import with_options
from intake_cvpilot.settings import resolve
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["Verified", "verify"]

#: How old a note may be with which `resume` passes a partition over.
RESUMED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Verified:
    """What looking the cache over found."""

    cache: str
    """Folder of the cache."""
    depth: Literal["quick", "deep"]
    """Sizes and footers, or every byte."""
    checked: tuple[Checked, ...]
    """The partitions that were looked at, in order."""
    passed_over: int = 0
    """Partitions that a check before this one had found good."""
    remote: Mapping[str, Changes] = field(default_factory=dict)
    """With ``remote=True``: partitions that are no longer what the archive has, and how."""
    unverified: Mapping[str, str] = field(default_factory=dict)
    """With ``remote=True``: partitions of the data portal that have the rows that were read, and
    when their table has changed since (ISO 8601, UTC), so that values may be others."""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """With ``remote=True``: partitions of which the archive could not tell, and why."""

    @property
    def damaged(self) -> tuple[Checked, ...]:
        """The partitions with problems."""
        return tuple(one for one in self.checked if one.problems)

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not (self.damaged or self.remote or self.unanswered)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {
            "cache": self.cache,
            "depth": self.depth,
            "checked": [one.to_dict() for one in self.checked],
            "passed_over": self.passed_over,
            "remote": {key: one.to_dict() for key, one in self.remote.items()},
            "unverified": dict(self.unverified),
            "unanswered": dict(self.unanswered),
            "good": self.is_good,
        }

    def __str__(self) -> str:
        states = Counter(one.state for one in self.checked)
        counted = ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "none"
        files = sum(one.files for one in self.checked)
        size = sum(one.bytes for one in self.checked)
        lines = [
            (
                f"{self.cache}: {amount(len(self.checked), 'partition')} checked, {self.depth} "
                f"({counted}); {amount(files, 'file')}, {size:,} bytes"
            )
        ]
        if self.passed_over:
            lines.append(f"  {self.passed_over} passed over: found good within the last day")
        for one in self.damaged:
            lines += [f"  {one.key}: {problem.file}: {problem.what}" for problem in one.problems]
            lines += [f"    {one.repair}"] if one.repair else []
        lines += [f"  {key}: in the archive {how}" for key, how in self.remote.items()]
        lines += [
            f"  {key}: has the rows that were read; unverified since its table changed, {since}"
            for key, since in self.unverified.items()
        ]
        lines += [f"  {key}: not compared: {why}" for key, why in self.unanswered.items()]
        return "\n".join(lines)


@with_options(StockOptions)
def verify(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    *,
    deep: bool = False,
    remote: bool = False,
    resume: bool = False,
    jobs: int | None = None,
    **options: Unpack[StockOptions],
) -> Verified:
    """Check partitions against their manifests; nothing but notes is written.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    start, end : date, datetime or str, optional
        Only partitions whose window meets the range (dates included, instants half-open).
    deep : bool
        Hash every byte, decode every page and count the rows, instead of sizes and footers.
    remote : bool
        List the partitions in the archive as well and tell what is new there; no object is read.
    resume : bool
        Pass over what was found good, at this depth or deeper, within the last day.
    jobs : int, optional
        Threads; None for the setting ``jobs``, else 4.
    **options
        See `intake_cvpilot.maintain.selection.StockOptions`.

    Returns
    -------
    Verified
        Damage is a result here, not an error.

    Raises
    ------
    InvalidRequestError
        An unknown name or half a range.
    OfflineError
        ``remote=True`` and ``CVPILOT_OFFLINE`` is set.

    Examples
    --------
    >>> print(verify("wydot", "BSM", deep=True))  # doctest: +SKIP
    """
    depth: Literal["quick", "deep"] = "deep" if deep else "quick"
    settings = resolve(cache_dir=options.get("cache_dir"), jobs=jobs)
    if remote and settings.offline:
        raise OfflineError("remote=True lists the archive, and CVPILOT_OFFLINE is set")
    now = datetime.now(UTC)
    found = stocks(source, message_type, start, end, options)
    every = [(stock.layout, key) for stock in found for key in stock.keys]
    todo = [
        (layout, key)
        for layout, key in every
        if not (resume and was_good(layout, key, depth, within=RESUMED, now=now))
    ]
    with ThreadPoolExecutor(settings.jobs or 4) as threads:
        try:
            checked = list(threads.map(lambda one: _check(*one, deep=deep), todo))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)  # Ctrl-C: what was noted stays
            raise
    differ: dict[str, Changes] = {}
    unverified: dict[str, str] = {}
    unanswered: dict[str, str] = {}
    if remote:
        for stock in found:
            _compare(stock, differ, unverified, unanswered)
    return Verified(
        cache=str(settings.cache_dir),
        depth=depth,
        checked=tuple(one for one in checked if one.state != "missing" or one.problems),
        passed_over=len(every) - len(todo),
        remote=differ,
        unverified=unverified,
        unanswered=unanswered,
    )


def _check(layout: Layout, key: str, *, deep: bool) -> Checked:
    found = check(layout, key, deep=deep)
    if found.state == "good":
        with suppress(CacheError):
            manifest = load(layout, key)
            if manifest is not None:
                note_good(layout, key, found.depth, manifest.checksum)
    return found


def _compare(
    stock: Stock,
    differ: dict[str, Changes],
    unverified: dict[str, str],
    unanswered: dict[str, str],
) -> None:
    """List the partitions of a stock, and compare the listing with what is committed."""
    if not stock.keys:
        return
    archive = open_archive(
        stock.settings.archive,
        storage_options=stock.settings.reach,
        rate=stock.settings.rate,
        scratch=split_folder(stock.layout.root),
    )
    try:
        for key, manifest in _committed(stock, unanswered):
            try:
                snapshot = archive.snapshot(f"{key}/")
                if is_like(manifest, snapshot) and manifest.fingerprint != snapshot.fingerprint:
                    unverified[key] = str(unverified_since(manifest, snapshot))
                elif manifest.fingerprint != snapshot.fingerprint:
                    differ[key] = changes(read_objects(stock.layout, manifest), snapshot.units)
            except CVPilotError as error:
                unanswered[key] = str(error)
    finally:
        archive.close()


def _committed(stock: Stock, unanswered: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for key in stock.keys:
        try:
            manifest = load(stock.layout, key)
        except CacheError as error:
            unanswered[key] = str(error)
            continue
        if manifest is not None:
            yield key, manifest
