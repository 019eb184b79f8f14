"""Traveler information of Tampa (thea): every value a raw J2735 text."""

from __future__ import annotations

from typing import Any, Final

from intake_cvpilot.decode.shape import Group, Row, Shape
from intake_cvpilot.decode.thea import METADATA, absorb, content
from intake_cvpilot.decode.tim import Form
from intake_cvpilot.decode.tim_walk import message

__all__ = ["TIM"]

_FORM: Final = Form(
    Group(METADATA, absorb=absorb("tim", 32771)),
    ("event_time", "repeated_hour"),
    usual="payload.data.TravelerInformation",
    duration="duratonTime",
)


def _rows(record: dict[str, Any], raw: bytes) -> list[Row]:
    found = message(record, _FORM.usual)
    # ``content`` says why there is none.
    item, path = found or (content(record, "tim"), _FORM.usual)
    return _FORM.rows(record, item, path, len(raw))


TIM: Final = (Shape((1,), (_FORM.layout,), _rows, ("_generated",)),)
"""The only version."""
