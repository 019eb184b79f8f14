"""A mirror as an archive: inside what it has whole it answers as the archive that it copies."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from intake_cvpilot.archive.base import Received
from intake_cvpilot.archive.mirror_record import INDEX, Index, Record, record_name
from intake_cvpilot.errors import ArchiveError, ChangedError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from intake_cvpilot.archive.base import Archive, Snapshot, Traffic, Unit

    class Copy(Archive, Protocol):
        """Where the objects lie."""

        def peek(self, name: str) -> bytes | None:
            """Give a small file that lies beside the objects, or None."""
            ...


__all__ = ["MirrorArchive", "not_whole"]


class MirrorArchive:
    """Listings of the copied archive, and its objects out of the copy.

    Parameters
    ----------
    copy : archive
        Where the objects lie.
    of : str
        Identity of the copied archive.
    where : str
        The copy's own URL, for messages.
    """

    def __init__(self, copy: Copy, of: str, where: str) -> None:
        self.identity = of
        self._copy = copy
        self._where = where
        self._index: Index | None = None
        self._records: dict[str, Record] = {}
        self._here: dict[str, Unit] = {}

    def __repr__(self) -> str:
        return f"MirrorArchive({self._where!r} of {self.identity!r})"

    @property
    def traffic(self) -> Traffic:
        """What was asked of the copy so far."""
        return self._copy.traffic

    def snapshot(self, prefix: str) -> Snapshot:
        """Give the listing that the copied archive gave; see `Archive.snapshot`."""
        return self._record(prefix.rstrip("/")).snapshot

    def read(
        self, units: Sequence[Unit], folder: Path, *, small: int = 0
    ) -> Generator[Received, None, None]:
        """Read units out of the copy; see `Archive.read`."""
        wanted = {}
        for unit in units:
            record = self._record("/".join(unit.key.split("/")[:5]))
            if unit not in record.units:
                raise ChangedError(f"{self._where}: the mirror holds another {unit.key}")
            wanted[self._here[unit.key]] = (unit, record.digests[unit.key])
        with closing(self._copy.read(list(wanted), folder, small=small)) as arriving:
            for got in arriving:
                unit, digest = wanted[got.unit]
                if digest != _digest(got, digest):
                    got.discard()
                    raise self._spoilt(unit.key, "is not what the archive had")
                yield Received(unit, got.content, digest)

    def close(self) -> None:
        """Give back what the copy holds."""
        self._copy.close()

    def _record(self, key: str) -> Record:
        """Give a partition's record, when the copy is there as it says."""
        if (known := self._records.get(key)) is not None:
            return known
        if self._index is None:
            self._index = self._read_index()
        if key not in self._index.whole:
            raise not_whole(key, self._where)
        body = self._copy.peek(record_name(key))
        if body is None:
            raise self._spoilt(record_name(key), "is missing")
        record = Record.parse(body, key, self._where)
        if record.units:
            here = {unit.key: unit for unit in self._copy.snapshot(f"{key}/").units}
            for unit in record.units:
                if unit.key not in here or here[unit.key].size != unit.size:
                    raise self._spoilt(unit.key, "is missing or of another size")
            self._here |= {unit.key: here[unit.key] for unit in record.units}
        self._records[key] = record
        return record

    def _read_index(self) -> Index:
        body = self._copy.peek(INDEX)
        if body is None:
            raise ArchiveError(
                f"{self._where} is no mirror: it has no {INDEX}; `cvpilot mirror` writes it"
            )
        index = Index.parse(body, self._where)
        if index.of != self.identity:
            raise ArchiveError(f"{self._where} is a mirror of {index.of}, not of {self.identity}")
        return index

    def _spoilt(self, key: str, how: str) -> ArchiveError:
        return ArchiveError(
            f"{self._where}: {key} {how}: the mirror is damaged there; the same `cvpilot mirror` "
            "as before copies what lacks"
        )


def not_whole(key: str, where: str) -> ArchiveError:
    """Say that a mirror does not answer for a partition: an empty folder there proves nothing."""
    return ArchiveError(
        f"{where}: {key} is not among what its {INDEX} says is whole, so this mirror cannot say "
        "what it holds; add it with `cvpilot mirror`, or ask the archive itself (archive=)"
    )


def _digest(got: Received, like: str) -> str:
    if len(got.digest) == len(like):
        return got.digest
    return got.hashed("md5" if len(like) == 32 else "sha256")
