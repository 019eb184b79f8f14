"""How the data portal writes what basic safety messages hold: sizes, bit strings, paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from intake_cvpilot.decode import j2735
from intake_cvpilot.decode.j2735 import mass
from intake_cvpilot.tables.portal_forms import Each, as_json

__all__ = [
    "bit",
    "bits",
    "centimetres",
    "decoded_radius",
    "flags",
    "mass_step",
    "published",
    "raw_points",
    "raw_radius",
    "unavailable",
    "zero_or_one",
]

_CRUMB: Final = (
    ("elevationOffset", "elevation_offset", j2735.VERTICAL_OFFSET),
    ("latOffset", "latitude_offset", j2735.OFFSET_LL),
    ("lonOffset", "longitude_offset", j2735.OFFSET_LL),
    ("timeOffset", "time_offset", j2735.TIME_OFFSET),
)


def centimetres(width: float | None, length: float | None) -> str | None:
    """Width and length in whole centimetres."""
    sizes = {"width": width, "length": length}
    known = {name: round(value * 100) for name, value in sizes.items() if value is not None}
    return as_json(known) if known else None


def unavailable(*brakes: bool | None) -> bool:
    """Whether nothing is known of any wheel."""
    return all(brake is None for brake in brakes)


def flags(known: Sequence[str]) -> Each:
    """An object of all flags, as Wyoming publishes bit strings."""

    def make(found: list[str] | None) -> str | None:
        return None if found is None else as_json({name: name in found for name in known})

    return Each(make=make)


def bits(known: Sequence[str]) -> Each:
    """Text of 0 and 1, bit 0 first, as Tampa publishes bit strings."""

    def make(found: list[str] | None) -> str | None:
        return None if found is None else "".join("01"[name in found] for name in known)

    return Each(make=make, back=lambda value: value)


def published(points: list[dict[str, float | None]] | None) -> str | None:
    """A path in degrees, metres and seconds."""
    return None if points is None else as_json([_crumb(point) for point in points])


def _crumb(point: dict[str, float | None]) -> dict[str, float]:
    return {key: v for key, name, _ in _CRUMB if (v := point[name]) is not None}


def raw_points(points: list[dict[str, float | None]] | None) -> str | None:
    """A path in raw units, as texts."""
    if points is None:
        return None
    return as_json(
        [
            {
                key: str(round(v / element.step))
                for key, name, element in _CRUMB
                if (v := point[name]) is not None
            }
            for point in points
        ]
    )


def zero_or_one(value: Any) -> Any:
    """True or false of Tampa's 0 and 1."""
    return {"0": False, "1": True}.get(str(value), value)


def bit(value: bool | None) -> str | None:  # noqa: FBT001 -- a cell
    """Tampa's 0 or 1."""
    return None if value is None else "01"[value]


def decoded_radius(radius: float | None, straight: bool | None) -> float | None:  # noqa: FBT001
    """Wyoming's radius: 0.0 for a straight path."""
    return 0.0 if straight else radius


def raw_radius(radius: float | None, straight: bool | None) -> int | None:  # noqa: FBT001
    """Tampa's radius in tenths of a metre: 32767 for a straight path."""
    return 32767 if straight else None if radius is None else round(radius * 10)


_STEPS: Final = {mass(raw): raw for raw in range(253, -1, -1)}


def mass_step(kilograms: float | None) -> int | None:
    """The step of the standard that a mass is of."""
    return None if kilograms is None else _STEPS.get(int(kilograms))
