"""How ordinary records of each shape are told and taken apart as columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.tables.columns import Columns, Mask, mask
from intake_cvpilot.tables.ordinary import Ways

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path

__all__ = ["WAYS"]

_DATA: Final = ("payload", "data")
_PARTS: Final = (*_DATA, "partII")
_EXTENSIONS: Final = ("VehicleSafetyExtensions", "SupplementalVehicleExtensions")
_CRUMBS: Final = ("latOffset", "lonOffset", "elevationOffset", "timeOffset")


def _spelled(path: Path) -> Path:
    """``partII.VehicleSafetyExtensions`` stands as ``value`` within a list."""
    if path[:3] == _PARTS and path[3] in _EXTENSIONS:
        return (*_PARTS, "value", *path[4:])
    return path


def _fold_parts(columns: Columns) -> None:
    """As ``decode.wydot.fold_parts``, of parts that are extensions by their usual names."""
    parts = columns.values.pop(_PARTS, None)
    if parts is None or pa.types.is_null(parts.type):
        return
    if not (pa.types.is_list(parts.type) and pa.types.is_struct(parts.type.value_type)):
        columns.refuse(mask(pc.is_valid(parts)))
        return
    rows = pc.list_parent_indices(parts).to_numpy()
    items = pc.list_flatten(parts)
    inner = dict(zip((field.name for field in items.type), items.flatten(), strict=True))
    names, values = inner.get("id"), inner.get("value")
    if names is None or not pa.types.is_string(names.type):
        names = pa.nulls(len(items), pa.string())
    if values is None:
        values = pa.nulls(len(items))
    usual = np.zeros(len(items), dtype=bool)
    for name in _EXTENSIONS:
        found = mask(pc.equal(names, name))
        usual |= found
        count = np.bincount(rows[found], minlength=columns.length)
        columns.refuse(count > 1)
        if pa.types.is_struct(values.type):
            place = np.zeros(columns.length, dtype=np.int64)
            place[rows[found]] = np.flatnonzero(found)
            columns.place((*_PARTS, name), values.take(pa.array(place, mask=count == 0)))
        else:
            odd = found & mask(pc.is_valid(values))
            columns.refuse(np.bincount(rows[odd], minlength=columns.length) > 0)
    columns.refuse(np.bincount(rows[~usual], minlength=columns.length) > 0)


def _sound(columns: Columns) -> Mask:
    """Rows with a vehicle's id and a stamp in UTC: they are BSM, and no clock is guessed."""
    stamp = columns.get("metadata", "recordGeneratedAt")
    vehicle = columns.get(*_DATA, "coreData", "id")
    if not pa.types.is_string(stamp.type):
        return np.zeros(columns.length, dtype=bool)
    utc = pc.or_(pc.ends_with(stamp, "Z"), pc.ends_with(stamp, "Z[UTC]"))
    return mask(utc) & mask(pc.is_valid(vehicle))


WAYS: Final[Mapping[str, Ways]] = {
    "wydot_bsm": Ways(
        spelled=_spelled,
        lists={
            (*_PARTS,): frozenset({"id", "value"}),
            (*_PARTS, "[]", "value", "pathHistory", "crumbData"): frozenset(_CRUMBS),
        },
        moved=_fold_parts,
        sound=_sound,
    ),
}
"""By the name that a shape gives."""
