"""When a partition was last used: the mtime of an empty file outside it.

A range of years notes the use of thousands of partitions on each opening, so that the ordinary case
is one system call each: the folder of a month is opened once, and its files are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from intake_cvpilot.cache.folders import open_folder

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["last_used", "touch", "touch_all"]


def touch(layout: Layout, key: str) -> None:
    """Note that a partition is in use now; a cache that cannot be written is left as it is."""
    touch_all(layout, [key])


def touch_all(layout: Layout, keys: Iterable[str]) -> None:
    """Note that partitions are in use now, neighbours together."""
    for month, days in groupby(keys, key=lambda key: key.rpartition("/")[0]):
        names = [day[len(month) + 1 :] for day in days]
        parts = (".used", *layout.parts(f"{month}/{names[0]}")[:-1])
        with suppress(OSError), open_folder(layout.root, parts, create=True) as folder:
            for name in names:
                _touch(name, folder.fd)


def _touch(name: str, folder: int) -> None:
    try:
        os.utime(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o666, dir_fd=folder))


def last_used(layout: Layout, key: str) -> datetime | None:
    """Give when a partition was last used, aware UTC; None when that was never noted."""
    try:
        return datetime.fromtimestamp(os.lstat(layout.used(key)).st_mtime, UTC)
    except OSError:
        return None
