"""A lock a partition: it saves work, and nothing relies on it being held.

Where locks do nothing (some network file systems) two processes may do the same work; commits are
right all the same.  A lock file stays for good: removing one would let a third process lock a new
file of the same name while a second still holds the old one.
"""

from __future__ import annotations

import errno
import inspect
import json
import logging
import math
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from intake_cvpilot.cache.checksums import open_plain
from intake_cvpilot.cache.folders import Folder, open_folder, storage_error
from intake_cvpilot.cache.layout import Layout, prepare
from intake_cvpilot.errors import CacheError, LockTimeoutError

__all__ = ["Holder", "hold"]

_log = logging.getLogger(__name__)

_LOOK = 1.0  # seconds after which somebody who waits is told again
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}
# A lock by existence of a file outlives its holder; going on without a lock is better.
_OPTIONS: dict[str, Any] = (
    {"fallback_to_soft": False}
    if "fallback_to_soft" in inspect.signature(filelock.FileLock.__init__).parameters
    else {}
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as it said when it took it."""

    pid: int
    """Process id on its host."""
    host: str
    """Name of its host."""
    since: str
    """When it took the lock: ISO 8601, UTC, whole seconds."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def hold(
    layout: Layout,
    key: str,
    *,
    timeout: float | None = None,
    on_wait: Callable[[Holder | None], None] | None = None,
) -> Iterator[None]:
    """Hold the lock of a partition.

    Parameters
    ----------
    layout : Layout
        The cache and the archive.
    key : str
        The partition.
    timeout : float, optional
        Seconds to wait for another holder; None waits for ever, 0 not at all.
    on_wait : callable, optional
        Called with who holds it as far as known when there is somebody to wait for, and about once
        a second as long as there is; what it raises ends the wait.

    Raises
    ------
    LockTimeoutError
        Somebody else held it all the time; the message says who.
    CacheError
        The lock file cannot be made.
    """
    path = layout.lock(key)
    prepare(layout.root)
    try:
        lock = _lock(layout, path)
        held = _acquire(lock, path, key, timeout, on_wait)
        if held:
            _sign(layout, path)
    except CacheError:
        raise
    except OSError as error:
        raise storage_error(error, f"the lock of {key}", layout.root, 4096) from error
    try:
        yield
    finally:
        if held:
            with suppress(OSError):
                path.with_suffix(".holder").unlink()
            lock.release()


def _lock(layout: Layout, path: Path) -> filelock.BaseFileLock:
    """Give a lock of this call alone: lock objects are for one thread of one process."""
    with _open(layout, path, create=True) as folder:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path.name, flags, 0o666, dir_fd=folder.fd)
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        os.close(fd)
    # The mode that the umask gave it: filelock would set one of its own.
    return filelock.FileLock(str(path), mode=mode, **_OPTIONS)


def _open(layout: Layout, path: Path, *, create: bool) -> Any:
    return open_folder(layout.root, path.relative_to(layout.root).parts[:-1], create=create)


def _acquire(
    lock: filelock.BaseFileLock,
    path: Path,
    key: str,
    timeout: float | None,
    on_wait: Callable[[Holder | None], None] | None,
) -> bool:
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            holder = _holder(path)
            _log.info("waiting for the lock of %s, held by %s", key, holder or "another process")
            _wait(lock, path, timeout, on_wait)
    except filelock.Timeout as error:
        raise LockTimeoutError(
            f"partition {key} is being fetched by {_holder(path) or 'another process'}; "
            f"it was waited for {timeout:g} s. Wait for it or end it, then call again, "
            "or allow more time with lock_timeout= or CVPILOT_LOCK_TIMEOUT"
        ) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _UNSUPPORTED:
            raise
        _log.warning(
            "the file system of %s has no locks (%s): going on without; "
            "several processes may fetch the same, the tables are right all the same",
            path,
            error,
        )
        return False
    return True


def _wait(
    lock: filelock.BaseFileLock,
    path: Path,
    timeout: float | None,
    on_wait: Callable[[Holder | None], None] | None,
) -> None:
    until = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        if on_wait is not None:
            on_wait(_holder(path))
        left = max(0.0, until - time.monotonic())
        try:
            lock.acquire(timeout=min(left, _LOOK))
        except filelock.Timeout:
            if left <= _LOOK:
                raise
        else:
            return


def _sign(layout: Layout, path: Path) -> None:
    """Say who holds the lock, beside it; whoever waits reads it."""
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps(asdict(Holder(os.getpid(), socket.gethostname(), since)))
    with suppress(OSError), _open(layout, path, create=False) as folder:
        _write_quickly(folder, path.with_suffix(".holder").name, text.encode())


def _write_quickly(folder: Folder, name: str, data: bytes) -> None:
    # Whole, but not synced: it means nothing after a restart.
    temporary = f"{name}.{os.getpid()}"
    folder.discard(temporary)
    with folder.new(temporary) as file:
        file.write(data)
    folder.rename(temporary, name)


def _holder(path: Path) -> Holder | None:
    try:
        with open_plain(path.with_suffix(".holder")) as file:
            found = json.loads(file.read(4096))
        return Holder(int(found["pid"]), str(found["host"])[:255], str(found["since"])[:32])
    except (OSError, ValueError, KeyError, TypeError):
        return None
