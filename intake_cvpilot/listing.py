"""What the archive says of the partitions in need, and the plan that is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from intake_cvpilot.account import block_id, blocks_of, contents, is_like, unverified_since
from intake_cvpilot.account import listing as listing_of
from intake_cvpilot.archive import open_archive
from intake_cvpilot.archive.address import Address
from intake_cvpilot.archive.base import Dated
from intake_cvpilot.bars import showing
from intake_cvpilot.cache.layout import split_folder
from intake_cvpilot.errors import (
    AccessDeniedError,
    ArchiveError,
    CVPilotError,
    RequestTooLargeError,
    SpaceError,
)
from intake_cvpilot.job import Job, View, look_all, needs_archive, prepare, refuse_published
from intake_cvpilot.options import Options, with_options
from intake_cvpilot.partition import blocks
from intake_cvpilot.planned import PartitionPlan, Plan
from intake_cvpilot.progress import Event, Progress
from intake_cvpilot.room import bytes_free, parquet_share
from intake_cvpilot.warn import warn
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Archive, Snapshot
    from intake_cvpilot.archive.bucket import Bucket
    from intake_cvpilot.cache.manifest import Manifest

__all__ = [
    "Listing",
    "closing_archive",
    "describe",
    "guard",
    "list_partitions",
    "named",
    "plan",
    "unread",
]


#: After so many failed listings in a row the rest is not tried: the archive is out of reach.
MOST_IN_A_ROW = 3


@dataclass(frozen=True)
class Listing:
    """What the archive said of the partitions that were listed."""

    snapshots: Mapping[str, Snapshot]
    """By partition key."""
    failures: Mapping[str, CVPilotError]
    """The cause, by partition key."""
    unmoved: frozenset[str] = frozenset()
    """Keys of partitions that need not be listed: nothing of their table has changed since."""


def list_partitions(
    archive: Archive, views: Sequence[View], progress: Progress, *, again: bool = True
) -> Listing:
    """List partitions; an error of one does not end the others, unless access is denied at once.

    Unless all are to be listed `again`, an archive that dates its tables is asked for the date
    first, and partitions of a table that is as it was when they were listed are left out.
    """
    unmoved = frozenset() if again else _unmoved(archive, views)
    views = [view for view in views if view.partition.key not in unmoved]
    snapshots: dict[str, Snapshot] = {}
    failures: dict[str, CVPilotError] = {}
    in_a_row = 0
    refusal: AccessDeniedError | None = None
    for view in views:
        if refusal is not None and not snapshots:
            failures[view.partition.key] = refusal  # the first answer was no: asking on is rude
            continue
        if in_a_row == MOST_IN_A_ROW:
            failures[view.partition.key] = ArchiveError(
                f"not tried: {MOST_IN_A_ROW} listings before it failed in a row"
            )
            continue
        try:
            snapshots[view.partition.key] = snapshot = archive.snapshot(view.partition.prefix)
        except CVPilotError as error:
            failures[view.partition.key] = error
            refusal = error if isinstance(error, AccessDeniedError) else None
            in_a_row += 1
        else:
            in_a_row = 0
            progress(Event("list", view.partition.key, total=snapshot.bytes))
    return Listing(snapshots, failures, unmoved)


def _unmoved(archive: Archive, views: Sequence[View]) -> frozenset[str]:
    """Name the partitions whose table has not changed since they were listed."""
    held = {v.partition.key: v.manifest for v in views if v.manifest and v.state == "open"}
    if not isinstance(archive, Dated) or not held:
        return frozenset()
    try:
        return frozenset(
            key for key, manifest in held.items() if _is_as_listed(manifest, archive.modified(key))
        )
    except AccessDeniedError:
        raise
    except CVPilotError as error:
        closed = frozenset(key for key, manifest in held.items() if manifest.closed)
        if closed:
            warn(
                f"{amount(len(closed), 'partition is', 'partitions are')} used as read, though "
                f"rows may have been changed since: {error}"
            )
        return closed


def _is_as_listed(manifest: Manifest, modified: str) -> bool:
    said = listing_of(manifest)
    return bool(modified) and said.get("modified") == modified and not said.get("out_of_date")


def _is_like(job: Job, view: View, snapshot: Snapshot) -> bool:
    """Say whether a fetch takes what is cached for what is listed, unverified: it reads nothing."""
    held = view.manifest if view.state == "open" and not job.refresh else None
    return held is not None and is_like(held, snapshot)


def unread(job: Job, view: View, snapshot: Snapshot) -> tuple[int, int]:
    """Objects and bytes of the blocks that the cache does not hold as they are listed."""
    if _is_like(job, view, snapshot):
        return 0, 0
    held = blocks_of(view.manifest) if view.manifest is not None else {}
    lacking = [
        block
        for block in blocks(snapshot.units, snapshot.prefix, job.block_bytes)
        if block_id(block, job.versions) not in held
    ]
    return sum(len(block.units) for block in lacking), sum(block.bytes for block in lacking)


@with_options(Options)
def plan(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[Options],
) -> Plan:
    """Say what a fetch would read: one listing for each partition in need, no reads.

    Parameters
    ----------
    source : str
        wydot, wydot_backup, thea, nycdot or one of the data portal (wydot_portal...); any case.
    message_type : str
        BSM, TIM, SPAT or EVENT; any case.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        The range. A date means the whole day, ``end`` included; anything else is an instant and
        the range is half-open. Naive values are in ``timezone`` (default UTC).
    **options
        See `intake_cvpilot.options.Options`.

    Returns
    -------
    Plan
        State, objects and bytes for each partition.

    Raises
    ------
    InvalidRequestError
        Before any I/O.
    AccessDeniedError
        The archive refuses access.

    Examples
    --------
    >>> plan("wydot", "BSM", "2021-04-01", "2021-04-07")  # doctest: +SKIP
    """
    job = prepare(source, message_type, start, end, options)
    refuse_published(job)
    views = look_all(job, job.partitions())
    needed = [view for view in views if needs_archive(job, view) and view.state != "newer"]
    listing = Listing({}, {})
    if needed and not job.settings.offline:
        with closing_archive(job) as archive, showing(options.get("progress")) as progress:
            listing = list_partitions(archive, needed, progress, again=job.refresh)
        for failure in listing.failures.values():
            if isinstance(failure, AccessDeniedError) and not listing.snapshots:
                raise failure
    return describe(job, views, listing)


@contextmanager
def closing_archive(job: Job, bucket: Bucket | None = None) -> Iterator[Archive]:
    """Open the job's archive, and give back its connections at the end.

    Requests are taken from `bucket` if there is one, else at the job's own rate.
    """
    archive = open_archive(
        job.settings.archive,
        storage_options=job.settings.reach,
        rate=bucket or job.settings.rate,
        offline=job.settings.offline,
        policy=job.policy,
        scratch=split_folder(job.layout.root),
    )
    try:
        yield archive
    finally:
        archive.close()


def describe(job: Job, views: Sequence[View], listing: Listing) -> Plan:
    """Put what is known of each partition into a plan."""
    rows = []
    for view in views:
        snapshot = listing.snapshots.get(view.partition.key)
        objects, size = unread(job, view, snapshot) if snapshot else (None, None)
        failure = listing.failures.get(view.partition.key) or view.refusal
        since = listing_of(view.manifest).get("unverified_since") if view.manifest else None
        if view.manifest and snapshot and _is_like(job, view, snapshot):
            is_same = view.manifest.fingerprint == snapshot.fingerprint
            since = since if is_same else unverified_since(view.manifest, snapshot)
        is_held = view.partition.key in listing.unmoved or (
            view.state == "current" and not job.refresh
        )
        rows.append(
            PartitionPlan(
                key=view.partition.key,
                state=view.state,
                objects=0 if is_held else objects,
                bytes=0 if is_held else size,
                rows=contents(view.manifest).rows if view.manifest else None,
                status=view.manifest.status if view.manifest else None,
                unverified_since=since,
                error=str(failure) if failure else None,
            )
        )
    settings = job.settings
    # What this computer answers is not held back.
    is_local = Address.parse(settings.archive, settings.storage_options).is_local
    rate = None if is_local else settings.rate
    objects, size = (sum(getattr(row, n) or 0 for row in rows) for n in ("objects", "bytes"))
    to_read = [row.key for row in rows if row.bytes]
    asked = job.request
    share = parquet_share(job.layout, asked.source, asked.message_type, to_read)
    parquet = None if share is None else round(size * share)
    return Plan(
        **named(job),
        partitions=tuple(rows),
        seconds=objects / rate if rate else None,
        parquet_bytes=parquet,
        disk_bytes=max((row.bytes or 0 for row in rows), default=0)
        + (size if parquet is None else parquet),
        free_bytes=bytes_free(job.layout.root) if job.layout.store is None else None,
    )


def named(job: Job) -> dict[str, Any]:
    """Give the fields that plans and reports share."""
    asked = job.request.canonical()
    return {
        "source": job.request.source,
        "message_type": job.request.message_type,
        "start": asked["start"],
        "end": asked["end"],
        "archive": job.layout.identity,
        "cache": job.layout.where,
    }


def guard(job: Job, views: Sequence[View], listing: Listing) -> Plan:
    """Give the plan; refuse to read more than the caller allows or the disk holds."""
    limit = job.settings.max_bytes
    made = describe(job, views, listing)
    if limit is not None and made.bytes > limit:
        raise RequestTooLargeError(
            f"{made}\nThat is over max_bytes = {limit:,}. Ask for a shorter range, or allow it: "
            f"max_bytes={made.bytes} (CVPILOT_MAX_BYTES), or in a shell\n  "
            f"{job.command('fetch')} --max-bytes {made.bytes}",
            made,
        )
    largest = max((row.bytes or 0 for row in made.partitions), default=0)
    if made.free_bytes is not None and largest > made.free_bytes:
        raise SpaceError(
            f"{made}\nA partition of {largest:,} raw bytes has to lie in {job.layout.root} until "
            f"it is committed, and {made.free_bytes:,} bytes are free there: nothing was read. "
            "Free space, or choose another cache_dir (CVPILOT_CACHE_DIR)"
        )
    if not made.fits:
        warn(f"the disk of {job.layout.root} may not hold what is fetched: {made}")
    return made
