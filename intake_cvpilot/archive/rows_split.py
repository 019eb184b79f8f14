"""A whole table as one CSV, split into a file a day in one pass that can be taken up again.

Every so many bytes a checkpoint says how far the pass has come and how long each day's file is
then; a pass that was cut short cuts the files back to that and goes on.  A table that has another
size or time is split anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock

from intake_cvpilot.archive.rows_group import Grouping, fields, time_parts
from intake_cvpilot.archive.socrata_query import bin_name
from intake_cvpilot.archive.translate import from_disk, from_system
from intake_cvpilot.errors import ArchiveError, ChangedError

if TYPE_CHECKING:
    from intake_cvpilot.sources import Dataset

__all__ = ["BLOCK", "HELD", "Split", "split"]

BLOCK: Final = 8 * 2**20
HELD: Final = 64 * 2**20
"""Bytes of rows that are gathered before they are written."""
CHECKPOINT: Final = 512 * 2**20
"""Bytes after which the pass can be taken up again."""
_DAY: Final = 10  # characters of a time that tell the day, in either spelling
_BINS: Final = 0


@dataclass
class Split:
    """What a table's pass has done so far."""

    size: int
    """Bytes of the table."""
    modified: int
    """Its time, nanoseconds since 1970."""
    header: list[str] = field(default_factory=list)
    """Names of its columns, in small letters as the API has them."""
    offset: int = 0
    """Bytes of it that are done."""
    done: bool = False
    """Whether the pass is over."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each day, or of each month and weekday."""
    bytes: dict[str, int] = field(default_factory=dict)
    """Bytes of each day's file."""
    without_time: int = 0
    """Rows that belong to no day."""
    cut: bool = False
    """Whether the table ends within a row, which was left out."""

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values()) + self.without_time


def split(table: Path, dataset: Dataset, folder: Path) -> Split:
    """Split a table, or give what a pass before has done.

    Parameters
    ----------
    table : Path
        The CSV with its header.
    dataset : Dataset
        What it must be of.
    folder : Path
        Where the files go; another process that splits the same table is waited for.

    Raises
    ------
    ArchiveError
        The table is not there, or is none of this data set.
    SpaceError, CacheError
        The folder cannot take it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_disk(error, 4096) from error
    with FileLock(folder / "split.lock"):
        try:
            found = table.stat()
        except FileNotFoundError as error:
            raise ArchiveError(f"there is no file {table}; check archive=") from error
        except OSError as error:
            raise from_system(error, what=f"reading {table}") from error
        state = _load(folder)
        same = state and (state.size, state.modified) == (found.st_size, found.st_mtime_ns)
        if state is None or not same or not _held(folder, state):
            shutil.rmtree(folder / "days", ignore_errors=True)
            shutil.rmtree(folder / "hours", ignore_errors=True)
            state = Split(found.st_size, found.st_mtime_ns)
        if not state.done:
            _Pass(table, dataset, folder, state).run()
        return state


def _load(folder: Path) -> Split | None:
    try:
        text = (folder / "state.json").read_text(encoding="utf-8")
        checksum, body = text.split("\n", 1)
        if hashlib.sha256(body.encode()).hexdigest() != checksum:
            return None
        return Split(**json.loads(body))
    except (OSError, ValueError, TypeError):
        return None


def _held(folder: Path, state: Split) -> bool:
    """Say whether the days' files are as long as the checkpoint says; power may have failed."""
    try:
        return all(
            (folder / "days" / f"{name}.csv").stat().st_size >= size
            for name, size in state.bytes.items()
        )
    except OSError:
        return False


class _Pass:
    def __init__(self, table: Path, dataset: Dataset, folder: Path, state: Split) -> None:
        self.table = table
        self.dataset = dataset
        self.folder = folder
        self.days = folder / "days"
        self.state = state
        self.rows: Counter[str] = Counter(state.rows)
        self.bytes: Counter[str] = Counter(state.bytes)
        self.names: dict[str, str | None] = {}

    def run(self) -> None:
        try:
            stream = self.table.open("rb", buffering=0)
        except OSError as error:
            raise from_system(error, what=f"reading {self.table}") from error
        with stream:
            self._begin(stream)
            bins = self.dataset.time.endswith("bin")
            column = self.state.header.index(self.dataset.time)
            rows = Grouping(column, _BINS if bins else _DAY)
            since = self.state.offset
            while block := stream.read(BLOCK):
                rows.feed(block)
                if rows.held >= HELD:
                    self._write(rows)
                if stream.tell() - since >= CHECKPOINT:
                    self._write(rows)
                    since = stream.tell()
                    self._save(offset=since - rows.waiting)
            last = rows.end()
            if last.strip():
                whole = last.count(b'"') % 2 == 0 and len(fields(last)) == len(self.state.header)
                self.state.cut = not whole
                if whole:
                    rows.feed(b"\n")
            self._write(rows)
            after = os.fstat(stream.fileno())
        if (after.st_size, after.st_mtime_ns) != (self.state.size, self.state.modified):
            raise ChangedError(f"{self.table} changed while it was read")
        self._save(offset=self.state.size, done=True)

    def _begin(self, stream: Any) -> None:
        """Read the header, or take up an earlier pass."""
        head = b""
        while b"\n" not in head and (more := stream.read(2**16)):
            head += more
        first, mark, _ = head.partition(b"\n")
        names = [name.strip().lower() for name in fields(first.removeprefix(b"\xef\xbb\xbf"))]
        lacking = sorted({self.dataset.time, *self.dataset.needs} - set(names))
        if lacking or not mark:
            raise ArchiveError(
                f"{self.table} is no whole-table CSV of the data set {self.dataset.id}: its first "
                f"line lacks {', '.join(lacking) or 'an end'}"
            )
        self.state.header = names
        self.state.offset = max(self.state.offset, len(first) + 1)
        stream.seek(self.state.offset)
        try:
            self.days.mkdir(exist_ok=True)
            for path in self.days.iterdir():
                kept = self.bytes.get(path.stem)
                if kept is None:
                    path.unlink()
                else:
                    os.truncate(path, kept)
        except OSError as error:
            raise from_disk(error, self.state.size - self.state.offset) from error

    def _write(self, rows: Grouping) -> None:
        """Append what was gathered to the days' files."""
        found: dict[str, list[bytes]] = {}
        for key, lines in rows.taken():
            if key not in self.names:
                self.names[key] = _name(key, bins=self.dataset.time.endswith("bin"))
            name = self.names[key]
            if name is None:
                self.state.without_time += sum(bool(line.strip()) for line in lines)
            else:
                found.setdefault(name, []).extend(lines)
        try:
            for name, lines in found.items():
                lines.append(b"")
                body = b"\n".join(lines)
                with (self.days / f"{name}.csv").open("ab", buffering=0) as file:
                    file.write(body)
                self.rows[name] += len(lines) - 1
                self.bytes[name] += len(body)
        except OSError as error:
            raise from_disk(error, self.state.size - self.state.offset) from error

    def _save(self, *, offset: int, done: bool = False) -> None:
        """Write a checkpoint, whole or not at all."""
        self.state.offset, self.state.done = offset, done
        self.state.rows, self.state.bytes = dict(self.rows), dict(self.bytes)
        body = json.dumps(asdict(self.state), sort_keys=True)
        path = self.folder / "state.json"
        try:
            beside = path.with_suffix(".new")
            beside.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")
            beside.replace(path)
        except OSError as error:
            raise from_disk(error, self.state.size - self.state.offset) from error


def _name(key: str, *, bins: bool) -> str | None:
    """Give the name of the file that rows go to: the day, or year, month and weekday."""
    if bins:
        return bin_name(key)
    found = time_parts(key)
    try:
        return date.fromisoformat(found[0]).isoformat() if found else None
    except ValueError:  # 02/30/2021: no partition has such a day
        return None
