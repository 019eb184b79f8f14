"""An archive anywhere that fsspec reaches: memory, a tar of a copy, another cloud.

The promise is weaker than S3's: a unit counts as read when its size is right, when its
checksum is, where the listing has an MD5, and when the place describes it as before.  An empty
listing is not authoritative.  Secrets in URLs and options never get into identities or messages;
so the text of foreign errors is left out of ours.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fsspec
import fsspec.core

from intake_cvpilot.archive.base import Received, Snapshot, Traffic, Unit
from intake_cvpilot.archive.crew import arrivals, gather
from intake_cvpilot.archive.files import checked_prefix
from intake_cvpilot.archive.meter import Meter
from intake_cvpilot.archive.mirror import not_whole
from intake_cvpilot.archive.mirror_record import INDEX
from intake_cvpilot.archive.retry import Retry, TransientError
from intake_cvpilot.archive.stop import Stop
from intake_cvpilot.archive.throttle import Throttle
from intake_cvpilot.archive.transfer import is_md5
from intake_cvpilot.archive.translate import from_system, no_table, shown
from intake_cvpilot.errors import ArchiveError, ChangedError, CVPilotError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path
    from typing import TypeVar

    from intake_cvpilot.archive.address import Address
    from intake_cvpilot.archive.bucket import Bucket
    from intake_cvpilot.archive.policy import Policy

    T = TypeVar("T")

__all__ = ["FilesystemArchive", "revealed", "tag_of"]

_CHUNK = 2**20
_TAGS = ("ETag", "etag", "e_tag", "md5Hash", "md5", "checksum", "content_md5")
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
_LASTING = (PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError)


class FilesystemArchive:
    """Listings and files of an fsspec file system.

    Parameters
    ----------
    address : Address
        The URL or the chain of URLs.
    storage_options : mapping or None
        What the file system takes.
    rate : float, Bucket or None
        Requests a second, if the place is remote; a listing or a file counts as one.
    threads : int
        Most files read at a time, where the file system is made for it.
    policy : Policy
        Bounds of retries.
    """

    def __init__(
        self,
        address: Address,
        *,
        storage_options: Mapping[str, Any] | None,
        rate: float | Bucket | None,
        threads: int,
        policy: Policy,
    ) -> None:
        self.identity = address.identity
        self._policy = policy
        self._meter = Meter()
        throttle = Throttle(None if address.is_local else rate, width=threads)
        self._retry = Retry(policy, throttle, self._meter)
        try:
            self._fs, root = fsspec.core.url_to_fs(address.place, **revealed(storage_options))
        except ImportError as error:
            raise InvalidRequestError(
                f"the archive {self.identity} needs a package that is not installed: {error}"
            ) from error
        except (ValueError, TypeError):
            raise InvalidRequestError(
                f"the archive {self.identity} is no URL that fsspec opens, or its "
                "storage_options do not fit"
            ) from None
        except Exception as error:  # noqa: BLE001 - there is no common class
            raise ArchiveError(
                f"the archive {self.identity} cannot be opened ({type(error).__name__})"
            ) from None
        self._root = str(root).rstrip("/")
        if not self._root and self._fs.protocol == "tar" and self._fs.exists("."):
            self._root = "."  # what `tar -C copy -cf copy.tar .` has packed is named ./wydot/...
        # The others may share one file or connection among threads (a tar does, unguarded).
        self._threads = threads if self._fs.async_impl else 1

    def __repr__(self) -> str:
        return f"FilesystemArchive({self.identity!r})"

    @property
    def traffic(self) -> Traffic:
        """What was asked of this archive so far."""
        return self._meter.traffic

    def snapshot(self, prefix: str) -> Snapshot:
        """List a partition; see `Archive.snapshot`."""
        checked_prefix(prefix)
        listed_at = datetime.now(UTC)
        what = f"listing {prefix} of {self.identity}"
        self._meter.listed()
        found = self._retry.call(
            lambda: self._asked(lambda: self._find(prefix), what),
            what=what,
            stop=Stop(),
            seconds=self._policy.allowed(),
        )
        units = tuple(sorted(_unit(key, info) for key, info in found.items()))
        if not units and self.peek(INDEX) is not None:
            raise not_whole(prefix.rstrip("/"), self.identity)
        if not units and not self._asked(lambda: self._has_table(prefix), what):
            raise no_table(prefix, self.identity)
        return Snapshot(prefix, units, listed_at, authoritative=bool(units))

    def read(
        self, units: Sequence[Unit], folder: Path, *, small: int = 0
    ) -> Generator[Received, None, None]:
        """Read units; see `Archive.read`."""
        name = arrivals(folder)

        def one(unit: Unit, stop: Stop) -> Received:
            what = f"reading {shown(unit.key)} of {self.identity}"
            target = name()
            self._meter.asked()
            try:
                received = self._retry.call(
                    lambda: self._copy(unit, target, what, stop, small),
                    what=what,
                    stop=stop,
                    seconds=self._policy.allowed(unit.size),
                )
            except BaseException:
                target.unlink(missing_ok=True)
                raise
            self._meter.verified(unit.size)
            return received

        return gather(one, units, self._threads)

    def peek(self, name: str) -> bytes | None:
        """Give a small file that lies beside the objects, or None where there is none."""
        source = f"{self._root}/{name}" if self._root else name
        try:
            return bytes(self._fs.cat_file(source))
        except Exception:  # noqa: BLE001 - there is no common class; a file is there or is not
            return None

    def close(self) -> None:
        """Do nothing: fsspec keeps its file systems and their connections."""

    def _has_table(self, prefix: str) -> bool:
        table = "/".join(prefix.split("/")[:2])
        return bool(self._fs.exists(f"{self._root}/{table}" if self._root else table))

    def _find(self, prefix: str) -> dict[str, Mapping[str, Any]]:
        self._fs.invalidate_cache()
        if not self._fs.exists(self._root or "/"):
            raise ArchiveError(f"the archive {self.identity} is not there; check its URL")
        start = f"{self._root}/" if self._root else ""
        found = self._fs.find(start + prefix, detail=True)
        keys = {}
        for name, info in found.items():
            key = str(name).lstrip("/").removeprefix(start.lstrip("/"))
            if not key.startswith(prefix):
                raise ArchiveError(f"{self.identity} lists {shown(key)}, not under {prefix}")
            keys[key] = info
        return keys

    def _copy(self, unit: Unit, target: Path, what: str, stop: Stop, small: int) -> Received:
        source = f"{self._root}/{unit.key}" if self._root else unit.key
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with BytesIO() if unit.size < small else target.open("wb") as copy:
            origin = self._asked(lambda: self._fs.open(source, "rb"), what)
            try:
                while piece := self._asked(lambda: origin.read(_CHUNK), what):
                    stop.check()
                    for take in (copy.write, sha256.update, md5.update):
                        take(piece)
                    if copy.tell() > unit.size:
                        break
            finally:
                origin.close()
            size = copy.tell()
            content = copy.getvalue() if isinstance(copy, BytesIO) else target
        now = _unit(unit.key, self._asked(lambda: self._fs.info(source), what))
        if (now.size, now.etag) != (unit.size, unit.etag):
            raise ChangedError(f"{what}: the file changed after it was listed")
        if size != unit.size or (is_md5(unit.etag) and md5.hexdigest() != unit.etag):
            self._meter.wasted(size)
            raise TransientError(f"{size} of {unit.size} bytes came, or their MD5 is wrong")
        return Received(unit, content, sha256.hexdigest())

    def _asked(self, question: Callable[[], T], what: str) -> T:
        """Ask the file system; whatever it raises becomes ours."""
        try:
            return question()
        except CVPilotError:
            raise
        except _LASTING as error:
            raise from_system(error, what=what) from None
        except (OSError, TimeoutError) as error:
            raise TransientError(f"the archive has trouble ({type(error).__name__})") from None
        except Exception as error:  # noqa: BLE001 - there is no common class
            raise ArchiveError(f"{what}: {type(error).__name__}; check the archive") from None


def _unit(key: str, info: Mapping[str, Any]) -> Unit:
    """Read what a file system says about a file; each has its own names."""
    size = info.get("size")
    if not isinstance(size, int) or size < 0:
        raise ArchiveError(f"the archive does not say how large {shown(key)} is")
    tag = tag_of(info) or None
    modified = next((time for name in _TIMES if (time := _time(info.get(name)))), None)
    if tag is None and modified is not None:
        tag = f"{size:x}-{int(modified.timestamp() * 1e6):x}"  # as a local file's: no checksum
    return Unit(key, size, tag, modified)


def tag_of(info: Mapping[str, Any]) -> str:
    """Give the ETag or checksum that a file system tells of a file; empty for none."""
    return next((_hex(str(info[name])) for name in _TAGS if info.get(name)), "")


def _hex(tag: str) -> str:
    """Give an MD5 in base64 (as Google's and Microsoft's) in the usual form; others unchanged."""
    tag = tag.strip('"')
    if re.fullmatch(r"[A-Za-z0-9+/]{22}==", tag):
        return base64.b64decode(tag).hex()
    return tag


def _time(value: Any) -> datetime | None:
    if isinstance(value, (int, float)) and value > 0:
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    return None


def revealed(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give options with the values of secret types."""
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name, value in (options or {}).items()
    }
