"""Commit: files first, then the manifest, each whole and durable before the next step.

For every new file: it was written and closed under a temporary name, is reopened, compared with
its hash, synced and renamed into the partition; then the folder and every parent that this commit
made are synced; then the manifest goes the same way.  Its rename is the only moment at which
readers see anything new.  Files of the generation before stay for 24 hours, so that a frame
opened earlier can still be computed.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intake_cvpilot.cache.checksums import is_whole, open_plain
from intake_cvpilot.cache.folders import (
    Folder,
    open_folder,
    storage_error,
    temporary_name,
)
from intake_cvpilot.cache.layout import MANIFEST, Layout, prepare
from intake_cvpilot.cache.locks import hold
from intake_cvpilot.cache.manifest import File, Manifest, dumps, load, loads
from intake_cvpilot.errors import CacheError, DamagedError

__all__ = ["GRACE", "commit", "superseded", "superseded_bytes", "tidied"]

#: How long files that the manifest no longer names are kept.
GRACE = timedelta(hours=24)

_PART = re.compile(r"[a-z][a-z0-9_]{0,31}(\.outside)?-[0-9a-f]{16}\.(parquet|ndjson)")
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
_MARK = ".superseded"


def commit(
    layout: Layout, manifest: Manifest, staged: Mapping[str, Path], *, over_newer: bool = False
) -> None:
    """Make a generation of a partition what readers see.

    Parameters
    ----------
    layout : Layout
        The cache and the archive.
    manifest : Manifest
        The new generation; its files are either in `staged` or in the partition already.
    staged : mapping of str to Path
        New files by the name that the manifest gives them.  They are moved, not copied, unless
        they lie on another file system.
    over_newer : bool
        Whether a generation that a newer library wrote is replaced.

    Raises
    ------
    ValueError
        The manifest contradicts itself; nothing was touched.
    SpaceError
        No room; the partition is as it was.
    CacheError
        Storing failed, a newer library wrote what is there, or the partition lies behind a link;
        the partition is as it was.  A staged file that could not be stored is removed: build it
        again.
    """
    data = dumps(manifest)
    known = {file.name: file for file in manifest.files}
    if unknown := sorted(set(staged) - set(known)):
        raise ValueError(f"files that the manifest does not name: {', '.join(unknown)}")
    if manifest.identity != layout.identity:
        raise ValueError(f"a manifest of {manifest.identity} in a cache of {layout.identity}")
    prepare(layout.root)
    try:
        with open_folder(layout.root, layout.parts(manifest.key), create=True) as folder:
            if not over_newer:
                _keep_newer(folder, layout, manifest)
            for name, file in known.items():
                _place(folder, layout.repair(manifest.key), file, staged.get(name))
            folder.sync()
            folder.replace(MANIFEST, data)
            folder.sync()
    except CacheError:
        raise
    except OSError as error:
        needed = sum(known[name].bytes for name in staged) + len(data)
        raise storage_error(error, f"partition {manifest.key}", layout.root, needed) from error
    superseded(layout, manifest.key, datetime.now(UTC))


def _keep_newer(folder: Folder, layout: Layout, manifest: Manifest) -> None:
    """Raise for a manifest of a newer library, so that it is never overwritten."""
    try:
        with open_plain(folder.path / MANIFEST) as file:
            data = file.read()
    except OSError:
        return
    with suppress(DamagedError):
        loads(data, key=manifest.key, words=layout.words)


def _place(folder: Folder, repair: str, file: File, staged: Path | None) -> None:
    if staged is not None:
        try:
            _move(folder, file, staged)
        except FileNotFoundError:
            # A process that our lock did not keep out has committed the same content.
            staged = None
    if staged is None:
        _find(folder, repair, file)


def _find(folder: Folder, repair: str, file: File) -> None:
    """Check a file of an earlier generation before the new one vouches for it."""
    try:
        with open_plain(folder.path / file.name) as there:
            if is_whole(there, file.bytes, file.sha256):
                return
    except FileNotFoundError:
        what = "is missing"
    else:
        what = "is damaged"
    raise DamagedError(
        f"{folder.path / file.name} {what}; the partition was left as it was. "
        f"Repair it with: {repair}"
    )


def _move(folder: Folder, file: File, staged: Path) -> None:
    inode = _check_and_sync(staged, file)
    try:
        folder.rename(staged, file.name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        inode = _copy(folder, file, staged)
    there = os.stat(file.name, dir_fd=folder.fd, follow_symlinks=False)
    if (there.st_dev, there.st_ino) != inode:
        # Another process, which our lock did not keep out, built the same and came between.
        _check_and_sync(folder.path / file.name, file)


def _check_and_sync(path: Path, file: File) -> tuple[int, int]:
    """Reopen a file, compare it with the manifest, sync it; remove it when it is not right."""
    try:
        with open_plain(path) as opened:
            if not is_whole(opened, file.bytes, file.sha256, again=True):
                raise OSError(errno.EIO, f"{file.name} is not as it was built", str(path))
            os.fsync(opened.fileno())
            status = os.fstat(opened.fileno())
    except FileNotFoundError:
        raise
    except OSError:
        # After a failed fsync the kernel may have dropped the pages: a second one would lie.
        with suppress(OSError):
            path.unlink()
        raise
    return status.st_dev, status.st_ino


def _copy(folder: Folder, file: File, staged: Path) -> tuple[int, int]:
    """Bring a file from another file system, through a temporary in the partition."""
    name = temporary_name()
    path = folder.path / name
    try:
        with open_plain(staged) as source, folder.new(name) as target:
            shutil.copyfileobj(source, target, 2**20)
        inode = _check_and_sync(path, file)
        folder.rename(name, file.name)
    except BaseException:
        folder.discard(name)
        raise
    with suppress(OSError):
        staged.unlink()
    return inode


def superseded(
    layout: Layout, key: str, now: datetime, *, grace: timedelta = GRACE
) -> tuple[str, ...]:
    """Remove what the manifest of a partition has not named for a while.

    A file that is found unnamed for the first time gets a mark beside it; the mark's age, not the
    file's, is what counts, for a file may be superseded years after it was written.

    Parameters
    ----------
    layout : Layout
        The cache and the archive.
    key : str
        The partition; call this under its lock.
    now : datetime
        Aware UTC.
    grace : timedelta
        How long unnamed files are kept.

    Returns
    -------
    tuple of str
        Names of the files that were removed.  Nothing is removed, and nothing raised, when the
        manifest cannot be read or the folder not be written.
    """
    try:
        manifest = load(layout, key)
        if manifest is None:
            return ()
        with open_folder(layout.root, layout.parts(key)) as folder:
            return _sweep(folder, {file.name for file in manifest.files}, now - grace)
    except OSError:
        return ()


def tidied(layout: Layout, key: str, now: datetime, *, grace: timedelta = GRACE) -> tuple[str, ...]:
    """Do as `superseded` under the partition's lock, unless somebody holds it.

    Parts that a writer has put in place and not yet named look superseded; one that was frozen for
    longer than the grace would name them when they have gone.  A partition without such files
    takes no lock.
    """
    try:
        manifest = load(layout, key)
        with open_folder(layout.root, layout.parts(key)) as folder:
            names = set(folder.names())
        if manifest is None or names <= {MANIFEST, *(file.name for file in manifest.files)}:
            return ()
        with hold(layout, key, timeout=0):
            return superseded(layout, key, now, grace=grace)
    except OSError:
        return ()


def superseded_bytes(layout: Layout, key: str, before: datetime) -> int:
    """Give the bytes of a partition's parts that are marked as superseded since `before` or longer.

    It takes no lock and opens no file, so that it may be asked of a whole cache.
    """
    found = 0
    with suppress(OSError), open_folder(layout.root, layout.parts(key)) as folder:
        names = set(folder.names())
        for name in names:
            if name + _MARK in names and _aged(folder, name, before):
                found += os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_size
    return found


def _sweep(folder: Folder, named: set[str], before: datetime) -> tuple[str, ...]:
    removed = []
    names = set(folder.names())
    for name in sorted(names):
        if _TEMPORARY.fullmatch(name) and _changed(folder, name) < before:
            folder.discard(name)
        elif _PART.fullmatch(name) and name in named:
            if name + _MARK in names:
                folder.discard(name + _MARK)
        elif _PART.fullmatch(name):
            if name + _MARK not in names:
                folder.new(name + _MARK).close()
            elif _aged(folder, name, before):
                folder.discard(name)
                folder.discard(name + _MARK)
                removed.append(name)
        elif name.endswith(_MARK) and name.removesuffix(_MARK) not in names:
            folder.discard(name)
    return tuple(removed)


def _aged(folder: Folder, name: str, before: datetime) -> bool:
    return max(_changed(folder, name), _changed(folder, name + _MARK)) < before


def _changed(folder: Folder, name: str) -> datetime:
    status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
    # The later of the two: a rename sets ctime, so a part that a commit has just put in place and
    # not yet named is young, however old its content.
    return datetime.fromtimestamp(max(status.st_mtime, status.st_ctime), UTC)
