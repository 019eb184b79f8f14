"""Tables and columns in words: what the pages on the tables and ``cvpilot columns`` show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from intake_cvpilot.tables.column import Column, Table

__all__ = ["describe", "type_text"]


def describe(table: Table) -> list[dict[str, Any]]:
    """Give what is known of each column of a table.

    Returns
    -------
    list of dict
        ``name``, ``type``, ``unit``, ``description``, ``standard``, ``categories`` (of a closed
        enumeration, else None), ``nullable``, ``paths`` (raw path by source) and ``portal_name``;
        texts are empty where there is nothing to say.
    """
    return [
        {
            "name": column.name,
            "type": _kind(column),
            "unit": column.unit,
            "description": column.description,
            "standard": column.standard,
            "categories": column.categories,
            "nullable": column.nullable,
            "paths": dict(column.paths),
            "portal_name": column.portal_name,
        }
        for column in table.columns
    ]


def _kind(column: Column) -> str:
    if column.is_enum and column.categories is None:
        return "open enum"  # names beyond those known: text in frames
    return "enum" if column.is_enum else type_text(column.type)


def type_text(kind: pa.DataType) -> str:
    """Write an Arrow type as the documentation does, e.g. ``list of {x: double, y: double}``."""
    if pa.types.is_dictionary(kind):
        return "enum"
    if pa.types.is_map(kind):
        return f"map of {type_text(kind.key_type)} to {type_text(kind.item_type)}"
    if pa.types.is_list(kind):
        return f"list of {type_text(kind.value_type)}"
    if pa.types.is_struct(kind):
        inner = (kind.field(n) for n in range(kind.num_fields))
        return "{" + ", ".join(f"{f.name}: {type_text(f.type)}" for f in inner) + "}"
    if pa.types.is_timestamp(kind):
        return f"timestamp [{kind.unit}, {kind.tz}]"
    return str(kind)
