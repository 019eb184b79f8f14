"""Rows of a CSV by when they are: block by block, in bounded memory, without reading fields.

A row is a line, or several where a quoted value holds line feeds: quotes come in pairs.  Only the
column that says when is looked at, and of that only the beginning, as bytes.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Grouping", "fields", "rows_in", "time_parts"]

_LONGEST: Final = 4 * 2**20  # bytes of one row; beyond, a quote was lost and lines stand alone
_EXPORT: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4})(?: (\d\d)(?::\d\d(?::\d\d)?)? ?([AP]M)?)?")
_ISO: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d).*)?")


def fields(row: bytes) -> list[str]:
    """Give the values of one row."""
    return next(csv.reader([row.decode("utf-8", "surrogateescape").removesuffix("\r")]), [])


def rows_in(body: bytes) -> Iterator[bytes]:
    """Give the rows of some bytes that end with one, as they stand."""
    begun: list[bytes] = []
    for line in body.split(b"\n")[:-1]:
        odd = line.count(b'"') & 1
        if not begun and not odd:
            yield line
            continue
        begun.append(line)
        if odd and len(begun) > 1:
            yield b"\n".join(begun)
            begun = []
    yield from begun


def time_parts(text: str) -> tuple[str, str] | None:
    """Give the day and the hour of a time, or of its beginning.

    Parameters
    ----------
    text : str
        ``04/06/2021 10:30:00 AM``, ``2021-04-06T10:30:00.123``, or the first characters.

    Returns
    -------
    (str, str) or None
        ``2021-04-06`` and ``10``, empty where the hour is not there; None where it is no time.
    """
    if found := _EXPORT.fullmatch(text):
        month, day, year, hour, half = found.groups()
        if half and hour:
            hour = f"{int(hour) % 12 + 12 * (half == 'PM'):02}"
        return f"{year}-{month}-{day}", hour or ""
    if found := _ISO.fullmatch(text):
        return f"{found[1]}-{found[2]}-{found[3]}", found[4] or ""
    return None


class Grouping:
    """Gathers rows by the beginning of one of their columns.

    Parameters
    ----------
    column : int
        Which column, from 0.
    width : int
        How many of its first bytes; 0 for all.
    """

    def __init__(self, column: int, width: int) -> None:
        self.groups: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self.held = 0
        self._column = column
        self._width = width
        self._rest = b""
        self._open: list[bytes] = []
        self._open_size = 0

    @property
    def waiting(self) -> int:
        """Bytes of a row that has begun."""
        return len(self._rest) + self._open_size

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        self.held += len(block)
        groups, plain, width = self.groups, self._column == 0 and self._width, self._width
        for line in lines:
            if self._open or line.count(b'"') & 1:
                self._quoted(line)
            elif plain and line[:1] != b'"':
                groups[line[:width]].append(line)
            else:
                groups[self._key(line)].append(line)

    def end(self) -> bytes:
        """Give what was not ended by a line feed."""
        return b"\n".join([*self._open, self._rest]) if self._open else self._rest

    def taken(self) -> Iterator[tuple[str, list[bytes]]]:
        """Give the rows gathered so far, by the text that they have in common, and forget them."""
        for key, rows in self.groups.items():
            yield key.decode("ascii", "replace").strip(), rows
        self.groups.clear()
        self.held = 0

    def _quoted(self, line: bytes) -> None:
        """Take a line of a row whose quotes are not closed yet, or are by this line."""
        closes = bool(self._open) and line.count(b'"') & 1
        self._open.append(line)
        self._open_size += len(line) + 1
        if closes:
            row = b"\n".join(self._open)
            self.groups[self._key(row)].append(row)
        elif self._open_size <= _LONGEST:
            return
        else:
            for each in self._open:
                self.groups[self._key(each)].append(each)
        self._open, self._open_size = [], 0

    def _key(self, row: bytes) -> bytes:
        head = row.split(b",", self._column + 1)[: self._column + 1]
        if len(head) <= self._column:
            return b""
        if b'"' not in b"".join(head):
            value = head[-1].rstrip(b"\r")
        else:
            found = fields(row)
            value = found[self._column].encode() if len(found) > self._column else b""
        return value[: self._width] if self._width else value
