"""What fetches left in the staging that nobody went on with."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from intake_cvpilot.cache.folders import open_folder
from intake_cvpilot.cache.staging import remove

__all__ = ["sweep"]


def sweep(root: Path, *, older_than: timedelta = timedelta(days=7)) -> tuple[str, ...]:
    """Remove what fetches left behind that nobody went on with.

    Parameters
    ----------
    root : Path
        Folder of the cache.
    older_than : timedelta
        A partition's staging goes when nothing in it changed for this long.

    Returns
    -------
    tuple of str
        Tree and key of each partition whose staging was removed.
    """
    limit = time.time() - older_than.total_seconds()
    removed = []
    for place in sorted((root / ".staging").glob("v1*/*/*/*/*/*")):
        parts = place.relative_to(root).parts
        with suppress(OSError), open_folder(root, parts[:-1]) as folder:
            if _newest(place) < limit:
                remove(folder, parts[-1])
                removed.append("/".join(parts[1:]))
    return tuple(removed)


def _newest(place: Path) -> float:
    newest = os.lstat(place).st_mtime
    for folder, folders, names in os.walk(place):
        for name in (*folders, *names):
            with suppress(OSError):
                newest = max(newest, os.lstat(Path(folder, name)).st_mtime)
    return newest
