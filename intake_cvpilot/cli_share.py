"""The commands that hand a warm cache on: export-cache and import-cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from intake_cvpilot.cli_options import cache_options, options_of, stock_options, tell
from intake_cvpilot.exits import Exit

__all__ = ["COMMANDS", "export_cache", "import_cache"]


@click.command("export-cache")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@stock_options
@cache_options
def export_cache(
    file: Path, source: str | None, message_type: str | None, as_json: bool, **given: Any
) -> None:
    """Write partitions of the cache into a checksummed tar, to hand them on.

    Exit code 4 when damaged partitions were left out.

    \b
    Example:
        cvpilot export-cache april.tar wydot bsm --start 2021-04-01 --end 2021-04-30
    """
    from intake_cvpilot.maintain.sharing import export_cache as export

    options: Any = options_of(**given)
    done = export(file, source, message_type, **options)
    tell(done, as_json)
    if done.left_out:
        raise click.exceptions.Exit(Exit.PROBLEMS)


@click.command("import-cache")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Folder of the cache.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def import_cache(file: Path, cache_dir: Path | None, as_json: bool) -> None:
    """Take the partitions of a tar that export-cache wrote into the cache, checked.

    \b
    Example:
        cvpilot import-cache april.tar
    """
    from intake_cvpilot.maintain.sharing import import_cache as take

    tell(take(file, cache_dir=cache_dir), as_json)


#: What the group takes up.
COMMANDS = (export_cache, import_cache)
