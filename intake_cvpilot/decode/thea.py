"""Raw shapes of Tampa (thea): XER turned into JSON, every payload value a raw J2735 text.

Enumerations are objects of one key (``{"unavailable": null}``), lists of one element are that
element, and times are wall time (see `eastern`).
"""

from __future__ import annotations

from typing import Any, Final

from intake_cvpilot.decode.eastern import EasternStamp
from intake_cvpilot.decode.labels import Name, Text
from intake_cvpilot.decode.readers import Integer
from intake_cvpilot.decode.shape import Cell, object_at
from intake_cvpilot.decode.strict import Rejected

__all__ = ["METADATA", "absorb", "content"]

M: Final = "metadata."
D: Final = "payload.data."

METADATA: Final = (
    Cell("_generated", M + "recordGeneratedAt", EasternStamp(), serves="event_time time_basis"),
    Cell("_payload_time", D + "timeStamp", EasternStamp(), serves="event_time time_basis"),
    Cell("received_time", M + "odeReceivedAt", EasternStamp()),
    Cell("schema_version", M + "schemaVersion", Integer(0, 32767)),
    # Wyoming writes "RSU" for the same kind of device.
    Cell("generated_by", M + "recordGeneratedBy", Text(upper=True)),
    Cell("log_file", M + "logFileName", Text()),
    Cell("log_direction", M + "kind", Name(("in", "out"), frozenset())),
    Cell("rsu_id", M + "RSUID", Text()),
)
"""Of every THEA record.  The rules ``event_time`` and ``repeated_hour`` go with it."""

_KINDS: Final = {"bsm": "coreData", "spat": "SPAT", "tim": "TravelerInformation"}


def absorb(kind: str, psid: int) -> dict[str, tuple[Any, ...]]:
    """Values of the metadata that say nothing in the folder of a message type.

    Parameters
    ----------
    kind : str
        The expected ``metadata.dataType``: bsm, spat or tim.
    psid : int
        The expected provider service identifier.
    """
    return {
        M + "dataType": (kind,),
        M + "psid": (str(psid), psid),
        M + "externalID": ("NA",),
    }


def content(record: dict[str, Any], kind: str) -> dict[str, Any]:
    """The object below ``payload.data`` that makes a record what it is.

    Parameters
    ----------
    record : dict
        The decoded record.
    kind : str
        bsm, spat or tim.

    Returns
    -------
    dict
        ``coreData``, ``SPAT`` or ``TravelerInformation``; never empty.

    Raises
    ------
    Rejected
        ``wrong_type`` for a record of another type, ``missing_core`` when there is nothing.
    """
    key = _KINDS[kind]
    data = object_at(record, "payload", "data") or {}
    found = object_at(data, key)
    if found:
        return found
    named = (object_at(record, "metadata") or {}).get("dataType")
    others = set(_KINDS) - {kind}
    if type(named) is str and named in others:
        raise Rejected("wrong_type", f"metadata.dataType is {named}, not {kind}")
    if any(object_at(data, _KINDS[other]) for other in others):
        raise Rejected("wrong_type", "the payload is that of another message type")
    raise Rejected("missing_core", f"payload.data.{key} is absent or empty")
