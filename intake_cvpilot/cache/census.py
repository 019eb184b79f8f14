"""What lies in a cache, and how many bytes it takes: names and sizes, no file is opened but one.

Only names of our own form are looked at, and links are not followed: what else lies in the folder
is not the cache's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from intake_cvpilot.cache.folders import open_folder
from intake_cvpilot.cache.layout import MANIFEST, PUBLIC, Layout, check_key
from intake_cvpilot.cache.usage import last_used
from intake_cvpilot.errors import InvalidRequestError

__all__ = ["Held", "committed", "held", "keys", "layouts", "size", "staged"]

_TREE = re.compile(r"v1(@[0-9a-f]{16})?")


@dataclass(frozen=True, slots=True)
class Held:
    """A folder of the cache: a partition, or what is staged of one."""

    layout: Layout
    """Where it lies."""
    key: str
    """The partition."""
    bytes: int
    """Bytes of its files."""
    used: datetime
    """Aware UTC: last use; of what was never used, the last change."""

    @property
    def name(self) -> str:
        """Name of the archive's folder and the key."""
        return f"{self.layout.tree}/{self.key}"


def layouts(root: Path) -> tuple[Layout, ...]:
    """Give the places of all archives that the cache holds something of, the public one first."""
    names: set[str] = set()
    for parts in ((), (".staging",)):
        with suppress(OSError), open_folder(root, parts) as folder:
            names |= {name for name in folder.names() if _TREE.fullmatch(name)}
    return tuple(
        Layout(root, PUBLIC if name == "v1" else "", known_tree=name) for name in sorted(names)
    )


def keys(
    layout: Layout, source: str | None = None, message_type: str | None = None, *, below: str = ""
) -> Iterator[str]:
    """Give the keys of the folders that have a partition's place, in order.

    `below` is ``.staging`` for what is staged; without it these are the partitions, committed or
    not.
    """
    top = (below, layout.tree) if below else (layout.tree,)
    wanted = (source, message_type, None, None, None)
    for key in _walk(layout.root, top, wanted):
        with suppress(InvalidRequestError):
            yield check_key(key)


def _walk(root: Path, above: tuple[str, ...], wanted: tuple[str | None, ...]) -> Iterator[str]:
    if not wanted:
        yield "/".join(above[-5:])
        return
    try:
        with open_folder(root, above) as folder:
            names = folder.names()
    except OSError:  # a link, a file, or nothing
        return
    for name in names:
        if wanted[0] in (None, name) and not name.startswith("."):
            yield from _walk(root, (*above, name), wanted[1:])


def committed(layout: Layout, source: str, message_type: str) -> Iterator[str]:
    """Give the keys of the partitions with a manifest, in order; it may still be damaged."""
    for key in keys(layout, source, message_type):
        with suppress(OSError):
            os.lstat(layout.folder(key) / MANIFEST)
            yield key


def held(layout: Layout) -> Iterator[Held]:
    """Give every partition of an archive with its size and last use."""
    for key in keys(layout):
        with suppress(OSError):
            found, changed = size(layout.root, layout.parts(key))
            yield Held(layout, key, found, last_used(layout, key) or changed)


def staged(layout: Layout) -> Iterator[Held]:
    """Give what is staged of each partition of an archive."""
    for key in keys(layout, below=".staging"):
        with suppress(OSError):
            found, changed = size(layout.root, (".staging", *layout.parts(key)))
            yield Held(layout, key, found, changed)


def size(root: Path, parts: tuple[str, ...]) -> tuple[int, datetime]:
    """Give the bytes of the files in a folder and below it, and their last change.

    Raises
    ------
    OSError
        It is not there, or lies behind a link.
    """
    total, newest = 0, 0.0
    with open_folder(root, parts) as folder:
        newest = os.fstat(folder.fd).st_mtime
        for name in folder.names():
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
                newest = max(newest, status.st_mtime)
                if stat.S_ISREG(status.st_mode):
                    total += status.st_size
                elif stat.S_ISDIR(status.st_mode):
                    below, changed = size(root, (*parts, name))
                    total, newest = total + below, max(newest, changed.timestamp())
    return total, datetime.fromtimestamp(newest, UTC)
