"""Raw rows of a block, in chunks across its objects, to finished tables and their quality."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from intake_cvpilot.tables import parts, table
from intake_cvpilot.tables.ordinary import Ordinary
from intake_cvpilot.tables.repeated import settle
from intake_cvpilot.tables.rules import RULES
from intake_cvpilot.tables.sheet import Sheet
from intake_cvpilot.tables.ways import WAYS
from intake_cvpilot.tables.window import count_records, outside

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence, Sized

    import numpy.typing as npt
    import pyarrow as pa

    from intake_cvpilot.decode.lines import Lines
    from intake_cvpilot.decode.shape import Reading, Shape
    from intake_cvpilot.tables.column import Table
    from intake_cvpilot.tables.sheet import Origin, Origins, Quality

__all__ = ["Gathering"]

CHUNK_ROWS: Final = 4096
"""Rows converted at once."""
CHUNK_BYTES: Final = 16 * 2**20
"""Raw bytes after which a chunk is converted even when it has fewer rows."""


class Gathering:
    """The rows of a block.

    Parameters
    ----------
    tables : sequence of Table
        The tables of the message type.
    start, end : datetime or None
        The window, aware UTC, half open.
    in_order : bool
        Whether lines of an object are in the order in which they were logged, which tells the
        passes of a repeated hour apart.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        start: dt.datetime | None,
        end: dt.datetime | None,
        *,
        in_order: bool = True,
    ) -> None:
        self.tables = tables
        self.in_order = in_order
        self.start, self.end = start, end
        self.inside = 0
        self.outside = 0
        self._sheets: dict[int, list[Sheet]] = {}
        self._ways: dict[str, Ordinary] = {}
        self._qualities: list[tuple[str, Quality]] = []
        self._chunks: dict[str, list[pa.Table]] = {}
        self._rows = 0
        self._bytes = 0

    def add(self, reading: Reading, origin: Origin, line: int, raw: Sized) -> None:
        """Add the rows of a record.

        Parameters
        ----------
        reading : Reading
            The record, taken apart.
        origin, line : Origin, int
            Where it comes from.
        raw : bytes
            It, as it stood in the object; only its size matters.
        """
        sheets = self._sheets.get(id(reading.shape)) or self._begin(reading.shape)
        for index, values, leftover in reading.rows:
            sheets[index].add(values, leftover, origin, line)
        self._rows += len(reading.rows)
        self._bytes += len(raw)
        if self._rows >= CHUNK_ROWS or self._bytes >= CHUNK_BYTES:
            self._flush()

    def read(
        self,
        shapes: Sequence[Shape],
        lines: Lines,
        origins: Origins,
    ) -> tuple[npt.NDArray[np.bool_], Counter[str]]:
        """Add the ordinary records among lines.

        Parameters
        ----------
        shapes : sequence of Shape
            What the records may be.
        lines : Lines
            A record each.
        origins : Origins
            The object and line of each.

        Returns
        -------
        numpy.ndarray of bool, Counter
            Which lines were added, and the number of their schema versions.
        """
        added = np.zeros(len(lines), dtype=bool)
        versions: Counter[str] = Counter()
        for shape in shapes:
            if not shape.ordinary:
                continue
            way = self._ways.get(shape.ordinary)
            if way is None:
                way = self._ways[shape.ordinary] = Ordinary(shape, WAYS[shape.ordinary])
            for done in way.read(lines, origins):
                self._place(way.table.name, done.rows, counts=True)
                self._qualities.append((way.table.name, done.quality))
                added[done.positions] = True
                versions.update(done.versions)
        return added, versions

    def _begin(self, shape: Shape) -> list[Sheet]:
        made = [Sheet(table(layout.table), layout, RULES) for layout in shape.layouts]
        self._sheets[id(shape)] = made
        return made

    def _flush(self) -> None:
        """Convert what the sheets hold, and split it by the window."""
        for sheets in self._sheets.values():
            for number, sheet in enumerate(sheets):
                if len(sheet):
                    self._convert(sheet, counts=number == 0)
        self._rows = self._bytes = 0

    def _convert(self, sheet: Sheet, *, counts: bool) -> None:
        self._place(sheet.table.name, sheet.convert(), counts=counts)

    def _place(self, name: str, rows: pa.Table, *, counts: bool) -> None:
        """Split converted rows by the window."""
        away = outside(rows, self.start, self.end)
        if counts:
            records, beyond = count_records(rows, away)
            self.inside += records - beyond
            self.outside += beyond
        if away is None:
            self._chunks.setdefault(name, []).append(rows)
            return
        self._chunks.setdefault(name, []).append(rows.filter(~away))
        self._chunks.setdefault(name + ".outside", []).append(rows.filter(away))

    def finished(self) -> Iterator[tuple[str, pa.Table]]:
        """Role and rows of each part that has any; the rows are given up on the way."""
        self._flush()
        for made in self.tables:
            for role in (made.name, made.name + ".outside"):
                chunks = [chunk for chunk in self._chunks.pop(role, []) if len(chunk)]
                if chunks:
                    told = settle(chunks, made) if self.in_order else chunks
                    yield role, parts.finish(told, made)

    def nulls(self) -> dict[str, dict[str, dict[str, int]]]:
        """Null cells by table, column and reason."""
        found: dict[str, dict[str, Counter[str]]] = {made.name: {} for made in self.tables}
        for table_name, quality in self._each():
            for name, reasons in quality.nulls.items():
                if not name.startswith("_"):
                    found[table_name].setdefault(name, Counter()).update(reasons)
        return {
            made: {
                name: {why: number for why, number in sorted(reasons.items()) if number}
                for name, reasons in sorted(columns.items())
            }
            for made, columns in found.items()
        }

    def notes(self) -> Counter[str]:
        """Values that were read in spite of an oddity, by kind."""
        found: Counter[str] = Counter()
        for _, quality in self._each():
            found.update(quality.notes)
        return found

    def _each(self) -> Iterator[tuple[str, Quality]]:
        for sheets in self._sheets.values():
            for sheet in sheets:
                yield sheet.table.name, sheet.quality
        yield from self._qualities
