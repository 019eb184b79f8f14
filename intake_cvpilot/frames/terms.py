"""The caller's filters, checked against a table's columns: names, categories, instants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.frames.choose import choose_columns

if TYPE_CHECKING:
    from intake_cvpilot.tables import Table

__all__ = ["checked"]


def checked(filters: Any, table: Table) -> Any:
    """Give filters with instants where a column of instants is compared with ISO 8601 text.

    Parameters
    ----------
    filters : pyarrow.compute.Expression, or list of (column, op, value) or of lists of those
        As the caller gave them; an expression is given back as it is.
    table : Table
        What they are about.

    Raises
    ------
    InvalidRequestError
        No such column; a name that a closed enumeration does not have; a time without a zone.
    TypeError, ValueError
        They are no filters at all.
    """
    if isinstance(filters, pc.Expression):
        return filters
    choose_columns(table, [name for name, _, _ in _terms(filters)])
    _refuse_names(_terms(filters), table)
    return [
        [_timed(term, table) for term in part] if isinstance(part, list) else _timed(part, table)
        for part in filters
    ]


def _terms(filters: Any) -> Iterator[tuple[str, str, Any]]:
    for part in filters:
        yield from part if isinstance(part, list) else [part]


def _refuse_names(terms: Iterable[tuple[str, str, Any]], table: Table) -> None:
    """Refuse a name that a closed enumeration does not have: it would silently select nothing."""
    for name, _, value in terms:
        known = table.column(name).categories
        asked = value if isinstance(value, (list, tuple, set)) else [value]
        unknown = [word for word in asked if known is not None and word not in known]
        if known is not None and unknown:
            raise InvalidRequestError(f"{name} is never {unknown[0]!r}; it is: {', '.join(known)}")


def _timed(term: tuple[str, str, Any], table: Table) -> tuple[str, str, Any]:
    name, op, value = term
    if not pa.types.is_timestamp(table.column(name).type):
        return name, op, value
    if isinstance(value, (list, tuple, set)):
        return name, op, [_instant(name, one) for one in value]
    return name, op, _instant(name, value)


def _instant(name: str, value: Any) -> Any:
    found = value
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = date.min  # no instant, like a date
    if isinstance(found, datetime) and found.tzinfo is not None:
        return found.astimezone(UTC) if isinstance(value, str) else value
    if isinstance(found, (date, np.datetime64)):
        raise InvalidRequestError(
            f"filters: {name} is in UTC, and {value!r} has no zone; write "
            "datetime(2021, 4, 1, 12, tzinfo=UTC) or '2021-04-01T12:00:00Z'"
        )
    return value
