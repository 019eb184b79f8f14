"""What of a table is asked for by name, checked before any I/O: table, columns, index."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.tables import Table, tables_for
from intake_cvpilot.tables.portal_names import portal_columns

__all__ = [
    "REPEAT",
    "TIME",
    "choose_columns",
    "choose_index",
    "choose_portal",
    "choose_repeat",
    "choose_table",
]

#: The column that carries the instant of a row, in every table that has one.
TIME = "event_time"
#: The column that marks exact repeats.
REPEAT = "is_repeat"


def choose_table(source: str, message_type: str, table: str | None) -> Table:
    """Give the table asked for, or the first of the message type."""
    tables = {t.name: t for t in tables_for(source, message_type)}
    if table is None:
        return next(iter(tables.values()))
    if table not in tables:
        raise InvalidRequestError(
            f"{source} {message_type} has no table {table!r}; it has: {', '.join(tables)}"
        )
    return tables[table]


def choose_columns(table: Table, columns: Sequence[str] | None) -> list[str]:
    """Check column names; None for all of the table's."""
    names: list[str] = list(table.schema.names)
    if columns is None:
        return names
    if isinstance(columns, str):
        raise InvalidRequestError(f"columns takes a list of names: columns=[{columns!r}]")
    wanted = list(dict.fromkeys(columns))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), names, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"it has: {', '.join(names)}"
        raise InvalidRequestError(f"table {table.name} has no column {unknown[0]!r}; {hint}")
    return wanted


def choose_portal(source: str, table: Table, columns: Sequence[str] | None) -> list[str]:
    """Check names of the data portal's columns, in any case; None for all that there are."""
    known = {name.lower(): name for name in portal_columns(source, table.name)}
    if not known:
        raise InvalidRequestError(
            f"the data portal has no table like {table.name} of {source}: leave out names='portal'"
        )
    if columns is None:
        return list(known.values())
    if isinstance(columns, str):
        raise InvalidRequestError(f"columns takes a list of names: columns=[{columns!r}]")
    wanted = list(dict.fromkeys(columns))
    unknown = [name for name in wanted if str(name).lower() not in known]
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), list(known.values()), n=3)
        hint = (
            f"did you mean {', '.join(near)}?" if near else f"it has: {', '.join(known.values())}"
        )
        raise InvalidRequestError(f"the data portal has no column {unknown[0]!r} here; {hint}")
    return [known[name.lower()] for name in wanted]


def choose_index(table: Table, index: str | None) -> str | None:
    """Check the column that is asked for as the index."""
    if index not in (None, TIME):
        raise InvalidRequestError(f"index is {TIME!r} or None, not {index!r}")
    if index and index not in table.schema.names:
        raise InvalidRequestError(
            f"table {table.name} has no {TIME} to be its index: leave out index={index!r}"
        )
    return index


def choose_repeat(table: Table) -> str:
    """Give the column by which repeats are dropped.

    Repeats were marked when their block was built and agree in their event time: each range holds
    all of them or none, so that dropping them gives the same rows however a range is cut.
    """
    if REPEAT not in table.schema.names:
        raise InvalidRequestError(
            f"table {table.name} does not mark repeats: leave out repeats='drop'"
        )
    return REPEAT
