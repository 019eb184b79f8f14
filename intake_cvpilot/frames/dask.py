"""Pieces as one lazy dask frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from intake_cvpilot.frames.arrow import read_piece
from intake_cvpilot.frames.dtypes import empty_frame, to_pandas
from intake_cvpilot.frames.select import TIME, Piece, Selection

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from intake_cvpilot.tables import Table

__all__ = ["to_dask"]


def to_dask(found: Sequence[Piece], chosen: Selection, *, index: str | None = None) -> dd.DataFrame:
    """Give the rows of some parts as a lazy frame.

    Parameters
    ----------
    found : sequence of Piece
        The parts, in order.
    chosen : Selection
        Rows and columns.
    index : str, optional
        ``"event_time"`` for a frame sorted over all partitions with known divisions.

    Returns
    -------
    dask.dataframe.DataFrame
        A partition a part; with an index, a partition a group of parts whose times overlap.
    """
    meta = empty_frame(chosen.table, chosen.columns, index=index)
    groups = overlapping(found) if index == TIME else [(piece,) for piece in found]
    if not groups:
        # dask refuses to map over nothing: a frame of no rows with the same dtypes.
        empty: dd.DataFrame = dd.from_pandas(meta, npartitions=1)  # type: ignore[no-untyped-call]
        return empty
    divisions = bounds(groups, chosen) if index == TIME else None
    # Texts are Arrow's already; dask would put a needless conversion between reading and all else.
    with dask.config.set({"dataframe.convert-string": False}):
        frame: dd.DataFrame = dd.from_map(  # type: ignore[no-untyped-call]
            read_group,
            groups,
            table=chosen.table.name,
            rows=chosen.rows,
            index=index,
            columns=list(meta.columns),
            meta=meta,
            divisions=divisions,
            label="cvpilot",
            enforce_metadata=False,
        )
    return frame


def read_group(
    group: Sequence[Piece],
    *,
    table: str,
    rows: pc.Expression | None,
    index: str | None,
    columns: Sequence[str],
) -> pd.DataFrame:
    """Read the parts of one partition of the frame; dask narrows ``columns`` by itself."""
    from intake_cvpilot.tables import table as table_named

    known: Table = table_named(table)
    wanted = list(dict.fromkeys([*columns, *([index] if index else [])]))
    data = pa.concat_tables([read_piece(piece, known, wanted, rows) for piece in group])
    if len(group) > 1:
        data = data.sort_by(TIME)
    return to_pandas(data, known, index=index)


def overlapping(found: Sequence[Piece]) -> list[tuple[Piece, ...]]:
    """Group parts, in order of their first row, so that no two groups overlap in time."""
    groups: list[list[Piece]] = []
    last = ""
    for piece in sorted(found, key=lambda p: (p.file.start or "", p.file.end or "", p.key)):
        if groups and (piece.file.start or "") <= last:
            groups[-1].append(piece)
        else:
            groups.append([piece])
        last = max(last, piece.file.end or "")
    return [tuple(group) for group in groups]


def bounds(groups: Sequence[Sequence[Piece]], chosen: Selection) -> tuple[pd.Timestamp, ...]:
    """Give the divisions: where each group begins, and where the last one ends."""
    low, high = pd.Timestamp(chosen.start or 0), pd.Timestamp(chosen.end or 0)
    starts = [pd.Timestamp(group[0].file.start or 0) for group in groups]
    last = pd.Timestamp(max(piece.file.end or "" for piece in groups[-1]))
    return tuple(min(max(moment, low), high) for moment in (*starts, last))
