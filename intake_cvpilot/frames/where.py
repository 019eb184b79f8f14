"""Conditions on rows as values, so that engines that read files themselves ask for the same rows.

A condition is a disjunction of conjunctions of terms, as ``filters`` takes them; rows are given
where all conditions hold.  Nulls behave as in Arrow: no comparison holds for them, and ``not in``
does.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from intake_cvpilot.tables import Table

__all__ = ["Condition", "Dialect", "Term", "conditions", "render"]

_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Term:
    """A column compared with a value, or with several (``in``, ``not in``)."""

    column: str
    """Its name in our tables."""
    op: str
    """``==``, ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``in`` or ``not in``."""
    value: Any
    """A value of the column's type; a tuple for ``in`` and ``not in``, where None means null."""


Condition = tuple[tuple[Term, ...], ...]
"""Any of these, each being all of those."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine writes what Python's operators do not say."""

    column: Callable[[str], Any]
    """A column of a name."""
    literal: Callable[[Any], Any]
    """A constant."""
    isin: Callable[[Any, list[Any]], Any]
    """Whether a column is one of some values; there is at least one."""
    isnull: Callable[[Any], Any]
    """Whether a column is null."""


def conditions(filters: Any, table: Table) -> Condition | None:
    """Give the caller's filters, which Arrow has accepted already, as a condition.

    Returns
    -------
    tuple or None
        None for what only Arrow can answer: an expression, or a value of another type than the
        column's.
    """
    try:
        parts = list(filters)
        if parts and not isinstance(parts[0], list):
            parts = [parts]
        return tuple(tuple(_term(term, table) for term in part) for part in parts)
    except (TypeError, ValueError, KeyError, pa.ArrowException):
        return None


def _term(term: Any, table: Table) -> Term:
    name, op, value = term
    kind = table.column(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if op in ("in", "not in"):
        return Term(name, op, tuple(_plain(one, kind) for one in value))
    if op not in _OPERATORS:
        raise ValueError(op)
    return Term(name, op, _plain(value, kind))


def _plain(value: Any, kind: pa.DataType) -> Any:
    """A value of Python that compares with the column as Arrow's would; ValueError for others."""
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        scalar = pa.scalar(value)
        if not pa.types.is_timestamp(scalar.type) or scalar.type.tz is None:
            raise ValueError(value)
        return scalar.cast(kind).as_py()
    if hasattr(value, "item"):
        value = value.item()
    fits = (
        isinstance(value, bool)
        if pa.types.is_boolean(kind)
        else isinstance(value, str)
        if pa.types.is_string(kind)
        else type(value) in (int, float) and math.isfinite(value) and abs(value) < 2**53
    )
    if not fits or isinstance(value, datetime):
        raise ValueError(value)
    return value


def render(wanted: Iterable[Condition], dialect: Dialect) -> Any:
    """Give the conditions as one expression of an engine; None if there are none."""
    found = [
        reduce(
            operator.or_,
            [reduce(operator.and_, [_one(term, dialect) for term in part]) for part in condition],
        )
        for condition in wanted
    ]
    return reduce(operator.and_, found) if found else None


def _one(term: Term, dialect: Dialect) -> Any:
    column = dialect.column(term.column)
    if term.op not in ("in", "not in"):
        return _OPERATORS[term.op](column, dialect.literal(term.value))
    return _member(column, term.value, dialect, inside=term.op == "in")


def _member(column: Any, values: Sequence[Any], dialect: Dialect, *, inside: bool) -> Any:
    null = dialect.isnull(column)
    known = [value for value in values if value is not None]
    # Of two truth values, null included: an engine's own IN is null for null.
    among = ~null & dialect.isin(column, known) if known else null & ~null
    if None in values:
        among = null | among
    return among if inside else ~among
