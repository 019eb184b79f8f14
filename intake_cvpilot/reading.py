"""A block's objects, frame by frame, to rows: ordinary records many at a time, all others singly.

Every frame is counted once.  Records become the same rows in either way; `Reader.exact` is the
rule, and what the other way does not take goes there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from intake_cvpilot.decode import framing, strict
from intake_cvpilot.decode.frame import Oversized
from intake_cvpilot.decode.lines import Lines
from intake_cvpilot.tables.sheet import Origin, Origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from intake_cvpilot.decode.frame import Run
    from intake_cvpilot.decode.quarantine import Quarantine
    from intake_cvpilot.decode.shape import Shapes
    from intake_cvpilot.extent import Stored
    from intake_cvpilot.tables.gather import Gathering
    from intake_cvpilot.tables.portal_rows import Restore

__all__ = ["Reader", "Tally"]

_HELD_BYTES: Final = 16 * 2**20
_HELD_LINES: Final = 16 * 2**10


@dataclass(slots=True)
class Tally:
    """The frames of one object."""

    key: str
    """The archive's full key."""
    origin: Origin
    """What its rows say of where they come from."""
    lines: int = 0
    """Frames."""
    records: int = 0
    """Frames that became rows."""
    blank: int = 0
    """Frames of white space."""
    quarantined: int = 0
    """Frames that could not become a record."""


class _Together:
    """Runs of lines of many objects as one text, and where each line comes from."""

    def __init__(self, held: Sequence[tuple[Tally, Run, bytes]]) -> None:
        self.tallies = [tally for tally, _, _ in held]
        self.runs = [run for _, run, _ in held]
        counts = np.array([run.lines for run in self.runs])
        self.firsts = np.cumsum(counts) - counts
        self.run_of = np.repeat(np.arange(len(held)), counts)
        self.lines = Lines(b"".join([_ended(data) for _, _, data in held]))
        numbers = np.array([run.line for run in self.runs]) - self.firsts
        self.origins = Origins(
            np.array([tally.origin.object_id for tally in self.tallies])[self.run_of],
            np.array([tally.origin.folder for tally in self.tallies])[self.run_of],
            numbers[self.run_of] + np.arange(len(self.lines)),
        )

    def sums(self, some: npt.NDArray[np.bool_]) -> Iterator[tuple[Tally, int]]:
        """How many lines of each run are some."""
        found = np.add.reduceat(some, self.firsts, dtype=np.int64)
        return zip(self.tallies, found.tolist(), strict=True)

    def place(self, at: int) -> tuple[Tally, int, int]:
        """Of a line: its object, its number and its byte offset there."""
        number = self.run_of[at]
        below = self.lines.starts[at] - self.lines.starts[self.firsts[number]]
        line = int(self.origins.line[at])
        return self.tallies[number], line, self.runs[number].offset + int(below)


def _ended(lines: bytes) -> bytes:
    return lines if lines.endswith(b"\n") else lines + b"\n"


class Reader:
    """Reads objects into a gathering and a quarantine.

    Parameters
    ----------
    shapes : Shapes
        What the records are.
    rows : Gathering
        Takes the rows.
    quarantine : Quarantine
        Takes the frames that are no record.
    exact : bool
        Whether every record is read singly.
    restore : Restore, optional
        Gives a row of the data portal the form of its record.
    """

    def __init__(
        self,
        shapes: Shapes,
        rows: Gathering,
        quarantine: Quarantine,
        *,
        exact: bool,
        restore: Restore | None = None,
    ) -> None:
        self.shapes = shapes
        self.rows = rows
        self.quarantine = quarantine
        self.tallies: list[Tally] = []
        self.versions: Counter[str] = Counter()
        self.unknown: dict[str, tuple[str, int]] = {}
        self.restore = restore
        self._holds = (
            not exact and restore is None and any(shape.ordinary for shape in shapes.shapes)
        )
        self._held: list[tuple[Tally, Run, bytes]] = []
        self._lines = self._bytes = 0
        self._folders: dict[str, int] = {}

    def read(self, key: str, object_id: int, path: Stored) -> None:
        """Read one object; some of its records may be held until `finish`."""
        folder = key.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = self.shapes.folder(key)
        tally = Tally(key, Origin(object_id, self._folders[folder]))
        self.tallies.append(tally)
        try:
            if self._holds:
                for run in framing.runs(path):
                    self._hold(run, tally)
            else:
                for line, offset, data in framing.frames(path, self.shapes.framing):
                    self._count(data, tally, line, offset)
        except framing.UnreadableError as error:
            self.finish()
            tally.lines += 1
            self._reject(framing.whole(path), tally, 0, 0, strict.Rejected(*error.args))

    def _hold(self, run: Run, tally: Tally) -> None:
        """Keep lines until there are many, or as many as fit."""
        if isinstance(run.data, Oversized):
            self.finish()
            self._count(run.data, tally, run.line, run.offset)
            return
        self._held.append((tally, run, run.data))
        self._lines += run.lines
        self._bytes += len(run.data)
        if self._bytes >= _HELD_BYTES or self._lines >= _HELD_LINES:
            self.finish()

    def finish(self) -> None:
        """Read what is held."""
        if not self._held:
            return
        held = _Together(self._held)
        self._held, self._lines, self._bytes = [], 0, 0
        added, versions = self.rows.read(self.shapes.shapes, held.lines, held.origins)
        self.versions.update(versions)
        for tally, records in held.sums(added):
            tally.lines += records
            tally.records += records
        for at in np.flatnonzero(~added).tolist():
            self._count(held.lines[at], *held.place(at))

    def _count(self, data: bytes | Oversized, tally: Tally, line: int, offset: int) -> None:
        """Count a frame, and read it by the rule."""
        tally.lines += 1
        if isinstance(data, bytes) and (not data or data.isspace()):
            tally.blank += 1
        else:
            self._single(data, tally, line, offset)

    def _single(self, data: bytes | Oversized, tally: Tally, line: int, offset: int) -> None:
        """Read a frame by the rule."""
        try:
            if isinstance(data, Oversized):
                raise strict.Rejected("too_long", f"a frame of {data.length} bytes")
            record, said = strict.parse(data), data
            if self.restore is not None:
                record, said = self.restore(record, data)
            reading = self.shapes.read(record, said)
        except strict.Rejected as why:
            self._reject(data, tally, line, offset, why)
            return
        tally.records += 1
        version = "none" if reading.version is None else str(reading.version)[:40]
        self.versions[version] += 1
        if not reading.known:
            self.unknown.setdefault(version, (tally.key, line))
        self.rows.add(reading, tally.origin, line, data)

    def _reject(
        self, data: bytes | Oversized, tally: Tally, line: int, offset: int, why: strict.Rejected
    ) -> None:
        tally.quarantined += 1
        self.quarantine.add(tally.key, tally.origin.object_id, line, offset, data, why)
