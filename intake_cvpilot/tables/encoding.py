"""How a part's columns are written: chosen by measurement, which is in docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

__all__ = ["encodings", "lean", "searched"]

_DELTA: Final = frozenset(
    {
        *("event_time", "sent_time", "sec_mark"),
        *("bundle_id", "record_id", "serial_number", "line"),
    }
)
"""Instants in order, and numbers that count up: neighbours differ by little."""
_PATH: Final = "path_history.list.element."
_SPLIT: Final = frozenset(
    {
        *("latitude", "longitude", "receiver_latitude", "receiver_longitude"),
        *("accuracy_orientation", f"{_PATH}latitude_offset", f"{_PATH}longitude_offset"),
    }
)
"""Doubles of which hardly two are equal: their bytes are grouped by place, so that the first ones,
which are alike, compress."""


def encodings(schema: pa.Schema) -> tuple[list[str], dict[str, str]]:
    """Give the columns with a dictionary, and the encodings of the others, by their paths.

    All other columns, nested ones included, have few values: a dictionary pays, and where it does
    not the writer gives it up by itself.
    """
    paths = [path for field in schema for path in _leaves(field.name, field.type)]
    chosen = {path: "DELTA_BINARY_PACKED" for path in paths if path in _DELTA}
    chosen |= {path: "BYTE_STREAM_SPLIT" for path in paths if path in _SPLIT}
    return [path for path in paths if path not in chosen], chosen


def searched(schema: pa.Schema) -> list[str]:
    """Give the columns with statistics: no reader skips rows by those of nested ones."""
    return [field.name for field in schema if not pa.types.is_nested(field.type)]


def lean(schema: pa.Schema) -> pa.Schema:
    """Give a schema whose fields carry their unit and no more of their metadata.

    Descriptions and paths are four fifths of a footer, 32 kB in each part of a BSM day.  The
    reader gives every field its full metadata from the table's definition.
    """
    fields = [
        field.with_metadata({b"unit": field.metadata[b"unit"]})
        if field.metadata and b"unit" in field.metadata
        else field.remove_metadata()
        for field in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    """Give the paths of a column's leaves as Parquet writes them."""
    if pa.types.is_map(kind):
        yield from _leaves(f"{path}.key_value.key", kind.key_type)
        yield from _leaves(f"{path}.key_value.value", kind.item_type)
    elif pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path
