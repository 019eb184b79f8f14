"""When a partition was last used: the mtime of an empty file outside it."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from intake_cvpilot.cache.folders import open_folder

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["last_used", "touch"]


def touch(layout: Layout, key: str) -> None:
    """Note that a partition is in use now; a cache that cannot be written is left as it is."""
    path = layout.used(key)
    parts = path.relative_to(layout.root).parts
    with suppress(OSError), open_folder(layout.root, parts[:-1], create=True) as folder:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path.name, flags, 0o666, dir_fd=folder.fd)
        try:
            os.utime(fd)
        finally:
            os.close(fd)


def last_used(layout: Layout, key: str) -> datetime | None:
    """Give when a partition was last used, aware UTC; None when that was never noted."""
    try:
        return datetime.fromtimestamp(os.lstat(layout.used(key)).st_mtime, UTC)
    except OSError:
        return None
