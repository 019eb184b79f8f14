"""What the cache holds, in what state, and of which days."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intake_cvpilot.account import contents, listing, options_hash
from intake_cvpilot.build import table_versions
from intake_cvpilot.cache.census import layouts
from intake_cvpilot.cache.census import staged as staged_in
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.splits import cuts
from intake_cvpilot.errors import CacheError, NewerError
from intake_cvpilot.maintain.selection import Stock, stocks
from intake_cvpilot.partition import WEEKDAYS
from intake_cvpilot.settings import resolve
from intake_cvpilot.state import newer_text, state_of

__all__ = ["Holding", "Status", "status"]

#: A partition in the calendar, by its state; one of which the archive has nothing is ``-``.
SIGNS = {"current": "#", "open": "o", "stale": "~", "damaged": "!", "newer": "^"}


@dataclass(frozen=True, slots=True)
class Holding:
    """What the cache holds of one source and message type."""

    source: str
    """The source."""
    message_type: str
    """The message type."""
    archive: str
    """Identity of the archive it came from."""
    partitions: int
    """Committed partitions, damaged ones included."""
    states: Mapping[str, int]
    """Partitions by state: current, open, stale, damaged, newer (of a later library)."""
    no_data: int
    """Partitions of which the archive has nothing."""
    rows: int
    """Rows over all tables."""
    quarantined: int
    """Lines in quarantine."""
    bytes: int
    """Bytes of the committed files."""
    unverified: int
    """Partitions of the data portal whose table has changed since their rows were read."""
    first: str
    """First partition key."""
    last: str
    """Last partition key."""
    calendar: Mapping[str, str] = field(default_factory=dict, repr=False)
    """A character a day (nycdot: a weekday bin), by month: # current, o open, ~ stale, ! damaged,
    ^ newer, - nothing in the archive, . not in the cache."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the cache holds of an archive."""

    cache: str
    """Folder of the cache."""
    holdings: tuple[Holding, ...]
    """One for each source and message type that is there."""
    damaged: Mapping[str, str]
    """Partitions whose manifest cannot be read or trusted, and why."""
    newer: Mapping[str, str] = field(default_factory=dict)
    """Partitions that a newer version of the library wrote, and both ways on."""
    staged: int = 0
    """Bytes of fetches under way or left, over all archives."""
    cut: int = 0
    """Bytes of downloaded tables that were cut into days, over all archives."""
    limit: int | None = None
    """Bytes that the cache may take; None for any number."""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [self.cache]
        for held in self.holdings:
            states = ", ".join(f"{n} {state}" for state, n in sorted(held.states.items()))
            lines.append(
                f"  {held.source} {held.message_type}: {held.partitions} partitions ({states}; "
                f"{held.no_data} without data), {held.rows:,} rows, {held.quarantined:,} "
                f"quarantined, {held.bytes:,} bytes, {held.first} to {held.last}, "
                f"from {held.archive}"
            )
            if held.unverified:
                lines.append(
                    f"    {held.unverified:,} unverified since the portal's table changed: "
                    "cvpilot refresh reads them anew"
                )
            lines += [f"    {month}  {days}" for month, days in held.calendar.items()]
        if self.holdings:
            lines.append(
                "    # current  o open  ~ stale  ! damaged  ^ newer  - no data  . not in the cache"
            )
        else:
            lines.append("  nothing yet")
        if self.staged:
            lines.append(f"  staged: {self.staged:,} bytes")
        if self.cut:
            lines.append(f"  downloaded tables, cut into days: {self.cut:,} bytes")
        if self.limit is not None:
            lines.append(f"  limit: {self.limit:,} bytes")
        lines += [f"  damaged: {key}: {why}" for key, why in self.damaged.items()]
        lines += [f"  newer: {why}" for why in self.newer.values()]
        return "\n".join(lines)


def status(
    source: str | None = None,
    message_type: str | None = None,
    *,
    archive: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
    cache_dir: str | Path | None = None,
) -> Status:
    """Tell what the cache holds of one archive; nothing is written and nothing is asked for.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    archive : str or path, optional
        The archive; each source's own by default.
    storage_options : mapping, optional
        How to reach it: an endpoint is part of which archive it is.
    cache_dir : str or path, optional
        Folder of the cache.

    Returns
    -------
    Status
        Partitions by state, rows, bytes and a calendar for each source and message type.

    Raises
    ------
    InvalidRequestError
        An unknown source or message type.

    Examples
    --------
    >>> print(status())  # doctest: +SKIP
    """
    settings = resolve(cache_dir=cache_dir)
    found = stocks(
        source,
        message_type,
        None,
        None,
        {"archive": archive, "storage_options": storage_options, "cache_dir": cache_dir},
    )
    damaged: dict[str, str] = {}
    newer: dict[str, str] = {}
    holdings = [held for stock in found if (held := holding(stock, damaged, newer)) is not None]
    waiting = (one for layout in layouts(settings.cache_dir) for one in staged_in(layout))
    return Status(
        str(settings.cache_dir),
        tuple(holdings),
        damaged,
        newer,
        sum(one.bytes for one in waiting),
        sum(cut.bytes for cut in cuts(settings.cache_dir)),
        settings.cache_limit,
    )


def holding(stock: Stock, damaged: dict[str, str], newer: dict[str, str]) -> Holding | None:
    """Add up what is committed of a source and message type; None for nothing."""
    try:
        versions = table_versions(stock.source, stock.message_type)
    except NotImplementedError:  # a newer library's partitions
        versions = {}
    now = datetime.now(UTC)
    signs: dict[str, str] = {}
    states: Counter[str] = Counter()
    rows = quarantined = size = no_data = unverified = 0
    for key in stock.keys:
        try:
            manifest = load(stock.layout, key)
        except CacheError as error:
            is_newer = isinstance(error, NewerError)
            states["newer" if is_newer else "damaged"] += 1
            signs[key] = SIGNS["newer" if is_newer else "damaged"]
            (newer if is_newer else damaged)[key] = str(error)
            continue
        if manifest is None:
            continue  # a folder that was never committed, or is being removed
        state = state_of(
            manifest,
            versions=versions,
            options=options_hash(),
            now=now,
            recheck=stock.settings.recheck,
        )
        states[state] += 1
        if state == "newer":
            newer[key] = str(stock.layout.newer(key, newer_text(versions, manifest.table_versions)))
        empty = manifest.status == "no_data"
        signs[key] = "-" if empty and state == "current" else SIGNS[state]
        counts = contents(manifest)
        rows += counts.rows
        quarantined += counts.quarantined
        size += sum(file.bytes for file in manifest.files)
        no_data += empty
        unverified += listing(manifest).get("unverified_since") is not None
    if not signs:
        return None
    return Holding(
        source=stock.source,
        message_type=stock.message_type,
        archive=stock.layout.identity,
        partitions=len(signs),
        states=dict(states),
        no_data=no_data,
        rows=rows,
        quarantined=quarantined,
        bytes=size,
        unverified=unverified,
        first=min(signs),
        last=max(signs),
        calendar=dict(calendar(signs)),
    )


def calendar(signs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Draw the months of some partitions, a character a day or weekday bin."""
    months = sorted({tuple(key.split("/")[2:4]) for key in signs})
    top = next(iter(signs)).rsplit("/", 3)[0]
    bins = not next(iter(signs)).rsplit("/", 1)[1].isdigit()
    for year, month in months:
        days = (
            WEEKDAYS
            if bins
            else [f"{n + 1:02}" for n in range(monthrange(int(year), int(month))[1])]
        )
        line = "".join(signs.get(f"{top}/{year}/{month}/{day}", ".") for day in days)
        yield f"{year}-{month}", line
