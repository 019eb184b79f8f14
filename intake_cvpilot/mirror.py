"""Raw objects of a range, copied to a folder or bucket that answers like the archive."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack

from intake_cvpilot.archive import location
from intake_cvpilot.archive.deposit import Deposit, open_deposit
from intake_cvpilot.archive.mirror_record import Record
from intake_cvpilot.bars import showing
from intake_cvpilot.errors import (
    ArchiveError,
    ChangedError,
    CVPilotError,
    InvalidRequestError,
    PartitionsFailedError,
    RequestTooLargeError,
    SpaceError,
)
from intake_cvpilot.job import Job, View, prepare
from intake_cvpilot.listing import closing_archive, list_partitions, named
from intake_cvpilot.options import CacheOptions, Unset, with_options
from intake_cvpilot.partition import Partition, partitions
from intake_cvpilot.progress import Event, Progress
from intake_cvpilot.warn import warn
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Archive, Snapshot

__all__ = ["MirrorReport", "Mirrored", "mirror"]

#: How often a partition is listed when it changes while it is copied.
MOST_LISTINGS = 3


class MirrorOptions(CacheOptions, total=False):
    """Keyword arguments of `mirror`, besides `CacheOptions`."""

    rate: float | Unset | None
    """Requests a second to the archive, and as many to the mirror; None lifts the limit."""
    max_bytes: int | str | Unset | None
    """Most raw bytes that the range may have, e.g. ``"50GB"``; None lifts the limit."""
    on_error: Literal["raise", "skip"]
    """After the other partitions were copied: raise what failed (default), or warn and go on."""
    progress: Progress | bool | None
    """As for `fetch`."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What became of one partition."""

    key: str
    """The partition."""
    action: Literal["copied", "kept", "failed"]
    """Objects were copied, all were there already, or it failed."""
    objects: int = 0
    """Objects that the archive lists."""
    bytes: int = 0
    """Their bytes."""
    copied: int = 0
    """Objects that were copied now."""
    error: str | None = None
    """Why it failed, else None."""


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """What a mirror holds of a range."""

    source: str
    """The source asked for."""
    message_type: str
    """The message type asked for."""
    start: str
    """First instant, ISO 8601 in UTC."""
    end: str
    """First instant after the range, ISO 8601 in UTC."""
    archive: str
    """Identity of the archive that is copied."""
    mirror: str
    """URL of the mirror, without credentials."""
    partitions: tuple[Mirrored, ...]
    """One for each partition whose window meets the range, in order."""
    requests: int
    """Requests to the archive."""
    bytes_read: int
    """Verified bytes read from the archive."""

    @property
    def actions(self) -> Mapping[str, int]:
        """Partitions by what was done."""
        return dict(Counter(p.action for p in self.partitions))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {**asdict(self), "actions": self.actions}

    def __str__(self) -> str:
        actions = ", ".join(f"{n} {action}" for action, n in self.actions.items()) or "none"
        return (
            f"{self.source} {self.message_type} {self.start} to {self.end} in {self.mirror}: "
            f"{amount(len(self.partitions), 'partition')} ({actions}); "
            f"{amount(sum(p.objects for p in self.partitions), 'object')}, "
            f"{sum(p.bytes for p in self.partitions):,} bytes, "
            f"{amount(sum(p.copied for p in self.partitions), 'object')} copied; "
            f"{self.requests:,} requests, {self.bytes_read:,} bytes read"
        )


@with_options(MirrorOptions)
def mirror(
    source: str,
    message_type: str,
    start: Any,
    end: Any,
    to: str | os.PathLike[str],
    to_options: Mapping[str, Any] | None = None,
    **options: Unpack[MirrorOptions],
) -> MirrorReport:
    """Copy the raw objects of a range to a folder or bucket, in the archive's own layout.

    Each object is verified as by a fetch, and again where it is written.  What is there already,
    with the right content, is not read again, so the same call goes on after a stop and brings a
    mirror up to date.  Nothing is deleted.  Inside the ranges that the mirror's ``mirror.json``
    names it answers as the archive itself (``archive=`` its folder), from the same cache entries.

    Parameters
    ----------
    source : str
        wydot, wydot_backup, thea, nycdot or one of the data portal (wydot_portal...); any case.
    message_type : str
        BSM, TIM, SPAT or EVENT; any case.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        The range. A date means the whole day, ``end`` included; anything else is an instant and
        the range is half-open. Naive values are in ``timezone`` (default UTC).  Whole partitions
        are copied.
    to : str or path
        A folder, or ``s3://bucket`` or ``s3://bucket/path``.
    to_options : mapping, optional
        How to reach `to`, like ``storage_options``.
    **options
        See `MirrorOptions` and `intake_cvpilot.options.CacheOptions`.

    Returns
    -------
    MirrorReport
        What was copied, for each partition.

    Raises
    ------
    InvalidRequestError
        The request, or `to` is a mirror of another archive.
    RequestTooLargeError
        More raw bytes than ``max_bytes``, before the first read.
    AccessDeniedError
        The archive, or the bucket to write to, refuses access.
    PartitionsFailedError
        Some partitions failed, with the cause of each; the others are whole.

    Examples
    --------
    >>> mirror("wydot", "BSM", "2021-04-01", "2021-04-07", "/data/cvpilot")  # doctest: +SKIP
    """
    job = prepare(source, message_type, start, end, options)
    if job.settings.offline:
        raise InvalidRequestError("a mirror is copied from the archive: unset CVPILOT_OFFLINE")
    rate, policy = job.settings.rate, job.policy
    deposit = open_deposit(to, to_options, job.layout.identity, rate=rate, policy=policy)
    if deposit.where == location(job.settings.archive, job.settings.storage_options):
        raise InvalidRequestError(f"{deposit.where} is the archive itself; give another place")
    views = [View(partition, "missing", None) for partition in partitions(job.request)]
    done: dict[str, Mirrored] = {}
    with (
        closing(deposit.place),
        closing_archive(job) as archive,
        showing(options.get("progress")) as progress,
    ):
        deposit.check()
        listing = list_partitions(archive, views, progress)
        failures: dict[str, Exception] = dict(listing.failures)
        todo = [view.partition for view in views if view.partition.key in listing.snapshots]
        _guard(job, listing.snapshots)
        progress(Event("plan", "", len(todo), sum(s.bytes for s in listing.snapshots.values())))
        for partition in todo:
            copying = _Copying(partition, archive, deposit, progress)
            try:
                done[partition.key] = copying.run(listing.snapshots[partition.key])
            except SpaceError:
                raise
            except CVPilotError as error:
                failures[partition.key] = error
                progress(Event("fail", partition.key, message=str(error)))
            else:
                progress(Event("commit", partition.key))
        rows = [
            done.get(v.partition.key)
            or Mirrored(v.partition.key, "failed", error=str(failures[v.partition.key]))
            for v in views
        ]
        report = _report(job, deposit, rows, archive)
        progress(Event("done", "", message=str(report)))
    if failures:
        _tell(job, failures, report)
    return report


class _Copying:
    """Copies one partition."""

    def __init__(
        self, partition: Partition, archive: Archive, deposit: Deposit, progress: Progress
    ) -> None:
        self.partition = partition
        self.archive = archive
        self.deposit = deposit
        self.progress = progress

    def run(self, snapshot: Snapshot) -> Mirrored:
        """Copy what a listing says, or what a later one says if the archive changes meanwhile."""
        for _ in range(MOST_LISTINGS - 1):
            try:
                return self.copy(snapshot)
            except ChangedError:
                snapshot = self.archive.snapshot(self.partition.prefix)
        return self.copy(snapshot)

    def copy(self, snapshot: Snapshot) -> Mirrored:
        """Copy what lacks, then say that the partition is whole."""
        key, place = self.partition.key, self.deposit.place
        old = self.deposit.record(key)
        if not snapshot.units and (not snapshot.authoritative or (old and old.units)):
            raise ArchiveError(
                f"{key} is empty in the archive, which "
                + (
                    "is no reason to empty the copy: what the mirror has is kept"
                    if old and old.units
                    else "of this kind of archive proves nothing: an empty copy is not called "
                    "whole; on_error='skip' (--on-error skip) passes over it"
                )
            )
        for unit in snapshot.units:
            place.check(unit.key)
        digests = place.held(snapshot, old.digests if old else {})
        lacking = [unit for unit in snapshot.units if unit.key not in digests]
        with place.incoming() as folder, closing(self.archive.read(lacking, folder)) as arriving:
            for got in arriving:
                digests[got.unit.key] = place.take(got)
                self.progress(Event("read", key, done=got.unit.size))
        made = Record(key, snapshot.listed_at, snapshot.units, digests)
        self.deposit.commit(made)
        action: Literal["copied", "kept"] = "copied" if lacking else "kept"
        return Mirrored(key, action, len(made.units), snapshot.bytes, len(lacking))


def _guard(job: Job, snapshots: Mapping[str, Snapshot]) -> None:
    limit, size = job.settings.max_bytes, sum(s.bytes for s in snapshots.values())
    if limit is not None and size > limit:
        raise RequestTooLargeError(
            f"the range has {size:,} bytes, over max_bytes = {limit:,}: ask for a shorter range, "
            f"or allow it with max_bytes={size} (--max-bytes {size})"
        )


def _report(job: Job, deposit: Deposit, rows: Sequence[Mirrored], archive: Archive) -> MirrorReport:
    said = {name: value for name, value in named(job).items() if name != "cache"}
    traffic = archive.traffic
    return MirrorReport(
        **said,
        mirror=deposit.where,
        partitions=tuple(rows),
        requests=traffic.requests,
        bytes_read=traffic.bytes,
    )


def _tell(job: Job, failures: Mapping[str, Exception], report: MirrorReport) -> None:
    lines = [f"  {key}: {type(cause).__name__}: {cause}" for key, cause in failures.items()]
    message = (
        f"{len(failures)} of {len(report.partitions)} partitions are not in the mirror; the same "
        "call goes on with these:\n" + "\n".join(lines)
    )
    if job.skip:
        warn(message)
        return
    first = next(iter(failures.values()))
    if len(set(map(str, failures.values()))) == 1 and len(failures) == len(report.partitions):
        raise first
    raise PartitionsFailedError(message, failures, report) from first
