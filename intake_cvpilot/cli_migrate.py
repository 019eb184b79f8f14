"""The command that brings stored tables to this library's minor versions: migrate."""

from __future__ import annotations

from typing import Any

import click

from intake_cvpilot.cli_options import cache_options, options_of, stock_options, tell
from intake_cvpilot.exits import Exit

__all__ = ["COMMANDS", "migrate"]


@click.command()
@stock_options
@click.option("--dry-run", is_flag=True, help="Only say what would be rewritten.")
@cache_options
def migrate(
    source: str | None, message_type: str | None, dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Rewrite partitions of an earlier minor table version; no archive is asked.

    New columns are filled with what `extra` holds of them, else null.  Exit code 3 when some
    partitions are as they were: damaged, of an older major version (fetch them again), or of a
    newer library.  Exit code 7 when there is no room.

    \b
    Example:
        cvpilot migrate --dry-run
        cvpilot migrate wydot bsm --start 2021-04-01 --end 2021-04-07
    """
    from intake_cvpilot.maintain.migration import migrate as rewrite

    options: Any = options_of(**given)
    done = rewrite(source, message_type, dry_run=dry_run, **options)
    tell(done, as_json)
    if done.failures:
        raise click.exceptions.Exit(Exit.PARTIAL)


#: What the group takes up.
COMMANDS = (migrate,)
