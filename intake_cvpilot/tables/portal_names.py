"""Our columns and the data portal's names: one frozen map, used both ways.

The portal flattened the archive's records: its values are the published ones under other names.
An entry says which of our columns hold a value, in which form the portal writes it, and where it
stands in the archive's record.  `to_portal` writes the portal's columns from ours; the way back
is `intake_cvpilot.tables.portal_rows.restorer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

from intake_cvpilot.tables import portal_bsm, portal_event, portal_spat, portal_tim

if TYPE_CHECKING:
    from intake_cvpilot.tables.portal_column import PortalColumn

__all__ = ["needed", "portal_columns", "portal_schema", "to_portal"]

_MAPS = {
    "messages": {"wydot": portal_bsm.WYDOT, "thea": portal_bsm.THEA},
    "frames": {"wydot": portal_tim.WYDOT, "thea": portal_tim.THEA},
    "movements": {"thea": portal_spat.THEA},
    "events": {"nycdot": portal_event.EVENT},
}


@cache
def portal_columns(source: str, table: str) -> dict[str, PortalColumn]:
    """Give the portal's columns of a source's table.

    Parameters
    ----------
    source : str
        In the archive's spelling; wydot_backup has the names of wydot.
    table : str
        ``messages``, ``frames``, ``movements`` or ``events``.

    Returns
    -------
    dict of str to PortalColumn
        By their names in the portal's spelling; empty where the portal has no such table.
    """
    base = source.removesuffix("_portal").removesuffix("_backup")
    found = _MAPS.get(table, {}).get(base, ())
    return {column.name: column for column in found}


def portal_schema(source: str, table: str, names: Sequence[str]) -> pa.Schema:
    """Give the Arrow types of some of the portal's columns."""
    columns = portal_columns(source, table)
    return pa.schema([pa.field(name, columns[name].form.type) for name in names])


def needed(source: str, table: str, names: Sequence[str]) -> list[str]:
    """Give our columns from which some of the portal's are written, each once."""
    columns = portal_columns(source, table)
    return list(dict.fromkeys(one for name in names for one in columns[name].columns))


def to_portal(data: pa.Table, source: str, table: str, names: Sequence[str]) -> pa.Table:
    """Write some of the portal's columns.

    Parameters
    ----------
    data : pyarrow.Table
        Rows of ``table`` with at least the columns that `needed` names.
    source, table : str
        As for `portal_columns`.
    names : sequence of str
        The portal's columns to give, in this order.

    Returns
    -------
    pyarrow.Table
        A row a row; null where ours is null, and in columns that have a ``why_null``.
    """
    columns = portal_columns(source, table)
    schema = portal_schema(source, table, names)
    held: dict[str, pa.Array] = {}
    for name in needed(source, table, names):
        whole = data.column(name).combine_chunks()
        held[name] = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    return pa.table(
        [
            columns[name].form.write(*(held[one] for one in columns[name].columns)).cast(kind)
            if columns[name].columns
            else pa.nulls(data.num_rows, kind)
            for name, kind in zip(schema.names, schema.types, strict=True)
        ],
        schema=schema,
    )
