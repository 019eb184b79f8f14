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


def parsed(version: str) -> tuple[int, int]:
    """The numbers of ``major.minor``."""
    major, minor = version.split(".")
    return int(major), int(minor)


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
    since: str = ""
    """major.minor of the table in which it was added; empty: it was there in x.0."""

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

    def __post_init__(self) -> None:
        """Refuse a minor version that is none: older parts must read as tables of this one."""
        for column in self.columns:
            if column.since and not (
                column.nullable
                and column.name not in (*self.order, *self.same)
                and parsed(self.version)[0] == parsed(column.since)[0]
                and 0 < parsed(column.since)[1] <= parsed(self.version)[1]
            ):
                raise ValueError(
                    f"{self.name}.{column.name} cannot be added in {column.since} to a table of "
                    f"version {self.version}: it is nullable, decides no order, and is of a minor "
                    "version between"
                )

    def added(self, after: str) -> tuple[Column, ...]:
        """The columns that a version of the same major lacks."""
        known = parsed(after)
        return tuple(c for c in self.columns if c.since and parsed(c.since) > known)

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
