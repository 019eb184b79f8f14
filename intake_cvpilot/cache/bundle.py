"""Partitions in one tar, to hand a warm cache on.

Each partition is its manifest and then the files that it names, under the names that they have in
a cache; the last member lists the partitions with the checksums of their manifests.  A manifest
holds the hash of every file, so nothing else is needed to check a bundle.  Reading one believes
nothing: only members of exactly these names and sizes are taken, they are written below the
staging, and a partition is committed like one that was fetched, or not at all.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from intake_cvpilot.cache import locks, staging
from intake_cvpilot.cache.checksums import is_whole, open_plain
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.folders import open_folder, storage_error, temporary_name
from intake_cvpilot.cache.layout import MANIFEST, Layout, check_key
from intake_cvpilot.cache.manifest import Manifest, dumps, load, loads
from intake_cvpilot.errors import CacheError, DamagedError

__all__ = ["read_bundle", "write_bundle"]

#: The last member: what the bundle holds.
INDEX = "cvpilot-cache.json"
FORMAT = 1

_MEMBER = re.compile(r"(v1(?:@[0-9a-f]{16})?)/([^\0]+)/([^/\0]+)")
_MOST = 64 * 2**20  # bytes of a manifest or of the index


def write_bundle(path: Path, found: Iterable[tuple[Layout, str]]) -> tuple[list[str], list[str]]:
    """Write partitions into a tar that appears whole or not at all.

    Returns
    -------
    list of str, list of str
        Names (archive's folder and key) of what is in it, and what was left out and why.

    Raises
    ------
    SpaceError, CacheError
        It could not be written.
    """
    index: dict[str, str] = {}
    left_out: list[str] = []
    try:
        with open_folder(path.parent, ()) as folder:
            beside = temporary_name()
            try:
                with folder.new(beside) as file, tarfile.open(fileobj=file, mode="w") as tar:
                    for layout, key in found:
                        try:
                            index |= _put(tar, layout, key)
                        except CacheError as error:
                            left_out.append(f"{key}: {error}")
                    text = json.dumps({"format": FORMAT, "partitions": index}, sort_keys=True)
                    _add(tar, INDEX, io.BytesIO(text.encode()), len(text))
                with open_plain(path.parent / beside) as written:
                    os.fsync(written.fileno())
                folder.rename(beside, path.name)
                folder.sync()
            finally:
                folder.discard(beside)
    except CacheError:
        raise
    except OSError as error:
        raise storage_error(error, str(path), path.parent) from error
    return list(index), left_out


def _put(tar: tarfile.TarFile, layout: Layout, key: str) -> dict[str, str]:
    manifest = load(layout, key)
    if manifest is None:
        return {}
    folder = layout.folder(key)
    for file in manifest.files:
        try:
            with open_plain(folder / file.name) as opened:
                whole = is_whole(opened, file.bytes, file.sha256, again=True)
        except OSError:
            whole = False
        if not whole:
            raise DamagedError(f"{file.name} is damaged. Repair it with: {layout.repair(key)}")
    data = dumps(manifest)
    name = f"{layout.tree}/{key}"
    _add(tar, f"{name}/{MANIFEST}", io.BytesIO(data), len(data))
    for file in manifest.files:
        with open_plain(folder / file.name) as opened:
            _add(tar, f"{name}/{file.name}", opened, file.bytes)
    return {name: manifest.checksum}


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)  # of nobody, from 1970: equal caches, equal bundles
    member.size = size
    tar.addfile(member, content)


def read_bundle(path: Path, root: Path) -> tuple[list[str], list[str]]:
    """Take the partitions of a bundle into a cache.

    Returns
    -------
    list of str, list of str
        Names of what was committed, and of what the cache had in the same or a later listing.

    Raises
    ------
    DamagedError
        The file is not a whole bundle; partitions that came before the fault are committed.
    SpaceError, CacheError
        Something could not be stored.
    """
    taken: list[str] = []
    kept: list[str] = []
    seen: dict[str, str] = {}
    try:
        with open_plain(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            members = iter(tar)
            for member in members:
                if member.name == INDEX:
                    _compare(_bytes(tar, member), seen)
                    return taken, kept
                layout, manifest = _manifest(tar, member, root)
                name = f"{layout.tree}/{manifest.key}"
                if name in seen:
                    raise DamagedError(f"it holds {name} twice")
                seen[name] = manifest.checksum
                took = _take(tar, members, layout, manifest)
                (taken if took else kept).append(name)
        raise DamagedError("it ends before its index: it was cut short")
    except (DamagedError, tarfile.TarError, EOFError) as error:
        raise DamagedError(f"{path} is no whole bundle of a cache: {error}") from error


def _manifest(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> tuple[Layout, Manifest]:
    match = _MEMBER.fullmatch(member.name)
    if match is None or match[3] != MANIFEST:
        raise DamagedError(f"{member.name!r} is no manifest of a partition")
    try:
        key = check_key(match[2])
    except ValueError as error:
        raise DamagedError(str(error)) from None
    manifest = loads(_bytes(tar, member), key=key)
    layout = Layout(root, manifest.identity)
    if layout.tree != match[1]:
        raise DamagedError(f"{member.name!r} does not lie where its archive's partitions lie")
    return layout, manifest


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(member) if member.isreg() and member.size <= _MOST else None
    if content is None:
        raise DamagedError(f"{member.name!r} is no plain file of an ordinary size")
    return content.read()


def _take(
    tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], layout: Layout, manifest: Manifest
) -> bool:
    """Stage the files of a partition and commit it, unless the cache's own is as recent."""
    key = manifest.key
    with locks.hold(layout, key):
        try:
            current = load(layout, key)
        except DamagedError:
            current = None
        fresh = current is None or current.listed_at < manifest.listed_at
        staged: dict[str, Path] = {}
        # A name of its own: the rest of the staging may be of a fetch that was cut short.
        place = staging.block_folder(layout, key, f"import-{manifest.checksum[:32]}")
        for file in manifest.files:
            member = next(members, None)
            expected = f"{layout.tree}/{key}/{file.name}"
            right = member is not None and member.name == expected and member.isreg()
            content = tar.extractfile(member) if member is not None and right else None
            if member is None or content is None or member.size != file.bytes:
                raise DamagedError(f"{expected} is not there as its manifest says")
            if fresh:
                staged[file.name] = _stage(place / file.name, content, layout, file.bytes)
        if fresh:
            generation = current.generation + 1 if current else manifest.generation
            made = msgspec.structs.replace(manifest, generation=generation, checksum="")
            commit(layout, made, staged)
        staging.clear(layout, key)
    return fresh


def _stage(target: Path, content: IO[bytes], layout: Layout, size: int) -> Path:
    try:
        with target.open("wb") as file:
            shutil.copyfileobj(content, file, 2**20)
    except OSError as error:
        raise storage_error(error, target.name, layout.root, size) from error
    return target


def _compare(data: bytes, seen: dict[str, str]) -> None:
    try:
        index = json.loads(data)
        version, named = index["format"], index["partitions"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"its index cannot be read ({error})") from error
    if version != FORMAT:
        raise DamagedError(f"its format is {version!r}; this library reads {FORMAT}")
    if named != seen:
        raise DamagedError("its index does not name what is in it")
