"""A block's objects, frame by frame, to rows: ordinary records many at a time, all others singly.

Every frame is counted once.  Records become the same rows in either way; `Reader.exact` is the
rule, and what the other way does not take goes there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from intake_cvpilot.decode import framing, strict
from intake_cvpilot.decode.frame import Oversized
from intake_cvpilot.tables.sheet import Origin

if TYPE_CHECKING:
    from pathlib import Path

    from intake_cvpilot.decode.quarantine import Quarantine
    from intake_cvpilot.decode.shape import Shapes
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
        self._held: list[bytes] = []
        self._places: list[tuple[Tally, int, int]] = []
        self._bytes = 0

    def read(self, key: str, object_id: int, path: Path) -> None:
        """Read one object; some of its records may be held until `finish`."""
        tally = Tally(key, Origin(object_id, self.shapes.folder(key)))
        self.tallies.append(tally)
        try:
            for line, offset, data in framing.frames(path, self.shapes.framing):
                tally.lines += 1
                if isinstance(data, bytes) and (not data or data.isspace()):
                    tally.blank += 1
                elif self._holds and isinstance(data, bytes):
                    self._hold(data, tally, line, offset)
                else:
                    self.finish()
                    self._single(data, tally, line, offset)
        except framing.UnreadableError as error:
            self.finish()
            tally.lines += 1
            self._reject(framing.whole(path), tally, 0, 0, strict.Rejected(*error.args))

    def _hold(self, data: bytes, tally: Tally, line: int, offset: int) -> None:
        self._held.append(data)
        self._places.append((tally, line, offset))
        self._bytes += len(data)
        if self._bytes >= _HELD_BYTES or len(self._held) >= _HELD_LINES:
            self.finish()

    def finish(self) -> None:
        """Read what is held."""
        if not self._held:
            return
        lines, places = self._held, self._places
        self._held, self._places, self._bytes = [], [], 0
        added, versions = self.rows.read(
            self.shapes.shapes,
            lines,
            [tally.origin for tally, _, _ in places],
            [line for _, line, _ in places],
        )
        self.versions.update(versions)
        for at, (tally, line, offset) in enumerate(places):
            if at in added:
                tally.records += 1
            else:
                self._single(lines[at], tally, line, offset)

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
