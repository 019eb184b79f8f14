"""Many small units in one file: a file for each costs the disk more than the unit itself.

A pack is only appended to, by one process.  Before each unit stands a line with its name, which
has the hash of its content, and its length: what a killed process left is found again, and is
believed where its hash holds.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Container, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from intake_cvpilot.cache.checksums import open_plain
from intake_cvpilot.extent import Extent

__all__ = ["SMALL", "Pack", "is_pack", "packed"]

SMALL: Final = 64 * 2**10
"""Units of fewer bytes are put into a pack."""

_PACK: Final = re.compile(r"[0-9a-f]{32}\.pack")
_HEAD: Final = re.compile(rb"([0-9a-f]{32})-([0-9a-f]{32}|[0-9a-f]{64}) (\d{1,5})\n")
_LONGEST_HEAD: Final = 128


class Pack:
    """A new pack; its file is made with its first unit.

    Parameters
    ----------
    folder : Path
        Where; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(16)}.pack"
        self._file: int | None = None
        self._end = 0

    def add(self, name: str, content: bytes) -> Extent:
        """Append a unit; not in memory first, as a kill must cost no more than what is on its way.

        Parameters
        ----------
        name : str
            32 digits, a dash, and the MD5 or SHA-256 (hex) of the content.
        content : bytes
            Fewer than `SMALL` bytes.

        Raises
        ------
        OSError
            The disk does not take it; the next unit takes its place.
        """
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self.path, flags, 0o666)
        rest, at = memoryview(b"%s %d\n%s" % (name.encode(), len(content), content)), self._end
        while rest:
            written = os.pwrite(self._file, rest, at)
            rest, at = rest[written:], at + written
        self._end = at
        return Extent(self.path, at - len(content), len(content))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def is_pack(name: str) -> bool:
    """Say whether a file's name is that of a pack."""
    return _PACK.fullmatch(name) is not None


def packed(path: Path, wanted: Container[str]) -> Iterator[tuple[str, Extent]]:
    """Give the units of a pack that are whole: the first 32 digits of the name, and the place.

    What is damaged is passed over, and nothing is believed after a line that cannot be read.

    Parameters
    ----------
    path : Path
        The pack.
    wanted : container of str
        First 32 digits of names; the others are not looked at.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open_plain(path) as file:
        stream = BufferedReader(file)
        while match := _HEAD.fullmatch(stream.readline(_LONGEST_HEAD)):
            identity, digest = match[1].decode(), match[2].decode()
            length = int(match[3])
            at = stream.tell()
            if identity not in wanted:
                stream.seek(length, os.SEEK_CUR)
                continue
            content = stream.read(length)
            hashed = hashlib.new("md5" if len(digest) == 32 else "sha256", usedforsecurity=False)
            hashed.update(content)
            if len(content) == length and hashed.hexdigest() == digest:
                yield identity, Extent(path, at, length)
