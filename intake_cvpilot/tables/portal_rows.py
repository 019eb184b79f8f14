"""A row of the data portal back to the record that it was flattened from.

The map of names says where each value stands in the archive's record and how the portal writes it.
The record is then read by the shapes of its source, so that a value means the same whichever
archive it came from.  What the map does not know is kept under its own name, and so is ``:id``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from intake_cvpilot.tables.portal_names import portal_columns

__all__ = ["ROW_ID", "Restore", "restorer"]

ROW_ID: Final = ":id"
"""The portal's own name of a row."""

Restore = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]
"""Takes a row and its bytes; gives the record and the bytes that stand for it."""

_Place = tuple[Callable[[Any], Any], tuple[str, ...]]


@cache
def restorer(source: str, table: str) -> Restore:
    """Give the way back for the rows of a source and message type.

    Parameters
    ----------
    source, table : str
        Whose records the rows are and the first table they make, e.g. ``wydot``, ``messages``.
    """
    known: dict[str, _Place] = {
        column.api_name: (column.form.parse, tuple(column.path.split(".")) if column.path else ())
        for column in portal_columns(source, table).values()
    }
    finish = _FINISH.get((source, table), _same)
    taken = {path[0] for _, path in known.values() if path}

    def restore(row: dict[str, Any], raw: bytes) -> tuple[dict[str, Any], bytes]:
        record: dict[str, Any] = {}
        for name, value in row.items():
            if value is None or value == "":
                continue
            place = known.get(name) or known.get(name.lower())
            if place is None:
                # A name that the record itself uses would be taken for its content.
                record[f":{name}" if name in taken else name] = value
                continue
            parse, path = place
            if path and (found := parse(value)) is not None:
                _put(record, path, found)
        return record, finish(record, raw)

    return restore


def _put(record: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    holder = record
    for step in path[:-1]:
        inner = holder.get(step)
        if type(inner) is not dict:
            # Another column gave this step a plain value: it stays beside, under its own name.
            inner = {} if inner is None else {"": inner}
            holder[step] = inner
        holder = inner
    last = path[-1]
    there = holder.get(last)
    if type(there) is dict and type(value) is dict:
        there.update(value)
    else:
        holder[last] = value


def _same(_record: dict[str, Any], raw: bytes) -> bytes:
    return raw


def _wydot_parts(record: dict[str, Any], raw: bytes) -> bytes:
    """Part II as Wyoming publishes it: a list of ``{id, value}``; and ids of 8 digits.

    The archive turned ids of digits into integers, and the portal those into text.
    """
    data = record.get("payload", {}).get("data", {})
    core = data.get("coreData", {})
    if type(core.get("id")) is str and core["id"].isdigit():
        core["id"] = core["id"].zfill(8)
    if "partII" in data:
        data["partII"] = [{"id": name, "value": body} for name, body in data["partII"].items()]
    return raw


def _event_bytes(record: dict[str, Any], _raw: bytes) -> bytes:
    """What an event's id is the hash of: the event, without the portal's name of the row."""
    said = {name: value for name, value in record.items() if name != ROW_ID}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


_FINISH: Final[dict[tuple[str, str], Callable[[dict[str, Any], bytes], bytes]]] = {
    ("wydot", "messages"): _wydot_parts,
    ("nycdot", "events"): _event_bytes,
}
