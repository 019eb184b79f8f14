"""Columns of raw values read one by one: the rule, however odd the values are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from intake_cvpilot.decode.readers import Odd, Stamp
from intake_cvpilot.tables.column import TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from intake_cvpilot.decode.readers import Reader

__all__ = ["SILENT", "Converted", "each", "one", "python"]

SILENT: Final = frozenset({"missing", "unavailable", "artefact"})
"""Reasons whose raw value does not go to ``extra``."""


@dataclass(slots=True)
class Converted:
    """A column of cells and what was odd about its raw values."""

    array: pa.Array
    """The cells."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How many cells are null for which reason."""
    odd: list[tuple[int, tuple[str | int, ...], Any]] = field(default_factory=list)
    """Row, path below the cell's own, raw value: what has to go to ``extra``."""
    inner: dict[str, Counter[str]] = field(default_factory=dict)
    """For lists of objects: reasons by field."""
    notes: Counter[str] = field(default_factory=Counter)
    """How many values were read in spite of which oddity."""


def each(reader: Reader, values: Sequence[Any], kind: pa.DataType) -> Converted:
    """Every value by the rule."""
    if isinstance(values, pa.Array):
        values = values.to_pylist()
    done = Converted(pa.nulls(0, kind))
    cells: Any = pa.int64() if kind == TIMESTAMP else kind
    done.array = pa.array(
        [one(reader, row, raw, done) for row, raw in enumerate(values)], type=cells
    ).cast(kind)
    return done


def one(reader: Reader, row: int, raw: Any, done: Converted) -> Any:
    """One value by the rule, or None with the reason counted."""
    if raw is None:
        done.reasons["missing"] += 1
        return None
    try:
        if isinstance(reader, Stamp):
            value, notes = reader.noted(raw)
            done.notes.update(notes)
            return value
        return reader.one(raw)
    except Odd as odd:
        done.reasons[odd.reason] += 1
        if odd.reason not in SILENT:
            done.odd.append((row, (), raw))
        return None


def python(value: Any) -> Any:
    """An Arrow scalar as the Python value; any other value itself."""
    return value.as_py() if isinstance(value, pa.Scalar) else value
