"""An archive in a local folder: what someone has copied or synced in the archive's own layout.

The promise is weaker than S3's: there is no checksum to hold a file against, so a file counts as
read when its size and time were the same before and after.  An empty folder proves nothing, as
a copy may be partial: such a listing is not authoritative.

Names that begin with a dot, and ``Thumbs.db`` and ``desktop.ini``, are left out: no object of the
archive is named so, and desktops and sync tools put their own files there.  Listings and reads
are counted in the traffic like those of any archive, but not throttled.
"""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from intake_cvpilot.archive.base import Received, Snapshot, Traffic, Unit
from intake_cvpilot.archive.crew import arrivals, gather
from intake_cvpilot.archive.meter import Meter
from intake_cvpilot.archive.translate import from_system, no_table, shown
from intake_cvpilot.errors import ArchiveError, ChangedError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from intake_cvpilot.archive.address import Address
    from intake_cvpilot.archive.stop import Stop

__all__ = ["FolderArchive", "checked_prefix"]

_NOT_OBJECTS = {"Thumbs.db", "desktop.ini"}
_CHUNK = 2**20


def checked_prefix(prefix: str) -> PurePosixPath:
    """Give a partition's prefix as a path below a root, which it cannot leave."""
    path = PurePosixPath(prefix)
    if not prefix.endswith("/") or path.is_absolute() or ".." in path.parts or not path.parts:
        raise InvalidRequestError(f"a listing prefix is a/b/.../ without '..'; not {prefix!r}")
    return path


class FolderArchive:
    """Listings and files of a folder.

    Parameters
    ----------
    address : Address
        The folder.
    threads : int
        Most files read at a time.
    """

    def __init__(self, address: Address, *, threads: int) -> None:
        self.identity = address.identity
        self._root = Path(address.place)
        self._threads = threads
        self._meter = Meter()

    def __repr__(self) -> str:
        return f"FolderArchive({self.identity!r})"

    @property
    def traffic(self) -> Traffic:
        """What was asked of this archive so far."""
        return self._meter.traffic

    def snapshot(self, prefix: str) -> Snapshot:
        """List a partition; see `Archive.snapshot`."""
        path = checked_prefix(prefix)
        listed_at = datetime.now(UTC)
        what = f"listing {self._root / path}"
        self._meter.listed()
        try:
            if self._root.is_file():
                raise ArchiveError(
                    f"the archive {self._root} is a file, not a folder: a tar of a copy is "
                    f"archive='tar://::{self._root}', a zip 'zip://::{self._root}', and a table "
                    f"of the portal 'file://{self._root}' with a portal's source"
                )
            if not self._root.is_dir():
                raise ArchiveError(
                    f"the archive's folder {self._root} is not there; check archive= and "
                    "CVPILOT_ARCHIVE, and that its disk is mounted"
                )
            here = os.path.lexists(self._root / path)
            found = sorted(self._walk(self._root / path, prefix, ())) if here else []
            if not found and not (self._root / path.parts[0] / path.parts[1]).is_dir():
                there = [child.name for child in self._root.iterdir()]
                raise no_table(prefix, str(self._root), there)
        except ArchiveError:
            raise
        except OSError as error:
            raise from_system(error, what=what) from error
        return Snapshot(prefix, tuple(found), listed_at, authoritative=bool(found))

    def read(
        self, units: Sequence[Unit], folder: Path, *, small: int = 0
    ) -> Generator[Received, None, None]:
        """Read units; see `Archive.read`."""
        name = arrivals(folder)

        def one(unit: Unit, stop: Stop) -> Received:
            self._meter.asked()
            source = f"{self._root}/{unit.key}"
            if unit.size < small:
                content = b"".join(_pieces(unit, source))
                received = Received(unit, content, hashlib.sha256(content).hexdigest())
            else:
                received = _copied(unit, source, name(), stop)
            self._meter.verified(unit.size)
            return received

        return gather(one, units, self._threads)

    def peek(self, name: str) -> bytes | None:
        """Give a small file that lies beside the objects, or None where there is none."""
        try:
            return self._inside(self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_system(error, what=f"reading {self._root / name}") from error

    def close(self) -> None:
        """Do nothing: no connection is held."""

    def _walk(self, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[Unit]:
        """Give the units below a folder; a link may lead elsewhere within the archive only."""
        real = self._inside(folder)
        if real in above:
            raise ArchiveError(f"the link {folder} leads round in a circle")
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(".") or name in _NOT_OBJECTS:
                    continue
                if not _is_text(name):
                    raise ArchiveError(f"the name of a file in {folder} is not UTF-8: {name!a}")
                if entry.is_symlink():
                    self._inside(Path(entry.path))
                if entry.is_dir():
                    yield from self._walk(Path(entry.path), f"{prefix}{name}/", (*above, real))
                elif entry.is_file():
                    yield _unit(prefix + name, entry.stat())
                else:
                    raise ArchiveError(f"{entry.path} is neither a file nor a folder")

    def _inside(self, path: Path) -> Path:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            if path.is_symlink():
                raise ArchiveError(
                    f"the link {path} leads nowhere: the copy is not complete"
                ) from error
            raise
        if not real.is_relative_to(self._root):
            raise ArchiveError(
                f"the link {path} leads out of the archive's folder; copy what it names"
            )
        return real


def _unit(key: str, found: os.stat_result) -> Unit:
    modified = datetime.fromtimestamp(found.st_mtime, UTC)
    return Unit(key, found.st_size, _tag(found), modified)


def _tag(found: os.stat_result) -> str:
    """Give a text that changes when the file does; with its dash it is taken for no checksum."""
    return f"{found.st_size:x}-{found.st_mtime_ns:x}"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _copied(unit: Unit, source: str, target: Path, stop: Stop) -> Received:
    digest = hashlib.sha256()
    try:
        with target.open("xb", buffering=0) as copy:
            for piece in _pieces(unit, source):
                stop.check()
                digest.update(piece)
                rest = memoryview(piece)
                while rest:
                    rest = rest[copy.write(rest) :]
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Received(unit, target, digest.hexdigest())


def _pieces(unit: Unit, source: str) -> Iterator[bytes]:
    """Give a file that is before and after what the listing says."""
    size = 0
    # Descriptors, not files: objects of one record are most of an old day, and every call counts.
    try:
        origin = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _unchanged(unit, os.fstat(origin), source)
            # One byte more than is listed shows whether there are more.
            while size <= unit.size and (
                piece := os.read(origin, min(_CHUNK, unit.size - size + 1))
            ):
                size += len(piece)
                yield piece
                if size == unit.size:
                    break
            _unchanged(unit, os.fstat(origin), source)
        finally:
            os.close(origin)
    except ArchiveError:
        raise
    except OSError as error:
        raise from_system(error, what=f"reading {shown(source)}") from error
    if size != unit.size:
        raise ChangedError(f"reading {shown(source)}: {size} of {unit.size} bytes could be read")


def _unchanged(unit: Unit, found: os.stat_result, source: str) -> None:
    if not stat.S_ISREG(found.st_mode) or _tag(found) != unit.etag:
        raise ChangedError(f"reading {shown(source)}: the file changed after it was listed")
