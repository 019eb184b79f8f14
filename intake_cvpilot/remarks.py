"""What a user should know of the rows that came, as warnings: once a call, with numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intake_cvpilot.account import listing as listing_of
from intake_cvpilot.account import unknown_versions
from intake_cvpilot.cache.manifest import instant_text
from intake_cvpilot.decode import shapes_for
from intake_cvpilot.warn import warn
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.report import Report

__all__ = ["remark", "remark_beyond"]


def remark(report: Report, new: Collection[Manifest], *, kept: bool = False) -> None:
    """Warn, once a call, of what a user should know of the rows.

    Parameters
    ----------
    report : Report
        Of the call.
    new : collection of Manifest
        What it fetched.
    kept : bool
        Whether rows outside their partition's window are given: `remark_beyond` is for those.
    """
    if report.counts.outside and not kept:
        one = report.counts.outside == 1
        warn(
            f"{amount(report.counts.outside, 'record does', 'records do')} not lie in the window "
            f"of {'its' if one else 'their'} partition (misfiled, or a clock that was wrong): "
            f"frames leave {'it' if one else 'them'} out, unless they are opened with "
            "outside='keep' (cvpilot export --outside keep)"
        )
    listed = {manifest.key for manifest in new}
    # Of what was fetched now, or of all: a range that was empty before is still empty.
    looked = [each for each in report.partitions if each.key in listed] or report.partitions
    if looked and all(each.status == "no_data" for each in looked):
        keys = [each.key for each in looked]
        span = keys[0] if len(keys) == 1 else f"{len(keys):,}, {keys[0]} to {keys[-1]}"
        warn(
            f"{report.archive} has no objects for any of these partitions ({span}): does it cover "
            "the range?"
        )
    unknown: dict[str, tuple[str, int]] = {}
    timeless, unverified, behind = 0, [], 0
    for manifest in new:
        unknown |= unknown_versions(manifest)
        said = listing_of(manifest)
        timeless = max(timeless, said.get("rows_without_time") or 0)
        unverified += [manifest.key] * (said.get("unverified_since") is not None)
        behind += said.get("out_of_date") is True
    if behind:
        warn(
            f"the portal said that its rows of {behind} partitions lack the table's last changes: "
            "refresh=True reads them anew"
        )
    if timeless:
        warn(
            f"{amount(timeless, 'row')} of the portal's table have no usable time: no "
            "partition has them"
        )
    if unverified:
        warn(
            "the portal's table has changed since these were read: "
            f"{amount(len(unverified), 'partition')}, e.g. {unverified[0]}; they have as many "
            "rows as before, which proves nothing: refresh=True reads them anew"
        )
    for version, (key, line) in unknown.items():
        warn(
            f"schema version {version} is not known (first seen in {key}, line {line}): read as "
            "the newest known shape where every required value is there; add it to "
            f"{shapes_for(report.source, report.message_type).module}"
        )


def remark_beyond(
    manifests: Iterable[Manifest], table: str, start: datetime | None, end: datetime | None
) -> None:
    """Warn of rows that `outside="keep"` does not give, as their times are not in the range.

    Parameters
    ----------
    manifests : iterable of Manifest
        What is opened.
    table : str
        Its table.
    start, end : datetime or None
        The range, aware UTC, half open.
    """
    if start is None or end is None:
        return
    low, high = instant_text(start), instant_text(end)
    beyond = [
        (file.start or "", file.end or "", file.rows or 0)
        for manifest in manifests
        for file in manifest.files
        if file.role == f"{table}.outside"
        and not (file.start and file.end and file.start >= low and file.end < high)
    ]
    if beyond:
        rows = sum(rows for _, _, rows in beyond)
        known = [stamp for first, last, _ in beyond for stamp in (first, last) if stamp]
        times = f"times from {min(known)} to {max(known)}" if known else "no time"
        warn(
            f"of the rows outside their partition up to {rows:,}, with {times}, lie beyond the "
            "asked range, and are left out also with outside='keep': a wider range gives them"
        )
