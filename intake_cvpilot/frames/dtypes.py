"""Arrow tables as pandas frames whose dtypes are a constant of the table.

float64 for doubles, categoricals with the standard's full list for closed enums, Arrow-backed
dtypes for all else, nested columns included.  The same function makes the empty frame and every
partition, so their dtypes cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from intake_cvpilot.frames.arrow import empty_table
from intake_cvpilot.frames.choose import (
    choose_columns,
    choose_index,
    choose_portal,
    choose_table,
)
from intake_cvpilot.tables.portal_names import portal_schema

if TYPE_CHECKING:
    from intake_cvpilot.tables import Column, Table

__all__ = ["empty_frame", "frame_meta", "to_pandas"]


def to_pandas(data: pa.Table, table: Table, *, index: str | None = None) -> pd.DataFrame:
    """Give an Arrow table of some of a table's columns as a pandas frame.

    Parameters
    ----------
    data : pyarrow.Table
        Columns of ``table``, in any order and any choice, or the data portal's.
    table : Table
        The table whose dtypes hold.
    index : str, optional
        A column of instants to set as the index, a DatetimeIndex in UTC; None gives a RangeIndex.

    Returns
    -------
    pandas.DataFrame
        One row a row.
    """
    columns = {column.name: column for column in table.columns}
    frame = pd.DataFrame(
        {name: as_series(data.column(name), columns.get(name)) for name in data.column_names},
        index=pd.RangeIndex(data.num_rows),
        columns=pd.Index(data.column_names, dtype="str"),
    )
    if index is None:
        return frame
    # An Arrow-backed index can neither be sliced by text nor resampled; a DatetimeIndex can.
    instants = frame.pop(index).astype("datetime64[us, UTC]")
    return frame.set_index(pd.DatetimeIndex(instants, name=index))


def as_series(values: pa.ChunkedArray, column: Column | None) -> pd.Series:
    """Give one column as a pandas series without an index of its own."""
    if column is not None and column.categories is not None:
        return pd.Series(as_categorical(values, column.categories))
    if pa.types.is_floating(values.type):
        return pd.Series(values.to_numpy(), dtype="float64")
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return pd.Series(pd.arrays.ArrowExtensionArray(values))


def as_categorical(values: pa.ChunkedArray, categories: Sequence[str]) -> pd.Categorical:
    """Map each chunk's own dictionary to the positions in the standard's list."""
    position = {name: code for code, name in enumerate(categories)}
    codes = [np.empty(0, dtype=np.int16)]
    for chunk in values.chunks:
        lookup = np.array([position[name] for name in chunk.dictionary.to_pylist()] + [-1])
        indices = chunk.indices.fill_null(len(chunk.dictionary)).to_numpy(zero_copy_only=False)
        codes.append(lookup[indices])
    return pd.Categorical.from_codes(np.concatenate(codes), dtype=categorical(categories))


def categorical(categories: Sequence[str]) -> pd.CategoricalDtype:
    """Give the unordered dtype of a closed enumeration."""
    return pd.CategoricalDtype(pd.Index(list(categories), dtype="str"), ordered=False)


def frame_meta(
    source: str,
    message_type: str,
    table: str | None = None,
    columns: Sequence[str] | None = None,
    index: str | None = None,
    names: str = "tables",
) -> pd.DataFrame:
    """Give the empty frame with the dtypes of every frame of that table; no I/O.

    Parameters
    ----------
    source, message_type : str
        What to look at, in the archive's spelling.
    table : str, optional
        Which table, where the message type has more than one.
    columns : sequence of str, optional
        Which columns, in this order; None for all.
    index : str, optional
        A column to set as the index.
    names : str
        ``tables``, or ``portal`` for the data portal's columns.

    Returns
    -------
    pandas.DataFrame
        No rows.
    """
    chosen = choose_table(source, message_type, table)
    index = choose_index(chosen, index)
    if names == "portal":
        found = choose_portal(source, chosen, columns)
        return empty_frame(portal_schema(source, chosen.name, found), chosen, index=index)
    found = choose_columns(chosen, columns)
    return empty_frame(empty_table(chosen, found).schema, chosen, index=index)


def empty_frame(schema: pa.Schema, table: Table, *, index: str | None = None) -> pd.DataFrame:
    """Give the frame of no rows of some columns, those of a table or the data portal's."""
    if index and index not in schema.names:
        schema = schema.append(table.schema.field(index))
    return to_pandas(schema.empty_table(), table, index=index)
