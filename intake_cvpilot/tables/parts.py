"""A block's rows of one table to one Parquet file, the same bytes for the same rows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from intake_cvpilot.tables.encoding import encodings, lean, searched
from intake_cvpilot.tables.repeats import repeats

if TYPE_CHECKING:
    from pathlib import Path

    from intake_cvpilot.tables.column import Table

__all__ = ["ROW_GROUP", "finish", "hashes", "write"]

ROW_GROUP: Final = 16 * 2**10
"""Rows of a row group: an hour of a day is a few of them, so that statistics prune."""


def finish(chunks: list[pa.Table], table: Table) -> pa.Table:
    """Sort the rows of all chunks, mark repeats and give the table its types.

    Parameters
    ----------
    chunks : list of pyarrow.Table
        Rows as ``Sheet.convert`` gives them; the list is emptied.
    table : Table
        The table.
    """
    rows = _sorted(chunks, table)
    if "is_repeat" in table.names:
        index = rows.schema.get_field_index("is_repeat")
        rows = rows.set_column(index, rows.schema.field(index), pa.array(repeats(rows, table)))
    arrays = [_typed(rows.column(column.name), column) for column in table.columns]
    return pa.table(arrays, schema=table.schema)


def _sorted(chunks: list[pa.Table], table: Table) -> pa.Table:
    """Rows in the table's order, made column by column: they are held twice, and no more."""
    rows = pa.concat_tables(chunks)
    chunks.clear()
    schema = rows.schema
    keys = rows.select(table.order).combine_chunks()
    # Nulls stand last by default.
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in table.order])
    del keys
    columns = []
    for _ in schema:
        column = rows.column(0).combine_chunks()
        rows = rows.remove_column(0)
        columns.append(column.take(order))
    return pa.table(columns, schema=schema)


def _typed(values: pa.ChunkedArray, column: Any) -> pa.Array | pa.ChunkedArray:
    if not column.is_enum:
        return values
    if column.categories is None:
        return values.cast(pa.string()).combine_chunks().dictionary_encode()
    known = pa.array(column.categories, type=pa.string())
    codes = pc.index_in(values.combine_chunks(), value_set=known)
    if codes.null_count != values.null_count:
        raise ValueError(f"{column.name} holds a name beyond its closed list")
    return pa.DictionaryArray.from_arrays(codes, known)


def write(rows: pa.Table, path: Path, *, codec: str, level: int | None) -> None:
    """Write a part; page checksums are on.

    Parameters
    ----------
    rows : pyarrow.Table
        Finished rows.
    path : Path
        File to write; it is removed when writing fails.
    codec, level : str, int or None
        Compression.  They change the bytes and nothing else.
    """
    dictionaries, others = encodings(rows.schema)
    try:
        pq.write_table(
            pa.Table.from_arrays(rows.columns, schema=lean(rows.schema)),
            path,
            row_group_size=ROW_GROUP,
            compression=codec,
            compression_level=level,
            write_page_checksum=True,
            write_statistics=searched(rows.schema),
            use_dictionary=dictionaries,
            column_encoding=others,
            store_schema=True,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def hashes(path: Path) -> tuple[str, str]:
    """SHA-256 (hex) of a Parquet file, and of its footer: metadata, its length and the magic."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
        size = stream.tell()
        stream.seek(size - 8)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(size - 8 - length)
        return digest.hexdigest(), hashlib.sha256(stream.read()).hexdigest()
