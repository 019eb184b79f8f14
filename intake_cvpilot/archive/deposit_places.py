"""The places that a mirror is written to: a folder or a bucket; objects appear there whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from intake_cvpilot.archive.mirror_record import RECORDS
from intake_cvpilot.archive.transfer import is_md5
from intake_cvpilot.archive.translate import shown
from intake_cvpilot.errors import ArchiveError, CacheError, SpaceError

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Received, Snapshot
    from intake_cvpilot.archive.s3 import S3Archive

__all__ = ["BucketPlace", "FolderPlace"]

_LONGEST_NAME = 255  # bytes
_ABANDONED = 24 * 3600  # seconds without an arrival; what a killed run left is then put away
_SKIPPED = {"Thumbs.db", "desktop.ini"}  # which a folder as an archive leaves out


class FolderPlace:
    """A folder; every file appears whole, under its last name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def peek(self, name: str) -> bytes | None:
        """Give a small file, or None."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _trouble(error, self.root) from error

    def store(self, name: str, body: bytes) -> None:
        """Write a small file whole or not at all."""
        temporary = self._incoming() / f"{uuid.uuid4().hex}.tmp"
        try:
            temporary.write_bytes(body)
            self._place(temporary, name)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _trouble(error, self.root) from error

    def take(self, received: Received) -> str:
        """Put an object that arrived where it belongs."""
        self.check(received.unit.key)
        modified = received.unit.last_modified
        try:
            if modified is not None:
                os.utime(received.path, (modified.timestamp(), modified.timestamp()))
            self._place(received.path, received.unit.key)
        except OSError as error:
            raise _trouble(error, self.root) from error
        return received.digest

    def held(self, snapshot: Snapshot, known: Mapping[str, str]) -> dict[str, str]:
        """Give the digest of each unit whose file has the right content; each is read whole."""
        found = {}
        for unit in snapshot.units:
            wanted = unit.etag if is_md5(unit.etag) else known.get(unit.key)
            path = self.root / unit.key
            if not wanted or path.is_symlink():
                continue
            with contextlib.suppress(OSError):
                if path.stat().st_size == unit.size and _hash(path, wanted) == wanted:
                    found[unit.key] = wanted
        return found

    def records(self) -> Iterator[str]:
        """Give the keys of the partitions that have a record."""
        top = self.root / RECORDS
        for path in top.glob("*/*/*/*/*.json"):
            yield path.relative_to(top).as_posix().removesuffix(".json")

    def check(self, key: str) -> None:
        """Raise ArchiveError if a key is no path below the folder, or one that is left out."""
        parts = key.split("/")
        if any(_is_odd(part) for part in parts):
            raise ArchiveError(
                f"the key {shown(key)!r} cannot be the name of a file; a mirror in a bucket can "
                "hold it (--to s3://...)"
            )
        folder = self.root
        for part in parts[:-1]:
            folder = folder / part
            if folder.is_symlink():
                raise ArchiveError(f"{folder} is a link; a mirror writes into its own folder only")

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """Give a folder on the same file system."""
        top = self._incoming()
        with contextlib.suppress(OSError):  # tidiness fails no copy
            for left in top.iterdir():
                if left.lstat().st_mtime < time.time() - _ABANDONED:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
        with TemporaryDirectory(dir=top) as folder:
            yield Path(folder)

    def close(self) -> None:
        """Do nothing."""

    def _incoming(self) -> Path:
        folder = self.root / RECORDS / "incoming"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _trouble(error, self.root) from error
        return folder

    def _place(self, file: Path, name: str) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb+") as written:
            os.fsync(written.fileno())
        file.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class BucketPlace:
    """A bucket; an object is there when the server has confirmed its MD5."""

    def __init__(self, bucket: S3Archive) -> None:
        self.bucket = bucket
        self.peek = bucket.peek
        self.store = bucket.store
        self.close = bucket.close

    def take(self, received: Received) -> str:
        """Put an object that arrived where it belongs."""
        body = received.path.read_bytes()
        self.bucket.store(received.unit.key, body)
        received.path.unlink()
        # Not the SHA-256 of what came from elsewhere: a bucket's listing knows MD5 only.
        return hashlib.md5(body, usedforsecurity=False).hexdigest()

    def held(self, snapshot: Snapshot, known: Mapping[str, str]) -> dict[str, str]:
        """Give the digest of each unit that the bucket lists with the right size and MD5."""
        there = {
            unit.key: unit for unit in self.bucket.snapshot(snapshot.prefix, probe=False).units
        }
        found = {}
        for unit in snapshot.units:
            other = there.get(unit.key)
            wanted = unit.etag if is_md5(unit.etag) else known.get(unit.key)
            if other and wanted and (other.size, other.etag) == (unit.size, wanted):
                found[unit.key] = wanted
        return found

    def records(self) -> Iterator[str]:
        """Give the keys of the partitions that have a record."""
        for unit in self.bucket.snapshot(RECORDS, probe=False).units:
            yield unit.key.removeprefix(RECORDS).removesuffix(".json")

    def check(self, key: str) -> None:
        """Take any key: it is a key here too."""

    def incoming(self) -> contextlib.AbstractContextManager[Path]:
        """Give a temporary folder."""
        return _temporary()


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    with TemporaryDirectory(prefix="cvpilot-mirror-") as folder:
        yield Path(folder)


def _is_odd(part: str) -> bool:
    return (
        part.startswith(".")
        or part in _SKIPPED
        or not part
        or "\0" in part
        or "\\" in part
        or len(part.encode()) > _LONGEST_NAME
    )


def _hash(path: Path, like: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5" if len(like) == 32 else "sha256").hexdigest()


def _trouble(error: OSError, root: Path) -> CacheError:
    kind = SpaceError if error.errno in (errno.ENOSPC, errno.EDQUOT) else CacheError
    return kind(
        f"the mirror {root} cannot be written ({error.strerror or type(error).__name__}): "
        "mend that, and run the same command: what is there already is not read again"
    )
