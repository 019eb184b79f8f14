"""Pieces as one pandas frame in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from intake_cvpilot.frames.arrow import empty_table, read_piece
from intake_cvpilot.frames.choose import TIME
from intake_cvpilot.frames.dtypes import to_pandas
from intake_cvpilot.frames.naming import named, read_columns

if TYPE_CHECKING:
    import pandas as pd

    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["read_pandas"]


def read_pandas(
    found: Sequence[Piece], chosen: Selection, *, index: str | None = None
) -> pd.DataFrame:
    """Read the rows of some parts.

    Parameters
    ----------
    found : sequence of Piece
        The parts, in order of their first row.
    chosen : Selection
        Rows and columns.
    index : str, optional
        ``"event_time"`` to set it as the index.

    Returns
    -------
    pandas.DataFrame
        Sorted by event time where the table has one.
    """
    ordered = TIME in chosen.table.schema.names and len(found) > 1
    columns = read_columns(chosen)
    wanted = list(dict.fromkeys([*columns, *([TIME] if ordered or index else [])]))
    data = pa.concat_tables(
        [
            empty_table(chosen.table, wanted),
            *(read_piece(piece, chosen.table, wanted, chosen.rows) for piece in found),
        ]
    )
    if ordered:
        data = data.sort_by(TIME)  # stable, so the order within a part stays
    given = named(data, chosen)
    if index and index not in given.column_names:
        given = given.append_column(data.schema.field(index), data.column(index))
    return to_pandas(given, chosen.table, index=index)
