"""A block's raw objects to its parts: decode, convert, split by window, sort, write.

Knows no archive and commits nothing.  The result is a small value; tables never leave the process.
Same units, same versions: the same bytes, whatever came before.
"""

from __future__ import annotations

import datetime as dt
import gc
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from intake_cvpilot import decode, sources, tables
from intake_cvpilot.tables.figures import Figures, Measuring

if TYPE_CHECKING:
    import pyarrow as pa

    from intake_cvpilot.extent import Stored
    from intake_cvpilot.tables.portal_rows import Restore

__all__ = [
    "BlockResult",
    "BlockTask",
    "BuiltFile",
    "StagedUnit",
    "UnitCounts",
    "build_block",
    "load_all",
    "table_versions",
]


@dataclass(frozen=True, slots=True)
class StagedUnit:
    """A raw object on disk."""

    key: str
    """The archive's full key."""
    object_id: int
    """First 8 bytes of the key's SHA-256, signed."""
    path: Stored
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
    exact: bool = False
    """Whether each record is read singly, by the rule; the result is the same."""


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
    figures: Figures = field(default_factory=Figures)
    """Repeats, lateness and hours of the rows inside the window."""
    unknown: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """First object and line of each unknown schema version that was read as the newest."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Digests of the columns of each part, by role; see `intake_cvpilot.tables.digest`."""


def temporary(name: str) -> str:
    """Give a name that no other build of the same block uses, should a lock have done nothing."""
    return f"{name}.{secrets.token_hex(8)}.tmp"


def table_versions(source: str, message_type: str) -> dict[str, str]:
    """Version of each table of a source and message type."""
    return {table.name: table.version for table in tables.tables_for(source, message_type)}


def load_all() -> None:
    """Import what the first block would, which takes a second."""
    from intake_cvpilot import reading  # noqa: F401
    from intake_cvpilot.decode import quarantine  # noqa: F401
    from intake_cvpilot.tables import digest, gather, parts, window  # noqa: F401


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
    # Records are held by the thousand: the collector would walk them again and again for nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for unit in task.units:
            block.read(unit)
        return block.finish()
    finally:
        block.close()
        if collecting:
            gc.enable()


def _restore(source: str, message_type: str) -> Restore | None:
    """What gives a row of the data portal its record's form; None for records as published."""
    origin = sources.source(source).of
    if origin is None:
        return None
    from intake_cvpilot.tables.portal_rows import restorer

    return restorer(origin, decode.shapes_for(source, message_type).tables[0])


class _Block:
    """The work on one block."""

    def __init__(self, task: BlockTask) -> None:
        from intake_cvpilot.decode.quarantine import Quarantine
        from intake_cvpilot.reading import Reader
        from intake_cvpilot.tables.gather import Gathering

        self.task = task
        shapes = decode.shapes_for(task.source, task.message_type)
        self.tables = tables.tables_for(task.source, task.message_type)
        self.rows = Gathering(self.tables, task.start, task.end, in_order=shapes.in_order)
        self.quarantine = Quarantine(task.folder / temporary("quarantine.ndjson"))
        self.measuring = Measuring(self.tables[0].name)
        self.values: dict[str, str] = {}
        self.reader = Reader(
            shapes,
            self.rows,
            self.quarantine,
            exact=task.exact,
            restore=_restore(task.source, task.message_type),
        )

    def read(self, unit: StagedUnit) -> None:
        """Decode one object; every frame is counted once."""
        self.reader.read(unit.key, unit.object_id, unit.path)

    def finish(self) -> BlockResult:
        """Write the files."""
        self.reader.finish()
        files = [self._part(role, rows) for role, rows in self.rows.finished()]
        rows = {table.name: 0 for table in self.tables}
        for file in files:
            rows[file.role.removesuffix(".outside")] += file.rows
        return BlockResult(
            files=(*files, *self._quarantine()),
            units=tuple(
                UnitCounts(tally.key, tally.lines, tally.records, tally.blank, tally.quarantined)
                for tally in self.reader.tallies
            ),
            inside=self.rows.inside,
            outside=self.rows.outside,
            rows=rows,
            nulls=self.rows.nulls(),
            quarantined=dict(sorted(self.quarantine.reasons.items())),
            versions=dict(sorted(self.reader.versions.items())),
            notes=dict(sorted(self.rows.notes().items())),
            figures=self.measuring.done(),
            unknown=self.reader.unknown,
            values=self.values,
        )

    def _part(self, role: str, rows: pa.Table) -> BuiltFile:
        """Write a part and give it the name of its content."""
        from intake_cvpilot.tables import digest, parts, window

        self.measuring.add(role, rows)
        self.values[role] = digest.digests(rows)
        path = self.task.folder / temporary(f"{role}.parquet")
        parts.write(rows, path, codec=self.task.codec, level=self.task.level)
        sha256, footer = parts.hashes(path)
        name = f"{role}-{sha256[:16]}.parquet"
        size = path.stat().st_size
        path.replace(path.with_name(name))
        return BuiltFile(role, name, size, len(rows), sha256, footer, *window.bounds(rows))

    def _quarantine(self) -> Iterator[BuiltFile]:
        """Give the quarantine file, if there is one, the name of its content."""
        if digest := self.quarantine.finish():
            path = self.quarantine.path
            name = f"quarantine-{digest[:16]}.ndjson"
            size, rows = path.stat().st_size, self.quarantine.reasons.total()
            path.replace(path.with_name(name))
            yield BuiltFile("quarantine", name, size, rows, digest, None, None, None)

    def close(self) -> None:
        """Remove what a failed build leaves."""
        self.quarantine.close()
