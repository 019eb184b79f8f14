"""A column's values as a short digest that no release of Arrow and no compression changes.

Parquet's bytes follow from both, so they cannot tell whether another release of this library read
the same objects to other values.  What is hashed here is written out below: counts, which cells are
null, and each value's little-endian bytes or UTF-8.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["DIGITS", "combined", "digests"]

DIGITS: Final = 16
"""Hex digits of a column: of the 64 that SHA-256 has, enough against accidents."""


def digests(rows: pa.Table) -> str:
    """Give the digests of a table's columns, one after the other, `DIGITS` hex digits each.

    Parameters
    ----------
    rows : pyarrow.Table
        Rows in their order; how they are cut into chunks does not matter, nor whether text is held
        as a dictionary.
    """
    return "".join(_digest(rows.column(number)) for number in range(rows.num_columns))


def combined(parts: list[str]) -> str:
    """Give the digests of columns whose rows are those of several parts, in their order."""
    count = max((len(part) for part in parts), default=0)
    return "".join(
        _short(hashlib.sha256("".join(part[at : at + DIGITS] for part in parts).encode()))
        for at in range(0, count, DIGITS)
    )


def _short(digest: Any) -> str:
    return str(digest.hexdigest()[:DIGITS])


def _digest(column: pa.ChunkedArray) -> str:
    digest = hashlib.sha256()
    _feed(digest, column.combine_chunks())
    return _short(digest)


def _feed(digest: Any, array: pa.Array) -> None:
    """Hash values; a null cell's own bytes, which are anything, are left out."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    elif pa.types.is_map(kind):
        kind = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
        array = array.cast(kind)
    digest.update(b"%d,%d;" % (len(array), array.null_count))
    if array.null_count:
        _numbers(digest, np.packbits(array.is_valid().to_numpy(zero_copy_only=False)))
    if pa.types.is_struct(kind):
        for child in array.flatten():
            _feed(digest, child)
    elif pa.types.is_list(kind):
        _numbers(digest, pc.fill_null(pc.list_value_length(array), 0))
        _feed(digest, array.flatten())
    elif pa.types.is_string(kind):
        texts = pc.fill_null(array, "") if array.null_count else array
        _numbers(digest, pc.binary_length(texts))
        _, offsets, content = texts.buffers()
        if content is not None:
            ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
            digest.update(memoryview(content)[ends[0] : ends[-1]])
    else:
        plain = array.view(pa.int64()) if pa.types.is_timestamp(kind) else array
        plain = plain.cast(pa.uint8()) if pa.types.is_boolean(kind) else plain
        _numbers(digest, pc.fill_null(plain, 0) if plain.null_count else plain)


def _numbers(digest: Any, values: Any) -> None:
    some = values if isinstance(values, np.ndarray) else values.to_numpy(zero_copy_only=False)
    digest.update(np.ascontiguousarray(some, some.dtype.newbyteorder("<")))
