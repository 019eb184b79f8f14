"""What a manifest says of one file, and the counts of its partition."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

__all__ = ["File", "Tally", "misnamed"]

_Count = Annotated[int, msgspec.Meta(ge=0)]
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,31}(\.outside)?").fullmatch


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One immutable file of a partition."""

    role: str
    """``objects``, ``quarantine``, a table's name, or a table's name and ``.outside``."""
    name: str
    """Role, first 16 hex digits of `sha256`, suffix: it follows from the content."""
    bytes: _Count
    """Size in bytes."""
    rows: _Count
    """Rows, or lines of a quarantine file."""
    sha256: str
    """SHA-256 (hex) of the content."""
    footer_sha256: str | None = None
    """SHA-256 (hex) from the Parquet metadata to the end; None for other files."""
    block: str | None = None
    """What it was built from: equal values, equal file; None for `objects`."""
    start: str | None = None
    """First event_time in it, inclusive, as `instant_text`; None where no row has one."""
    end: str | None = None
    """Last event_time in it, inclusive, as `instant_text`; None where no row has one."""


class Tally(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a partition holds: lines = records + blank + quarantined; records = inside + outside."""

    objects: _Count = 0
    """Objects of the archive."""
    bytes: _Count = 0
    """Raw bytes of the objects."""
    lines: _Count = 0
    """Framing units."""
    records: _Count = 0
    """Lines that became records."""
    blank: _Count = 0
    """Lines of white space only."""
    quarantined: _Count = 0
    """Lines that could not become a record."""
    inside: _Count = 0
    """Records with an event time in the partition's window."""
    outside: _Count = 0
    """Records outside it."""
    rows: dict[str, int] = {}
    """Rows inside the window, by table."""


def misnamed(files: Sequence[File]) -> str | None:
    """Say which file's name is not the one that follows from its content, or None."""
    digits = [file.sha256[:16] for file in files]
    for file, ours in zip(files, digits, strict=True):
        form = _form(file.role)
        if form is None or len(ours) != 16 or file.name != form % ours:
            return f"it names a file {file.name!r}, which is none of a partition"
    # All at once: years of days have files by the ten thousand.
    if said := "".join(digits).strip(string.hexdigits.lower()):
        return f"it names a file by {said!r}, which is no hash"
    return None


@lru_cache(maxsize=256)
def _form(role: str) -> str | None:
    """Give the form of the names of a role's files; None for what is no role."""
    suffix = "ndjson" if role == "quarantine" else "parquet"
    return f"{role}-%s.{suffix}" if _ROLE(role) else None
