"""Room for a request under the cache's limit: estimated and made before the first read, then held.

The estimate may be too low, and other processes fetch, too.  So what is there is measured again
whenever a block is built or a partition committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from intake_cvpilot.cache.census import size
from intake_cvpilot.cache.layout import prepare
from intake_cvpilot.cache.room import make_room
from intake_cvpilot.errors import SpaceError
from intake_cvpilot.listing import Listing, unread

if TYPE_CHECKING:
    from intake_cvpilot.job import Job, View
    from intake_cvpilot.progress import Event, Progress

__all__ = ["estimate", "reserve"]

#: Stored bytes for a raw byte, and for each partition besides, at most: of the genuine records that
#: were at hand 0.1 and 64 KiB.
RATIO, FLOOR = 0.25, 128 * 2**10


def estimate(
    job: Job, views: Sequence[View], listing: Listing, at_once: int = 1
) -> tuple[int, int]:
    """Give the bytes that a request's partitions will take, and those that are new among them.

    The raw objects of the largest `at_once` partitions are counted too: they are staged while they
    are built.
    """
    stored, new, raw = 0, 0, []
    for view in views:
        if view.manifest is not None:
            stored += sum(file.bytes for file in view.manifest.files)
        snapshot = listing.snapshots.get(view.partition.key)
        if snapshot is not None:
            objects, unread_bytes = unread(job, view, snapshot)
            new += int(unread_bytes * RATIO) + FLOOR * bool(objects)
            raw.append(unread_bytes)
    staged = sum(sorted(raw, reverse=True)[:at_once])
    return stored + new + staged, new + staged


def reserve(
    job: Job, views: Sequence[View], listing: Listing, progress: Progress, at_once: int = 1
) -> Progress:
    """Make room for a request, if the cache has a limit, and give a progress that holds it.

    Parameters
    ----------
    job, views, listing : Job, sequence of View, Listing
        The request, what the cache has of it, and what the archive lists.
    progress : callable
        What the fetch tells its events to.
    at_once : int
        Partitions that are under way at a time.

    Returns
    -------
    callable
        Hands each event on; raises a SpaceError when a block or a partition took the cache beyond
        its limit and nothing can go for it.

    Raises
    ------
    SpaceError
        The request cannot fit, or what would have to go is in use; nothing was read.
    """
    limit = job.settings.cache_limit
    if limit is None:
        return progress
    needed, new = estimate(job, views, listing, at_once)
    if needed > limit:
        raise SpaceError(
            f"the request needs about {needed:,} bytes of the cache, more than its limit of "
            f"{limit:,}; nothing was read: {_ways(job, needed)}"
        )
    prepare(job.layout.root)
    keep = {f"{job.layout.tree}/{view.partition.key}" for view in views}
    made = make_room(job.layout.root, most=limit - new, keep=keep)
    if made.left > limit - new:
        raise SpaceError(
            f"about {new:,} bytes are needed and the cache {job.layout.root} takes {made.left:,} "
            f"of its limit of {limit:,}; what is left was used within the last hour or is held by "
            f"another process. Nothing was read: call again later, {_ways(job, needed)}"
        )
    return _Holding(job, limit, made.left, [view.partition.key for view in views], progress)


def _ways(job: Job, needed: int) -> str:
    return (
        f"ask for a shorter range, or raise the limit: cache_limit={needed} (CVPILOT_CACHE_LIMIT), "
        f"or in a shell\n  {job.command('fetch')} --max-size {needed}"
    )


class _Holding:
    """A progress that measures the partition of each event, and adds up."""

    def __init__(
        self, job: Job, limit: int, left: int, keys: Sequence[str], progress: Progress
    ) -> None:
        self.job = job
        self.limit = limit
        self.left = left
        self.sizes = {key: self.size(key) for key in keys}
        self.progress = progress

    def __call__(self, event: Event) -> None:
        self.progress(event)
        if event.kind in ("build", "commit"):
            now = self.size(event.partition)
            self.left += now - self.sizes.get(event.partition, 0)
            self.sizes[event.partition] = now
            if self.left > self.limit:
                self.make_room()

    def size(self, key: str) -> int:
        """Give the bytes of a partition and of what is staged of it."""
        layout, found = self.job.layout, 0
        for parts in (layout.parts(key), (".staging", *layout.parts(key))):
            with suppress(OSError):
                found += size(layout.root, parts)[0]
        return found

    def make_room(self) -> None:
        """Count all of the cache, and let go what is not in use."""
        root, tree = self.job.layout.root, self.job.layout.tree
        made = make_room(root, most=self.limit, keep={f"{tree}/{key}" for key in self.sizes})
        self.left = made.left
        self.sizes = {key: self.size(key) for key in self.sizes}
        if self.left > self.limit:
            raise SpaceError(
                f"what was fetched takes more than was estimated: the cache {root} takes "
                f"{self.left:,} bytes and its limit is {self.limit:,}; what is left belongs to "
                "this request, was used within the last hour or is held by another process. The "
                "partitions that were committed are whole, and what is staged is not read again: "
                f"{_ways(self.job, max(2 * self.limit, self.left))}"
            )
