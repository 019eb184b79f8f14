"""What became of the objects of a partition since it was fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    import pyarrow as pa

    from intake_cvpilot.archive.base import Unit

__all__ = ["Changes", "changes"]


@dataclass(frozen=True, slots=True)
class Changes:
    """Objects that a listing and the one before it do not agree in, by key."""

    added: tuple[str, ...] = ()
    """Objects that were not there."""
    changed: tuple[str, ...] = ()
    """Objects of another size or entity tag."""
    deleted: tuple[str, ...] = ()
    """Objects that are no longer there."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.deleted)

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            self.added + other.added, self.changed + other.changed, self.deleted + other.deleted
        )

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{amount(len(self.added), 'object')} added, {len(self.changed):,} changed, "
            f"{len(self.deleted):,} deleted"
        )


def changes(before: pa.Table, now: Sequence[Unit]) -> Changes:
    """Compare the committed objects of a partition with a listing.

    Parameters
    ----------
    before : pyarrow.Table
        Columns ``key``, ``size`` and ``etag``.
    now : sequence of Unit
        As listed.
    """
    names = ("key", "size", "etag")
    columns = (before[name].to_pylist() for name in names)
    old = {key: (size, etag) for key, size, etag in zip(*columns, strict=True)}
    new = {unit.key: (unit.size, unit.etag) for unit in now}
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(key for key in new.keys() & old.keys() if new[key] != old[key])),
        deleted=tuple(sorted(old.keys() - new.keys())),
    )
