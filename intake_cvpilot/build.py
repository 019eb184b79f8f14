"""A block's raw objects to its parts: decode, convert, split by window, sort, write.

Knows no archive and commits nothing.  The result is a small value; tables never leave the process.
Same units, same versions: the same bytes, whatever came before.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot import decode, tables

if TYPE_CHECKING:
    import pyarrow as pa

    from intake_cvpilot.decode.framing import Oversized
    from intake_cvpilot.decode.shape import Shapes
    from intake_cvpilot.decode.strict import Rejected
    from intake_cvpilot.tables.sheet import Origin, Sheet

__all__ = [
    "BlockResult",
    "BlockTask",
    "BuiltFile",
    "StagedUnit",
    "UnitCounts",
    "build_block",
    "table_versions",
]

CHUNK_ROWS: Final = 4096
"""Rows converted at once."""
CHUNK_BYTES: Final = 16 * 2**20
"""Raw bytes after which a chunk is converted even when it has fewer rows."""


@dataclass(frozen=True, slots=True)
class StagedUnit:
    """A raw object on disk."""

    key: str
    """The archive's full key."""
    object_id: int
    """First 8 bytes of the key's SHA-256, signed."""
    path: Path
    """The verified bytes."""


@dataclass(frozen=True, slots=True)
class BlockTask:
    """What to build.  Small and picklable."""

    source: str
    """Name of the source."""
    message_type: str
    """Name of the message type."""
    partition: str
    """Key of the partition."""
    start: dt.datetime | None
    """First instant of the partition's window, aware UTC; None: no window."""
    end: dt.datetime | None
    """First instant after the window."""
    units: tuple[StagedUnit, ...]
    """The block's objects, sorted by key."""
    folder: Path
    """Where files are written; it exists."""
    codec: str = "snappy"
    """Compression of the parts."""
    level: int | None = None
    """Level of the compression, None for the codec's own."""


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A finished file, named by its content."""

    role: str
    """A table's name, that name with ``.outside``, or ``quarantine``."""
    name: str
    """``{role}-{first 16 digits of sha256}.parquet`` or ``.ndjson``."""
    bytes: int
    """Size."""
    rows: int
    """Rows or lines."""
    sha256: str
    """Of the file, hex."""
    footer_sha256: str | None
    """Of the Parquet footer with its length and magic (the file's last 8 + n bytes), hex."""
    start: dt.datetime | None
    """Least event_time, aware UTC."""
    end: dt.datetime | None
    """Greatest event_time, inclusive."""


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """What became of the lines of one object: lines = records + blank + quarantined."""

    key: str
    """The archive's full key."""
    lines: int = 0
    """Frames."""
    records: int = 0
    """Frames that became rows."""
    blank: int = 0
    """Frames of white space."""
    quarantined: int = 0
    """Frames that could not become a record."""


@dataclass(frozen=True)
class BlockResult:
    """What a block became."""

    files: tuple[BuiltFile, ...]
    """Files in the task's folder; a part without rows is not written."""
    units: tuple[UnitCounts, ...]
    """In the order of the task."""
    inside: int
    """Records inside the window."""
    outside: int
    """Records outside the window."""
    rows: Mapping[str, int]
    """Rows of each table, those outside the window included."""
    nulls: Mapping[str, Mapping[str, Mapping[str, int]]]
    """Null cells by table, column and reason."""
    quarantined: Mapping[str, int]
    """Quarantined frames by reason."""
    versions: Mapping[str, int]
    """Records by schema version, as published; ``none`` where it is absent."""
    notes: Mapping[str, int]
    """Values that were read in spite of an oddity, by kind."""
    unknown: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """First object and line of each unknown schema version that was read as the newest."""


def table_versions(source: str, message_type: str) -> dict[str, str]:
    """Version of each table of a source and message type."""
    return {table.name: table.version for table in tables.tables_for(source, message_type)}


def build_block(task: BlockTask) -> BlockResult:
    """Decode a block's objects and write its parts.

    Parameters
    ----------
    task : BlockTask
        What to build.

    Returns
    -------
    BlockResult
        Counts, and the files written into ``task.folder``.

    Raises
    ------
    NotImplementedError
        The source and message type are not decoded yet.
    OSError
        A unit cannot be opened, or the disk is full; partial files are removed.
    """
    block = _Block(task)
    try:
        for unit in task.units:
            block.read(unit)
        return block.finish()
    finally:
        block.close()


class _Quarantine:
    """The quarantine file, written as lines come; absent when none comes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "quarantine.ndjson.tmp"
        self.file: Any = None
        self.digest = hashlib.sha256()
        self.rows = 0
        self.bytes = 0

    def add(self, line: bytes) -> None:
        if self.file is None:
            self.file = self.path.open("wb")
        self.file.write(line)
        self.digest.update(line)
        self.rows += 1
        self.bytes += len(line)

    def finish(self) -> list[BuiltFile]:
        if self.file is None:
            return []
        self.file.close()
        digest = self.digest.hexdigest()
        name = f"quarantine-{digest[:16]}.ndjson"
        self.path.replace(self.path.with_name(name))
        return [BuiltFile("quarantine", name, self.bytes, self.rows, digest, None, None, None)]

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.path.unlink(missing_ok=True)


class _Block:
    """The work on one block."""

    def __init__(self, task: BlockTask) -> None:
        self.task = task
        self.shapes: Shapes = decode.shapes_for(task.source, task.message_type)
        self.tables = tables.tables_for(task.source, task.message_type)
        self.quarantine = _Quarantine(task.folder)
        self.sheets: dict[int, list[Sheet]] = {}
        self.chunks: dict[str, list[pa.Table]] = {}
        self.held = 0
        self.units: list[UnitCounts] = []
        self.inside = self.outside = 0
        self.reasons: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.nulls: dict[str, dict[str, Counter[str]]] = {}
        self.unknown: dict[str, tuple[str, int]] = {}

    def read(self, unit: StagedUnit) -> None:
        """Decode one object; every frame is counted once."""
        from intake_cvpilot.decode import framing, strict

        origin = self._origin(unit)
        lines = records = blank = bad = 0
        try:
            for line, offset, data in framing.frames(unit.path, self.shapes.framing):
                lines += 1
                if type(data) is bytes and (not data or data.isspace()):
                    blank += 1
                    continue
                try:
                    self._record(unit, origin, line, data)
                    records += 1
                except strict.Rejected as why:
                    bad += 1
                    self._reject(unit, line, offset, data, why)
        except framing.UnreadableError as error:
            lines, bad = lines + 1, bad + 1
            with unit.path.open("rb") as stream:
                whole = framing.whole(stream)
            self._reject(unit, 0, 0, whole, strict.Rejected(*error.args))
        self.units.append(UnitCounts(unit.key, lines, records, blank, bad))

    def _origin(self, unit: StagedUnit) -> Origin:
        from intake_cvpilot.tables.sheet import Origin

        return Origin(unit.object_id, self.shapes.folder(unit.key))

    def _record(
        self, unit: StagedUnit, origin: Origin, line: int, data: bytes | Oversized
    ) -> None:
        from intake_cvpilot.decode import strict

        if not isinstance(data, bytes):
            raise strict.Rejected("too_long", f"a frame of {data.length} bytes")
        reading = self.shapes.read(strict.parse(data), data)
        version = "none" if reading.version is None else str(reading.version)[:40]
        self.versions[version] += 1
        if not reading.known:
            self.unknown.setdefault(version, (unit.key, line))
        sheets = self.sheets.get(id(reading.shape)) or self._sheets(reading.shape)
        for index, values, leftover in reading.rows:
            sheets[index].add(values, leftover, origin, line)
        self.held += len(data)
        if len(sheets[0]) >= CHUNK_ROWS or self.held >= CHUNK_BYTES:
            self._flush()

    def _sheets(self, shape: Any) -> list[Sheet]:
        from intake_cvpilot.tables.rules import RULES
        from intake_cvpilot.tables.sheet import Sheet

        made = [Sheet(tables.table(layout.table), layout, RULES) for layout in shape.layouts]
        self.sheets[id(shape)] = made
        return made

    def _reject(
        self,
        unit: StagedUnit,
        line: int,
        offset: int,
        data: bytes | Oversized,
        why: Rejected,
    ) -> None:
        from intake_cvpilot.decode.quarantine import entry

        self.reasons[why.reason] += 1
        self.quarantine.add(entry(unit.key, unit.object_id, line, offset, data, why))

    def _flush(self) -> None:
        """Convert what the sheets hold, and split it by the window."""
        for sheets in self.sheets.values():
            for number, sheet in enumerate(sheets):
                if len(sheet):
                    self._convert(sheet, first=number == 0)
        self.held = 0

    def _convert(self, sheet: Sheet, *, first: bool) -> None:
        from intake_cvpilot.tables.window import count_records, outside

        rows = sheet.convert()
        away = outside(rows, self.task.start, self.task.end)
        if first:
            records, beyond = count_records(rows, away)
            self.inside += records - beyond
            self.outside += beyond
        name = sheet.table.name
        if away is None:
            self.chunks.setdefault(name, []).append(rows)
            return
        self.chunks.setdefault(name, []).append(rows.filter(~away))
        self.chunks.setdefault(name + ".outside", []).append(rows.filter(away))

    def finish(self) -> BlockResult:
        """Write the files."""
        self._flush()
        files = self._parts()
        files += self.quarantine.finish()
        for sheets in self.sheets.values():
            for sheet in sheets:
                self._tally(sheet)
        rows = {table.name: 0 for table in self.tables}
        for file in files:
            if file.role != "quarantine":
                rows[file.role.removesuffix(".outside")] += file.rows
        return BlockResult(
            files=tuple(files),
            units=tuple(self.units),
            inside=self.inside,
            outside=self.outside,
            rows=rows,
            nulls={
                table: {name: dict(sorted(why.items())) for name, why in sorted(columns.items())}
                for table, columns in sorted(self.nulls.items())
            },
            quarantined=dict(sorted(self.reasons.items())),
            versions=dict(sorted(self.versions.items())),
            notes=dict(sorted(self.notes.items())),
            unknown=self.unknown,
        )

    def _tally(self, sheet: Sheet) -> None:
        self.notes.update(sheet.quality.notes)
        columns = self.nulls.setdefault(sheet.table.name, {})
        for name, reasons in sheet.quality.nulls.items():
            if not name.startswith("_"):
                found = columns.setdefault(name, Counter())
                found.update(reasons)
                for reason in [reason for reason, number in found.items() if not number]:
                    del found[reason]

    def _parts(self) -> list[BuiltFile]:
        from intake_cvpilot.tables import parts

        files = []
        for table in self.tables:
            for role in (table.name, table.name + ".outside"):
                chunks = [chunk for chunk in self.chunks.pop(role, []) if len(chunk)]
                if chunks:
                    rows = parts.finish(chunks, table)
                    path = self.task.folder / f"{role}.parquet.tmp"
                    parts.write(rows, path, codec=self.task.codec, level=self.task.level)
                    files.append(_named(path, role, rows))
        return files

    def close(self) -> None:
        """Give back what a failed build leaves."""
        self.quarantine.close()


def _named(path: Path, role: str, rows: pa.Table) -> BuiltFile:
    """Give a finished part the name of its content."""
    from intake_cvpilot.tables.window import bounds

    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
        size = stream.tell()
        stream.seek(size - 8)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(size - 8 - length)
        footer = hashlib.sha256(stream.read()).hexdigest()
    name = f"{role}-{digest.hexdigest()[:16]}.parquet"
    path.replace(path.with_name(name))
    start, end = bounds(rows)
    return BuiltFile(role, name, size, len(rows), digest.hexdigest(), footer, start, end)
