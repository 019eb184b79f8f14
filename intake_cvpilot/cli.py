"""The commands ``cvpilot`` and ``python -m intake_cvpilot.cache``: one group for both.

Results go to standard output (``--json`` for machines), messages to standard error.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import click

from intake_cvpilot import (
    cli_cache,
    cli_export,
    cli_fetch,
    cli_lock,
    cli_look,
    cli_migrate,
    cli_mirror,
    cli_publish,
    cli_share,
    errors,
)
from intake_cvpilot.cli_options import (
    cache_options,
    options_of,
    reach_options,
    request_options,
    tell,
)
from intake_cvpilot.exits import Exit, exit_code

__all__ = ["cli", "main"]


class Group(click.Group):
    """A group that turns the library's errors into a line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (errors.CVPilotError, NotImplementedError) as error:
            click.echo(f"{type(error).__name__}: {error}", err=True)
            ctx.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on where this one stopped", err=True)
            ctx.exit(Exit.INTERRUPTED)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="intake-cvpilot")
def cli() -> None:
    """Tables from the USDOT connected-vehicle pilot archive, and their local cache.

    \b
    Exit codes: 0 done, 1 unexpected error, 2 wrong use or request, 3 some partitions failed,
    4 problems found, 5 offline and not cached, 6 access denied, 7 no space, 8 lock timeout,
    130 interrupted.
    """


@cli.command()
@cache_options
def path(as_json: bool, archive: str | None, cache_dir: str | None) -> None:
    """Print the folder of the cache, and the settings that are not at their defaults.

    \b
    Example:
        cvpilot path
        cvpilot path --json
    """
    from intake_cvpilot.settings import resolve

    settings = resolve(cache_dir=cache_dir, archive=archive)
    if as_json:
        rows = [
            dict(zip(("name", "value", "from"), row, strict=True)) for row in settings.describe()
        ]
        click.echo(json.dumps({"cache": str(settings.cache_dir), "settings": rows}, default=str))
        return
    click.echo(settings.cache_dir)
    for name, value, origin in settings.describe():
        if origin != "default":
            click.echo(f"  {name} = {value}  ({origin})", err=True)


@cli.command()
@request_options
@reach_options
@cache_options
def plan(source: str, message_type: str, start: str, end: str, as_json: bool, **given: Any) -> None:
    """Say what a fetch would read: one listing for each partition in need, no reads.

    \b
    Example:
        cvpilot plan wydot bsm --start 2021-04-01 --end 2021-04-07
    """
    from intake_cvpilot.listing import plan as make_plan

    made = make_plan(source, message_type, start, end, **options_of(**given))
    tell(made, as_json)
    if not as_json:
        for line in made.lines():
            click.echo(f"  {line}")
    if any(partition.error for partition in made.partitions):
        raise click.exceptions.Exit(Exit.PARTIAL)


@cli.command()
@click.argument("entry")
@click.option("--start", required=True, help="First day, or first instant.")
@click.option("--end", required=True, help="Last day (included), or an instant (excluded).")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where to write.")
@cache_options
def catalog(entry: str, start: str, end: str, folder: Path, as_json: bool, **given: Any) -> None:
    """Copy a range as plain Parquet with a catalog that opens without this library.

    ENTRY is an entry of the catalog, such as wydot_bsm.  Who opens the copy needs Intake and
    intake-parquet only.

    \b
    Example:
        cvpilot catalog wydot_bsm --start 2021-04-01 --end 2021-04-07 --folder april
    """
    from intake_cvpilot.catalog import open_catalog, static_catalog
    from intake_cvpilot.sources import suggestion

    entries = open_catalog()
    if entry not in list(entries):
        raise errors.InvalidRequestError(
            f"the catalog has no entry {entry!r}{suggestion(entry, entries)}; it has: "
            f"{', '.join(sorted(entries))}"
        )
    chosen = entries[entry](start=start, end=end, **options_of(**given))
    written = static_catalog(folder, [chosen])
    click.echo(json.dumps({"catalog": str(written)}) if as_json else str(written))


@cli.command()
@click.argument("source", required=False)
@click.argument("message_type", required=False, metavar="[TYPE]")
@cache_options
def status(
    source: str | None,
    message_type: str | None,
    as_json: bool,
    archive: str | None,
    cache_dir: str | None,
) -> None:
    """Tell what the cache holds: partitions, rows and bytes for each source and message type.

    \b
    Example:
        cvpilot status
        cvpilot status wydot bsm --json
    """
    from intake_cvpilot.maintain.holdings import status as look

    found = look(source, message_type, archive=archive, cache_dir=cache_dir)
    tell(found, as_json)
    if found.damaged:
        raise click.exceptions.Exit(Exit.PROBLEMS)


@cli.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to write (default: a new folder)."
)
def demo(folder: Path | None) -> None:
    """Show the library at work on a small made-up archive: no network, nothing to configure.

    \b
    Example:
        cvpilot demo
    """
    from intake_cvpilot.demo import run

    click.echo(run(folder or Path(tempfile.mkdtemp(prefix="cvpilot-demo-"))))


cli.add_command(cli_fetch.fetch)
cli.add_command(cli_mirror.mirror)
for looking in (cli_look.quality, cli_look.objects, cli_look.trace, cli_look.columns):
    cli.add_command(looking)
cli.add_command(cli_export.export)
cli.add_command(cli_publish.publish)

for keeping in (
    *cli_cache.COMMANDS,
    *cli_lock.COMMANDS,
    *cli_migrate.COMMANDS,
    *cli_share.COMMANDS,
):
    cli.add_command(keeping)


def tell_warning(message: Warning | str, *_where: Any, **_how: Any) -> None:
    """Print a warning as a message for people: where in this file it arose helps nobody."""
    _say_once(f"warning: {message}")


@cache
def _say_once(text: str) -> None:
    click.echo(text, err=True)


def main() -> None:
    """Run the command line."""
    warnings.showwarning = tell_warning
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    cli(prog_name="cvpilot")
