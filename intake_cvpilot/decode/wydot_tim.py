"""Traveler information of Wyoming (wydot, wydot_backup): received, broadcast, the ODE's form."""

from __future__ import annotations

from typing import Any, Final

from intake_cvpilot.decode.shape import Group, Row, Shape, object_at
from intake_cvpilot.decode.strict import Rejected
from intake_cvpilot.decode.tim import Form
from intake_cvpilot.decode.tim_walk import message
from intake_cvpilot.decode.wydot import FIRST_METADATA, METADATA, check_zone, one_version

__all__ = ["TIM"]

_USUAL: Final = "payload.data.MessageFrame.value.TravelerInformation"
_BROADCAST: Final = (
    "payload.data.AdvisorySituationData.asdmDetails.advisoryMessage.Ieee1609Dot2Data.content"
    ".unsecuredData.MessageFrame.messageId"
)
_KINDS: Final = (
    "TravelerInformation",
    "us.dot.its.jpo.ode.plugin.j2735.OdeTravelerInformationMessage",
)
_ABSORB: Final = {
    "metadata.payloadType": (
        "us.dot.its.jpo.ode.model.OdeTimPayload",
        "us.dot.its.jpo.ode.model.OdeMsgPayload",
    ),
    "payload.dataType": _KINDS,
    "payload.data.MessageFrame.messageId": (31, "31"),
    _BROADCAST: (31, "31"),
}
_HEAD_RULES: Final = ("tim_payload_time", "event_time", "receiver_position")
_STAMPS: Final = ("recordGeneratedAt", "odeReceivedAt")


def _form(*more: Any) -> Form:
    header = Group((*METADATA, *more), absorb=_ABSORB)
    return Form(header, _HEAD_RULES, usual=_USUAL, duration="durationTime")


_FIRST: Final = _form(*FIRST_METADATA)
_LATER: Final = _form()


def _rows(record: dict[str, Any], raw: bytes, form: Form, stamps: tuple[str, ...]) -> list[Row]:
    found = message(record, form.usual)
    if found is None:
        raise _not_tim(record)
    check_zone(record, *stamps)
    return form.rows(record, *found, len(raw))


def _not_tim(record: dict[str, Any]) -> Rejected:
    payload = object_at(record, "payload") or {}
    data = object_at(payload, "data")
    kind = payload.get("dataType")
    if data and type(kind) is str and kind not in ("", *_KINDS):
        return Rejected("wrong_type", "the payload's dataType is that of another message type")
    if data and any(key in data for key in ("coreData", "SPAT", "alert")):
        return Rejected("wrong_type", "the payload is that of another message type")
    return Rejected("missing_core", "payload.data holds no traveler information")


def _first_rows(record: dict[str, Any], raw: bytes) -> list[Row]:
    one_version(record)
    stamps = ("recordGeneratedAt", "generatedAt", "odeReceivedAt", "receivedAt")
    return _rows(record, raw, _FIRST, stamps)


def _later_rows(record: dict[str, Any], raw: bytes) -> list[Row]:
    return _rows(record, raw, _LATER, _STAMPS)


_REQUIRED: Final = ("_generated",)
TIM: Final = (
    Shape((1, 2), (_FIRST.layout,), _first_rows, _REQUIRED),
    Shape((3, 4, 5, 6), (_LATER.layout,), _later_rows, _REQUIRED),
)
"""Versions 1 and 2 (names of the metadata moved), and 3 to 6."""
