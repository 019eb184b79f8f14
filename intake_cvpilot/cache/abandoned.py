"""What was on its way when a process was killed: counted, as it has to be fetched again."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from intake_cvpilot.cache.folders import open_folder

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["abandoned"]

_ARRIVING = re.compile(r"(\d{1,10})-[0-9a-f]{32}-\d+\.part")  # as archive/crew.py names them


def abandoned(layout: Layout, key: str) -> int:
    """Remove the beginnings of objects that a killed process left, under the partition's lock.

    Returns
    -------
    int
        Bytes that have to be fetched a second time.
    """
    size = 0
    parts = (".staging", *layout.parts(key), "incoming")
    with suppress(OSError), open_folder(layout.root, parts) as folder:
        for name in folder.names():
            match = _ARRIVING.fullmatch(name)
            # A lock may be without effect: what a living process writes to is left alone.
            if match is None or _lives(int(match[1])):
                continue
            with suppress(OSError):
                held = os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_size
                folder.discard(name)
                size += held
    return size


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
