"""Pieces as a lazy Polars frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from intake_cvpilot.extras import need
from intake_cvpilot.frames.arrow import checked
from intake_cvpilot.frames.naming import schema_of, streamed
from intake_cvpilot.frames.where import Dialect, render

if TYPE_CHECKING:
    import polars as pl

    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["dialect", "to_polars"]


def to_polars(found: Sequence[Piece], chosen: Selection) -> pl.LazyFrame:
    """Give the rows of some parts as a lazy frame.

    Polars reads the files itself, after each one's whole hash was checked.  Under the data portal's
    names, and where a filter is an Arrow expression, it is given the rows part by part.

    Raises
    ------
    MissingExtraError
        Polars is not installed.
    PartitionChangedError, DamagedError
        A part has gone, or is not what its manifest says.
    """
    polars = need("polars", "polars")
    if not found:
        empty: pl.LazyFrame = polars.from_arrow(schema_of(chosen).empty_table()).lazy()
        return empty
    if chosen.portal or chosen.where is None:
        return _streamed(found, chosen)
    paths = checked(found, chosen.table)
    whole = polars.from_arrow(chosen.table.schema.empty_table()).schema
    frame: pl.LazyFrame = polars.scan_parquet(
        paths, schema=whole, missing_columns="insert", glob=False, hive_partitioning=False
    )
    rows = render(chosen.where, dialect())
    return (frame if rows is None else frame.filter(rows)).select(chosen.columns)


def dialect() -> Dialect:
    """Give how Polars writes conditions."""
    polars = need("polars", "polars")
    return Dialect(
        polars.col, polars.lit, lambda column, some: column.is_in(some), lambda c: c.is_null()
    )


def _streamed(found: Sequence[Piece], chosen: Selection) -> pl.LazyFrame:
    polars = need("polars", "polars")
    from polars.io.plugins import register_io_source

    def parts(
        columns: list[str] | None, predicate: Any, most: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = most
        for data in streamed(found, chosen, columns):
            frame: pl.DataFrame = polars.from_arrow(data)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(
        parts, schema=polars.from_arrow(schema_of(chosen).empty_table()).schema
    )
