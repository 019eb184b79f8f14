"""Rows under the names that were asked for: our columns, or the data portal's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from intake_cvpilot.frames.arrow import read_piece
from intake_cvpilot.tables.portal_names import needed, portal_schema, to_portal

if TYPE_CHECKING:
    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["named", "read_columns", "schema_of", "streamed"]


def read_columns(chosen: Selection, columns: Sequence[str] | None = None) -> list[str]:
    """Give our columns that must be read for the ones asked for, or for some of them."""
    names = list(chosen.columns if columns is None else columns)
    return needed(chosen.portal, chosen.table.name, names) if chosen.portal else names


def schema_of(chosen: Selection, columns: Sequence[str] | None = None) -> pa.Schema:
    """Give the Arrow schema of what is given."""
    names = list(chosen.columns if columns is None else columns)
    if chosen.portal:
        return portal_schema(chosen.portal, chosen.table.name, names)
    return pa.schema([chosen.table.schema.field(name) for name in names])


def named(data: pa.Table, chosen: Selection, columns: Sequence[str] | None = None) -> pa.Table:
    """Give rows of our columns under the names asked for."""
    names = list(chosen.columns if columns is None else columns)
    if chosen.portal:
        return to_portal(data, chosen.portal, chosen.table.name, names)
    return data.select(names)


def streamed(
    found: Sequence[Piece], chosen: Selection, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Read part by part, checked, and give the rows under the names asked for.

    Parameters
    ----------
    found : sequence of Piece
        The parts, in order.
    chosen : Selection
        Rows and columns.
    columns : sequence of str, optional
        Some of the columns of ``chosen``, in this order; None for all.

    Yields
    ------
    pyarrow.Table
        The rows of one part, also where there are none.
    """
    wanted = read_columns(chosen, columns)
    for piece in found:
        yield named(read_piece(piece, chosen.table, wanted, chosen.rows), chosen, columns)
