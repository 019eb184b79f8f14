"""Traveler information of any publisher: a row a data frame and geographical path.

Everything is declared at its usual place; `tim_walk` finds the real one, `tim_spelling` gives one
spelling, and `places` puts what remains back where it stood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.decode import j2735, names, tim_ode, tim_spelling
from intake_cvpilot.decode.labels import Flag, Name, Text
from intake_cvpilot.decode.leftover import put
from intake_cvpilot.decode.nothing import speaking
from intake_cvpilot.decode.places import Left, Place, Respelled
from intake_cvpilot.decode.readers import Integer, Opaque, Stamp
from intake_cvpilot.decode.shape import Cell, Group, Layout, Row
from intake_cvpilot.decode.tim_area import GEOMETRIES, Area, anchor, area
from intake_cvpilot.decode.tim_content import content
from intake_cvpilot.decode.tim_readers import BitText, Hex, Measure, MinuteOrStamp, Unit
from intake_cvpilot.decode.tim_walk import FRAMES, REGIONS, Found, collect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from intake_cvpilot.decode.leftover import Path

__all__ = ["RULES", "Form"]

MOST_ROWS: Final = 1024
"""Rows of a record; the standard has at most 8 frames of 16 regions."""
MOST_BYTES: Final = 2**23
"""Bytes of a record times its rows: what rows share stands in each of them."""
_SAYS_NOTHING: Final = frozenset({"NA", "null"})
_U16: Final = Integer(0, 65535)

RULES: Final = (
    "tim_message_time",
    "tim_start_time",
    "tim_duration",
    "tim_content",
    "tim_area",
    "tim_circle",
    "tim_places",
)
"""Rules of the table, after those of the header."""

_MESSAGE: Final = (
    Cell("packet_id", "packetID", Hex(18, upper=True)),
    Cell("msg_count", "msgCnt", Integer.of(j2735.MSG_COUNT)),
    Cell("_minute", "timeStamp", MinuteOrStamp(), serves="message_time"),
)
_SIGN: Final = "msgId.roadSignID."
_REGION: Final = (
    Cell("name", "name", Text()),
    Cell("road_id", "id.id", _U16),
    Cell("road_region_id", "id.region", _U16),
    Cell("anchor_latitude", "anchor.lat", Measure(j2735.LATITUDE)),
    Cell("anchor_longitude", "anchor.long", Measure(j2735.LONGITUDE)),
    Cell("anchor_elevation", "anchor.elevation", Measure(j2735.ELEVATION)),
    Cell("lane_width", "laneWidth", Measure(j2735.LANE_WIDTH)),
    Cell("direction", "direction", BitText()),
    Cell("directionality", "directionality", Name(names.DIRECTIONALITY)),
    Cell("closed_path", "closedPath", Flag()),
    Cell(
        "circle_latitude",
        "description.geometry.circle.center.lat",
        Measure(j2735.LATITUDE),
    ),
    Cell(
        "circle_longitude",
        "description.geometry.circle.center.long",
        Measure(j2735.LONGITUDE),
    ),
    Cell(
        "_radius",
        "description.geometry.circle.radius",
        Integer.of(j2735.CIRCLE_RADIUS),
        serves="circle_radius",
    ),
    Cell("_unit", "description.geometry.circle.units", Unit(), serves="circle_radius"),
)


def _frame(duration: str) -> tuple[Cell, ...]:
    return (
        Cell("frame_type", "frameType", Name(names.FRAME_TYPES, frozenset({"unknown"}))),
        Cell("_start_year", "startYear", Integer.of(j2735.YEAR), serves="start_time"),
        Cell("_start", "startTime", Integer.of(j2735.MINUTE_OF_YEAR), serves="start_time"),
        Cell("_start_stamp", "startDateTime", Stamp(), serves="start_time"),
        Cell(
            "duration_minutes",
            duration,
            Integer.of(j2735.DURATION),
            serves="duration_minutes until_further_notice end_time",
        ),
        Cell("priority", "priority", Integer.of(j2735.PRIORITY)),
        Cell("_content", "content", Opaque(), serves="content_type content itis_codes texts"),
        Cell("sign_latitude", _SIGN + "position.lat", Measure(j2735.LATITUDE)),
        Cell("sign_longitude", _SIGN + "position.long", Measure(j2735.LONGITUDE)),
        Cell("sign_elevation", _SIGN + "position.elevation", Measure(j2735.ELEVATION)),
        Cell("view_angle", _SIGN + "viewAngle", BitText()),
        Cell("mutcd", _SIGN + "mutcdCode", Name(names.MUTCD, frozenset())),
        Cell("further_info_id", "msgId.furtherInfoID", Hex(4, null=frozenset({"0000"}))),
        Cell("url", "url", Text(null=_SAYS_NOTHING)),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A frame and region that were taken apart, or one of them alone."""

    frame: Sequence[Any]
    """Values of the frame."""
    region: Sequence[Any]
    """Values of the region."""
    computed: tuple[int | None, int | None, str | None, Area | None]
    """Positions, kind of geometry, what it draws."""
    places: tuple[Place, ...]
    """What remains."""


class Form:
    """How one publisher's messages become rows.

    Parameters
    ----------
    header : Group
        Cells of the record around the message.
    rules : sequence of str
        Rules of the header.
    usual : str
        Where the message mostly stands.
    duration : str
        Usual spelling of a frame's duration.
    """

    def __init__(self, header: Group, rules: Sequence[str], *, usual: str, duration: str) -> None:
        frames = usual + ".dataFrames.TravelerDataFrame"
        regions = frames + ".regions.GeographicalPath"
        self.usual = tuple(usual.split("."))
        self.duration = duration
        self._header = header
        self._message = Group(_MESSAGE, prefix=usual, absorb={"urlB": tuple(_SAYS_NOTHING)})
        zero = (0, "0")
        unused = {f"doNotUse{n}": zero for n in range(1, 5)}
        unused |= {f"notUsed{n}": zero for n in ("", 1, 2, 3)}
        self._frame = Group(_frame(duration), prefix=frames, absorb=unused)
        self._region = Group(_REGION, prefix=regions)
        self._frames_path: Path = tuple(frames.split("."))
        self._regions_path: Path = tuple(regions.split("."))
        position = Integer(0, 32767)
        computed = (
            Group((Cell("frame", "TravelerDataFrame", position),), prefix=usual + ".dataFrames"),
            Group((Cell("region", "GeographicalPath", position),), prefix=frames + ".regions"),
            Group((Cell("geometry", "description", Name(GEOMETRIES)),), prefix=regions),
            Group((Cell("_area", "description.path", Opaque(), serves="path"),), prefix=regions),
            Group((Cell("_left", "_left", Opaque()),)),
        )
        groups = (self._message, header, self._frame, self._region, *computed)
        self.layout = Layout("frames", groups, (*rules, *RULES))
        """Of the table ``frames``."""

    def rows(
        self, record: dict[str, Any], message: dict[str, Any], path: Path, size: int
    ) -> list[Row]:
        """The rows of a record: at least one, also without a readable frame.

        Parameters
        ----------
        record : dict
            The decoded record, with the message in it.
        message : dict
            The message.
        path : tuple
            Where it stands.
        size : int
            Bytes of the raw record.
        """
        most = max(1, min(MOST_ROWS, MOST_BYTES // max(size, 1)))
        found = collect(message, FRAMES)
        rows: list[_Row] = []
        for number, frame in enumerate(found):
            if len(rows) >= most:
                # Beyond what any message holds: left as it stands, in ``extra``.
                put(message, frame.path, frame.item)
                continue
            rows += self._of_frame(number, frame, path, most - len(rows))
        if not rows:
            blanks = [None] * len(self._frame.cells), [None] * len(self._region.cells)
            rows = [_Row(*blanks, (None, None, None, None), ())]
        head: list[Any] = []
        # The header's pass copies what it leaves: the message within it comes first.
        self._message.take(message, head)
        self._header.take(record, head)
        last = Place(self.usual, path, None)
        return [
            (
                0,
                [*head, *row.frame, *row.region, *row.computed, Left(record, (*row.places, last))],
                {},
            )
            for row in rows
        ]

    def _of_frame(self, number: int, frame: Found, at: Path, room: int) -> list[_Row]:
        """The rows of a frame: one a region, or one alone."""
        item = frame.item
        done = Respelled(item)
        said = tim_ode.frame(done)
        tim_spelling.frame(done, self.duration)
        regions = collect(item, REGIONS)
        said = said or content(item.get("content"))
        kept = item.pop("content", None)
        values: list[Any] = []
        item["content"] = said
        self._frame.take(item, values)
        if kept is not None:
            item["content"] = kept
        for region in regions[room:]:
            put(item, region.path, region.item)
        place = Place(self._frames_path, (*at, *frame.path), speaking(item), tuple(done.changes))
        rows = [
            self._of_region(number, index, region, values, place)
            for index, region in enumerate(regions[:room])
        ]
        blank = [None] * len(self._region.cells)
        return rows or [_Row(values, blank, (number, None, None, None), (place,))]

    def _of_region(
        self, number: int, index: int, region: Found, frame: list[Any], outer: Place
    ) -> _Row:
        item = region.item
        done = Respelled(item)
        tim_ode.region(done)
        tim_spelling.region(done)
        drawn = area(item.get("description"), anchor(item.get("anchor")))
        values: list[Any] = []
        self._region.take(item, values)
        real = (*outer.real, *region.path)
        place = Place(self._regions_path, real, speaking(item), tuple(done.changes))
        return _Row(frame, values, (number, index, drawn.kind, drawn), (place, outer))
