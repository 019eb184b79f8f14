"""Making room: what may go from a cache, in which order, and what must stay.

What is staged goes first, then downloaded tables that were cut into days, superseded parts, and
whole partitions, the least recently used before the others.  What was used within the last hour
stays, and so does whatever the caller keeps.  What another process holds is passed over.

The superseded parts of a partition in use stay with it: a frame that was opened before they were
superseded may be what uses it, and a use does not tell of which generation it is.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intake_cvpilot.cache import locks
from intake_cvpilot.cache.census import Held, held, layouts, size, staged
from intake_cvpilot.cache.commit import superseded, superseded_bytes
from intake_cvpilot.cache.layout import require_mark
from intake_cvpilot.cache.removal import remove, remove_staged
from intake_cvpilot.cache.splits import Cut, cuts, remove_cut
from intake_cvpilot.cache.usage import last_used
from intake_cvpilot.errors import CacheError

__all__ = ["IN_USE", "Freed", "make_room", "total"]

#: How long after its last use a partition counts as in use.
IN_USE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Freed:
    """What was removed to make room."""

    removed: tuple[str, ...] = ()
    """Partitions, each with the name of its archive's folder."""
    staged: tuple[str, ...] = ()
    """Partitions whose staging was removed."""
    cut: tuple[str, ...] = ()
    """Names of the archives' folders whose table, cut into days, was removed."""
    failed: tuple[tuple[str, str], ...] = ()
    """What should have gone and did not (another process holds it, say), and why."""
    freed: int = 0
    """Bytes that were removed."""
    left: int = 0
    """Bytes that the cache takes now."""
    in_use: int = 0
    """Bytes of partitions that stay because they were used within the last hour."""
    superseded: int = 0
    """Bytes of superseded parts among them."""
    until: datetime | None = None
    """Aware UTC: when all of them may go, if nothing uses them until then; None without any."""


def total(root: Path) -> int:
    """Give the bytes of all partitions, of what is staged and of tables cut into days."""
    places = layouts(root)
    return sum(
        one.bytes for layout in places for each in (held, staged) for one in each(layout)
    ) + sum(cut.bytes for cut in cuts(root))


def make_room(
    root: Path,
    *,
    most: int | None = None,
    older_than: timedelta | None = None,
    keep: Collection[str] = (),
    dry_run: bool = False,
) -> Freed:
    """Remove what is least needed until the cache is no larger than it may be.

    Parameters
    ----------
    root : Path
        Folder of the cache.
    most : int, optional
        Bytes that it may take; None for no such bound.
    older_than : timedelta, optional
        Partitions that were not used for so long go whatever the size; None for none.
    keep : collection of str
        Names (`Held.name`) of partitions that stay.
    dry_run : bool
        Only say what would go.

    Returns
    -------
    Freed
        `left` may be more than `most`: what is in use is not removed.

    Raises
    ------
    CacheError
        The folder is no cache of this library.
    """
    require_mark(root)
    sweeping = _Sweeping(root, most, older_than, frozenset(keep), dry_run=dry_run)
    sweeping.run()
    return sweeping.result()


class _Sweeping:
    """One call of `make_room`; used once."""

    def __init__(
        self,
        root: Path,
        most: int | None,
        older_than: timedelta | None,
        keep: frozenset[str],
        *,
        dry_run: bool,
    ) -> None:
        self.most = most
        self.older_than = older_than
        self.dry_run = dry_run
        self.now = datetime.now(UTC)
        self.staged = [one for layout in layouts(root) for one in staged(layout)]
        self.parts = [one for layout in layouts(root) for one in held(layout)]
        self.cuts = list(cuts(root))
        self.before = self.left = sum(one.bytes for one in (*self.staged, *self.parts)) + sum(
            cut.bytes for cut in self.cuts
        )
        self.staged, self.parts = (
            sorted((one for one in found if one.name not in keep), key=lambda one: one.used)
            for found in (self.staged, self.parts)
        )
        self.root = root
        self.gone: dict[str, list[str]] = {"staged": [], "cut": [], "removed": []}
        self.failed: dict[str, str] = {}

    def run(self) -> None:
        for one in self.staged:
            if self.must_go(one):
                self.remove(one, "staged")
        for cut in self.cuts:
            if self.is_idle(cut) and self.must_go(cut):
                self.uncut(cut)
        idle = [one for one in self.parts if self.is_idle(one)]
        for one in [self.without_superseded(one) for one in idle]:
            if self.must_go(one):
                self.remove(one, "removed")

    @property
    def is_full(self) -> bool:
        return self.most is not None and self.left > self.most

    def is_idle(self, one: Held | Cut) -> bool:
        return self.now - one.used > IN_USE

    def must_go(self, one: Held | Cut) -> bool:
        too_old = self.older_than is not None and self.now - one.used > self.older_than
        return self.is_full or too_old

    def remove(self, one: Held, how: str) -> None:
        freed = one.bytes
        if not self.dry_run:
            try:
                # Not waited for: what another process holds is in use.
                with locks.hold(one.layout, one.key, timeout=0):
                    freed = self.now_of(one, how)
            except CacheError as error:
                self.failed[one.name] = str(error)
                return
        if freed:
            self.left -= freed
            self.gone[how].append(one.name)

    def uncut(self, one: Cut) -> None:
        freed = one.bytes
        if not self.dry_run:
            try:
                freed = remove_cut(self.root, one.tree)
            except CacheError as error:
                self.failed[one.tree] = str(error)
                return
        self.left -= freed
        self.gone["cut"].append(one.tree)

    def now_of(self, one: Held, how: str) -> int:
        """Remove it under its lock, unless somebody has used it since we looked."""
        if how == "staged":
            remove_staged(one.layout, one.key)
            return one.bytes
        used = last_used(one.layout, one.key)
        return 0 if used is not None and used > one.used else remove(one.layout, one.key)

    def without_superseded(self, one: Held) -> Held:
        """Let go what nobody may read any more of a partition; give it as it is then."""
        gone = 0
        if self.is_full and self.dry_run:
            gone = superseded_bytes(one.layout, one.key, self.now - IN_USE)
        elif self.is_full:
            with suppress(CacheError), locks.hold(one.layout, one.key, timeout=0):
                if superseded(one.layout, one.key, self.now, grace=IN_USE):
                    gone = one.bytes - size(one.layout.root, one.layout.parts(one.key))[0]
        self.left -= gone
        return replace(one, bytes=one.bytes - gone)

    def result(self) -> Freed:
        used = [one for one in self.parts if not self.is_idle(one)]
        return Freed(
            removed=tuple(self.gone["removed"]),
            staged=tuple(self.gone["staged"]),
            cut=tuple(self.gone["cut"]),
            failed=tuple(self.failed.items()),
            freed=self.before - self.left,
            left=self.left,
            in_use=sum(one.bytes for one in used),
            superseded=sum(superseded_bytes(one.layout, one.key, self.now) for one in used),
            until=used[-1].used + IN_USE if used else None,  # they are in order of use
        )
