"""A downloaded whole-table CSV of the data portal as an archive.

The table is split into days once (see `rows_split`), a day that is asked for into hours (New York:
periods), which are its units.  A unit is read as a row a line, each an object of its text values.
The export has no ``:id`` and no milliseconds.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock

from intake_cvpilot.archive.base import Received, Snapshot, Traffic, Unit
from intake_cvpilot.archive.crew import gather
from intake_cvpilot.archive.meter import Meter
from intake_cvpilot.archive.rows_group import Grouping, fields, rows_in, time_parts
from intake_cvpilot.archive.rows_split import BLOCK, HELD, Split, split
from intake_cvpilot.archive.socrata_query import Window, window
from intake_cvpilot.archive.translate import from_disk
from intake_cvpilot.errors import ArchiveError, ChangedError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from intake_cvpilot.archive.address import Address
    from intake_cvpilot.archive.stop import Stop

__all__ = ["RowsArchive"]

csv.field_size_limit(2**30)
_HOUR: Final = 22  # characters of a time in the export's spelling: all of it


class RowsArchive:
    """Days of a table in one file.

    Parameters
    ----------
    address : Address
        The file.
    scratch : Path
        Folder for the split table, as large as the table itself.
    threads : int
        Most units read at a time.
    """

    def __init__(self, address: Address, *, scratch: Path, threads: int) -> None:
        self.identity = address.identity
        self._table = Path(address.place)
        name = hashlib.sha256(self.identity.encode()).hexdigest()[:16]
        self._folder = scratch / name
        self._threads = threads
        self._meter = Meter()
        self._split: dict[str, Split] = {}

    def __repr__(self) -> str:
        return f"RowsArchive({self.identity!r})"

    @property
    def traffic(self) -> Traffic:
        """What was asked of this archive so far."""
        return self._meter.traffic

    def snapshot(self, prefix: str) -> Snapshot:
        """List a day; see `Archive.snapshot`.  The first one splits the table."""
        asked = window(prefix)
        self._meter.listed()
        listed_at = datetime.now(UTC)
        state = self._state(asked)
        day = _day(prefix)
        units = []
        if state.rows.get(day):
            for folder, (size, tag) in sorted(self._hours(asked, state, day).items()):
                units.append(Unit(f"{prefix}{folder}/rows.csv", size, f"{tag}-csv"))
        return Snapshot(
            prefix,
            tuple(units),
            listed_at,
            # What is not in a download that may have been cut need not be lacking in the portal.
            authoritative=False,
            facts={
                "rows": state.rows.get(day, 0),
                "rows_without_time": state.without_time,
                "export_rows": state.total,
                "export_cut": state.cut,
                "milliseconds": False,
            },
        )

    def read(
        self,
        units: Sequence[Unit],
        folder: Path,
        *,
        small: int = 0,  # noqa: ARG002 - a day is one unit
    ) -> Generator[Received, None, None]:
        """Read units; see `Archive.read`."""
        run, count = uuid.uuid4().hex, itertools.count()

        def one(unit: Unit, stop: Stop) -> Received:
            stop.check()
            self._meter.asked()
            path = folder / f"{run}-{next(count)}.part"
            try:
                return self._read(unit, path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise

        return gather(one, units, self._threads)

    def close(self) -> None:
        """Do nothing: no connection is held."""

    def _state(self, asked: Window) -> Split:
        dataset = asked.dataset
        if dataset.id not in self._split:
            self._split[dataset.id] = split(self._table, dataset, self._folder)
        state = self._split[dataset.id]
        lacking = sorted({dataset.time, *dataset.needs} - set(state.header))
        if lacking:
            raise ArchiveError(
                f"{self._table} is no whole-table CSV of the data set {dataset.id}: its first line "
                f"lacks {', '.join(lacking)}"
            )
        return state

    def _hours(self, asked: Window, state: Split, day: str) -> dict[str, tuple[int, str]]:
        """Split a day into its folders, once; sizes and hashes of the files."""
        place = self._folder / "hours" / day
        try:
            with FileLock(self._folder / "split.lock"):
                if not (place / "index.json").exists():
                    self._split_day(asked, state, day, place)
                found: dict[str, Any] = json.loads((place / "index.json").read_text())
        except OSError as error:
            raise from_disk(error, state.bytes[day]) from error
        return {folder: (size, tag) for folder, (size, tag) in found.items()}

    def _split_day(self, asked: Window, state: Split, day: str, place: Path) -> None:
        source = self._folder / "days" / f"{day}.csv"
        bins = asked.day is None
        rows = Grouping(state.header.index(asked.dataset.time), 0 if bins else _HOUR)
        beside = place.with_name(f"{place.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        hours: dict[str, _Hour] = {}
        with source.open("rb", buffering=0) as stream:
            while block := stream.read(BLOCK):
                rows.feed(block)
                if rows.held >= HELD:
                    _append(rows, asked, beside, hours)
        _append(rows, asked, beside, hours)
        if sum(hour.rows for hour in hours.values()) != state.rows[day] or rows.end():
            raise ArchiveError(
                f"the split of {self._table} is damaged at {day}; remove {self._folder} and call "
                "again"
            )
        index = {name: (hour.size, hour.digest.hexdigest()[:40]) for name, hour in hours.items()}
        (beside / "index.json").write_text(json.dumps(index))
        shutil.rmtree(place, ignore_errors=True)
        beside.rename(place)

    def _read(self, unit: Unit, path: Path) -> Received:
        prefix, folder, _ = unit.key.rsplit("/", 2)
        state = self._state(window(prefix + "/"))
        source = self._folder / "hours" / _day(prefix + "/") / f"{folder}.csv"
        try:
            body = source.read_bytes()
        except OSError as error:
            raise ChangedError(f"reading {unit.key} of {self._table}: {error.strerror}") from error
        if f"{hashlib.sha256(body).hexdigest()[:40]}-csv" != unit.etag:
            raise ChangedError(f"reading {unit.key} of {self._table}: the table was split anew")
        digest = hashlib.sha256()
        with path.open("xb") as file:
            for row in rows_in(body):
                line = _object(row, state.header)
                digest.update(line)
                file.write(line)
        with suppress(OSError):
            os.utime(self._folder / "split.lock")  # it is in use: nobody makes room of it
        self._meter.verified(len(body))
        return Received(unit, path, digest.hexdigest())


@dataclass
class _Hour:
    """What an hour's file has so far."""

    rows: int = 0
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


def _append(rows: Grouping, asked: Window, place: Path, hours: dict[str, _Hour]) -> None:
    """Append what was gathered to the files of the hours (New York: the periods)."""
    for key, lines in rows.taken():
        if asked.day is None:
            folder = asked.folder(key) or "NA"
        else:
            parts = time_parts(key)
            folder = (parts[1] if parts else "") or "00"
        hour = hours.setdefault(folder, _Hour())
        body = b"\n".join([*lines, b""])
        with (place / f"{folder}.csv").open("ab", buffering=0) as file:
            file.write(body)
        hour.rows += len(lines)
        hour.size += len(body)
        hour.digest.update(body)


def _object(row: bytes, header: list[str]) -> bytes:
    """Give a row as an object of its texts; one of another number of values as it stands."""
    values = fields(row)
    if len(values) != len(header):
        return json.dumps(row.decode("utf-8", "replace")).encode() + b"\n"
    named = {name: text for name, text in zip(header, values, strict=True) if text}
    return json.dumps(named).encode() + b"\n"


def _day(prefix: str) -> str:
    return "-".join(prefix.removesuffix("/").split("/")[2:5])
