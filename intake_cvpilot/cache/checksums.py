"""Hashes of files, and the memory of which files were found whole in this process."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from io import FileIO
from pathlib import Path
from typing import IO

__all__ = ["file_sha256", "footer_sha256", "is_there", "is_whole", "open_plain", "read_plain"]

_MAGIC = b"PAR1"

# A file is known by what the kernel says of it, not by its path: whoever replaces or touches it
# changes one of these.  The values are the hashes that were found.  A file that changed a moment
# ago is not remembered: within one tick of the kernel's clock a second change would not show.
_TICK_NS = 100_000_000
_seen: dict[tuple[int, int, int, int, int], str] = {}


def open_plain(path: Path | str) -> FileIO:
    """Open a regular file for reading, not through a link.

    Raises
    ------
    OSError
        As `open`; for anything but a regular file as well.
    """
    # O_NONBLOCK: a pipe laid in the file's place must not hang the reader.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path} is not a regular file")
    return FileIO(fd, "rb")


def read_plain(path: str, most: int) -> bytes:
    """Read a small regular file at once, not through a link; at most so many bytes.

    `open_plain` without the file object, which costs as much as the reading: a range of years
    reads thousands of manifests.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is not a regular file")
        wanted = min(status.st_size + 1, most)
        data = os.read(fd, wanted)
        while len(data) < status.st_size and len(data) < most and (more := os.read(fd, wanted)):
            data += more  # a network's file system may give it in portions
        return data
    finally:
        os.close(fd)


def file_sha256(path: Path) -> str:
    """Give the SHA-256 (hex) of a file's content."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def footer_sha256(path: Path) -> str:
    """Give the SHA-256 (hex) of a Parquet file's footer.

    The footer is the file's metadata, the four bytes of its length and the closing magic: all
    from ``size - 8 - length`` to the end.

    Raises
    ------
    ValueError
        The file does not end as a Parquet file does.
    """
    with open_plain(path) as file:
        return footer_of(file)


def footer_of(file: IO[bytes] | FileIO) -> str:
    """Give the SHA-256 (hex) of an open Parquet file's footer."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 8, 0))
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < 8 or tail[4:] != _MAGIC or length + 12 > size:
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - 8 - length)
    return hashlib.sha256(file.read(length + 8)).hexdigest()


def is_whole(file: FileIO, size: int, digest: str, *, again: bool = False) -> bool:
    """Say whether an open file has this size and this content.

    The content is hashed once in a process, and again when the file's size, inode, mtime or ctime
    is another.

    Parameters
    ----------
    file : binary file
        Opened with `open_plain`.
    size : int
        Expected bytes.
    digest : str
        Expected hash (hex): a SHA-256, or an MD5 by its length.
    again : bool
        Hash it even if this process has done so.
    """
    before = _known_as(file)
    if before[2] != size:
        return False
    found = None if again else _seen.get(before)
    if found is None or len(found) != len(digest):
        file.seek(0)
        found = hashlib.file_digest(file, "md5" if len(digest) == 32 else "sha256").hexdigest()
        if _known_as(file) == before and time.time_ns() - max(before[3:]) > _TICK_NS:
            _seen[before] = found
    return found == digest


def is_there(path: Path, size: int, sha256: str) -> bool:
    """Say whether a path is a file of this size and content."""
    try:
        with open_plain(path) as file:
            return is_whole(file, size, sha256)
    except OSError:
        return False


def _known_as(file: FileIO) -> tuple[int, int, int, int, int]:
    status = os.fstat(file.fileno())
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
