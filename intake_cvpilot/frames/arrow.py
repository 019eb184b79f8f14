"""Pieces as Arrow tables and datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.cache.read import read_part

if TYPE_CHECKING:
    from intake_cvpilot.frames.select import Piece
    from intake_cvpilot.tables import Table

__all__ = ["read_piece"]


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
    read: Any = read_part(
        piece.layout.folder(piece.key) / piece.file.name,
        piece.file,
        columns=list(columns),
        filter=rows,
        schema=table.schema,
    )
    return read


def empty_table(table: Table, columns: Sequence[str]) -> pa.Table:
    """Give some of a table's columns without rows."""
    return pa.schema([table.schema.field(name) for name in columns]).empty_table()
