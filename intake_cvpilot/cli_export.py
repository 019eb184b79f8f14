"""The command that writes a range to files for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from intake_cvpilot.arguments import filters as with_tuples
from intake_cvpilot.cli_options import (
    cache_options,
    options_of,
    reach_options,
    request_options,
    tell,
)
from intake_cvpilot.errors import InvalidRequestError

__all__ = ["export"]


@click.command()
@request_options
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    help="The file; with --split day the folder.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv", "ndjson", "geoparquet"]),
    help="What to write; without it CSV or NDJSON where the output ends so, else Parquet.",
)
@click.option(
    "--split",
    type=click.Choice(["none", "day"]),
    default="none",
    show_default=True,
    help="One file, or one a UTC day.",
)
@click.option("--columns", help="Columns to write, with commas; all by default.")
@click.option(
    "--filters",
    metavar="JSON",
    help='Rows to write: [["speed", ">", 20], ...] all hold; lists of such lists, one of them.',
)
@click.option(
    "--names",
    type=click.Choice(["tables", "portal"]),
    default="tables",
    show_default=True,
    help="Our columns, or the data portal's.",
)
@click.option("--table", help="Which table, where the type has more than one.")
@click.option(
    "--outside",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help="Rows outside their partition's window.",
)
@click.option(
    "--repeats",
    type=click.Choice(["keep", "drop"]),
    default="keep",
    show_default=True,
    help="Exact repeats of another row.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@reach_options
@cache_options
def export(
    source: str,
    message_type: str,
    start: str,
    end: str,
    output: Path,
    columns: str | None,
    filters: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Write a range to a file, or to one a day; what is missing is fetched first.

    A file gets its name when it is whole: one that is there is complete.

    \b
    Example:
        cvpilot export wydot bsm --start 2021-04-01 --end 2021-04-01 -o day.csv
        cvpilot export wydot bsm --start 2021-04-01 --end 2021-04-07 -o week --split day
        cvpilot export wydot bsm --start 2021-04-01 --end 2021-04-01 -o fast.csv \\
            --filters '[["speed", ">", 30], ["bsm_source", "==", "EV"]]'

    \b
    Exit codes: 0 written, 2 wrong request or a file that is there, 3 some partitions failed,
    4 damage in the cache, 5 offline and not cached, 6 access denied, 7 no space.
    """
    from intake_cvpilot.frames.exporting import export as write

    options: Any = options_of(**given)
    if columns:
        options["columns"] = [name.strip() for name in columns.split(",")]
    if filters:
        try:
            options["filters"] = with_tuples(json.loads(filters))
        except (ValueError, RecursionError):
            raise InvalidRequestError(
                '--filters: this is no JSON; write for example \'[["speed", ">", 20]]\''
            ) from None
    tell(write(source, message_type, start, end, output, **options), as_json)
