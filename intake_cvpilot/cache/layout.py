"""Where everything of a cache lies: pure paths, and the two marker files of its root.

::

    <root>/CACHEDIR.TAG, cache.json                  made when the cache is first written to
    <root>/v1/<key>/                                 partitions of the public bucket
    <root>/v1@<16 hex digits>/<key>/                 partitions of any other archive
    <root>/.staging/<tree>/<key>/                    fetches under way
    <root>/.locks/<tree>/<key>.lock, <key>.holder    never in a partition, which may be removed
    <root>/.used/<tree>/<key>                        its mtime is the last use
    <root>/.split/                                   whole-table CSVs of the data portal, by day
    <root>/.verified/<tree>/<key>                    that it was found good, and how deep

A key never becomes a path before its form was checked, and nothing here makes a folder unless the
cache is written to.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import os
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from intake_cvpilot.cache.folders import make_root, storage_error, write_whole
from intake_cvpilot.errors import CacheError, InvalidRequestError, NewerError

if TYPE_CHECKING:
    from intake_cvpilot.cache.store import Store

__all__ = [
    "MANIFEST",
    "NOWHERE",
    "PUBLIC",
    "Layout",
    "check_key",
    "key_of",
    "prepare",
    "repair_command",
    "require_mark",
    "split_folder",
]

#: Identity of the archive whose partitions lie in ``v1``.
PUBLIC = "s3://usdot-its-cvpilot-publicdata"

#: Name of the file that commits a partition.
MANIFEST = "manifest.json"

#: Root of a cache that is published elsewhere: nothing can be written below it.
NOWHERE = Path(os.devnull)

_OURS = (".staging", ".locks", ".used", ".split", ".verified", "v1")

#: Version of the folder structure, in ``cache.json``.
LAYOUT = 1

_KEY = re.compile(
    r"([a-z][a-z0-9_]{0,63})/([A-Z][A-Z0-9_]{0,63})"
    r"/([0-9]{4})/(0[1-9]|1[0-2])/(0[1-9]|[12][0-9]|3[01]|[A-Z]{2,3})"
)

# https://bford.info/cachedir/: backup programs leave tagged folders out.
_TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of intake-cvpilot; what it holds can be fetched again.
# About cache directory tags see https://bford.info/cachedir/
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one archive's partitions in one cache."""

    root: Path
    """Folder of the cache; it need not exist."""
    identity: str
    """Identity of the archive: its normalised URL without credentials; empty where only the name
    of its folder is known."""
    known_tree: str = ""
    """Name of that folder; empty for the one that follows from `identity`."""
    words: tuple[str, ...] = field(default=(), compare=False)
    """Options by which a command finds this cache and this archive; none where the environment
    or the defaults name them."""
    store: Store | None = field(default=None, compare=False)
    """Where the partitions are published, to be read only; None for those of `root`."""

    @property
    def where(self) -> str:
        """Folder of the cache, or URL of the published one."""
        return str(self.root) if self.store is None else self.store.where

    @property
    def tree(self) -> str:
        """Name of the folder that holds this archive's partitions."""
        return self.known_tree or _tree(self.identity)

    def parts(self, key: str) -> tuple[str, ...]:
        """Give the names of the folders from the root down to a partition.

        Raises
        ------
        InvalidRequestError
            The key is not of the form of a partition key.
        """
        return (self.tree, *check_key(key).split("/"))

    def place(self, key: str, name: str) -> str:
        """Give the path or URL of a file of a partition."""
        return "/".join((self.where, *self.parts(key), name))

    def folder(self, key: str) -> Path:
        """Give the folder of a partition."""
        return self.root.joinpath(*self.parts(key))

    def manifest(self, key: str) -> Path:
        """Give the path of a partition's manifest."""
        return self.folder(key) / MANIFEST

    def staging(self, key: str) -> Path:
        """Give the folder for what a fetch of a partition has so far."""
        return self.root.joinpath(".staging", *self.parts(key))

    def lock(self, key: str) -> Path:
        """Give the path of a partition's lock file."""
        *folders, last = self.parts(key)
        return self.root.joinpath(".locks", *folders, f"{last}.lock")

    def used(self, key: str) -> Path:
        """Give the path of the file whose mtime is a partition's last use."""
        return self.root.joinpath(".used", *self.parts(key))

    def verified(self, key: str) -> Path:
        """Give the path of the note that a partition was found good."""
        return self.root.joinpath(".verified", *self.parts(key))

    def repair(self, key: str) -> str:
        """Give the command that repairs a partition."""
        return repair_command(key, self.words)

    def refresh(self, key: str) -> str:
        """Give the command that lists a partition again and fetches what is not current."""
        return repair_command(key, self.words, verb="refresh")

    def newer(self, key: str, what: str) -> NewerError:
        """Give the error for a partition of a newer library, with both ways on."""
        return newer(key, what, None if self.store is not None else self.words)


@lru_cache(maxsize=16)
def _tree(identity: str) -> str:
    if identity == PUBLIC:
        return "v1"
    return f"v1@{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def check_key(key: str) -> str:
    """Give a partition key back, or refuse it.

    Parameters
    ----------
    key : str
        E.g. ``wydot/BSM/2019/02/06`` or ``nycdot/EVENT/2021/03/MON``.

    Raises
    ------
    InvalidRequestError
        It is of another form; nothing else may become a path.
    """
    if _KEY.fullmatch(key) is None:
        raise InvalidRequestError(
            f"{key!r} is not a partition key; one looks like wydot/BSM/2019/02/06"
        )
    return key


def split_folder(root: Path) -> Path:
    """Give the folder in which whole-table CSVs of the data portal are split into days."""
    return root / ".split"


def repair_command(key: str, words: Sequence[str] = (), verb: str = "repair") -> str:
    """Give the command that repairs (or refreshes) a partition, ready to be pasted into a shell.

    `words` are the options that name the cache and the archive, where they are needed.
    """
    source, message_type, year, month, day = check_key(key).split("/")
    first = last = day
    narrowed = ""
    if not day.isdigit():  # weekday bins: the range is the month, and the bin is named
        first, last = "01", f"{calendar.monthrange(int(year), int(month))[1]:02}"
        narrowed = f" --weekday {day}"
    return (
        f"cvpilot {verb} {source} {message_type}"
        f" --start {year}-{month}-{first} --end {year}-{month}-{last}{narrowed}"
        + "".join(f" {shlex.quote(word)}" for word in words)
    )


def newer(key: str | None, what: str, words: Sequence[str] | None = ()) -> NewerError:
    """Say that a partition is of a newer library, and both ways on.

    `words` are as for `repair_command`; None where nothing can be fetched to.
    """
    anew = ""
    if key is not None and words is not None:
        anew = (
            ", or fetch it anew with this one, which replaces what the newer one wrote:\n  "
            + repair_command(key, words, verb="refresh --newer")
        )
    return NewerError(
        f"{key or 'a partition'} {what}: a newer version of the library wrote it. It was left "
        f"alone; update the library, use another cache_dir{anew}"
    )


def require_mark(root: Path) -> None:
    """Refuse to remove anything below a folder that does not say it is a cache.

    Raises
    ------
    CacheError
        It lacks the mark, or a newer library laid it out; nothing was touched.
    """
    if _layout_of(root) is None:
        if not root.exists():
            raise CacheError(
                f"there is no folder {root}, so there is nothing to remove; if the cache lies "
                "elsewhere, name it with cache_dir= or CVPILOT_CACHE_DIR"
            )
        raise CacheError(
            f"{root} has no cache.json, so it is no cache of this library: nothing was touched. "
            "Name the cache with cache_dir= or CVPILOT_CACHE_DIR"
        )


def prepare(root: Path) -> None:
    """Make the cache's folder and its marker files, before the first write.

    Raises
    ------
    CacheError
        The folder cannot be written, or a newer library laid it out.
    """
    if _layout_of(root) is None:
        _mark(root)


def _layout_of(root: Path) -> int | None:
    """Give the layout of a cache, which is ours, or None for a folder without the mark."""
    marker = root / "cache.json"
    try:
        found = json.loads(marker.read_bytes())["layout"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheError(
            f"{marker} is not readable as the mark of a cache ({error}); "
            "if this is one, remove that file and call again"
        ) from error
    if found != LAYOUT:
        raise CacheError(
            f"the cache {root} has layout {found!r}, this library writes layout {LAYOUT}: "
            "a newer version of the library made it; update, or use another cache_dir"
        )
    return LAYOUT


def _mark(root: Path) -> None:
    marks = [("cache.json", json.dumps({"layout": LAYOUT}).encode() + b"\n")]
    try:
        make_root(root)
        if all(entry.name.startswith(_OURS) for entry in root.iterdir()):
            # Only on a folder of our own: backups leave out whatever folder has the tag.
            marks.insert(0, ("CACHEDIR.TAG", _TAG))
        for name, content in marks:
            write_whole(root, name, content)
    except OSError as error:
        raise storage_error(error, "the cache's marker files", root, 4096) from error


def key_of(folder: Path) -> str | None:
    """Give the key of the partition that a folder would be, or None."""
    key = "/".join(folder.parts[-5:])
    with suppress(InvalidRequestError):
        return check_key(key)
    return None
