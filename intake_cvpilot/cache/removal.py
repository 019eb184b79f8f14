"""Removing a partition: first the manifest, durably, then the parts that it named.

Whoever looks sees the whole partition or none.  Killed between two steps, files are left that no
manifest names: nothing reads them, and the next removal or commit takes them away.  Only files of
our own names go; the lock file stays for good, and a folder goes only when it is empty.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from intake_cvpilot.cache import staging
from intake_cvpilot.cache.folders import Folder, open_folder
from intake_cvpilot.cache.layout import MANIFEST, Layout, require_mark
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.errors import CacheError, DamagedError

__all__ = ["remove", "remove_staged"]

_OURS = re.compile(
    r"[a-z][a-z0-9_]{0,31}(\.outside)?-[0-9a-f]{16}\.(parquet|ndjson)(\.superseded)?"
    r"|\.[0-9a-f]{32}\.tmp"
)


def remove(layout: Layout, key: str) -> int:
    """Remove a partition, and what is staged of it; call this under its lock.

    Parameters
    ----------
    layout : Layout
        The cache and the archive.
    key : str
        The partition; it need not be there.

    Returns
    -------
    int
        Bytes of the files that were removed from its folder.

    Raises
    ------
    CacheError
        The folder is no cache, the partition lies behind a link or a newer library wrote it
        (nothing was touched), or the disk gave an error.
    """
    require_mark(layout.root)
    with suppress(DamagedError):
        load(layout, key)  # refuses what a newer library wrote
    freed = 0
    try:
        with open_folder(layout.root, layout.parts(key)) as folder:
            freed += _unlink(folder, MANIFEST)
            # Before any part goes: after a power failure a manifest must not name what is gone.
            folder.sync()
            for name in folder.names():
                if _OURS.fullmatch(name):
                    freed += _unlink(folder, name)
            folder.sync()
        _leave(layout.root, layout.parts(key))
    except FileNotFoundError:
        pass  # somebody else removed it
    except CacheError:
        raise
    except OSError as error:
        raise CacheError(
            f"partition {key} could not be removed from {layout.root}: "
            f"{error.strerror or error}; check the rights of the folder and call again"
        ) from error
    staging.clear(layout, key)
    for note in (layout.used(key), layout.verified(key)):
        _forget(layout.root, note)
    return freed


def remove_staged(layout: Layout, key: str) -> None:
    """Remove what is staged of a partition; call this under its lock."""
    require_mark(layout.root)
    staging.clear(layout, key)


def _unlink(folder: Folder, name: str) -> int:
    """Remove a file, or a link itself, never what it leads to; give its bytes."""
    try:
        status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
    except FileNotFoundError:
        return 0
    folder.discard(name)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _leave(root: Path, parts: tuple[str, ...]) -> None:
    # Only the partition's own folder: another process may be making a neighbour in those above.
    with suppress(OSError), open_folder(root, parts[:-1]) as above:
        os.rmdir(parts[-1], dir_fd=above.fd)
        above.sync()


def _forget(root: Path, note: Path) -> None:
    with suppress(OSError), open_folder(root, note.relative_to(root).parts[:-1]) as folder:
        folder.discard(note.name)
