"""The commands that look at what is there: quality, objects, trace, columns."""

from __future__ import annotations

import json
from typing import Any

import click

from intake_cvpilot.cli_options import cache_options, options_of, request_options, tell
from intake_cvpilot.exits import Exit

__all__ = ["columns", "objects", "quality", "trace"]


@click.command()
@request_options
@cache_options
def quality(
    source: str, message_type: str, start: str, end: str, as_json: bool, **given: Any
) -> None:
    """Tell what a range in the cache is worth: counts, nulls, repeats, lateness, a calendar.

    No archive is asked and nothing is fetched; what is not in the cache is shown as not fetched.

    \b
    Example:
        cvpilot quality wydot bsm --start 2021-04-01 --end 2021-04-07
    """
    from intake_cvpilot.quality import quality as judge

    options: Any = options_of(**given)
    found = judge(source, message_type, start, end, **options)
    tell(found, as_json)
    if any(partition.error for partition in found.partitions):
        raise click.exceptions.Exit(Exit.PROBLEMS)


@click.command()
@request_options
@cache_options
def objects(
    source: str, message_type: str, start: str, end: str, as_json: bool, **given: Any
) -> None:
    """List the objects that the cached partitions of a range consist of; no archive is asked.

    \b
    Example:
        cvpilot objects wydot bsm --start 2021-04-01 --end 2021-04-07 --json
    """
    from intake_cvpilot.lineage import objects as find

    options: Any = options_of(**given)
    rows = find(source, message_type, start, end, **options).to_dict("records")
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return
    for row in rows:
        click.echo(f"{row['object_id']:>20}  {row['records']:>8,} records  {row['key']}")


# An object_id may be negative; it is no option.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("object_id", type=int)
@click.argument("line", type=click.IntRange(min=1))
@click.option("--source", required=True, help="Source of the row, e.g. wydot.")
@click.option("--type", "message_type", required=True, help="Message type of the row, e.g. bsm.")
@click.option("--start", help="First day to look in; without a range all of the cache.")
@click.option("--end", help="Last day to look in.")
@click.option("--offline", is_flag=True, default=None, help="Leave out the raw line.")
@cache_options
def trace(
    object_id: int, line: int, source: str, message_type: str, as_json: bool, **given: Any
) -> None:
    """Lead from a row to its object in the archive and to the raw line.

    OBJECT_ID and LINE are the row's columns object_id and line.  The raw line is shown when the
    archive still holds the object as it was fetched; user names and passwords in it are masked.

    \b
    Example:
        cvpilot trace -2160541264323440550 4 --source wydot --type bsm
    """
    from intake_cvpilot.lineage import trace as follow

    options: Any = options_of(**given)
    tell(follow(object_id, line, source=source, message_type=message_type, **options), as_json)


@click.command()
@click.argument("table", required=False)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def columns(table: str | None, as_json: bool) -> None:
    """Print the columns of a table with type, unit and meaning; without TABLE the tables.

    \b
    Example:
        cvpilot columns messages
    """
    from intake_cvpilot import errors
    from intake_cvpilot.sources import sources, suggestion
    from intake_cvpilot.tables import table as known
    from intake_cvpilot.tables import table_names
    from intake_cvpilot.tables.describe import describe

    names = table_names()
    if table is None:
        rows = [{"table": name, "description": known(name).description} for name in names]
    elif table in names:
        rows = describe(known(table))
    else:
        types = [kind for owner in sources().values() for kind in owner.types.values()]
        of = sorted({n for kind in types if kind.name == table.upper() for n in kind.catalog})
        meant = f" ({table.upper()} has {', '.join(of)})" if of else suggestion(table, names)
        raise errors.InvalidRequestError(
            f"there is no table {table!r}{meant}; tables: {', '.join(names)}"
        )
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo("  ".join(str(row[key]) for key in list(row)[:4] if row[key]))
