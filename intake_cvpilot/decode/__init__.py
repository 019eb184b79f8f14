"""Bytes to raw records: framing, strict JSON, raw shapes of each source.  Knows no archive or cache."""

from __future__ import annotations

from functools import cache

from intake_cvpilot.decode.shape import Shapes

__all__ = ["decoded", "shapes_for"]

_ALIASES = {"wydot_backup": "wydot"}


@cache
def _registry() -> dict[tuple[str, str], Shapes]:
    from intake_cvpilot.decode import stamps, wydot

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
    )
    return {(shapes.source, shapes.message_type): shapes for shapes in known}


def decoded() -> tuple[tuple[str, str], ...]:
    """The pairs of source and message type that can be decoded, without aliases."""
    return tuple(_registry())


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
    if found is None:
        names = ", ".join(f"{a} {b}" for a, b in decoded())
        raise NotImplementedError(
            f"{source} {message_type} is not decoded yet; decoded today: {names}"
        )
    return found
