"""What goes from the cache: what nobody used for long, or what somebody names."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Unpack

from intake_cvpilot.cache import locks
from intake_cvpilot.cache.census import size
from intake_cvpilot.cache.layout import require_mark
from intake_cvpilot.cache.removal import remove
from intake_cvpilot.cache.room import make_room
from intake_cvpilot.cache.splits import cuts, remove_cut
from intake_cvpilot.errors import CacheError, InvalidRequestError
from intake_cvpilot.maintain.selection import Stock, StockOptions, stocks
from intake_cvpilot.options import with_options
from intake_cvpilot.settings import resolve
from intake_cvpilot.values import size as read_size
from intake_cvpilot.wording import amount

__all__ = ["Removed", "clear", "evict"]


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed from the cache, or would be."""

    cache: str
    """Folder of the cache."""
    dry_run: bool
    """Whether nothing was removed."""
    partitions: tuple[str, ...]
    """Partitions that went; of `evict` with the name of their archive's folder."""
    staged: tuple[str, ...]
    """Partitions of which what was staged went."""
    cut: tuple[str, ...]
    """Names of the archives' folders whose downloaded table, cut into days, went."""
    failed: tuple[tuple[str, str], ...]
    """Partitions that should have gone and did not, and why."""
    freed: int
    """Bytes that went."""
    left: int | None = None
    """Bytes that the cache takes now; None where it was not asked."""
    max_size: int | None = None
    """Bytes that the cache may take; None for any number."""
    in_use: int = 0
    """Bytes that `evict` left because they were used within the last hour."""
    superseded: int = 0
    """Bytes among them of parts that a later generation replaced, which open frames may read."""
    until: datetime | None = None
    """Aware UTC: when `evict` may take them, if nothing uses them until then."""

    @property
    def is_short(self) -> bool:
        """Whether the cache is larger than it may be: the rest is in use."""
        return self.left is not None and self.max_size is not None and self.left > self.max_size

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        is_nothing = not (self.partitions or self.staged or self.cut)
        lines = [
            (
                f"nothing to remove in {self.cache}"
                if is_nothing
                else f"{verb} {amount(len(self.partitions), 'partition')} and what was staged of "
                f"{len(self.staged)}, {self.freed:,} bytes, from {self.cache}"
            )
        ]
        lines += [f"  {key}" for key in self.partitions]
        lines += [f"  staged: {key}" for key in self.staged]
        lines += [f"  a downloaded table, cut into days: {tree}" for tree in self.cut]
        lines += [f"  not removed: {key}: {why}" for key, why in self.failed]
        if self.left is not None:
            lines.append(f"the cache takes {self.left:,} bytes")
        if is_nothing and self.left and not self.is_short:
            lines.append("evict leaves what was used within the last hour, or later than was said")
        if self.is_short:
            lines.append(f"that is more than {self.max_size:,}")
        if self.is_short and self.until is not None:
            lines.append(
                f"what was used within the last hour stays: {self.in_use:,} bytes, of which "
                f"{self.superseded:,} are superseded parts that open frames may read; they can go "
                f"after {self.until:%Y-%m-%d %H:%M:%S} UTC, unless they are used again"
            )
        return "\n".join(lines)


@with_options(StockOptions)
def clear(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    *,
    dry_run: bool = False,
    confirm: Callable[[Removed], bool] | None = None,
    **options: Unpack[StockOptions],
) -> Removed:
    """Remove partitions from the cache; without arguments all of the archive's.

    Without a range, what a downloaded table (``archive="file:///.../rows.csv"``) was cut into goes
    as well.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    start, end : date, datetime or str, optional
        Only partitions whose window meets the range (dates included, instants half-open); both
        or neither.
    dry_run : bool
        Only say what would go.
    confirm : callable, optional
        Asked once, with what would go; nothing is removed unless it says True.
    **options
        See `intake_cvpilot.maintain.selection.StockOptions`.

    Returns
    -------
    Removed
        What went.  A partition that another process holds is waited for as long as
        ``CVPILOT_LOCK_TIMEOUT`` says, and is in `failed` after that.

    Raises
    ------
    InvalidRequestError
        An unknown name or half a range.
    CacheError
        The folder is no cache of this library.

    Examples
    --------
    >>> clear("wydot", "BSM", "2021-04-01", "2021-04-07", dry_run=True)  # doctest: +SKIP
    """
    root = resolve(cache_dir=options.get("cache_dir")).cache_dir
    require_mark(root)
    found = stocks(source, message_type, start, end, options)
    trees = {stock.layout.tree for stock in found} if start is None else set()
    would = _remove(root, found, trees, dry_run=True)
    if dry_run or not (would.partitions or would.cut):
        return would
    if confirm is not None and not confirm(would):
        return would
    return _remove(root, found, trees, dry_run=False)


def _remove(
    root: Path, found: tuple[Stock, ...], trees: Collection[str], *, dry_run: bool
) -> Removed:
    removed, failed, freed, gone = [], [], 0, []
    for stock in found:
        for key in stock.keys:
            try:
                freed += _one(stock, key, dry_run=dry_run)
                removed.append(key)
            except CacheError as error:
                failed.append((key, str(error)))
    for cut in [cut for cut in cuts(root) if cut.tree in trees]:
        try:
            freed += cut.bytes if dry_run else remove_cut(root, cut.tree)
            gone.append(cut.tree)
        except CacheError as error:
            failed.append((cut.tree, str(error)))
    return Removed(
        cache=str(root),
        dry_run=dry_run,
        partitions=tuple(removed),
        staged=(),
        cut=tuple(gone),
        failed=tuple(failed),
        freed=freed,
    )


def _one(stock: Stock, key: str, *, dry_run: bool) -> int:
    if dry_run:
        try:
            return size(stock.layout.root, stock.layout.parts(key))[0]
        except OSError as error:
            raise CacheError(
                f"partition {key} cannot be looked at in {stock.layout.root}: "
                f"{error.strerror or error}; check the folder's rights and its disk, and call again"
            ) from error
    with locks.hold(stock.layout, key, timeout=stock.settings.lock_timeout):
        return remove(stock.layout, key)


def evict(
    *,
    max_size: int | str | None = None,
    older_than: float | timedelta | None = None,
    dry_run: bool = False,
    cache_dir: str | Path | None = None,
) -> Removed:
    """Remove what is least needed, of all archives, until the cache is small enough.

    What is staged goes first, then downloaded tables that were cut into days, superseded parts, and
    the partitions that were used least recently.  What was used within the last hour stays, its
    superseded parts with it, and so does what another process holds.

    Parameters
    ----------
    max_size : int or str, optional
        Bytes that the cache may take, as a number or e.g. ``"20GB"``; None for
        ``CVPILOT_CACHE_LIMIT``, unless `older_than` is given.
    older_than : float or timedelta, optional
        Partitions that were not used for so many days go whatever the size.
    dry_run : bool
        Only say what would go.
    cache_dir : str or path, optional
        Folder of the cache.

    Returns
    -------
    Removed
        What went, and what the cache takes now.

    Raises
    ------
    InvalidRequestError
        Neither a size nor an age is given.
    CacheError
        The folder is no cache of this library.

    Examples
    --------
    >>> evict(max_size="20GB")  # doctest: +SKIP
    """
    settings = resolve(cache_dir=cache_dir)
    most = _bytes(max_size) if max_size is not None else None
    if max_size is None and older_than is None:
        most = settings.cache_limit
    age = _age(older_than)
    if most is None and age is None:
        raise InvalidRequestError(
            "give max_size (bytes, or such as '20GB'; --max-size) or older_than (days; "
            "--older-than), or set CVPILOT_CACHE_LIMIT"
        )
    done = make_room(settings.cache_dir, most=most, older_than=age, dry_run=dry_run)
    return Removed(
        cache=str(settings.cache_dir),
        dry_run=dry_run,
        partitions=done.removed,
        staged=done.staged,
        cut=done.cut,
        failed=done.failed,
        freed=done.freed,
        left=done.left,
        max_size=most,
        in_use=done.in_use,
        superseded=done.superseded,
        until=done.until,
    )


def _bytes(given: int | str) -> int:
    try:
        found = read_size(given)
    except ValueError:
        found = None
    if found is None or found < 0:
        raise InvalidRequestError(f"max_size: {given!r} is no size; give bytes, or such as '20GB'")
    return int(found)


def _age(given: float | timedelta | None) -> timedelta | None:
    if given is None or isinstance(given, timedelta):
        age = given
    else:
        try:
            age = timedelta(days=float(given))
        except (ValueError, OverflowError, TypeError):
            age = timedelta(-1)
    if age is not None and age < timedelta(0):
        raise InvalidRequestError(f"older_than: {given!r} is no number of days")
    return age
