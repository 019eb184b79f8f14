"""What an archive is to the rest of the library: verified listings and verified objects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

__all__ = ["Archive", "Received", "Snapshot", "Traffic", "Unit"]


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One object as the archive's listing describes it."""

    key: str
    """The key below the archive's root, unchanged: it never becomes a path in the cache."""
    size: int
    """Bytes, as listed; of a page of the data portal, which lists none, an estimate."""
    etag: str | None = None
    """The entity tag without its quotes, or None where the archive has none."""
    last_modified: datetime | None = None
    """Aware UTC, or None where the archive has none."""

    @property
    def object_id(self) -> int:
        """The first 8 bytes of the SHA-256 of the key, as a signed big-endian integer."""
        return int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:8], "big", signed=True)


@dataclass(frozen=True)
class Snapshot:
    """What an archive says a partition consists of: complete and verified, or it does not exist."""

    prefix: str
    """The partition's key with a trailing slash, e.g. ``wydot/BSM/2019/02/06/``."""
    units: tuple[Unit, ...]
    """Every object under the prefix, sorted by key; folder markers are left out."""
    listed_at: datetime
    """Aware UTC: when the listing began."""
    authoritative: bool = True
    """False where an empty listing proves nothing (an empty prefix of a local folder)."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the archive said of the partition, ready for JSON; the manifest keeps it."""
    likeness: str | None = None
    """Equal in two listings that name the same rows, which may have been changed in their place;
    None where the fingerprint tells all."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over key, size and etag of every unit: if equal, so is the content."""
        digest = hashlib.sha256()
        for unit in self.units:
            digest.update(repr((unit.key, unit.size, unit.etag)).encode())
        return digest.hexdigest()

    @cached_property
    def bytes(self) -> int:
        """Raw bytes of all units."""
        return sum(unit.size for unit in self.units)


@dataclass(frozen=True, slots=True)
class Received:
    """A unit that arrived whole and verified."""

    unit: Unit
    """The unit, as listed."""
    content: Path | bytes
    """A temporary file in the folder given to ``read``, which the caller owns now; of a unit that
    is small enough for ``read``'s ``small``, it may be the bytes."""
    digest: str
    """Hash (hex) of the file's content: its MD5 where the listing's ETag is one and was checked,
    else its SHA-256."""

    @property
    def path(self) -> Path:
        """The file, where no unit may come as bytes."""
        if isinstance(self.content, bytes):
            raise TypeError(f"{self.unit.key} came as bytes")
        return self.content

    def hashed(self, name: Literal["md5", "sha256"]) -> str:
        """Hash (hex) of the content, computed anew."""
        if isinstance(self.content, bytes):
            return hashlib.new(name, self.content, usedforsecurity=False).hexdigest()
        with self.content.open("rb") as file:
            return hashlib.file_digest(file, name).hexdigest()

    def discard(self) -> None:
        """Remove the file."""
        if not isinstance(self.content, bytes):
            self.content.unlink(missing_ok=True)


@dataclass(slots=True)
class Traffic:
    """Counts of what was asked of an archive; one belongs to a fetch."""

    lists: int = 0
    """List requests, retries not counted."""
    reads: int = 0
    """Read requests, retries not counted."""
    retries: int = 0
    """Requests sent again after a failure."""
    bytes: int = 0
    """Body bytes of verified units."""
    bytes_again: int = 0
    """Body bytes thrown away or fetched a second time."""
    errors: list[str] = field(default_factory=list)
    """Short causes of the retries, the newest last (bounded)."""

    @property
    def requests(self) -> int:
        """All requests sent."""
        return self.lists + self.reads + self.retries

    def add(self, other: Traffic) -> None:
        """Count what was asked in another process for the same fetch."""
        self.lists += other.lists
        self.reads += other.reads
        self.retries += other.retries
        self.bytes += other.bytes
        self.bytes_again += other.bytes_again
        self.errors += other.errors


class Archive(Protocol):
    """A place for raw bytes in the archive's key layout."""

    @property
    def identity(self) -> str:
        """The normalised URL without credentials; two archives never share a cache entry."""
        ...

    @property
    def traffic(self) -> Traffic:
        """What was asked of this archive so far."""
        ...

    def snapshot(self, prefix: str) -> Snapshot:
        """List a partition.

        Parameters
        ----------
        prefix : str
            A partition key with its trailing slash.

        Raises
        ------
        AccessDeniedError, ArchiveError
            For anything but a complete, valid listing.  Never a shorter one.
        """
        ...

    def read(
        self, units: Sequence[Unit], folder: Path, *, small: int = 0
    ) -> Generator[Received, None, None]:
        """Read units into temporary files of a folder, in any order, each verified.

        Parameters
        ----------
        units : sequence of Unit
            As listed.
        folder : Path
            Takes the files; it exists.
        small : int
            Units of fewer bytes than this may come as bytes, without a file.

        Raises
        ------
        ChangedError
            A unit is no longer what the listing said.
        ArchiveError
            A unit could not be read after all retries.  What was under way besides is yielded
            first, so that it need not be read again.
        SpaceError, CacheError
            The folder cannot take a unit.
        """
        ...

    def close(self) -> None:
        """Give back connections and threads."""
        ...


@runtime_checkable
class Dated(Protocol):
    """An archive of tables that says when one was changed last, whatever was changed."""

    def modified(self, prefix: str) -> str:
        """Give when a partition's table was changed last; asked once for a table.

        Returns
        -------
        str
            ISO 8601 in UTC; empty where the archive does not say, or not of its latest state.
        """
        ...
