"""Rows to files, batch by batch: Parquet, CSV, NDJSON, GeoParquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from intake_cvpilot.frames.parquet import plain

__all__ = ["ENDINGS", "SUFFIXES", "write"]

SUFFIXES: Final = {
    "parquet": ".parquet",
    "csv": ".csv",
    "ndjson": ".ndjson",
    "geoparquet": ".parquet",
}
"""Formats, and the suffix of their files."""
ENDINGS: Final = {
    "": "parquet",
    ".parquet": "parquet",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".geoparquet": "geoparquet",
}
"""Formats by how the names of files end."""
_ROWS: Final = 50_000


def write(form: str, stream: IO[bytes], schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
    """Write rows as they come.

    Parameters
    ----------
    form : str
        One of `SUFFIXES`.
    stream : file
        Where to.
    schema : pyarrow.Schema
        Of all tables; enumerations become text.
    tables : iterator of pyarrow.Table
        The rows.

    Returns
    -------
    int
        How many rows.
    """
    ways: dict[str, Callable[[IO[bytes], pa.Schema, Iterator[pa.Table]], int]] = {
        "csv": _csv,
        "ndjson": _ndjson,
    }
    return ways.get(form, _parquet)(stream, plain(schema.empty_table()).schema, tables)


def _parquet(stream: IO[bytes], schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
    rows: int = 0
    with pq.ParquetWriter(stream, schema, compression="zstd", write_page_checksum=True) as writer:
        for data in tables:
            if data.num_rows:
                writer.write_table(plain(data).cast(schema))
                rows += data.num_rows
    return rows


def _batches(tables: Iterator[pa.Table]) -> Iterator[list[dict[str, Any]]]:
    for data in tables:
        maps = [field.name for field in data.schema if pa.types.is_map(field.type)]
        for batch in plain(data).to_batches(max_chunksize=_ROWS):
            rows = batch.to_pylist()
            for row in rows:
                row.update({name: dict(row[name]) for name in maps if row[name] is not None})
            yield rows


def _csv(stream: IO[bytes], schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(schema.names)
    rows = 0
    for batch in _batches(tables):
        writer.writerows([[_field(value) for value in row.values()] for row in batch])
        rows += len(batch)
    text.flush()
    text.detach()
    return rows


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return _json(value)
    return _instant(value) if isinstance(value, datetime) else value


def _ndjson(stream: IO[bytes], _: pa.Schema, tables: Iterator[pa.Table]) -> int:
    rows = 0
    for batch in _batches(tables):
        stream.write("".join(f"{_json(row)}\n" for row in batch).encode())
        rows += len(batch)
    return rows


def _json(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_instant
    )


def _instant(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(type(value).__name__)
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
