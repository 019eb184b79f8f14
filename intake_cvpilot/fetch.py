"""The whole way from a request to committed partitions."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from intake_cvpilot.account import contents, quality
from intake_cvpilot.account import listing as listing_of
from intake_cvpilot.archive.base import Traffic
from intake_cvpilot.bars import showing
from intake_cvpilot.cache.commit import tidied
from intake_cvpilot.cache.leftovers import sweep
from intake_cvpilot.cache.usage import touch_all
from intake_cvpilot.changes import Changes
from intake_cvpilot.collector import held_back
from intake_cvpilot.errors import CacheError
from intake_cvpilot.job import Job, View, look_all, needs_archive, prepare, refuse_published
from intake_cvpilot.listing import closing_archive, guard, list_partitions, named, unread
from intake_cvpilot.options import Options, with_options
from intake_cvpilot.progress import Event, Progress
from intake_cvpilot.relay import Relay
from intake_cvpilot.remarks import remark
from intake_cvpilot.report import Action, PartitionReport, Report
from intake_cvpilot.reserve import reserve
from intake_cvpilot.shortfall import offline_error, tell_failures, without_stale
from intake_cvpilot.warn import warn
from intake_cvpilot.workers import workers

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.cluster.caller import Muster

__all__ = ["Outcome", "fetch", "run"]

logger = logging.getLogger(__name__)


UNCHANGED = Changes()


@dataclass(frozen=True)
class Outcome:
    """A report, and the manifests that a frame is opened from."""

    report: Report
    """What was done."""
    manifests: tuple[Manifest, ...]
    """The committed partitions of the request, in order."""


@dataclass
class Brought:
    """What has come of the partitions in need so far."""

    fetched: dict[str, Manifest] = field(default_factory=dict)
    """What was committed, by partition key."""
    changes: Mapping[str, Changes] = field(default_factory=dict)
    """What the archive has that the cache had not, by partition key."""
    failures: dict[str, Exception] = field(default_factory=dict)
    """The cause, by partition key."""
    traffic: Traffic = field(default_factory=Traffic)
    """What was asked of the archive."""
    again: int = 0
    """Bytes of blocks that were read once more."""


@with_options(Options)
def fetch(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[Options],
) -> Report:
    """Bring every partition of a range into the cache; what is there is not read again.

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
    Report
        Counts that add up, for each partition and in all.

    Raises
    ------
    InvalidRequestError
        The request, before any I/O.
    RequestTooLargeError
        More raw bytes than ``max_bytes``, before the first read; it carries the plan.
    AccessDeniedError, OfflineError
        Nothing could be read.
    PartitionsFailedError
        Some partitions failed, with the cause of each; the others are committed.

    Examples
    --------
    >>> fetch("wydot", "BSM", "2021-04-01", "2021-04-07")  # doctest: +SKIP
    """
    job = prepare(source, message_type, start, end, options)
    return run(job, options.get("progress"), options.get("client")).report


def run(
    job: Job,
    wish: Progress | bool | None = None,  # noqa: FBT001 - as given
    client: Any = None,
    *,
    outside: bool = False,
) -> Outcome:
    """Do the whole way for a job, on a cluster if there is one to use.

    With `outside` nobody is warned of rows outside their partition's window: the caller gives them.
    """
    refuse_published(job)
    began = time.monotonic()
    with held_back():
        views = look_all(job, job.partitions())
    # Before anything else, so that another process that makes room leaves them alone.
    noted(job, [view.partition.key for view in views if view.manifest is not None])
    needed = [view for view in views if needs_archive(job, view)]
    got = Brought(
        failures={
            view.partition.key: view.refusal
            for view in needed
            if view.refusal is not None and job.refused(view)
        }
    )
    needed = [view for view in needed if view.partition.key not in got.failures]
    if needed and job.settings.offline:
        raise offline_error(job, needed)
    with showing(job.settings.progress if wish is None else wish) as progress:
        if needed:
            bring(job, views, needed, got, progress, client)
        with held_back():
            became_of = tuple(
                became(job, view, got.fetched, got.changes, got.failures) for view in views
            )
        report = Report(
            **named(job),
            partitions=became_of,
            requests=got.traffic.requests,
            retries=got.traffic.retries,
            bytes_read=got.traffic.bytes,
            bytes_again=got.traffic.bytes_again + got.again,
            seconds=time.monotonic() - began,
        )
        progress(Event("done", "", message=str(report)))
    logger.info("%s", report)
    failures = without_stale(job, views, got.fetched, got.failures)
    if failures:
        tell_failures(job, failures, report)
    manifests = tuple(
        manifest
        for view in views
        if (manifest := got.fetched.get(view.partition.key) or job.usable(view)) is not None
    )
    if got.fetched:
        noted(job, [manifest.key for manifest in manifests])
    if job.lock is not None:
        job.lock.check(job.layout, [view.partition.key for view in views], manifests)
    remark(report, got.fetched.values(), kept=outside)
    return Outcome(report, manifests)


def bring(
    job: Job,
    views: Sequence[View],
    needed: Sequence[View],
    got: Brought,
    progress: Progress,
    client: Any,
) -> None:
    """List the partitions in need, and read and commit what they lack."""
    with mustered(job, client) as muster, closing_archive(job) as archive:
        got.traffic = archive.traffic
        listing = list_partitions(archive, needed, progress, again=job.refresh)
        got.failures |= listing.failures
        made = guard(job, views, listing)
        sizes = [snapshot.bytes for snapshot in listing.snapshots.values()]
        at_once = muster.width(sizes) if muster is not None else Relay.WIDTH
        progress = reserve(job, views, listing, progress, at_once)
        sweep(job.layout.root)
        for view in views:
            tidied(job.layout, view.partition.key, datetime.now(UTC))
        todo = [view for view in needed if view.partition.key in listing.snapshots]
        listed = [(view, listing.snapshots[view.partition.key]) for view in todo]
        size = sum(unread(job, *each)[1] for each in listed)
        progress(Event("plan", "", done=len(todo), total=size, message=str(made)))
        if muster is not None:
            muster.bring(listed, progress, got.fetched, got.failures, got.traffic)
            got.again, got.changes = muster.again, muster.changes
        else:
            with workers(job.settings.jobs, size) as crew:
                relay = Relay(job, archive, crew, progress, got.fetched, got.failures)
                relay.bring(listed)
            got.again, got.changes = relay.again, relay.changes


def noted(job: Job, keys: Iterable[str]) -> None:
    """Note the use of partitions, where that can be noted."""
    if job.layout.store is None:
        touch_all(job.layout, keys)


@contextmanager
def mustered(job: Job, wish: Any) -> Iterator[Muster | None]:
    """Gather the workers of the cluster to use; None for this machine alone.

    Raises
    ------
    CacheError
        The workers of the client that was given cannot take part.  A client that happens to be
        active is let be then, with a warning: nobody asked for it.
    """
    if wish is False or (wish is None and "distributed" not in sys.modules):
        yield None
        return
    from intake_cvpilot.cluster.caller import Muster
    from intake_cvpilot.cluster.choose import active, given

    client = active() if wish is None else given(wish)
    with ExitStack() as stack:
        muster = None
        if client is not None:
            try:
                muster = stack.enter_context(Muster(job, client).gathered())
            except CacheError as error:
                if wish is not None:
                    raise
                warn(f"the active dask client is not used, this machine alone fetches: {error}")
        yield muster


def became(
    job: Job,
    view: View,
    fetched: Mapping[str, Manifest],
    found: Mapping[str, Changes],
    failures: Mapping[str, Exception],
) -> PartitionReport:
    """Say what became of a partition."""
    key = view.partition.key
    manifest = fetched.get(key) or job.usable(view)
    error = str(failures[key]) if key in failures else None
    if manifest is None:
        return PartitionReport(key=key, action="failed", error=error)
    if error is not None:
        action: Action = "failed"  # what was there before is still used
    elif key not in fetched:
        action = "cached"
    elif view.manifest is not None and view.manifest.generation == manifest.generation:
        action = "relisted"
    else:
        action = "fetched"
    return PartitionReport(
        key=key,
        action=action,
        status=manifest.status,
        counts=contents(manifest),
        error=error,
        changes=found.get(key, UNCHANGED),
        look=partial(quality, manifest),
        hear=partial(listing_of, manifest),
    )
