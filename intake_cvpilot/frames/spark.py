"""Pieces as a PySpark frame."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from intake_cvpilot.errors import MissingExtraError
from intake_cvpilot.extras import need
from intake_cvpilot.frames.arrow import checked
from intake_cvpilot.frames.naming import named, read_columns, schema_of
from intake_cvpilot.frames.where import Dialect, render

if TYPE_CHECKING:
    import pyarrow.compute as pc
    from pyspark.sql import DataFrame, SparkSession

    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["dialect", "session_of", "spark_type", "to_spark"]

_TYPES: Final = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.string(): "string",
}


def to_spark(
    found: Sequence[Piece], chosen: Selection, session: SparkSession | None = None
) -> DataFrame:
    """Give the rows of some parts as a frame.

    Spark reads the files itself, after each one's whole hash was checked here.  Under the data
    portal's names, and where a filter is an Arrow expression, its Python workers convert the rows:
    there this package must be installed, too.

    Parameters
    ----------
    found : sequence of Piece
        The parts, in order.
    chosen : Selection
        Rows and columns.
    session : pyspark.sql.SparkSession, optional
        Whose frame it is; None for the active session, else a new one.

    Raises
    ------
    MissingExtraError
        PySpark is not installed, or finds no Java that starts.
    PartitionChangedError, DamagedError
        A part has gone, or is not what its manifest says.
    """
    session = session_of(session)
    if not found:
        empty: DataFrame = session.createDataFrame([], ddl(schema_of(chosen)))
        return empty
    paths = [_escaped(path) for path in checked(found, chosen.table)]
    frame = (
        session.read.schema(ddl(chosen.table.schema))
        .option("parquet.page.verify-checksum.enabled", "true")
        .option("recursiveFileLookup", "true")
        .parquet(*paths)
    )
    rows = render(chosen.where or (), dialect())
    if rows is not None:
        frame = frame.where(rows)
    if not chosen.portal and chosen.where is not None:
        return frame.select(*chosen.columns)
    wanted = read_columns(chosen)
    if chosen.where is None:
        wanted = list(chosen.table.names)  # the expression may ask for any of them
    convert = _converter(chosen, wanted, chosen.rows if chosen.where is None else None)
    return frame.select(*wanted).mapInArrow(convert, ddl(schema_of(chosen)))


def dialect() -> Dialect:
    """Give how Spark writes conditions; it needs an active session."""
    functions = need("pyspark.sql.functions", "spark")
    return Dialect(
        functions.col,
        functions.lit,
        lambda column, some: column.isin(some),
        lambda column: column.isNull(),
    )


def session_of(given: SparkSession | None) -> SparkSession:
    """Give the session to use: the caller's, the active one, else a new one.

    Raises
    ------
    MissingExtraError
        PySpark is not installed, or finds no Java that starts.
    """
    sql = need("pyspark.sql", "spark")
    return given or sql.SparkSession.getActiveSession() or _local()


def _local() -> SparkSession:
    """A session of our own, whose Python workers are this Python and not the first in the path."""
    failed = need("pyspark.errors", "spark").PySparkRuntimeError
    try:
        started: SparkSession = need("pyspark.sql", "spark").SparkSession.builder.getOrCreate()
    except (failed, OSError) as error:
        raise MissingExtraError(
            f"Spark did not start ({error}). It needs Java 17 or later: install it, and have "
            "`java` in the path or let JAVA_HOME name its folder; or give a session="
        ) from error
    if (started.sparkContext.master or "").startswith("local"):
        started.sparkContext.pythonExec = sys.executable
    return started


def _converter(
    chosen: Selection, wanted: Sequence[str], rows: pc.Expression | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    schema = pa.schema([chosen.table.schema.field(name) for name in wanted])
    given = pa.schema(
        [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    )

    def convert(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            # Spark gives its own names to the inside of nested types, and its zone to instants.
            data = pa.Table.from_batches([batch]).cast(given).cast(schema)
            if rows is not None:
                data = data.filter(rows)
            out = named(data, chosen)
            yield from plain_batches(out)

    return convert


def plain_batches(data: pa.Table) -> list[pa.RecordBatch]:
    """Give rows with enumerations as text."""
    from intake_cvpilot.frames.parquet import plain

    batches: list[pa.RecordBatch] = plain(data).combine_chunks().to_batches()
    return batches


def ddl(schema: pa.Schema) -> str:
    """Give Spark's schema of an Arrow schema, as text."""
    return ", ".join(f"`{field.name}` {spark_type(field.type)}" for field in schema)


def spark_type(kind: pa.DataType) -> str:
    """Give Spark's name of an Arrow type of our tables."""
    if pa.types.is_dictionary(kind):
        return spark_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_map(kind):
        return f"map<{spark_type(kind.key_type)}, {spark_type(kind.item_type)}>"
    if pa.types.is_list(kind):
        return f"array<{spark_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        inner = (kind.field(number) for number in range(kind.num_fields))
        return f"struct<{', '.join(f'{f.name}: {spark_type(f.type)}' for f in inner)}>"
    return _TYPES[kind]


def _escaped(path: str) -> str:
    """A path in which nothing is a pattern of Spark's."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)
