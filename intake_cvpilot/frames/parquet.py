"""Pieces as plain Parquet files, for those who do not have this library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.frames.naming import schema_of, streamed

if TYPE_CHECKING:
    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["write_parquet"]


def write_parquet(found: Sequence[Piece], chosen: Selection, folder: Path) -> list[Path]:
    """Write the rows of some parts, a file a part.

    Parameters
    ----------
    found : sequence of Piece
        The parts, in order.
    chosen : Selection
        Rows and columns.
    folder : Path
        Where to write; it is made, and holds no Parquet file yet.

    Returns
    -------
    list of Path
        At least one: no rows give one file without rows, for many readers refuse an empty folder.

    Raises
    ------
    InvalidRequestError
        The folder holds Parquet files already.
    """
    if any(folder.glob("*.parquet")):
        raise InvalidRequestError(f"{folder} holds Parquet files already; give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, data in enumerate(_filled(found, chosen)):
        path = folder / f"part-{number:05}.parquet"
        begun = path.with_suffix(".begun")  # a killed run leaves no file that looks finished
        pq.write_table(plain(data), begun)
        written.append(begun.replace(path))
    return written


def _filled(found: Sequence[Piece], chosen: Selection) -> Iterator[pa.Table]:
    """Read the parts that have rows of the selection, one after the other; never nothing."""
    rows = 0
    for data in streamed(found, chosen):
        rows += data.num_rows
        if data.num_rows:
            yield data
    if not rows:
        yield schema_of(chosen).empty_table()


def plain(data: pa.Table) -> pa.Table:
    """Give enumerations as text: categories differ in their meaning from reader to reader."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in data.schema
    ]
    return data.cast(pa.schema(fields, metadata=data.schema.metadata))
