"""What a user should know of the rows that came, as warnings: once a call, with numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intake_cvpilot.account import listing as listing_of
from intake_cvpilot.account import unknown_versions
from intake_cvpilot.decode import shapes_for
from intake_cvpilot.warn import warn
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from collections.abc import Collection

    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.report import Report

__all__ = ["remark"]


def remark(report: Report, new: Collection[Manifest]) -> None:
    """Warn, once a call, of what a user should know of the rows."""
    if report.counts.outside:
        warn(
            f"{amount(report.counts.outside, 'record does', 'records do')} not lie in the window "
            "of their partition (misfiled, or a clock that was wrong): they are left out; "
            "outside='keep' gives them"
        )
    if new and all(manifest.status == "no_data" for manifest in new):
        listed = {manifest.key for manifest in new}
        keys = [each.key for each in report.partitions if each.key in listed]
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
