"""What a fetch would do, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.report import State

__all__ = ["PartitionPlan", "Plan"]


_LINES: Final = 60
"""Most lines of a plan before neighbours of one state share one."""


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """What a fetch would do for one partition."""

    key: str
    """The partition, e.g. ``wydot/BSM/2019/02/06``."""
    state: State
    """What the cache has of it."""
    objects: int | None = None
    """Objects that a fetch would read; None when it was not listed."""
    bytes: int | None = None
    """Raw bytes that a fetch would read; None when it was not listed."""
    rows: int | None = None
    """Rows in the cache; None when nothing is cached."""
    status: Literal["complete", "no_data"] | None = None
    """What the cache says of it: an archive that has nothing there is ``no_data``; None when
    nothing is cached."""
    error: str | None = None
    """Why it could not be listed, else None."""
    unverified_since: str | None = None
    """Only the data portal: when its table changed after the rows were read (ISO 8601, UTC), if
    it has as many rows of the partition as before; None where they are known to be the same."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fetch of a request would do; nothing was read, nothing was stored."""

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
    partitions: tuple[PartitionPlan, ...]
    """One for each partition whose window meets the range, in order."""
    seconds: float | None = None
    """Time that the reads take at the set rate at least; None without a limit, as for a local
    copy."""
    parquet_bytes: int | None = None
    """Bytes of Parquet to expect, as cached neighbours took; None when there are none."""
    disk_bytes: int = 0
    """Room to have: the largest partition's raw bytes, which lie there until it is committed, and
    the Parquet (taken for as large as the raw bytes where nothing tells)."""
    free_bytes: int | None = None
    """Bytes free on the cache's disk."""

    @property
    def objects(self) -> int:
        """Objects to read, as far as listed."""
        return sum(p.objects or 0 for p in self.partitions)

    @property
    def bytes(self) -> int:
        """Raw bytes to read, as far as listed."""
        return sum(p.bytes or 0 for p in self.partitions)

    @property
    def fits(self) -> bool:
        """Whether the disk can hold it."""
        return self.free_bytes is None or self.disk_bytes <= self.free_bytes

    @property
    def states(self) -> Mapping[str, int]:
        """Partitions by state."""
        return dict(Counter(p.state for p in self.partitions))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {
            **asdict(self),
            "objects": self.objects,
            "bytes": self.bytes,
            "fits": self.fits,
            "states": self.states,
        }

    def lines(self) -> Iterator[str]:
        """Give a line for each partition; of many, one for neighbours of the same state."""
        each = [[partition] for partition in self.partitions]
        if len(each) > _LINES:
            each = [list(some) for _, some in groupby(self.partitions, key=_alike)]
        for some in each:
            first, last = some[0], some[-1]
            many = f" to {last.key}  {len(some):,} partitions" if len(some) > 1 else ""
            yield f"{first.key}{many}  {first.state}{_told(some)}"

    def __str__(self) -> str:
        states = ", ".join(f"{n:,} {state}" for state, n in self.states.items()) or "none"
        if empty := sum(partition.status == "no_data" for partition in self.partitions):
            states += f"; {empty:,} without data"
        text = (
            f"{self.source} {self.message_type} {self.start} to {self.end}: "
            f"{amount(len(self.partitions), 'partition')} ({states}); "
        )
        unlisted = sum(partition.error is not None for partition in self.partitions)
        if unlisted and not self.objects:
            return text + f"to read: unknown, as {unlisted:,} could not be listed"
        text += f"to read: {amount(self.objects, 'object')}, {self.bytes:,} bytes"
        if unlisted:
            text += f", and what {unlisted:,} hold that could not be listed"
        unverified = sum(partition.unverified_since is not None for partition in self.partitions)
        if unverified:
            text += f"; {unverified:,} unverified since the table changed"
        if self.seconds:
            text += f", at least {self.seconds:,.0f} s at the set rate"
        if self.bytes:
            if self.parquet_bytes is not None:
                text += f", about {self.parquet_bytes:,} bytes of Parquet"
            text += f"; disk: at most {self.disk_bytes:,} bytes, {self.free_bytes or 0:,} free"
            text += "" if self.fits else ": MAY NOT FIT"
        return text


def _alike(partition: PartitionPlan) -> tuple[str, str | None, bool | None, str | None]:
    to_read = None if partition.objects is None else partition.objects > 0
    return partition.state, partition.status, to_read, partition.error


def _told(some: Sequence[PartitionPlan]) -> str:
    """Say what partitions that are alike hold, or what of them is to be read."""
    first = some[0]
    if first.error is not None:
        return f"  {first.error}"
    objects = sum(partition.objects or 0 for partition in some)
    if objects:
        return f"  {amount(objects, 'object')}, {sum(p.bytes or 0 for p in some):,} bytes"
    if first.status == "no_data":
        return "  no data"
    if first.status is not None:
        return f"  {amount(sum(partition.rows or 0 for partition in some), 'row')}"
    return "" if first.objects is None else "  no objects"
