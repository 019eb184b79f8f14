"""Open a range with an engine of the caller's choice; each is an optional extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from intake_cvpilot.extras import need
from intake_cvpilot.frames.open import opened
from intake_cvpilot.options import FrameOptions, with_options

if TYPE_CHECKING:
    import duckdb
    import geopandas as gpd
    import polars as pl
    from pyspark.sql import DataFrame, SparkSession

__all__ = [
    "DuckDBOptions",
    "SparkOptions",
    "open_duckdb",
    "open_geopandas",
    "open_polars",
    "open_spark",
]


class DuckDBOptions(FrameOptions, total=False):
    """Keyword arguments of `open_duckdb`."""

    connection: Any
    """The DuckDB connection whose relation it is; None (default) for one in memory."""


class SparkOptions(FrameOptions, total=False):
    """Keyword arguments of `open_spark`."""

    session: SparkSession | None
    """The Spark session; None (default) for the active one, else a new one."""


@with_options(FrameOptions)
def open_polars(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[FrameOptions],
) -> pl.LazyFrame:
    """Open a range as a lazy Polars frame; what is missing is fetched first.

    Needs the extra ``polars``.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    **options
        Of the frame: ``columns`` (names, in this order; None for all), ``filters`` (a list of
        ``(column, op, value)``, values in the columns' units, times aware), ``outside`` ("keep"
        gives rows that lie in another day's folder), ``repeats`` ("drop" leaves out exact
        repeats), ``table`` and ``names``: `FrameOptions`.
        Of the data: ``archive``, ``cache_dir``, ``offline``, ``refresh`` and others:
        `intake_cvpilot.options.Options`.

    Returns
    -------
    polars.LazyFrame
        The rows of `open_dask`, SI units, UTC, part by part; enumerations are Categorical.

    Raises
    ------
    MissingExtraError
        Polars is not installed.
    InvalidRequestError, PartitionsFailedError, ArchiveError, CacheError
        As for `open_dask`.

    Examples
    --------
    >>> open_polars("wydot", "BSM", "2021-04-01", "2021-04-01").collect()  # doctest: +SKIP
    """
    need("polars", "polars")
    from intake_cvpilot.frames.polars import to_polars

    found = opened(source, message_type, start, end, options)
    return to_polars(found.pieces, found.selection)


@with_options(DuckDBOptions)
def open_duckdb(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[DuckDBOptions],
) -> duckdb.DuckDBPyRelation:
    """Open a range as a DuckDB relation over the committed files; what is missing is fetched.

    Needs the extra ``duckdb``.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    **options
        Of the frame: ``columns`` (names, in this order; None for all), ``filters`` (a list of
        ``(column, op, value)``, values in the columns' units, times aware), ``outside`` ("keep"
        gives rows that lie in another day's folder), ``repeats`` ("drop" leaves out exact
        repeats), ``table`` and ``names``: `DuckDBOptions`.
        Of the data: ``archive``, ``cache_dir``, ``offline``, ``refresh`` and others:
        `intake_cvpilot.options.Options`.

    Returns
    -------
    duckdb.DuckDBPyRelation
        The rows of `open_dask`, SI units, in no order; instants are TIMESTAMP WITH TIME ZONE,
        enumerations VARCHAR.

    Raises
    ------
    MissingExtraError
        DuckDB is not installed.
    InvalidRequestError, PartitionsFailedError, ArchiveError, CacheError
        As for `open_dask`.

    Examples
    --------
    >>> rows = open_duckdb("wydot", "BSM", "2021-04-01", "2021-04-01")  # doctest: +SKIP
    >>> rows.aggregate("vehicle_id, max(speed)")  # doctest: +SKIP
    """
    need("duckdb", "duckdb")
    from intake_cvpilot.frames.duckdb import to_duckdb

    found = opened(source, message_type, start, end, options)
    return to_duckdb(found.pieces, found.selection, options.get("connection"))


@with_options(SparkOptions)
def open_spark(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[SparkOptions],
) -> DataFrame:
    """Open a range as a PySpark frame over the committed files; what is missing is fetched.

    Needs the extra ``spark`` and Java 17 or later.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    **options
        Of the frame: ``columns`` (names, in this order; None for all), ``filters`` (a list of
        ``(column, op, value)``, values in the columns' units, times aware), ``outside`` ("keep"
        gives rows that lie in another day's folder), ``repeats`` ("drop" leaves out exact
        repeats), ``table`` and ``names``: `SparkOptions`.
        Of the data: ``archive``, ``cache_dir``, ``offline``, ``refresh`` and others:
        `intake_cvpilot.options.Options`.

    Returns
    -------
    pyspark.sql.DataFrame
        The rows of `open_dask`, SI units, in no order; enumerations are strings.  Spark shows
        instants in the zone of its session.

    Raises
    ------
    MissingExtraError
        PySpark is not installed, or finds no Java that starts.
    InvalidRequestError, PartitionsFailedError, ArchiveError, CacheError
        As for `open_dask`.

    Examples
    --------
    >>> open_spark("wydot", "BSM", "2021-04-01", "2021-04-01").count()  # doctest: +SKIP
    """
    need("pyspark", "spark")
    from intake_cvpilot.frames.spark import session_of, to_spark

    session = options.get("session")
    found = opened(source, message_type, start, end, options, lambda _: session_of(session))
    return to_spark(found.pieces, found.selection, session)


@with_options(FrameOptions)
def open_geopandas(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[FrameOptions],
) -> gpd.GeoDataFrame:
    """Read a range into a GeoPandas frame; what is missing is fetched first.

    Needs the extra ``geo``.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`; the table is one with positions on earth: messages or frames.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    **options
        Of the frame: ``columns`` (names, in this order; None for all), ``filters`` (a list of
        ``(column, op, value)``, values in the columns' units, times aware), ``outside`` ("keep"
        gives rows that lie in another day's folder), ``repeats`` ("drop" leaves out exact
        repeats), ``table`` and ``names``: `FrameOptions`.
        Of the data: ``archive``, ``cache_dir``, ``offline``, ``refresh`` and others:
        `intake_cvpilot.options.Options`.

    Returns
    -------
    geopandas.GeoDataFrame
        The rows of `open_pandas` and ``geometry`` in EPSG:4326: the position of a message, or the
        line of a traveler information's path; None where it is not known.

    Raises
    ------
    MissingExtraError
        GeoPandas is not installed.
    InvalidRequestError, PartitionsFailedError, ArchiveError, CacheError
        As for `open_dask`.

    Examples
    --------
    >>> open_geopandas("wydot", "BSM", "2021-04-01", "2021-04-01").plot()  # doctest: +SKIP
    """
    need("geopandas", "geo")
    from intake_cvpilot.frames.geo import kind_of, to_geopandas

    found = opened(source, message_type, start, end, options, lambda it: kind_of(it.table.name))
    return to_geopandas(found.pieces, found.selection)
