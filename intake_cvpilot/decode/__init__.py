"""Bytes to raw records: framing, strict JSON and the raw shapes of each source."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import IO, NamedTuple

from intake_cvpilot.decode.shape import Shapes

__all__ = ["RawFrame", "decoded", "frames_of", "shapes_for"]

_ALIASES = {
    "wydot_backup": "wydot",
    "wydot_portal": "wydot",
    "thea_portal": "thea",
    "nycdot_portal": "nycdot",
}
_ROWS = frozenset({"wydot_portal", "thea_portal", "nycdot_portal"})
_FRAMINGS = {"nycdot": "objects"}


class RawFrame(NamedTuple):
    """One framing unit as it stands in the archive."""

    line: int
    """Line of the object where it begins; the first is 1."""
    offset: int
    """Byte of the (decompressed) object where it begins."""
    data: bytes
    """Its bytes without the line end."""


def frames_of(source: str, stream: IO[bytes]) -> Iterator[RawFrame]:
    """The frames of an open object, blank ones left out, whatever they hold and however long.

    Parameters
    ----------
    source : str
        Name of the source; it decides the framing.
    stream : binary file
        At its beginning, and able to seek.

    Raises
    ------
    DecodeError
        The object is gzip that cannot be read.
    """
    from intake_cvpilot.decode.framing import UnreadableError, frames_in
    from intake_cvpilot.errors import DecodeError

    try:
        for line, offset, data in frames_in(stream, _FRAMINGS.get(source, "lines"), sys.maxsize):
            if isinstance(data, bytes) and data and not data.isspace():
                yield RawFrame(line, offset, data)
    except UnreadableError as error:
        raise DecodeError(f"an object of {source} cannot be read: {error.args[1]}") from error


@cache
def _registry() -> dict[tuple[str, str], Shapes]:
    from intake_cvpilot.decode import (
        eastern,
        nycdot,
        nycdot_bins,
        stamps,
        thea,
        thea_spat,
        thea_tim,
        wydot,
        wydot_tim,
    )

    known = (
        Shapes(
            source="wydot",
            message_type="BSM",
            framing="lines",
            tables=("messages",),
            shapes=wydot.BSM,
            module="intake_cvpilot/decode/wydot.py",
            folder=stamps.folder_utc,
        ),
        Shapes(
            source="wydot",
            message_type="TIM",
            framing="lines",
            tables=("frames",),
            shapes=wydot_tim.TIM,
            module="intake_cvpilot/decode/wydot_tim.py",
            folder=stamps.folder_utc,
        ),
        Shapes(
            source="thea",
            message_type="BSM",
            framing="lines",
            tables=("messages",),
            shapes=thea.BSM,
            module="intake_cvpilot/decode/thea.py",
            folder=eastern.folder_eastern,
        ),
        Shapes(
            source="thea",
            message_type="SPAT",
            framing="lines",
            tables=("movements",),
            shapes=thea_spat.SPAT,
            module="intake_cvpilot/decode/thea_spat.py",
            folder=eastern.folder_eastern,
        ),
        Shapes(
            source="thea",
            message_type="TIM",
            framing="lines",
            tables=("frames",),
            shapes=thea_tim.TIM,
            module="intake_cvpilot/decode/thea_tim.py",
            folder=eastern.folder_eastern,
        ),
        nycdot.Events(
            source="nycdot",
            message_type="EVENT",
            framing="objects",
            tables=("events", "bsms"),
            shapes=nycdot.EVENT,
            module="intake_cvpilot/decode/nycdot.py",
            folder=nycdot_bins.folder,
        ),
    )
    return {(shapes.source, shapes.message_type): shapes for shapes in known}


def decoded() -> tuple[tuple[str, str], ...]:
    """The pairs of source and message type that can be decoded, without aliases."""
    return tuple(_registry())


@cache
def shapes_for(source: str, message_type: str) -> Shapes:
    """The raw shapes of a source and message type.

    Parameters
    ----------
    source, message_type : str
        In the archive's spelling.

    Raises
    ------
    NotImplementedError
        For a pair that is not decoded yet; the message names those that are.
    """
    found = _registry().get((_ALIASES.get(source, source), message_type))
    if found is not None and source in _ROWS:
        # A row of the data portal is given its record's form before it is read: one a line.
        return replace(found, framing="lines", in_order=False)
    if found is None:
        names = ", ".join(f"{a} {b}" for a, b in decoded())
        raise NotImplementedError(
            f"{source} {message_type} is not decoded yet; decoded today: {names}"
        )
    return found
