"""One spelling for the frames and regions of every publisher.

What moves or changes here is noted, so that what cannot be read goes to ``extra`` as it stood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from intake_cvpilot.decode.nothing import says_nothing
from intake_cvpilot.decode.readers import Odd
from intake_cvpilot.decode.tim_readers import BitText

if TYPE_CHECKING:
    from intake_cvpilot.decode.places import Respelled

__all__ = ["frame", "region"]

_SIGN: Final = ("msgId", "roadSignID", "position")
_CENTER: Final = ("description", "geometry", "circle", "center")
_DURATION: Final = ("durationTime", "duratonTime")
_GEOMETRY: Final = ("description", "geometry")
_OLD: Final = ("description", "oldRegion")


def frame(done: Respelled, duration: str) -> None:
    """A data frame in the usual spelling.

    Parameters
    ----------
    done : Respelled
        The raw frame; it is changed.
    duration : str
        ``durationTime``, or ``duratonTime`` as J2735 of 2016 misspells it: the usual one.
    """
    for name in _DURATION:
        if name != duration:
            done.move((name,), (duration,))
    _position(done, _SIGN)


def region(done: Respelled) -> None:
    """A geographical path in the usual spelling.

    An old region's circle stands beside other circles; its direction or that of a geometry is the
    region's where that has none, and so is the anchor of its points.
    """
    done.move((*_OLD, "area", "circle"), (*_GEOMETRY, "circle"))
    done.move((*_OLD, "area", "regionPointSet", "anchor"), ("anchor",))
    done.move((*_GEOMETRY, "circle", "position"), _CENTER)
    for holder in (_GEOMETRY, _OLD):
        done.move((*holder, "direction"), ("direction",))
        _agreed(done, holder)
    _position(done, ("anchor",))
    _position(done, (*_OLD, "area", "regionPointSet", "anchor"))
    _position(done, (*_OLD, "area", "shapePointSet", "anchor"))
    _position(done, _CENTER)


def _position(done: Respelled, path: tuple[str, ...]) -> None:
    """``lat`` and ``long`` for whatever the coordinates are called."""
    if type(done.at(*path)) is dict:
        done.move((*path, "latitude"), (*path, "lat"))
        done.move((*path, "lon"), (*path, "long"))
        done.move((*path, "longitude"), (*path, "long"))


def _agreed(done: Respelled, holder: tuple[str, ...]) -> None:
    """A second direction that is the region's own says nothing."""
    second = done.at(*holder, "direction")
    if says_nothing(second):
        return
    try:
        same = BitText().one(second) == BitText().one(done.at("direction"))
    except Odd:
        return
    if same:
        inner = done.at(*holder)
        inner = inner[0] if type(inner) is list else inner
        del inner["direction"]
