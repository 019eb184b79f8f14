"""Intake 2 readers of this library, and what a source hands to other engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intake.readers.readers import BaseReader

from intake_cvpilot.extras import need

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb
    import polars as pl
    from pyspark.sql import DataFrame, SparkSession

    from intake_cvpilot.driver import CVPilotSource
    from intake_cvpilot.frames.open import Opened
    from intake_cvpilot.frames.select import Selection

__all__ = ["CVPilotReader", "Engines"]


class CVPilotReader(BaseReader):  # type: ignore[misc]  # intake has no types
    """Intake 2's view of a source: pipelines, ``.apply`` and plots begin with it.

    Its arguments are those of ``intake.open_cvpilot``; what is written down of it holds no secret.

    Examples
    --------
    >>> reader = CVPilotReader("wydot", "bsm", "2021-04-01", "2021-04-01")
    >>> fast = reader.apply(lambda frame: frame[frame["speed"] > 30])
    """

    output_instance = "dask.dataframe:DataFrame"

    def __init__(
        self,
        source: Any = None,
        message_type: Any = None,
        start: Any = None,
        end: Any = None,
        metadata: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        from intake_cvpilot.driver import CVPilotSource

        given = options.pop("output_instance", None)
        made = CVPilotSource(source, message_type, start, end, **options)
        super().__init__(metadata=metadata, output_instance=given, **made._asked.canonical)  # noqa: SLF001
        self._source = made

    def _read(self, **options: Any) -> Any:
        same = options == self.kwargs
        return (self._source if same else self._source.configure_new(**options)).to_dask()

    def discover(self, **options: Any) -> Any:
        """Give the first rows as a pandas frame."""
        return self.read(**options).head()


class Engines:
    """What a source gives besides dask and pandas frames."""

    def _open(self, before: Callable[[Selection], object] | None = None) -> Opened:
        raise NotImplementedError

    def to_polars(self) -> pl.LazyFrame:
        """Fetch what is missing, then give a lazy Polars frame; see `open_polars`."""
        from intake_cvpilot.frames.polars import to_polars

        need("polars", "polars")
        found = self._open()
        return to_polars(found.pieces, found.selection)

    def to_duckdb(
        self, connection: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Fetch what is missing, then give a DuckDB relation; see `open_duckdb`."""
        from intake_cvpilot.frames.duckdb import to_duckdb

        need("duckdb", "duckdb")
        found = self._open()
        return to_duckdb(found.pieces, found.selection, connection)

    def to_spark(self, session: SparkSession | None = None) -> DataFrame:
        """Fetch what is missing, then give a PySpark frame; see `open_spark`."""
        from intake_cvpilot.frames.spark import session_of, to_spark

        need("pyspark", "spark")
        found = self._open(lambda _: session_of(session))
        return to_spark(found.pieces, found.selection, session)

    def to_reader(self: CVPilotSource) -> CVPilotReader:  # type: ignore[misc]  # mixed in
        """Give an Intake 2 reader of this source, for pipelines, ``.apply`` and plots.

        Returns
        -------
        CVPilotReader
            Producing the frame of `to_dask`.
        """
        reader = CVPilotReader(metadata=dict(self.metadata), **self._asked.canonical)
        reader._source = self  # noqa: SLF001 -- ours; secrets and all
        return reader
