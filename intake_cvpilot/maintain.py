"""Looking after the cache: what it holds, and in what state."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intake_cvpilot.account import contents
from intake_cvpilot.archive import identity
from intake_cvpilot.assemble import options_hash
from intake_cvpilot.build import table_versions
from intake_cvpilot.cache.layout import Layout
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.errors import DamagedError, InvalidRequestError
from intake_cvpilot.partition import Partition, partition
from intake_cvpilot.settings import Settings, resolve
from intake_cvpilot.sources import message_type as known_type
from intake_cvpilot.sources import source as known_source
from intake_cvpilot.sources import sources
from intake_cvpilot.state import state_of

__all__ = ["Holding", "Status", "status"]

logger = logging.getLogger(__name__)


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
    """Partitions by state: current, open, stale, damaged."""
    no_data: int
    """Partitions of which the archive has nothing."""
    rows: int
    """Rows over all tables."""
    quarantined: int
    """Lines in quarantine."""
    bytes: int
    """Bytes of the committed files."""
    first: str
    """First partition key."""
    last: str
    """Last partition key."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the cache holds of an archive."""

    cache: str
    """Folder of the cache."""
    holdings: tuple[Holding, ...]
    """One for each source and message type that is there."""
    damaged: Mapping[str, str]
    """Partitions whose manifest cannot be trusted, and why."""

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
        if not self.holdings:
            lines.append("  nothing yet")
        lines += [f"  damaged: {key}: {why}" for key, why in self.damaged.items()]
        return "\n".join(lines)


def status(
    source: str | None = None,
    message_type: str | None = None,
    *,
    archive: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Status:
    """Tell what the cache holds of one archive; nothing is written and nothing is asked for.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    archive : str or path, optional
        The archive; each source's own by default.
    cache_dir : str or path, optional
        Folder of the cache.

    Returns
    -------
    Status
        Partitions by state, rows and bytes for each source and message type.

    Raises
    ------
    InvalidRequestError
        An unknown source or message type.

    Examples
    --------
    >>> print(status())  # doctest: +SKIP
    """
    if source is not None:
        source = known_source(source).name
    if message_type is not None:
        if source is None:
            raise InvalidRequestError("a message type goes with a source: status('wydot', 'BSM')")
        message_type = known_type(source, message_type).name
    holdings: list[Holding] = []
    damaged: dict[str, str] = {}
    for name, owner in sources().items():
        if source not in (None, name):
            continue
        settings = resolve(source=name, archive=archive, cache_dir=cache_dir)
        layout = Layout(settings.cache_dir, identity(settings.archive, settings.storage_options))
        for kind in owner.types:
            if message_type in (None, kind):
                held = holding(layout, settings, name, kind, damaged)
                holdings += [held] if held is not None else []
    return Status(str(resolve(cache_dir=cache_dir).cache_dir), tuple(holdings), damaged)


def holding(
    layout: Layout, settings: Settings, source: str, message_type: str, damaged: dict[str, str]
) -> Holding | None:
    """Add up what is committed of a source and message type; None for nothing."""
    found = list(committed(layout, source, message_type))
    if not found:
        return None
    try:
        versions = table_versions(source, message_type)
    except NotImplementedError:  # a newer library's partitions
        versions = {}
    now = datetime.now(UTC)
    states: Counter[str] = Counter()
    rows = quarantined = size = no_data = 0
    for part in found:
        try:
            manifest = load(layout, part.key)
        except DamagedError as damage:
            states["damaged"] += 1
            damaged[part.key] = str(damage)
            continue
        if manifest is None:
            continue  # removed since it was found
        states[
            state_of(
                manifest,
                versions=versions,
                options=options_hash(),
                now=now,
                recheck=settings.recheck,
            )
        ] += 1
        counts = contents(manifest)
        rows += counts.rows
        quarantined += counts.quarantined
        size += sum(file.bytes for file in manifest.files)
        no_data += manifest.status == "no_data"
    return Holding(
        source=source,
        message_type=message_type,
        archive=layout.identity,
        partitions=len(found),
        states=dict(states),
        no_data=no_data,
        rows=rows,
        quarantined=quarantined,
        bytes=size,
        first=found[0].key,
        last=found[-1].key,
    )


def committed(layout: Layout, source: str, message_type: str) -> Iterator[Partition]:
    """Find the partitions with a manifest, in the order of their keys."""
    root = layout.root / layout.tree / source / message_type
    for path in sorted(root.glob("*/*/*/manifest.json")):
        try:
            yield partition("/".join([source, message_type, *path.parts[-4:-1]]))
        except InvalidRequestError as error:
            logger.warning("%s is not a partition of the cache: %s", path.parent, error)
