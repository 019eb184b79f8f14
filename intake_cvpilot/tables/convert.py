"""Whole columns of raw values to Arrow arrays.

Each reader kind has a fast way for columns of ordinary values, done by Arrow and numpy; any value
that is not ordinary goes through ``reader.one``, which is the rule.  Both give the same cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.decode.eastern import EasternStamp
from intake_cvpilot.decode.labels import Bits, Flag, Name, Text
from intake_cvpilot.decode.readers import Integer, Mass, Number, Reader, Stamp, Structs
from intake_cvpilot.tables.column import TIMESTAMP
from intake_cvpilot.tables.eastern import eastern_instants
from intake_cvpilot.tables.exact import Converted, each, one, python
from intake_cvpilot.tables.nested import flags, structs

if TYPE_CHECKING:
    from collections import Counter

__all__ = ["convert"]

_NULL: Final = type(None)
_STAMP: Final = (
    r"^[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z"
    r"(?:\[UTC\])?$"
)
"""Stamps that Arrow reads as the rule does: days that exist in every year, and no odd part."""
_EASTERN: Final = _STAMP.replace(")T(", ") (").replace(r"Z(?:\[UTC\])?$", r" \[ET\]$")
_DIGITS: Final = r"^-?[0-9]{1,18}$"
_TYPES: Final = {pa.float64(): float, pa.int64(): int, pa.string(): str, pa.bool_(): bool}

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
    values : sequence or pyarrow.Array
        Raw values, None where absent.

    Returns
    -------
    Converted
        An array of float64, int64, bool, string, timestamp or list, by the kind of reader.
    """
    kinds = _kinds(values)
    if kinds <= {_NULL} and reader.kind in KINDS:
        done = Converted(pa.nulls(len(values), KINDS[reader.kind]))
        if values:
            done.reasons["missing"] = len(values)
        return done
    way = _WAYS.get(type(reader))
    return way(reader, values, kinds) if way else each(reader, values, KINDS[reader.kind])


def _kinds(values: Any) -> set[type]:
    """The Python types of the values."""
    if not isinstance(values, pa.Array):
        return set(map(type, values))
    if values.null_count == len(values):
        return {_NULL}
    return {_TYPES.get(values.type, dict), _NULL}


def _arrow(values: Any, kind: pa.DataType) -> pa.Array:
    """The values as an Arrow array."""
    if isinstance(values, pa.Array):
        return values.cast(kind)
    return pa.array(values, type=kind)


def _number(reader: Number, values: Sequence[Any], kinds: set[type]) -> Converted:
    plain = _plain(values, kinds)
    if plain is None:
        return each(reader, values, pa.float64())
    done = Converted(plain)
    missing = plain.null_count
    if missing:
        done.reasons["missing"] = missing
    x = plain.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore", over="ignore"):
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
        # -0.0 and 0.0 are one value, and have to be the same bytes.
        cells = cells + 0.0
    strange = ~ordinary if missing == 0 else ~ordinary & ~np.isnan(x)
    if not strange.any():
        done.array = pa.array(cells, from_pandas=missing > 0)
        return done
    for row in np.flatnonzero(strange).tolist():
        value = one(reader, row, python(values[row]), done)
        cells[row] = np.nan if value is None else value
    done.array = pa.array(cells, from_pandas=True)
    return done


def _plain(values: Sequence[Any], kinds: set[type]) -> pa.Array | None:
    """The values as float64 if all are numbers, or all are text of plain numbers; else None."""
    try:
        if kinds <= {float, int, _NULL}:
            return _arrow(values, pa.float64())
        if kinds <= {str, _NULL}:
            cast = pc.cast(_arrow(values, pa.string()), pa.float64())
            return cast if pc.all(pc.is_finite(cast)).as_py() else None
    except (pa.ArrowInvalid, OverflowError):
        pass
    return None


def _integer(reader: Integer, values: Sequence[Any], kinds: set[type]) -> Converted:
    try:
        if kinds <= {str, _NULL}:
            written = _arrow(values, pa.string())
            if not pc.all(pc.match_substring_regex(written, _DIGITS), min_count=0).as_py():
                return each(reader, values, pa.int64())
            array = pc.cast(written, pa.int64())
        elif kinds <= {int, _NULL}:
            array = _arrow(values, pa.int64())
        else:
            return each(reader, values, pa.int64())
    except (pa.ArrowInvalid, OverflowError):
        return each(reader, values, pa.int64())
    done = Converted(array)
    if array.null_count:
        done.reasons["missing"] = array.null_count
    if reader.unavailable:
        silent = pc.is_in(array, value_set=pa.array(sorted(reader.unavailable), pa.int64()))
        if number := pc.sum(silent).as_py():
            done.reasons["unavailable"] = number
            done.array = pc.if_else(silent, None, array)
    bounds = pc.min_max(done.array).as_py()
    if bounds["min"] is not None and (bounds["min"] < reader.low or bounds["max"] > reader.high):
        return each(reader, values, pa.int64())
    return done


def _words(reader: Reader, values: Sequence[Any], kinds: set[type]) -> Converted:
    """Text of which many values are equal: each distinct one by the rule, once."""
    kind = KINDS[reader.kind]
    if isinstance(values, pa.Array) and dict not in kinds:
        codes = values.dictionary_encode()
    elif kinds <= {str, _NULL}:
        codes = pa.array(values, type=pa.string()).dictionary_encode()
    else:
        return each(reader, values, kind)
    read = each(reader, codes.dictionary.to_pylist(), kind)
    if read.odd or read.notes or len(read.reasons) > 1:
        return each(reader, values, kind)
    done = Converted(read.array.take(codes.indices))
    for reason in read.reasons:
        done.reasons[reason] = done.array.null_count - codes.null_count
    if codes.null_count:
        done.reasons["missing"] += codes.null_count
    return done


def _bits(reader: Bits, values: Sequence[Any], kinds: set[type]) -> Converted:
    if isinstance(values, pa.StructArray):
        return flags(reader, values, KINDS[reader.kind])
    return _words(reader, values, kinds)


def _names(reader: Name, values: Sequence[Any], kinds: set[type]) -> Converted:
    """Names as text, or as objects of one key without a value: that key."""
    if dict not in kinds:
        return _words(reader, values, kinds)
    words = [
        next(iter(value)) if type(value) is dict and list(value.values()) == [None] else value
        for value in values
    ]
    if not set(map(type, words)) <= {str, _NULL}:
        return each(reader, values, pa.string())
    done = _words(reader, words, {str})
    # What goes to ``extra`` is the value as it stands.
    done.odd = [(row, path, values[row]) for row, path, _ in done.odd]
    return done


def _flag(reader: Flag, values: Sequence[Any], kinds: set[type]) -> Converted:
    if not kinds <= {bool, _NULL}:
        return each(reader, values, pa.bool_())
    done = Converted(_arrow(values, pa.bool_()))
    if done.array.null_count:
        done.reasons["missing"] = done.array.null_count
    return done


def _stamp(reader: Stamp, values: Sequence[Any], kinds: set[type]) -> Converted:
    if not kinds <= {str, _NULL}:
        return each(reader, values, TIMESTAMP)
    eastern = type(reader) is EasternStamp
    cast = eastern_instants if eastern else _cast_stamps
    pattern = _EASTERN if eastern else _STAMP
    written = _arrow(values, pa.string())
    plain = pc.fill_null(pc.match_substring_regex(written, pattern), fill_value=True)
    hard = np.flatnonzero(~plain.to_numpy(zero_copy_only=False))
    if len(hard) == 0:
        done = Converted(pa.nulls(0, TIMESTAMP))
        done.array = cast(written, done.notes)
        if written.null_count:
            done.reasons["missing"] = written.null_count
        return done
    # Some are odd: those by the rule, the others at once.
    done = each(reader, [python(values[row]) for row in hard.tolist()], TIMESTAMP)
    done.odd = [(int(hard[row]), path, raw) for row, path, raw in done.odd]
    easy = cast(pc.if_else(plain, written, None), done.notes)
    if written.null_count:
        done.reasons["missing"] += written.null_count
    done.array = pc.replace_with_mask(easy, pc.invert(plain), done.array)
    return done


def _cast_stamps(written: pa.Array, _: Counter[str]) -> pa.Array:
    return pc.cast(pc.replace_substring(written, "[UTC]", ""), TIMESTAMP)


_WAYS: Final[dict[type, Callable[[Any, Sequence[Any], set[type]], Converted]]] = {
    Number: _number,
    Integer: _integer,
    Text: _words,
    Name: _names,
    Bits: _bits,
    Mass: _words,
    Flag: _flag,
    Stamp: _stamp,
    EasternStamp: _stamp,
    Structs: lambda reader, values, _: structs(reader, values, convert),
}
