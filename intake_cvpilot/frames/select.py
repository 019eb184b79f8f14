"""What of a table a frame reads: checked columns and filters, and the parts that can hold rows.

Pure: manifests in, pieces out.  A piece is what one lazy task carries, so it is small, can be
pickled and holds no secret.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from intake_cvpilot.cache.manifest import instant_text
from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.frames.choose import (
    REPEAT,
    TIME,
    choose_columns,
    choose_portal,
    choose_repeat,
    choose_table,
)
from intake_cvpilot.frames.terms import checked
from intake_cvpilot.frames.where import Condition, Term, conditions

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout
    from intake_cvpilot.cache.manifest import File, Manifest
    from intake_cvpilot.request import Request
    from intake_cvpilot.tables import Table

__all__ = [
    "Piece",
    "Selection",
    "pieces",
    "selection",
]

#: The column by which a request for some periods of the day narrows rows.
PERIOD = "period"


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One committed part, and where to look again when it has gone."""

    layout: Layout
    """The cache it lies in."""
    key: str
    """Its partition."""
    file: File
    """Its entry in the manifest: name, hashes, bounds."""
    verify: Literal["once", "never"] = "once"
    """Whether its whole hash is checked, once in a process."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows and columns of one table are asked for."""

    table: Table
    """The table."""
    columns: tuple[str, ...]
    """Columns to give, in this order."""
    rows: pc.Expression | None
    """Rows to give: the range and the caller's filters; None for all."""
    start: datetime | None
    """First instant, aware UTC; None where the table has no time."""
    end: datetime | None
    """First instant after the range, aware UTC; None where the table has no time."""
    outside: bool
    """Whether rows outside their partition's window are given too."""
    where: tuple[Condition, ...] | None = ()
    """The same rows as values, for engines that read files themselves; None where the caller's
    filters are an expression that only Arrow can answer."""
    portal: str = ""
    """The source whose names of the data portal the columns have; empty for our names."""


def selection(
    request: Request,
    *,
    table: str | None = None,
    columns: Sequence[str] | None = None,
    filters: Any = None,
    outside: Literal["drop", "keep"] = "drop",
    repeats: Literal["keep", "drop"] = "keep",
    names: Literal["tables", "portal"] = "tables",
) -> Selection:
    """Check what is asked of a table, before any I/O.

    Raises
    ------
    InvalidRequestError
        An unknown table, column or option; the message lists what there is.
    NotImplementedError
        This library does not decode the message type yet.
    """
    for name, value in (("outside", outside), ("repeats", repeats)):
        if value not in ("drop", "keep"):
            raise InvalidRequestError(f"{name} is 'drop' or 'keep', not {value!r}")
    if names not in ("tables", "portal"):
        raise InvalidRequestError(f"names is 'tables' or 'portal', not {names!r}")
    chosen = choose_table(request.source, request.message_type, table)
    timed = TIME in chosen.schema.names
    rows: list[pc.Expression] = []
    where: list[Condition | None] = []
    if filters is not None:
        narrowed, understood = expression(filters, chosen)
        rows.append(narrowed)
        where.append(conditions(understood, chosen))
    if timed:
        first, after = instant(request.start), instant(request.end)
        rows.append((pc.field(TIME) >= first) & (pc.field(TIME) < after))
        where.append(((Term(TIME, ">=", request.start), Term(TIME, "<", request.end)),))
    if request.periods:
        rows.append(of_periods(request.periods))
        null = (None,) if "NA" in request.periods else ()
        where.append(((Term(PERIOD, "in", (*request.periods, *null)),),))
    if repeats == "drop":
        rows.append(~pc.field(choose_repeat(chosen)))
        where.append(((Term(REPEAT, "==", value=False),),))
    known = [condition for condition in where if condition is not None]
    return Selection(
        table=chosen,
        columns=tuple(
            choose_portal(request.source, chosen, columns)
            if names == "portal"
            else choose_columns(chosen, columns)
        ),
        rows=reduce(operator.and_, rows) if rows else None,
        start=request.start if timed else None,
        end=request.end if timed else None,
        outside=outside == "keep",
        where=tuple(known) if len(known) == len(where) else None,
        portal=request.source if names == "portal" else "",
    )


def of_periods(periods: Sequence[str]) -> pc.Expression:
    """Give the rows of some periods of the day, as the rows' own column has it.

    NA holds the rows without a period too, so that each row lies in exactly one.  (Months and
    weekdays narrow by the folder: what is not asked for is not read at all.)
    """
    if "NA" not in periods:
        return pc.field(PERIOD).isin(list(periods))
    # Not "or is_null": pyarrow 18 takes that for never true where a row group has nulls only.
    said = pc.coalesce(pc.field(PERIOD).cast(pa.string()), pa.scalar("NA"))
    return said.isin(list(periods))


def instant(moment: datetime) -> pa.Scalar:
    """Give an aware instant as the scalar that event_time compares with."""
    return pa.scalar(moment, pa.timestamp("us", "UTC"))


def expression(filters: Any, table: Table) -> tuple[pc.Expression, Any]:
    """Give the caller's filters as one Arrow expression that the table's types can answer.

    Besides the filters as they were understood.
    """
    try:
        understood = checked(filters, table)
        made = (
            understood
            if isinstance(understood, pc.Expression)
            else pq.filters_to_expression(understood)
        )
        # A row, for some values are refused only when they are compared.
        nulls = pa.table([pa.nulls(1, field.type) for field in table.schema], table.schema.names)
        ds.dataset(nulls).to_table(filter=made, columns=[])
    except InvalidRequestError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, NotImplementedError) as error:
        raise InvalidRequestError(
            "filters takes a pyarrow expression or a list of (column, op, value) with values of "
            "the columns' types, for example [('speed', '>', 20.0), ('event_time', '>=', "
            f"datetime(2021, 4, 1, tzinfo=UTC))]: {error}"
        ) from None
    return made, understood


def pieces(
    layout: Layout,
    manifests: Iterable[Manifest],
    chosen: Selection,
    verify: Literal["once", "never"] = "once",
) -> list[Piece]:
    """Give the parts that can hold rows of a selection, in order of their first row.

    Parts without rows in the range are left out by the bounds in the manifest.  Parts of rows
    outside their partition's window come last: their times are in no order.
    """
    roles = [chosen.table.name] + [f"{chosen.table.name}.outside"] * chosen.outside
    # Instants in a manifest sort as text: years of days are compared without making datetimes.
    low = "" if chosen.start is None else instant_text(chosen.start)
    high = None if chosen.end is None else instant_text(chosen.end)
    files = [
        (file.start or "", manifest.key, file)
        for manifest in manifests
        for file in manifest.files
        if file.role in roles
        and (
            high is None
            or file.start is None
            or file.end is None
            or (file.start < high and file.end >= low)
        )
    ]
    files.sort(key=itemgetter(0, 1))
    if chosen.outside:
        files.sort(key=lambda found: roles.index(found[2].role))
    return [Piece(layout, key, file, verify) for _, key, file in files]
