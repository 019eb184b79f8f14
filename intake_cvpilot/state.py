"""The state of a partition as one word, from its manifest and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.partition import Partition
    from intake_cvpilot.report import State

__all__ = ["is_closed", "state_of"]


def is_closed(partition: Partition, listed_at: datetime, settle: timedelta) -> bool:
    """Say whether a listing of that time is final: records reach old days weeks later."""
    return listed_at >= partition.ends + settle


def same_major(ours: Mapping[str, str], stored: Mapping[str, str]) -> bool:
    """Say whether every table is there with a meaning that this library reads."""
    return ours == stored or all(
        name in stored and stored[name].partition(".")[0] == version.partition(".")[0]
        for name, version in ours.items()
    )


def state_of(
    manifest: Manifest | None,
    *,
    versions: Mapping[str, str],
    options: str,
    now: datetime,
    recheck: timedelta,
) -> State:
    """Give the state of a partition.

    Parameters
    ----------
    manifest : Manifest or None
        What is committed; None for nothing.
    versions : mapping of str to str
        The tables of the message type and this library's versions of them.
    options : str
        Hash of the options that change rows.
    now : datetime
        Aware UTC.
    recheck : timedelta
        Age after which the listing of an open partition is taken again.

    Returns
    -------
    str
        ``missing``, ``stale``, ``open`` or ``current``; a manifest that cannot be read is
        ``damaged`` and does not get here.
    """
    if manifest is None:
        return "missing"
    if not same_major(versions, manifest.table_versions) or manifest.options != options:
        return "stale"
    # A listing from the future (a clock that was wrong) proves nothing: neither its age, nor that
    # it came late enough to be final.
    age = now - manifest.listed_at
    if age < timedelta(0) or (not manifest.closed and age > recheck):
        return "open"
    return "current"
