"""Pieces as Arrow tables and datasets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from intake_cvpilot.cache.store import local, read_file

if TYPE_CHECKING:
    from intake_cvpilot.frames.select import Piece, Selection
    from intake_cvpilot.tables import Table

__all__ = ["checked", "empty_table", "read_piece", "to_dataset"]


def read_piece(
    piece: Piece, table: Table, columns: Sequence[str], rows: pc.Expression | None
) -> pa.Table:
    """Read the asked rows and columns of one part, checked.

    Raises
    ------
    PartitionChangedError
        The part has gone and the partition no longer has it.
    DamagedError
        The part is not what its manifest says.
    """
    read: Any = read_file(
        piece.layout,
        piece.key,
        piece.file,
        columns=list(columns),
        filter=rows,
        schema=table.schema,
        verify=piece.verify,
    )
    return read


def empty_table(table: Table, columns: Sequence[str]) -> pa.Table:
    """Give some of a table's columns without rows."""
    return pa.schema([table.schema.field(name) for name in columns]).empty_table()


def to_dataset(
    found: Sequence[Piece], chosen: Selection, about: Mapping[str, str] | None = None
) -> ds.Dataset:
    """Give the parts as a dataset, after each file's whole hash was checked.

    Under the data portal's names, which are computed, the dataset's rows are in memory.

    Parameters
    ----------
    found, chosen : sequence of Piece, Selection
        What to read.
    about : mapping of str to str, optional
        What the schema says of the rows beside table and version: their source and archive.

    Raises
    ------
    PartitionChangedError, DamagedError
        A part has gone, or is not what its manifest says.
    """
    if chosen.portal:
        from intake_cvpilot.frames.naming import schema_of, streamed

        return ds.dataset([schema_of(chosen).empty_table(), *streamed(found, chosen)])
    paths = checked(found, chosen.table)
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    # A dataset can only filter by columns of its schema; the text of an expression names them.
    rows = str(chosen.rows) if chosen.rows is not None else ""
    needed = [name for name in chosen.table.schema.names if re.search(rf"\b{name}\b", rows)]
    names = dict.fromkeys([*chosen.columns, *needed])
    files = ds.FileSystemDataset.from_paths(
        paths,
        schema=pa.schema(
            [chosen.table.schema.field(name) for name in names],
            metadata={**(chosen.table.schema.metadata or {}), **(about or {})},
        ),
        format=ds.ParquetFileFormat(default_fragment_scan_options=options),
        filesystem=LocalFileSystem(),
    )
    return files if chosen.rows is None else files.filter(chosen.rows)


def checked(found: Sequence[Piece], table: Table) -> list[str]:
    """Give the files of some parts to an engine that reads them itself, after every check.

    Raises
    ------
    PartitionChangedError, DamagedError
        A part has gone, or is not what its manifest says.
    """
    for piece in found:
        if piece.layout.store is None:  # else its copy is checked when it is made
            read_piece(piece, table, [], None)  # no column, but every check
    return [str(local(piece.layout, piece.key, piece.file)) for piece in found]
