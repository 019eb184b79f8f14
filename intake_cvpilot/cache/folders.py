"""Writing that survives: folders opened without following links, files that are whole or absent.

Every write of the cache goes through here, so that the order of the calls is in one place.  A
folder is opened from the root down, component by component and without following links: a link
anywhere below the root leads to a refusal, not outside the cache.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from intake_cvpilot.errors import (
    CacheError,
    CVPilotError,
    DamagedError,
    InvalidRequestError,
    SpaceError,
)

__all__ = [
    "Folder",
    "make_root",
    "open_folder",
    "output_error",
    "refuse_links",
    "storage_error",
    "temporary_name",
    "vanished",
    "write_whole",
]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
# What calling again does not mend: the place is not one to write to.
_NO_PLACE = {errno.EROFS, errno.ENOTDIR, errno.EPERM}


@dataclass(slots=True)
class Folder:
    """An open folder below a cache's root."""

    path: Path
    """Where it is, for messages."""
    fd: int
    """Its descriptor: renames are relative to it, whatever happens to the path."""
    parents: list[int] = field(default_factory=list)
    """Descriptors of the folders above it up to the root."""

    def sync(self) -> None:
        """Make the names in this folder durable, and the first time those that lead to it.

        All of them, not only those that this process made: another one may have made them and
        been killed before it synced.
        """
        sync_folder(self.fd)
        while self.parents:
            parent = self.parents.pop()
            try:
                sync_folder(parent)
            finally:
                os.close(parent)

    def new(self, name: str) -> BinaryIO:
        """Open a file for writing that does not exist yet."""
        return os.fdopen(os.open(name, _CREATE, 0o666, dir_fd=self.fd), "wb")

    def create(self, data: bytes) -> str:
        """Write a temporary file, have it on the disk as it should be, and give its name."""
        name = temporary_name()
        try:
            with self.new(name) as file:
                file.write(data)
            self.check_and_sync(name, data)
        except BaseException:
            # Never tried again: after a failed fsync the kernel may have dropped the pages.
            self.discard(name)
            raise
        return name

    def check_and_sync(self, name: str, data: bytes) -> None:
        """Reopen a file, compare it with what was written, and sync it."""
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        with os.fdopen(fd, "rb", buffering=0) as file:
            if file.read(len(data) + 1) != data:
                raise OSError(errno.EIO, "what was read is not what was written", name)
            os.fsync(fd)

    def replace(self, name: str, data: bytes) -> None:
        """Put a whole file under a name, in the place of what was there."""
        temporary = self.create(data)
        try:
            self.rename(temporary, name)
        except BaseException:
            self.discard(temporary)
            raise

    def rename(self, old: str | Path, new: str) -> None:
        """Put a file under its name in this folder; an absolute path may come from elsewhere."""
        source = None if isinstance(old, Path) else self.fd
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=self.fd)

    def names(self) -> list[str]:
        """Give the names of all that is in this folder, sorted."""
        return sorted(os.listdir(self.fd))  # noqa: PTH208 -- of the descriptor, not of a path

    def discard(self, name: str) -> None:
        """Remove a file of this folder if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)


def temporary_name() -> str:
    """Give a name that no other process uses or can foresee."""
    return f".{secrets.token_hex(16)}.tmp"


def sync_folder(fd: int) -> None:
    """Make the names in a folder durable, where the file system can."""
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems refuse fsync on folders: there is nothing better to do there.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise


@contextmanager
def open_folder(root: Path, parts: Sequence[str], *, create: bool = False) -> Iterator[Folder]:
    """Open a folder below a root, refusing links on the way.

    Parameters
    ----------
    root : Path
        Folder of the cache; it may itself be reached through links, its owner chose so.
    parts : sequence of str
        Names of the folders from the root down; they hold no separators.
    create : bool
        Make what is missing.

    Raises
    ------
    CacheError
        A component is a link or no folder.
    FileNotFoundError
        It does not exist and `create` is false.
    """
    folder = Folder(root, os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        for name in parts:
            _descend(folder, name, create=create)
        yield folder
    finally:
        for fd in (folder.fd, *folder.parents):
            os.close(fd)


def _descend(folder: Folder, name: str, *, create: bool) -> None:
    below = folder.path / name
    try:
        try:
            fd = os.open(name, _DIRECTORY, dir_fd=folder.fd)
        except FileNotFoundError:
            if not create:
                raise
            with suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=folder.fd)
            fd = os.open(name, _DIRECTORY, dir_fd=folder.fd)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise _refusal(below) from error
        raise
    folder.parents.append(folder.fd)
    folder.fd, folder.path = fd, below


def refuse_links(folder: Path | str, levels: int) -> None:
    """Refuse a folder that is a link, or lies behind one within so many levels.

    Raises
    ------
    CacheError
        One of the components is a link or no folder.
    FileNotFoundError
        It does not exist.
    """
    above = Path(folder).parents[: levels - 1] if levels > 1 else ()
    for path in (folder, *above):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise _refusal(path)


def _refusal(path: Path | str) -> CacheError:
    return CacheError(
        f"{path} is a link or no folder: the cache neither reads nor writes behind it; "
        "nothing was touched. Move it away, or put the whole cache elsewhere with cache_dir="
    )


def make_root(root: Path) -> None:
    """Make the folder of a cache and what leads to it, durably."""
    missing = [path for path in (root, *root.parents) if not path.exists()]
    root.mkdir(parents=True, exist_ok=True)
    for path in missing:
        with open_folder(path.parent, ()) as parent:
            parent.sync()


def write_whole(folder: Path, name: str, data: bytes) -> None:
    """Write a file so that whoever looks sees all of it or what was there before."""
    with open_folder(folder, ()) as place:
        place.replace(name, data)
        place.sync()


def storage_error(error: OSError, what: str, folder: Path, needed: int = 0) -> CacheError:
    """Say what could not be stored, and what to do about it."""
    if error.errno in _NO_SPACE:
        try:
            free = f"{shutil.disk_usage(folder).free:,} bytes are free"
        except OSError:
            free = "how much is free cannot be told"
        return SpaceError(
            f"no room for {what}: {needed:,} bytes are needed and {free} in {folder} "
            f"({error.strerror}); free some space (or file entries, or quota), or set another "
            "cache_dir, and call again"
        )
    said = f"{what} could not be stored in {folder}: {error.strerror or error}; it was discarded, "
    if error.errno in _NO_PLACE:
        return CacheError(
            f"{said}and nothing else was changed. Make {folder} writable, or choose another folder "
            "(cache_dir=, --cache-dir, CVPILOT_CACHE_DIR); offline=True reads what is in it"
        )
    return CacheError(
        f"{said}and the partition is as it was. Call again; if it stays, check the disk and the "
        "rights"
    )


def output_error(error: OSError, path: Path) -> CVPilotError:
    """Say why a file that a caller asked for, beside the cache, could not be written."""
    why = error.strerror or error
    if error.errno in _NO_SPACE:
        return SpaceError(f"no room for {path} ({why}); free some space, or name another place")
    return InvalidRequestError(f"{path} cannot be written ({why}): name another place")


def vanished(error: BaseException | None) -> bool:
    """Say whether a file that was there a moment ago, or should be, is behind an error."""
    seen: set[int] = set()  # a cause that was raised twice leads back to itself
    while error is not None and id(error) not in seen:
        if isinstance(error, (FileNotFoundError, DamagedError)):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
