"""Trying out what the cache needs of a file system: each trial on files of its own."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from intake_cvpilot.cache.folders import open_folder, temporary_name

__all__ = ["Tried", "probe"]


@dataclass(frozen=True, slots=True)
class Tried:
    """One thing that was tried."""

    name: str
    """What it is about."""
    state: Literal["good", "note", "bad"]
    """As it should be; worth knowing; or something will fail."""
    text: str
    """What was found, and what to do about it."""


def probe(root: Path) -> tuple[Tried, ...]:
    """Try writing, renaming, locking and the room that is left; nothing stays behind."""
    if not root.exists():
        above = next(path for path in root.parents if path.exists())
        try:
            # Asking for the rights is not enough: /proc says yes.
            Path(tempfile.mkdtemp(prefix=".cvpilot-", dir=above)).rmdir()
        except OSError as error:
            what = f"{root} is not there yet, and cannot be made in {above} ({error.strerror})"
            return (Tried("cache", "bad", f"{what}: choose another with CVPILOT_CACHE_DIR"),)
        return (Tried("cache", "good", f"{root} is not there yet"), _room(above))
    name = temporary_name()
    try:
        with open_folder(root, ()) as folder:
            try:
                with folder.new(name) as file:
                    file.write(b"tried")
                    file.flush()
                    os.fsync(file.fileno())
                renamed = _renames(root / name)
                locked = _locks(root / name)
            finally:
                folder.discard(name)
    except OSError as error:
        what = f"{root} cannot be written ({error.strerror}): what is complete is read all the same"
        return (Tried("cache", "note", what), _room(root))
    return (Tried("cache", "good", f"{root} can be written"), _room(root), renamed, locked)


def _room(root: Path) -> Tried:
    free = shutil.disk_usage(root).free
    entries = os.statvfs(root)
    if entries.f_files and not entries.f_favail:
        return Tried("space", "bad", f"{free:,} bytes are free, but no file entries (inodes)")
    little = free < 10**9
    return Tried("space", "note" if little else "good", f"{free:,} bytes are free")


def _renames(path: Path) -> Tried:
    """Rename over a file that is open: its reader must keep the old content."""
    other = path.with_name(f".{secrets.token_hex(16)}.tmp")
    try:
        other.write_bytes(b"newer")
        with path.open("rb") as reader:
            other.replace(path)
            kept, now = reader.read(), path.read_bytes()
    except OSError as error:
        return Tried("rename", "bad", f"renaming over a file fails: {error.strerror}")
    finally:
        with suppress(FileNotFoundError):
            other.unlink()
    if (kept, now) != (b"tried", b"newer"):
        return Tried("rename", "bad", "renaming over a file changes what its readers see")
    return Tried("rename", "good", "renaming replaces a file as a whole")


def _locks(path: Path) -> Tried:
    first, second = (os.open(path, os.O_RDWR | os.O_CLOEXEC) for _ in range(2))
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Tried("locks", "good", "a lock keeps others out")
    except OSError as error:
        text = f"there are no locks here ({error.strerror}): processes may fetch the same twice"
        return Tried("locks", "note", text)
    finally:
        os.close(first)
        os.close(second)
    text = "locks keep nobody out here: processes may fetch the same twice; tables are right"
    return Tried("locks", "note", text)
