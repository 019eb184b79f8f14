"""Tables of an earlier minor version, brought to this one without the archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from intake_cvpilot.build import table_versions
from intake_cvpilot.cache import locks
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.room import make_room
from intake_cvpilot.errors import CacheError, CVPilotError, SpaceError
from intake_cvpilot.maintain.rewriting import Rewriting
from intake_cvpilot.maintain.selection import StockOptions, stocks
from intake_cvpilot.options import with_options
from intake_cvpilot.settings import resolve
from intake_cvpilot.state import age_of, newer_text
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.maintain.selection import Stock

__all__ = ["Migrated", "migrate"]


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was brought to this library's minor table versions, or would be."""

    cache: str
    """Folder of the cache."""
    dry_run: bool
    """Whether nothing was written."""
    partitions: tuple[str, ...] = ()
    """Partitions that were rewritten."""
    current: int = 0
    """Partitions that needed nothing."""
    filled: Mapping[str, int] = field(default_factory=dict)
    """Cells with a value that `extra` held, by ``table.column``."""
    nulls: Mapping[str, int] = field(default_factory=dict)
    """Cells that are null, for `extra` did not hold their value, by ``table.column``."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Partitions that are as they were, and why; for an older major version, with the command
    that fetches it again."""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        verb = "would rewrite" if self.dry_run else "rewrote"
        count = f"{verb} {amount(len(self.partitions), 'partition')} of {self.cache}"
        lines = [f"{count}; {self.current} are of this version"]
        lines += [f"  {key}" for key in self.partitions]
        for name in sorted({*self.filled, *self.nulls}):
            lines.append(
                f"  {name}: {self.filled.get(name, 0):,} values were in extra, "
                f"{amount(self.nulls.get(name, 0), 'row has none', 'rows have none')}"
            )
        lines += [f"  as it was: {key}: {why}" for key, why in self.failures.items()]
        return "\n".join(lines)


@with_options(StockOptions)
def migrate(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    *,
    dry_run: bool = False,
    **options: Unpack[StockOptions],
) -> Migrated:
    """Rewrite partitions of an earlier minor table version; no archive is asked, ever.

    A minor version adds columns.  They are filled with what the records carried beyond the columns
    of their time, which is in `extra`, and are null elsewhere.  Without it such partitions are
    read as they are, the new columns null.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    start, end : date, datetime or str, optional
        Only partitions whose window meets the range (dates included, instants half-open).
    dry_run : bool
        Only say which partitions would be rewritten; their parts are not read.
    **options
        See `intake_cvpilot.maintain.selection.StockOptions`.

    Returns
    -------
    Migrated
        What was done.  Partitions of an older major version, of a newer library, damaged or held
        by another process for too long are in `failures`, and as they were.

    Raises
    ------
    InvalidRequestError
        An unknown name or half a range.
    SpaceError
        No room, on the disk or under the limit; partitions before that are done.

    Examples
    --------
    >>> print(migrate("wydot", "BSM", dry_run=True))  # doctest: +SKIP
    """
    settings = resolve(cache_dir=options.get("cache_dir"))
    done: list[str] = []
    filled: Counter[str] = Counter()
    nulls: Counter[str] = Counter()
    failures: dict[str, str] = {}
    current = 0
    for stock in stocks(source, message_type, start, end, options):
        for key in stock.keys:
            try:
                found = _wanting(stock, key)
                work = _rewritten(stock, key) if found is not None and not dry_run else None
            except SpaceError:
                raise
            except CVPilotError as error:
                failures[key] = str(error)
                continue
            if found is None:
                current += stock.layout.manifest(key).exists()
                continue
            done.append(key)
            if work is not None:
                filled.update(work.filled)
                nulls.update(work.nulls)
    return Migrated(
        str(settings.cache_dir), dry_run, tuple(done), current, dict(filled), dict(nulls), failures
    )


def _wanting(stock: Stock, key: str) -> Manifest | None:
    """Give the manifest of a partition of an earlier minor version; None for one of today's.

    Raises
    ------
    CacheError
        It cannot be rewritten.
    """
    manifest = load(stock.layout, key)
    if manifest is None:
        return None
    ours = table_versions(stock.source, stock.message_type)
    age = age_of(ours, manifest.table_versions)
    if age == "newer":
        raise stock.layout.newer(key, newer_text(ours, manifest.table_versions))
    if age == "major":
        has = ", ".join(f"{name} {text}" for name, text in manifest.table_versions.items())
        raise CacheError(
            f"its tables are of an older major version ({has}), whose values mean something else: "
            "they have to be fetched again. With access to the archive: "
            f"{stock.layout.refresh(key)}"
        )
    return manifest if age == "minor" else None


def _rewritten(stock: Stock, key: str) -> Rewriting | None:
    """Rewrite a partition under its lock; None where another process has done it meanwhile."""
    timeout = stock.settings.lock_timeout
    with locks.hold(stock.layout, key, timeout=timeout):
        manifest = _wanting(stock, key)
        if manifest is None:
            return None  # another process has done it
        _make_room(stock, manifest)
        work = Rewriting(
            stock.layout,
            manifest,
            table_versions(stock.source, stock.message_type),
            stock.settings.codec,
        )
        work.run()
        return work


def _make_room(stock: Stock, manifest: Manifest) -> None:
    """Keep the cache's limit: the new parts stand beside the old ones for a day."""
    limit = stock.settings.cache_limit
    if limit is None:
        return
    needed = sum(file.bytes for file in manifest.files)
    keep = {f"{stock.layout.tree}/{manifest.key}"}
    made = make_room(stock.layout.root, most=limit - needed, keep=keep)
    if made.left > limit - needed:
        raise SpaceError(
            f"{needed:,} bytes are needed to rewrite {manifest.key} and the cache "
            f"{stock.layout.root} takes {made.left:,} of its limit of {limit:,}; what is left was "
            "used within the last hour. Raise CVPILOT_CACHE_LIMIT, or call again later"
        )
