"""Committed parts as frames of several engines; all lazy where the engine is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from intake_cvpilot.frames.engines import open_duckdb, open_geopandas, open_polars, open_spark
from intake_cvpilot.frames.exporting import Export, export
from intake_cvpilot.frames.open import open_arrow, open_dask, open_pandas
from intake_cvpilot.frames.raw import RawLine, open_raw

__all__ = [
    "OPENERS",
    "Export",
    "RawLine",
    "export",
    "open_arrow",
    "open_dask",
    "open_duckdb",
    "open_geopandas",
    "open_pandas",
    "open_polars",
    "open_raw",
    "open_spark",
]

OPENERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "arrow": open_arrow,
        "dask": open_dask,
        "duckdb": open_duckdb,
        "pandas": open_pandas,
        "polars": open_polars,
        "spark": open_spark,
    }
)
"""Every opener that gives a table as it is, by the name of its engine."""
