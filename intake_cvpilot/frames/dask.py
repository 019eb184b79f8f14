"""Pieces as one lazy dask frame."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from intake_cvpilot.collector import held_back
from intake_cvpilot.frames.arrow import read_piece
from intake_cvpilot.frames.choose import TIME
from intake_cvpilot.frames.dtypes import empty_frame, to_pandas
from intake_cvpilot.frames.groups import Cut, grouped
from intake_cvpilot.frames.naming import named, read_columns, schema_of
from intake_cvpilot.frames.select import Piece, Selection
from intake_cvpilot.tables import table as table_named

if TYPE_CHECKING:
    import pyarrow.compute as pc

__all__ = ["to_dask"]


def to_dask(
    found: Sequence[Piece], chosen: Selection, *, index: str | None = None, cut: Cut = "part"
) -> dd.DataFrame:
    """Give the rows of some parts as a lazy frame.

    Parameters
    ----------
    found : sequence of Piece
        The parts, in order.
    chosen : Selection
        Rows and columns.
    index : str, optional
        ``"event_time"`` for a frame sorted over all partitions with known divisions.
    cut : {"part", "day", "auto"}
        What makes a partition of the frame: a part, a partition of the archive (a day; nycdot: a
        weekday of a month), or neighbouring parts of about 128 MB in memory with all columns.

    Returns
    -------
    dask.dataframe.DataFrame
        With an index, parts whose times overlap are in one partition, whatever the cut.
    """
    meta = meta_of(chosen.table.name, chosen.columns, index, chosen.portal)
    with held_back():
        apart = overlapping(found) if index == TIME else [(piece,) for piece in found]
        groups = grouped(apart, cut)
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
            portal=chosen.portal,
            index=index,
            columns=list(meta.columns),
            meta=meta,
            divisions=divisions,
            label="cvpilot",
            enforce_metadata=False,
        )
    return frame


@lru_cache(maxsize=64)
def meta_of(table: str, columns: tuple[str, ...], index: str | None, portal: str) -> pd.DataFrame:
    """Give the frame of no rows; dask copies what it is given."""
    chosen = shaped(table, columns, None, portal)
    return empty_frame(schema_of(chosen), chosen.table, index=index)


def shaped(
    table: str, columns: Sequence[str], rows: pc.Expression | None, portal: str
) -> Selection:
    """Give what a task needs of a selection, from what is small to carry."""
    return Selection(
        table_named(table), tuple(columns), rows, start=None, end=None, outside=True, portal=portal
    )


def read_group(
    group: Sequence[Piece],
    *,
    table: str,
    rows: pc.Expression | None,
    portal: str,
    index: str | None,
    columns: Sequence[str],
) -> pd.DataFrame:
    """Read the parts of one partition of the frame; dask narrows ``columns`` by itself."""
    chosen = shaped(table, columns, rows, portal)
    needed = read_columns(chosen, columns)
    wanted = list(dict.fromkeys([*needed, *([index] if index else [])]))
    data = pa.concat_tables(
        [read_piece(piece, chosen.table, wanted, chosen.rows) for piece in group]
    )
    if len(group) > 1 and index == TIME:
        data = data.sort_by(TIME)
    given = named(data, chosen, columns)
    if index and index not in given.column_names:
        given = given.append_column(data.schema.field(index), data.column(index))
    return to_pandas(given, chosen.table, index=index)


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
