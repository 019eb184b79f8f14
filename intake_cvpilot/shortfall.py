"""What a fetch could not give, told with the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from intake_cvpilot.elsewhere import elsewhere
from intake_cvpilot.errors import OfflineError, PartitionsFailedError
from intake_cvpilot.warn import warn
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.job import Job, View
    from intake_cvpilot.report import Report

__all__ = ["offline_error", "tell_failures", "without_stale"]


def without_stale(
    job: Job,
    views: Sequence[View],
    fetched: Mapping[str, Manifest],
    failures: Mapping[str, Exception],
) -> dict[str, Exception]:
    """Warn of the stale partitions that are read as they are, and give the other failures."""
    stale = [
        v.partition.key for v in views if v.state == "stale" and v.partition.key not in fetched
    ]
    if job.allow_stale and stale:
        causes = sorted({str(failures[key]) for key in stale if key in failures})
        warn(
            f"{amount(len(stale), 'partition is', 'partitions are')} read with tables of an "
            f"older major version, whose values may mean something else: {', '.join(stale[:5])}. "
            + "; ".join(causes[:3])
        )
        return {key: cause for key, cause in failures.items() if key not in stale}
    for key in set(stale) & set(failures):
        failures[key].add_note(
            f"The cache holds {key} with tables of an older version; allow_stale=True reads it"
        )
    return dict(failures)


def offline_error(job: Job, needed: Sequence[View]) -> OfflineError:
    """Name the partitions that the cache lacks, and the command that fetches them."""
    keys = [f"{view.partition.key} ({view.state})" for view in needed]
    shown = _some(keys)
    if any(view.state == "stale" for view in needed):
        shown += " (stale: tables of an older version; allow_stale=True reads them)"
    if job.layout.store is not None:
        return OfflineError(
            f"the published cache {job.layout.where} lacks "
            f"{amount(len(keys), 'partition')}: {shown}. Who publishes it can add them (cvpilot "
            "publish), or fetch them into a folder of your own:"
            f"\n  {job.command('fetch')}"
        )
    return OfflineError(
        f"offline, and the cache {job.layout.where} lacks {amount(len(keys), 'partition')}: "
        f"{shown}. {_forgotten(job)}With access to the archive, fetch them:"
        f"\n  {job.command('fetch')}"
    )


def _forgotten(job: Job) -> str:
    said = elsewhere([job.layout], job.request.source, job.request.message_type)
    return "" if said is None else f"{said}. "


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def tell_failures(job: Job, failures: Mapping[str, Exception], report: Report) -> None:
    """Raise, or warn of, the partitions that failed, with the cause of each."""
    alike: dict[str, list[str]] = {}
    for key, cause in failures.items():
        alike.setdefault(f"{type(cause).__name__}: {cause}", []).append(key)
    lines = [f"  {_some(keys)}: {cause}" for cause, keys in alike.items()]
    message = (
        f"{len(failures)} of {len(report.partitions)} partitions failed; what succeeded is in the "
        "cache, and the same call goes on with these:\n" + "\n".join(lines)
    )
    if job.skip:
        warn(message)
        return
    first = next(iter(failures.values()))
    causes = {(type(cause), str(cause)) for cause in failures.values()}
    if len(causes) == 1 and len(failures) == len(report.partitions):
        raise first  # one cause for all, such as an archive that is not there
    raise PartitionsFailedError(message, failures, report) from first
