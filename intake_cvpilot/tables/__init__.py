"""Records to Arrow: the tables, their columns, and how raw values become cells."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intake_cvpilot.tables.column import Column, Table

__all__ = ["Column", "Table", "table", "table_names", "tables_for"]


def __getattr__(name: str) -> object:
    if name in ("Column", "Table"):
        from intake_cvpilot.tables import column

        return getattr(column, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _tables() -> dict[str, Table]:
    from intake_cvpilot.tables import bsm, event, spat, tim

    made = (bsm.MESSAGES, spat.MOVEMENTS, tim.FRAMES, event.EVENTS, event.BSMS)
    return {found.name: _with_paths(found) for found in made}


def _with_paths(plain: Table) -> Table:
    """The table with the raw paths that the shapes of every source declare."""
    from intake_cvpilot import decode

    found: dict[str, dict[str, list[str]]] = {}
    for source, message_type in decode.decoded():
        for shape in reversed(decode.shapes_for(source, message_type).shapes):
            for layout in shape.layouts:
                if layout.table == plain.name:
                    for column, paths in layout.sources().items():
                        # The newest shape is last: its paths come first.
                        known = found.setdefault(column, {}).setdefault(source, [])
                        known += [path for path in paths if path not in known]
    columns = tuple(
        replace(
            column,
            paths={source: ", ".join(paths) for source, paths in found[column.name].items()},
        )
        if column.name in found
        else column
        for column in plain.columns
    )
    return replace(plain, columns=columns)


def table_names() -> tuple[str, ...]:
    """Names of the tables that exist today."""
    return tuple(_tables())


def table(name: str) -> Table:
    """The table of a name.

    Raises
    ------
    NotImplementedError
        For a table that is not made yet; the message names those that are.
    """
    found = _tables().get(name)
    if found is None:
        raise NotImplementedError(
            f"table {name!r} does not exist yet; there are: {', '.join(_tables())}"
        )
    return found


def tables_for(source: str, message_type: str) -> tuple[Table, ...]:
    """The tables of a source and message type.

    Raises
    ------
    NotImplementedError
        For a pair that is not decoded yet.
    """
    from intake_cvpilot import decode

    return tuple(table(name) for name in decode.shapes_for(source, message_type).tables)
