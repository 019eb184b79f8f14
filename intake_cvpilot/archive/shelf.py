"""A place where committed partitions are published: a folder, a bucket, whatever fsspec reaches.

Names are paths below it with slashes.  What is sent is compared with what it should be where it
arrived: by the MD5 that the place tells, where it tells one, else by reading it back.  The text of
foreign errors stays out of ours, for it may repeat a URL with its credentials.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import fsspec.core

from intake_cvpilot.archive.address import Address, without_secrets
from intake_cvpilot.archive.filesystems import revealed, tag_of
from intake_cvpilot.archive.s3_options import S3Options
from intake_cvpilot.archive.transfer import is_md5
from intake_cvpilot.errors import AccessDeniedError, CacheError, InvalidRequestError, SpaceError

__all__ = ["Shelf", "open_shelf"]

T = TypeVar("T")

_CHUNK = 2**20
_NOTHING = (FileNotFoundError, NotADirectoryError)

#: Places that this process has opened: a task that comes back from a pickle finds its options.
_opened: dict[str, Shelf] = {}


def open_shelf(url: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> Shelf:
    """Open a place; nothing is asked of it yet.

    Parameters
    ----------
    url : str or path
        A folder, ``s3://bucket/path``, or any URL of fsspec; ``http(s)://`` can only be read.
    options : mapping, optional
        How to reach it, as ``storage_options`` of an archive.

    Raises
    ------
    InvalidRequestError
        The URL or an option is not valid.
    """
    return Shelf(Address.parse(url, options, listed=False), options)


class Shelf:
    """Files of a place by their names; see `open_shelf`."""

    def __init__(self, address: Address, options: Mapping[str, Any] | None) -> None:
        if address.kind not in ("folder", "s3", "filesystem"):
            raise InvalidRequestError(f"{address.identity} cannot hold published partitions")
        self.where = address.identity.partition("#")[0]
        self.folder = Path(address.place) if address.kind == "folder" else None
        """Where it is on this computer, or None."""
        self._kept = without_secrets(options or {})
        if "key" in (options or {}):
            self._kept["anon"] = False
        try:
            self._fs, root = _filesystem(address, options)
        except ImportError as error:
            raise InvalidRequestError(
                f"{self.where} needs a package that is not installed: {error}"
            ) from error
        except (ValueError, TypeError):
            raise InvalidRequestError(
                f"{self.where} is no URL that fsspec opens, or its options do not fit"
            ) from None
        except Exception as error:  # noqa: BLE001 - there is no common class
            raise CacheError(f"{self.where} cannot be opened ({type(error).__name__})") from None
        self._root = root.rstrip("/")
        _opened[address.identity] = self
        self._identity = address.identity

    def __repr__(self) -> str:
        return f"Shelf({self.where!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Go without secrets: another process takes its own from its environment."""
        return _again, (self._identity, self.where, self._kept)

    def read(self, name: str) -> bytes | None:
        """Give a file's content, or None where there is no such file."""
        try:
            data: bytes = self._asked(f"reading {name}", lambda: self._fs.cat_file(self._at(name)))
        except _NOTHING:
            return None
        return data

    def names(self, folder: str) -> dict[str, tuple[int, str]]:
        """Give size and tag of what lies in a folder, by name; none where there is no folder."""
        self._fs.invalidate_cache()
        try:
            found = self._asked(
                f"listing {folder or 'it'}", lambda: self._fs.ls(self._at(folder), detail=True)
            )
        except _NOTHING:
            return {}
        return {
            str(info["name"]).rstrip("/").rpartition("/")[2]: (info.get("size") or 0, tag_of(info))
            for info in found
        }

    def find(self, folder: str, name: str) -> list[str]:
        """Give the names of all files of a name below a folder, sorted."""
        self._fs.invalidate_cache()
        try:
            found = self._asked(f"listing {folder}", lambda: self._fs.find(self._at(folder)))
        except _NOTHING:
            return []
        base = self._at("").strip("/")
        below = (str(path).strip("/").removeprefix(base).strip("/") for path in found)
        return sorted(path for path in below if path.rpartition("/")[2] == name)

    def holds(self, name: str, path: Path, sha256: str, there: tuple[int, str] | None) -> bool:
        """Say whether a file, of which a listing gave size and tag, is the one at a path."""
        if there is None or there[0] != path.stat().st_size:
            return False
        if is_md5(there[1]):
            with path.open("rb") as file:
                if hashlib.file_digest(file, "md5").hexdigest() == there[1]:
                    return True
        # No MD5 of the content (several pieces, encryption with a key of the place's).
        return self._asked(f"reading {name}", lambda: self._digest(name)) == sha256

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Send a file, and compare what arrived.

        Raises
        ------
        CacheError
            It did not arrive as it is.
        """
        what = f"writing {name}"
        if self.folder is None:
            self._asked(what, lambda: self._fs.put_file(str(path), self._at(name)))
        else:
            self._asked(what, lambda: _place(self._at(name), path.read_bytes()))
        folder, _, last = name.rpartition("/")
        if not self.holds(name, path, sha256, self.names(folder).get(last)):
            raise CacheError(
                f"{name} did not arrive at {self.where} as it was sent: run the same command again"
            )

    def store(self, name: str, body: bytes) -> None:
        """Write a small file, and read it back.

        Raises
        ------
        CacheError
            It did not arrive as it is.
        """
        what = f"writing {name}"
        if self.folder is None:
            self._asked(what, lambda: self._fs.pipe_file(self._at(name), body))
        else:
            self._asked(what, lambda: _place(self._at(name), body))
        if self.read(name) != body:
            raise CacheError(f"{name} did not arrive at {self.where} as it was sent")

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        try:
            self._asked(f"removing {name}", lambda: self._fs.rm_file(self._at(name)))
        except _NOTHING:
            return

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/") if self._root else name

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._fs.open(self._at(name), "rb") as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
        return digest.hexdigest()

    def _asked(self, what: str, question: Callable[[], T]) -> T:
        """Ask the file system; whatever it raises, but for what is not there, becomes ours."""
        try:
            return question()
        except _NOTHING:
            raise
        except NotImplementedError:
            raise InvalidRequestError(f"{what} at {self.where}: it can only be read") from None
        except PermissionError:
            raise AccessDeniedError(
                f"{what} at {self.where} is refused: give credentials with to_options "
                "(--to-options) to publish, with cache_options (CVPILOT_CACHE_OPTIONS) to read"
            ) from None
        except Exception as error:  # noqa: BLE001 - there is no common class
            kind: type[CacheError] = CacheError
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                kind = SpaceError
            raise kind(
                f"{what} at {self.where} failed ({type(error).__name__}): check the place and the "
                "credentials, and call again; what is there already is not sent again"
            ) from None


def _again(identity: str, where: str, kept: Mapping[str, Any]) -> Shelf:
    return _opened.get(identity) or open_shelf(where, kept)


def _filesystem(address: Address, options: Mapping[str, Any] | None) -> tuple[Any, str]:
    if address.kind == "folder":
        return fsspec.filesystem("file"), address.place
    if address.kind == "filesystem":
        fs, root = fsspec.core.url_to_fs(address.place, **revealed(options))
        return fs, str(root)
    given = S3Options.parse(options)
    client = {"region_name": given.region, "verify": given.verify}
    config = {"s3": {"addressing_style": given.style}}
    fs = fsspec.filesystem(
        "s3",
        anon=given.anon,
        key=given.key,
        secret=given.secret,
        token=given.token,
        profile=given.profile,
        endpoint_url=address.endpoint,
        requester_pays=given.requester_pays,
        client_kwargs={name: value for name, value in client.items() if value is not None},
        config_kwargs=config,
        use_listings_cache=False,
    )
    return fs, f"{address.place}/{address.root}"


def _place(name: str, body: bytes) -> None:
    """Write a file of this computer so that it appears whole and stays."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(16)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
