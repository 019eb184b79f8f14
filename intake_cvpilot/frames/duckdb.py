"""Pieces as a DuckDB relation over exactly the committed files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from intake_cvpilot.extras import need
from intake_cvpilot.frames.arrow import checked
from intake_cvpilot.frames.naming import schema_of, streamed
from intake_cvpilot.frames.parquet import plain
from intake_cvpilot.frames.where import Dialect, render

if TYPE_CHECKING:
    import duckdb

    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["dialect", "to_duckdb"]


def to_duckdb(
    found: Sequence[Piece], chosen: Selection, connection: duckdb.DuckDBPyConnection | None = None
) -> duckdb.DuckDBPyRelation:
    """Give the rows of some parts as a relation.

    DuckDB reads the files itself, after each one's whole hash was checked.  Under the data portal's
    names, and where a filter is an Arrow expression, it is given the rows part by part.

    Parameters
    ----------
    found : sequence of Piece
        The parts, in order.
    chosen : Selection
        Rows and columns.
    connection : duckdb.DuckDBPyConnection, optional
        Whose relation it is; None for one of its own, in memory, whose time zone is UTC.

    Raises
    ------
    MissingExtraError
        DuckDB is not installed.
    PartitionChangedError, DamagedError
        A part has gone, or is not what its manifest says.
    """
    engine = need("duckdb", "duckdb")
    if connection is None:
        connection = engine.connect()
        connection.execute("SET TimeZone = 'UTC'")
    if not found or chosen.portal or chosen.where is None:
        return connection.from_arrow(_Stream(found, chosen))
    paths = checked(found, chosen.table)
    relation = connection.read_parquet(paths, union_by_name=True, hive_partitioning=False)
    lacking = [name for name in chosen.table.names if name not in relation.columns]
    if lacking:  # parts of an earlier version of the table
        nulls = {name: pa.nulls(1, chosen.table.schema.field(name).type) for name in lacking}
        relation = relation.cross(connection.from_arrow(plain(pa.table(nulls))))
    rows = render(chosen.where, dialect())
    if rows is not None:
        relation = relation.filter(rows)
    return relation.select(*map(engine.ColumnExpression, chosen.columns))


def dialect() -> Dialect:
    """Give how DuckDB writes conditions."""
    engine = need("duckdb", "duckdb")
    return Dialect(
        engine.ColumnExpression,
        engine.ConstantExpression,
        lambda column, some: column.isin(*map(engine.ConstantExpression, some)),
        lambda column: column.isnull(),
    )


class _Stream:
    """Rows part by part, anew for each run of a query."""

    def __init__(self, found: Sequence[Piece], chosen: Selection) -> None:
        self.found, self.chosen = found, chosen
        self.schema = plain(schema_of(chosen).empty_table()).schema

    def __arrow_c_schema__(self) -> Any:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        reader = pa.RecordBatchReader.from_batches(self.schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for data in streamed(self.found, self.chosen):
            yield from plain(data).to_batches()
