"""Room for a request under the cache's limit: estimated and made before the first read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from intake_cvpilot.cache.layout import prepare
from intake_cvpilot.cache.room import make_room
from intake_cvpilot.errors import SpaceError
from intake_cvpilot.listing import Listing, unread

if TYPE_CHECKING:
    from intake_cvpilot.job import Job, View

__all__ = ["estimate", "reserve"]

#: Stored bytes for a raw byte, and for each partition besides, at most: of the genuine records that
#: were at hand 0.1 and 64 KiB.
RATIO, FLOOR = 0.25, 128 * 2**10


def estimate(job: Job, views: Sequence[View], listing: Listing) -> tuple[int, int]:
    """Give the bytes that a request's partitions will take, and those that are new among them.

    The raw objects of the largest partition are counted too: they are staged while it is built.
    """
    stored, new, raw = 0, 0, 0
    for view in views:
        if view.manifest is not None:
            stored += sum(file.bytes for file in view.manifest.files)
        snapshot = listing.snapshots.get(view.partition.key)
        if snapshot is not None:
            objects, size = unread(job, view, snapshot)
            new += int(size * RATIO) + FLOOR * bool(objects)
            raw = max(raw, size)
    return stored + new + raw, new + raw


def reserve(job: Job, views: Sequence[View], listing: Listing) -> None:
    """Make room for a request, if the cache has a limit.

    Raises
    ------
    SpaceError
        The request cannot fit, or what would have to go is in use; nothing was read.
    """
    limit = job.settings.cache_limit
    if limit is None:
        return
    needed, new = estimate(job, views, listing)
    ways = (
        f"ask for a shorter range, or raise the limit: cache_limit={needed} (CVPILOT_CACHE_LIMIT), "
        f"or in a shell\n  {job.command('fetch')} --max-size {needed}"
    )
    if needed > limit:
        raise SpaceError(
            f"the request needs about {needed:,} bytes of the cache, more than its limit of "
            f"{limit:,}; nothing was read: {ways}"
        )
    prepare(job.layout.root)
    keep = {f"{job.layout.tree}/{view.partition.key}" for view in views}
    made = make_room(job.layout.root, most=limit - new, keep=keep)
    if made.left > limit - new:
        raise SpaceError(
            f"about {new:,} bytes are needed and the cache {job.layout.root} takes {made.left:,} "
            f"of its limit of {limit:,}; what is left was used within the last hour or is held by "
            f"another process. Nothing was read: call again later, {ways}"
        )
