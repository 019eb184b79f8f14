"""What a fetch tells: plain values whose counts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import Any, Literal

from intake_cvpilot.changes import Changes
from intake_cvpilot.sums import add_quality, told
from intake_cvpilot.wording import amount

__all__ = [
    "Action",
    "Counts",
    "PartitionReport",
    "Report",
    "State",
]

State = Literal["missing", "newer", "stale", "open", "current", "damaged"]
"""What the cache has of a partition, seen from now: nothing; tables of a newer version of the
library, which are left alone; tables of an older major version;
the listing is older than ``recheck``, and records may still arrive (the data portal's rows may
change at any time); all that is needed; a manifest that cannot be trusted."""

Action = Literal["cached", "fetched", "relisted", "failed"]
"""What a fetch did with a partition: used it as it was, read and decoded objects, found by a new
listing that nothing had changed, or failed."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a partition, or several, hold.

    ``lines = records + blank + quarantined`` and ``records = inside + outside``.

    """

    objects: int = 0
    """Objects of the archive."""
    bytes: int = 0
    """Raw bytes of the objects."""
    lines: int = 0
    """Framing units: lines, or JSON objects in sequence (nycdot)."""
    records: int = 0
    """Lines that became records."""
    blank: int = 0
    """Lines of white space only."""
    quarantined: int = 0
    """Lines that could not become a record; they are kept in the quarantine files."""
    inside: int = 0
    """Records with an event time in their partition's window."""
    outside: int = 0
    """Records outside it, kept in parts of their own."""
    rows: int = 0
    """Rows over all tables, inside the window."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """Give the counts in the order of the fields."""
        return _VALUES(self)


_VALUES: Callable[[Counts], tuple[int, ...]] = attrgetter(*Counts.__slots__)


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """What became of one partition."""

    key: str
    """The partition."""
    action: Action
    """What the fetch did with it."""
    status: Literal["complete", "no_data"] | None = None
    """What the cache now says of it; None when it failed and nothing is cached."""
    counts: Counts = field(default_factory=Counts)
    """What it holds."""
    error: str | None = None
    """Why it failed, else None."""
    changes: Changes = field(default_factory=Changes)
    """Objects that were added, changed or deleted since the listing before; empty for a partition
    that was not in the cache."""
    look: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False, compare=False)
    """Gives figures that add up; opening years of days does not decode what nobody asks for."""
    hear: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False, compare=False)
    """Gives what the archive said of it beside its objects, when asked for."""

    @property
    def quality(self) -> dict[str, Any]:
        """Its figures by kind, as `told` gives them."""
        return told(self.look())

    @property
    def listing(self) -> dict[str, Any]:
        """What the archive said of it beside its objects; empty for most archives.

        From the data portal: ``rows``; ``modified``, when the table changed last;
        ``rows_without_time``, rows of the whole table that are in no partition; ``out_of_date``,
        whether its last changes were lacking; and ``unverified_since``, when the table has changed
        after the rows were read and has as many.
        """
        return {name: said for name, said in self.hear().items() if name != "likeness"}

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {
            "key": self.key,
            "action": self.action,
            "status": self.status,
            "counts": asdict(self.counts),
            "quality": self.quality,
            "listing": self.listing,
            "error": self.error,
            "changes": self.changes.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a fetch did, and what the partitions of the request hold."""

    source: str
    """The source asked for."""
    message_type: str
    """The message type asked for."""
    start: str
    """First instant, ISO 8601 in UTC."""
    end: str
    """First instant after the range, ISO 8601 in UTC."""
    archive: str
    """Identity of the archive."""
    cache: str
    """Folder of the cache."""
    partitions: tuple[PartitionReport, ...] = ()
    """One for each partition, in order."""
    requests: int = 0
    """Requests sent to the archive by this fetch, retries among them."""
    retries: int = 0
    """Requests sent again after a failure."""
    bytes_read: int = 0
    """Raw bytes that this fetch read from the archive."""
    bytes_again: int = 0
    """Raw bytes that this fetch read a second time or threw away."""
    seconds: float = 0.0
    """Wall time of this fetch."""

    @property
    def counts(self) -> Counts:
        """The sum over all partitions."""
        columns = zip(*(_VALUES(p.counts) for p in self.partitions), strict=True)
        return Counts(*map(sum, columns))

    @property
    def actions(self) -> Mapping[str, int]:
        """Partitions by what was done with them."""
        return dict(Counter(p.action for p in self.partitions))

    @property
    def quality(self) -> dict[str, Any]:
        """The partitions' figures added up, as `told` gives them."""
        return told(add_quality(p.look() for p in self.partitions))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "partitions"}
        return {
            **plain,
            "partitions": [partition.to_dict() for partition in self.partitions],
            "counts": asdict(self.counts),
            "actions": self.actions,
            "quality": self.quality,
        }

    def __str__(self) -> str:
        counts = self.counts
        actions = ", ".join(f"{n} {action}" for action, n in self.actions.items()) or "none"
        text = (
            f"{self.source} {self.message_type} {self.start} to {self.end}: "
            f"{amount(len(self.partitions), 'partition')} ({actions}) that "
            f"{'holds' if len(self.partitions) == 1 else 'hold'} "
            f"{amount(counts.rows, 'row')}; {amount(counts.objects, 'object')}, "
            f"{amount(counts.lines, 'line')} = {amount(counts.records, 'record')}"
            f" + {counts.blank:,} blank + {counts.quarantined:,} quarantined"
        )
        if changed := [p.changes for p in self.partitions if p.changes]:
            text += f"; since the last listing {sum(changed, Changes())}"
        if counts.outside:
            text += f" ({amount(counts.outside, 'record')} outside their day)"
        text += f"; {self.requests:,} requests, {self.bytes_read:,} bytes read"
        if self.bytes_again:
            text += f" and {self.bytes_again:,} a second time"
        return f"{text}, {self.seconds:.1f} s"
