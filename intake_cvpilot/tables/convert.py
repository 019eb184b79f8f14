"""Whole columns of raw values to Arrow arrays.

Each reader kind has a fast way for columns of ordinary values, done by Arrow and numpy; any value
that is not ordinary goes through ``reader.one``, which is the rule.  Both give the same cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.labels import Flag, Name, Text
from intake_cvpilot.decode.readers import Integer, Number, Reader, Stamp, Structs
from intake_cvpilot.tables.column import TIMESTAMP
from intake_cvpilot.tables.exact import Converted, each, one
from intake_cvpilot.tables.nested import structs

__all__ = ["convert"]

_NULL: Final = type(None)
_STAMP: Final = (
    r"^[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z"
    r"(?:\[UTC\])?$"
)
"""Stamps that Arrow reads as the rule does: days that exist in every year, and no odd part."""


KINDS: Final[dict[str, pa.DataType]] = {
    "double": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "instant": TIMESTAMP,
    "strings": pa.list_(pa.string()),
    "int64s": pa.list_(pa.int64()),
}
"""Arrow type of the cells of each kind of reader."""


def convert(reader: Reader, values: Sequence[Any]) -> Converted:
    """Read a column.

    Parameters
    ----------
    reader : Reader
        The rule.
    values : sequence
        Raw values, None where absent.

    Returns
    -------
    Converted
        An array of float64, int64, bool, string, timestamp or list, by the kind of reader.
    """
    kinds = set(map(type, values))
    if kinds <= {_NULL} and reader.kind in KINDS:
        done = Converted(pa.nulls(len(values), KINDS[reader.kind]))
        if values:
            done.reasons["missing"] = len(values)
        return done
    way = _WAYS.get(type(reader))
    return way(reader, values, kinds) if way else each(reader, values, KINDS[reader.kind])


def _number(reader: Number, values: Sequence[Any], kinds: set[type]) -> Converted:
    plain = _plain(values, kinds)
    if plain is None:
        return each(reader, values, pa.float64())
    done = Converted(plain)
    missing = plain.null_count
    if missing:
        done.reasons["missing"] = missing
    x = plain.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        ordinary = (x >= reader.low) & (x <= reader.high)
        for sentinel in reader.sentinels:
            if reader.low - reader.step <= sentinel <= reader.high + reader.step:
                ordinary &= np.abs(x - sentinel) > reader.step / 4
        if reader.scale is None:
            ordinary &= x == np.rint(x)
            cells = x * reader.factor[0] / reader.factor[1]
        elif reader.scale == 1:
            cells = x
        else:
            cells = np.rint(x * reader.factor[0]) / reader.factor[1]
    strange = (
        np.flatnonzero(~ordinary) if missing == 0 else np.flatnonzero(~ordinary & ~np.isnan(x))
    )
    if len(strange) == 0 and missing == 0:
        done.array = pa.array(cells)
        return done
    if len(strange):
        if cells is x:
            cells = x.copy()
        for row in strange.tolist():
            value = one(reader, row, values[row], done)
            cells[row] = np.nan if value is None else value
    done.array = pa.array(cells, from_pandas=True)
    return done


def _plain(values: Sequence[Any], kinds: set[type]) -> pa.Array | None:
    """The values as float64 if all are numbers, or all are text of plain numbers; else None."""
    try:
        if kinds <= {float, int, _NULL}:
            return pa.array(values, type=pa.float64())
        if kinds <= {str, _NULL}:
            cast = pc.cast(pa.array(values, type=pa.string()), pa.float64())
            return cast if pc.all(pc.is_finite(cast)).as_py() else None
    except (pa.ArrowInvalid, OverflowError):
        pass
    return None


def _integer(reader: Integer, values: Sequence[Any], kinds: set[type]) -> Converted:
    if not kinds <= {int, _NULL}:
        if kinds <= {str, _NULL}:
            return _words(reader, values, kinds)
        return each(reader, values, pa.int64())
    try:
        array = pa.array(values, type=pa.int64())
    except (pa.ArrowInvalid, OverflowError):
        return each(reader, values, pa.int64())
    bounds = pc.min_max(array).as_py()
    if bounds["min"] is not None and (
        bounds["min"] < reader.low
        or bounds["max"] > reader.high
        or any(bounds["min"] <= value <= bounds["max"] for value in reader.unavailable)
    ):
        return each(reader, values, pa.int64())
    done = Converted(array)
    if array.null_count:
        done.reasons["missing"] = array.null_count
    return done


def _words(reader: Reader, values: Sequence[Any], kinds: set[type]) -> Converted:
    """Text of which many values are equal: each distinct one by the rule, once."""
    kind = KINDS[reader.kind]
    if not kinds <= {str, _NULL}:
        return each(reader, values, kind)
    codes = pa.array(values, type=pa.string()).dictionary_encode()
    read = each(reader, codes.dictionary.to_pylist(), kind)
    if read.odd or read.notes or len(read.reasons) > 1:
        return each(reader, values, kind)
    done = Converted(read.array.take(codes.indices))
    for reason in read.reasons:
        done.reasons[reason] = done.array.null_count - codes.null_count
    if codes.null_count:
        done.reasons["missing"] += codes.null_count
    return done


def _flag(reader: Flag, values: Sequence[Any], kinds: set[type]) -> Converted:
    if not kinds <= {bool, _NULL}:
        return each(reader, values, pa.bool_())
    done = Converted(pa.array(values, type=pa.bool_()))
    if done.array.null_count:
        done.reasons["missing"] = done.array.null_count
    return done


def _stamp(reader: Stamp, values: Sequence[Any], kinds: set[type]) -> Converted:
    if not kinds <= {str, _NULL}:
        return each(reader, values, TIMESTAMP)
    written = pa.array(values, type=pa.string())
    plain = pc.fill_null(pc.match_substring_regex(written, _STAMP), fill_value=True)
    hard = np.flatnonzero(~plain.to_numpy(zero_copy_only=False))
    if len(hard) == 0:
        done = Converted(_cast_stamps(written))
        if written.null_count:
            done.reasons["missing"] = written.null_count
        return done
    # Some are odd: those by the rule, the others at once.
    done = each(reader, [values[row] for row in hard.tolist()], TIMESTAMP)
    done.odd = [(int(hard[row]), path, raw) for row, path, raw in done.odd]
    easy = _cast_stamps(pc.if_else(plain, written, None))
    if written.null_count:
        done.reasons["missing"] += written.null_count
    done.array = pc.replace_with_mask(easy, pc.invert(plain), done.array)
    return done


def _cast_stamps(written: pa.Array) -> pa.Array:
    return pc.cast(pc.replace_substring(written, "[UTC]", ""), TIMESTAMP)


_WAYS: Final[dict[type, Callable[[Any, Sequence[Any], set[type]], Converted]]] = {
    Number: _number,
    Integer: _integer,
    Text: _words,
    Name: _words,
    Flag: _flag,
    Stamp: _stamp,
    Structs: lambda reader, values, _: structs(reader, values, convert),
}
