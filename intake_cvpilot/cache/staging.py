"""What a fetch has so far: verified raw units, and finished blocks; any process may go on with it.

A unit is named by what the archive's listing said of it and by the hash of its content: a large one
is a file of that name, small ones stand under their names in a pack.  A block's result carries the
hashes of its files.  Nothing is believed because it is there: what does not hash to its name is
thrown away or passed over, so a crash, a full disk or another process in the same place cost at
most a second read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake_cvpilot.cache.checksums import is_whole, open_plain
from intake_cvpilot.cache.folders import Folder, open_folder, storage_error
from intake_cvpilot.cache.layout import Layout, prepare
from intake_cvpilot.cache.pack import is_pack, packed
from intake_cvpilot.errors import CacheError

if TYPE_CHECKING:
    from intake_cvpilot.extent import Stored

__all__ = [
    "block_folder",
    "clear",
    "find",
    "find_all",
    "incoming",
    "load_result",
    "remove",
    "save_result",
    "unit_name",
    "units",
]

_RESULT = "result.json"
_UNIT = re.compile(r"([0-9a-f]{32})-([0-9a-f]{32}|[0-9a-f]{64})")  # MD5 or SHA-256
_FILE = re.compile(r"[a-z][a-z0-9_]{0,31}(\.outside)?-[0-9a-f]{16}\.(parquet|ndjson)")
_BLOCK = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z_-]{0,127}")


def incoming(layout: Layout, key: str) -> Path:
    """Give, and make, the folder in which an archive may put units as they arrive."""
    return _folder(layout, key, "incoming")


def units(layout: Layout, key: str) -> Path:
    """Give, and make, the folder in which verified units wait."""
    return _folder(layout, key, "units")


def _folder(layout: Layout, key: str, *below: str) -> Path:
    prepare(layout.root)
    parts = (".staging", *layout.parts(key), *below)
    try:
        with open_folder(layout.root, parts, create=True) as folder:
            return folder.path
    except CacheError:
        raise
    except OSError as error:
        raise storage_error(error, f"the staging of {key}", layout.root, 4096) from error


def unit_name(unit_key: str, size: int, etag: str | None, digest: str) -> str:
    """Give the name under which a unit waits: what was listed of it, and its content's hash."""
    return f"{_unit_id(unit_key, size, etag)}-{digest}"


def _unit_id(unit_key: str, size: int, etag: str | None) -> str:
    return hashlib.sha256(repr((unit_key, size, etag)).encode()).hexdigest()[:32]


def find_all(
    layout: Layout, key: str, units: Iterable[tuple[str, int, str | None]]
) -> dict[str, Stored]:
    """Give the units that are there already, whole, by their keys.

    Parameters
    ----------
    layout, key : Layout, str
        The cache and the partition.
    units : iterable of (str, int, str or None)
        Key, size and ETag as listed: a unit that changed in the archive is another unit.
    """
    folder = layout.staging(key) / "units"
    found: dict[str, Stored] = {}
    names = _names(layout, key, "units")
    wanted = {_unit_id(*unit): unit for unit in units} if names else {}
    for name in names:
        if is_pack(name):
            with suppress(OSError):
                found |= {wanted[i][0]: at for i, at in packed(folder / name, wanted)}
            continue
        match = _UNIT.fullmatch(name)
        unit = wanted.get(match[1]) if match else None
        # The listed size is part of the name only: of a page of the data portal it is a guess.
        if match and unit and _whole(folder / name, None, match[2]):
            found[unit[0]] = folder / name
    return found


def find(layout: Layout, key: str, unit_key: str, size: int, etag: str | None) -> Stored | None:
    """Give one unit that is there already, whole; for many, `find_all` looks once."""
    return find_all(layout, key, [(unit_key, size, etag)]).get(unit_key)


def _names(layout: Layout, key: str, below: str) -> list[str]:
    try:
        parts = (".staging", *layout.parts(key), below)
        with open_folder(layout.root, parts) as folder:
            return folder.names()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _whole(path: Path, size: int | None, digest: str) -> bool:
    """Say whether a staged file is what it should be; remove it when it is not."""
    try:
        with open_plain(path) as file:
            if is_whole(file, os.fstat(file.fileno()).st_size if size is None else size, digest):
                return True
    except OSError:
        pass
    with suppress(OSError):
        path.unlink()
    return False


def block_folder(layout: Layout, key: str, block_id: str) -> Path:
    """Give, and make, the folder in which a block's files are built.

    `block_id` is a hash of what it is built from: letters, digits, ``_`` and ``-``.
    """
    return _folder(layout, key, "blocks", _block(block_id))


def _block(block_id: str) -> str:
    if _BLOCK.fullmatch(block_id) is None:
        raise ValueError(f"{block_id!r} cannot name a block")
    return block_id


def save_result(
    layout: Layout,
    key: str,
    block_id: str,
    result: Mapping[str, Any],
    files: Mapping[str, tuple[int, str]],
) -> None:
    """Note that a block is built, so that it need not be built again.

    Parameters
    ----------
    layout, key : Layout, str
        The cache and the partition.
    block_id : str
        As in `block_folder`.
    result : mapping
        Anything that JSON can say.
    files : mapping of str to (int, str)
        Bytes and SHA-256 (hex) of each built file, by its name in the block's folder.

    Raises
    ------
    SpaceError, CacheError
        It could not be stored.
    """
    body = json.dumps({"files": files, "result": result}, sort_keys=True, allow_nan=False)
    checksum = hashlib.sha256(body.encode()).hexdigest()
    parts = block_folder(layout, key, block_id).relative_to(layout.root).parts
    try:
        with open_folder(layout.root, parts) as folder:
            folder.replace(_RESULT, f"{checksum}\n{body}\n".encode())
    except CacheError:
        raise
    except OSError as error:
        raise storage_error(error, f"a block of {key}", layout.root, len(body)) from error


def load_result(layout: Layout, key: str, block_id: str) -> dict[str, Any] | None:
    """Give the result of a block that is built, when every file of it is there and whole.

    Returns
    -------
    dict or None
        What was saved; None when the block has to be built.  What is there but not whole is
        removed.
    """
    folder = layout.staging(key) / "blocks" / _block(block_id)
    if _RESULT not in _names(layout, key, f"blocks/{block_id}"):
        return None
    try:
        with open_plain(folder / _RESULT) as file:
            checksum, body = file.read().decode().split("\n", 1)
        if hashlib.sha256(body[:-1].encode()).hexdigest() != checksum:
            raise ValueError("its checksum does not hold")
        document = json.loads(body)
        files, result = document["files"], document["result"]
        good = all(
            _FILE.fullmatch(name) is not None
            and (_whole(folder / name, size, sha256) or _placed(layout, key, name, size, sha256))
            for name, (size, sha256) in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    if not good:
        with suppress(OSError):
            (folder / _RESULT).unlink()
        return None
    return dict(result)


def _placed(layout: Layout, key: str, name: str, size: int, sha256: str) -> bool:
    """Say whether a commit that was cut short has put the file in its place already."""
    try:
        with open_plain(layout.folder(key) / name) as file:
            return is_whole(file, size, sha256)
    except OSError:
        return False


def clear(layout: Layout, key: str) -> None:
    """Remove what is staged of a partition, after its commit and under its lock."""
    parts = (".staging", *layout.parts(key))
    with suppress(OSError), open_folder(layout.root, parts[:-1]) as folder:
        remove(folder, parts[-1])


def remove(folder: Folder, name: str) -> None:
    """Remove a folder and all that is in it; links are not followed."""
    # Its own descriptors, and links are unlinked, not followed.
    shutil.rmtree(name, ignore_errors=True, dir_fd=folder.fd)
