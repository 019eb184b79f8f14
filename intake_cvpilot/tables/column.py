"""What a column and a table are: Arrow types with unit, meaning and raw paths as field metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import pyarrow as pa

__all__ = ["ENUM", "TIMESTAMP", "Column", "Table"]

ENUM: Final = pa.dictionary(pa.int32(), pa.string())
"""Type of every enumeration column."""
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
"""Type of every instant."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    """Its name."""
    type: pa.DataType
    """Its Arrow type."""
    description: str
    """What it holds, in a sentence."""
    unit: str = ""
    """Unit of its numbers; empty where it has none.  Nested columns say it for each field."""
    standard: str = ""
    """The SAE J2735 data element or the ODE field that it comes from."""
    nullable: bool = True
    """Whether a cell can be null, which means "not available"."""
    categories: tuple[str, ...] | None = None
    """The full list of a closed enumeration, in the standard's order; None for any other column."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Raw path of the value, for each source."""
    portal_name: str = ""
    """The name that the data portal gives it."""

    @property
    def is_enum(self) -> bool:
        """Whether it is an enumeration, open or closed."""
        return bool(pa.types.is_dictionary(self.type))

    @property
    def arrow(self) -> pa.Field:
        """The Arrow field, with metadata."""
        words = {
            "description": self.description,
            "unit": self.unit,
            "standard": self.standard,
            "path": json.dumps(dict(self.paths), sort_keys=True) if self.paths else "",
            "portal_name": self.portal_name,
            "categories": json.dumps(self.categories) if self.categories else "",
        }
        metadata = {key: value for key, value in words.items() if value}
        return pa.field(self.name, self.type, nullable=self.nullable, metadata=metadata)


@dataclass(frozen=True)
class Table:
    """One table: its columns, its order of rows and what makes a repeat."""

    name: str
    """Its name."""
    version: str
    """major.minor; a change of major makes stored parts stale."""
    description: str
    """What one row is."""
    columns: tuple[Column, ...]
    """Its columns, in order."""
    order: tuple[str, ...]
    """Columns that rows are sorted by, nulls last."""
    same: tuple[str, ...] = ()
    """Leading columns of ``order`` in which repeats always agree."""
    own: frozenset[str] = frozenset()
    """Columns in which repeats may differ."""
    moving: tuple[str, ...] = ()
    """Instants that were placed by event_time and move with it by whole hours."""

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema with field metadata; equal for every partition."""
        return pa.schema(
            [column.arrow for column in self.columns],
            metadata={"table": self.name, "table_version": self.version},
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of a name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
