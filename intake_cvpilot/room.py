"""What a fetch will take on disk, guessed from what lies in the cache, and what there is."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from intake_cvpilot.cache.manifest import load
from intake_cvpilot.errors import CacheError

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["bytes_free", "parquet_share"]

#: Cached partitions that are looked at on each side.
NEIGHBOURS = 3


def parquet_share(
    layout: Layout, source: str, message_type: str, keys: Iterable[str]
) -> float | None:
    """Give the bytes of Parquet that a raw byte becomes, as cached neighbours show.

    Parameters
    ----------
    layout : Layout
        The cache.
    source, message_type : str
        Whose partitions.
    keys : iterable of str
        The partitions to be fetched.

    Returns
    -------
    float or None
        None when nothing of the kind is cached.
    """
    top = layout.root / layout.tree / source / message_type
    cached = sorted(
        "/".join((source, message_type, *path.parts[-4:-1]))
        for path in top.glob("*/*/*/manifest.json")
    )
    at = {n for key in keys for n in [bisect_left(cached, key)]}
    near = {n for middle in at for n in range(middle - NEIGHBOURS, middle + NEIGHBOURS)}
    raw = stored = 0
    for n in sorted(near & set(range(len(cached))))[: 4 * NEIGHBOURS]:
        try:
            manifest = load(layout, cached[n])
        except CacheError:
            continue
        if manifest is not None:
            raw += manifest.counts.bytes
            stored += sum(file.bytes for file in manifest.files)
    return stored / raw if raw else None


def bytes_free(folder: Path) -> int:
    """Give the bytes that are free on the disk of a folder, which need not be there yet."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free
