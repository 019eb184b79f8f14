"""Notes that a partition was found good: with them an interrupted check goes on where it stopped.

A note holds how deep the partition was looked at and the checksum of its manifest, so that it says
nothing of a later generation.  It is a convenience, not a promise: what is written to a disk later
does not show in it, and a cache that cannot be written has none.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from intake_cvpilot.cache.checksums import open_plain
from intake_cvpilot.cache.folders import open_folder
from intake_cvpilot.cache.manifest import load

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["note_good", "was_good"]


def note_good(layout: Layout, key: str, depth: str, checksum: str) -> None:
    """Note that a partition was good; a cache that cannot be written is left as it is."""
    path = layout.verified(key)
    parts = path.relative_to(layout.root).parts
    with suppress(OSError), open_folder(layout.root, parts[:-1], create=True) as folder:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path.name, flags, 0o666, dir_fd=folder.fd), "wb") as file:
            file.write(f"{depth} {checksum}\n".encode())


def was_good(layout: Layout, key: str, depth: str, *, within: timedelta, now: datetime) -> bool:
    """Say whether the generation that is there was found good lately, at that depth or deeper."""
    try:
        with open_plain(layout.verified(key)) as file:
            stored, _, checksum = file.read(4096).decode("ascii", "replace").strip().partition(" ")
            age = now - datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        manifest = load(layout, key)
    except OSError:
        return False
    deep_enough = stored in ("deep", depth)
    fresh = timedelta(0) <= age <= within
    return manifest is not None and manifest.checksum == checksum and deep_enough and fresh
