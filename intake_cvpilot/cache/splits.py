"""Whole tables of the data portal that are cut into days in the cache: what they take, and removal.

What is cut is made again from the downloaded table, so it may go like what is staged: but it is as
large as the table, and whoever fetches from it would have to cut it anew.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from intake_cvpilot.cache.census import size
from intake_cvpilot.cache.folders import open_folder
from intake_cvpilot.cache.layout import require_mark, split_folder
from intake_cvpilot.errors import CacheError

__all__ = ["Cut", "cuts", "remove_cut"]

_NAME: Final = re.compile(r"[0-9a-f]{16}")
_LOCK: Final = "split.lock"  # whoever cuts holds it; it stays


@dataclass(frozen=True, slots=True)
class Cut:
    """A table that was cut into days."""

    tree: str
    """Name of the archive's folder in the cache."""
    bytes: int
    """Bytes of its files."""
    used: datetime
    """Aware UTC: when it was last cut or read."""


def cuts(root: Path) -> Iterator[Cut]:
    """Give the tables that are cut in a cache; links are not followed."""
    with suppress(OSError), open_folder(root, (split_folder(root).name,)) as folder:
        for name in sorted(folder.names()):
            if _NAME.fullmatch(name):
                with suppress(OSError):
                    found, used = size(root, (split_folder(root).name, name))
                    if found:
                        yield Cut(f"v1@{name}", found, used)


def remove_cut(root: Path, tree: str) -> int:
    """Remove what a table was cut into; the bytes that were freed.

    Raises
    ------
    CacheError
        Another process is cutting it, the folder is no cache, or the disk gave an error.
    """
    require_mark(root)
    name = tree.removeprefix("v1@")
    try:
        with open_folder(root, (split_folder(root).name, name)) as folder:
            before, _ = size(root, (split_folder(root).name, name))
            with FileLock(folder.path / _LOCK, timeout=0):
                # First what says that the rest is whole.
                folder.discard("state.json")
                for each in ("days", "hours"):
                    if each in folder.names():
                        shutil.rmtree(each, dir_fd=folder.fd)
            return before - size(root, (split_folder(root).name, name))[0]
    except FileNotFoundError:
        return 0
    except Timeout as error:
        raise CacheError(
            f"the table in {split_folder(root) / name} is being cut by another process"
        ) from error
    except OSError as error:
        raise CacheError(
            f"{split_folder(root) / name} could not be removed: {error.strerror or error}; check "
            "the rights of the folder and call again"
        ) from error
