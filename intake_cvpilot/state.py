"""The state of a partition as one word, from its manifest and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest
    from intake_cvpilot.partition import Partition
    from intake_cvpilot.report import State

__all__ = ["Age", "age_of", "is_closed", "newer_text", "state_of"]

#: How identities of archives begin whose rows may be changed in their place.
_IN_PLACE = "socrata://"

Age = Literal["same", "minor", "major", "newer"]


def is_closed(partition: Partition, listed_at: datetime, settle: timedelta) -> bool:
    """Say whether a listing of that time is final: records reach old days weeks later."""
    return listed_at >= partition.ends + settle


def age_of(ours: Mapping[str, str], stored: Mapping[str, str]) -> Age:
    """Compare the versions of stored tables, major.minor, with this library's.

    Returns
    -------
    str
        ``same``; ``minor``: columns were added since; ``major``: the meaning of values changed
        since; ``newer``: what a later version of the library wrote.
    """
    if ours == stored:
        return "same"
    if not stored.keys() <= ours.keys():
        return "newer"
    oldest: Age = "same"
    for name, version in ours.items():
        # A table that is not there at all is older than its first version.
        we, they = (_numbers(text) for text in (version, stored.get(name, "0.0")))
        if they > we:
            return "newer"
        if they[0] != we[0]:
            oldest = "major"
        elif they != we and oldest == "same":
            oldest = "minor"
    return oldest


def newer_text(ours: Mapping[str, str], stored: Mapping[str, str]) -> str:
    """Say which tables of a partition are of a newer library."""
    later = {
        name: text for name, text in stored.items() if age_of(ours, {**ours, name: text}) == "newer"
    }
    has = ", ".join(f"{name} {text}" for name, text in later.items())
    reads = ", ".join(f"{name} {ours[name]}" for name in later if name in ours)
    return f"has tables of a newer version ({has}; this library has {reads or 'no such table'})"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


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
        Age after which the listing of an open partition is taken again; for the data portal that of
        any partition, as its rows may be changed at any time.

    Returns
    -------
    str
        ``missing``, ``newer``, ``stale``, ``open`` or ``current``; a manifest that cannot be read
        is ``damaged`` and does not get here.
    """
    if manifest is None:
        return "missing"
    age = age_of(versions, manifest.table_versions)
    if age == "newer":
        return "newer"
    if age == "major" or manifest.options != options:
        return "stale"
    final = manifest.closed and not manifest.identity.startswith(_IN_PLACE)
    # A listing from the future (a clock that was wrong) proves nothing: neither its age, nor that
    # it came late enough to be final.
    since = now - manifest.listed_at
    if since < timedelta(0) or (not final and since > recheck):
        return "open"
    return "current"
