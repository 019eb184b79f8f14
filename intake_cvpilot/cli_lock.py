"""The commands that write down a request and cite it: lock and cite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from intake_cvpilot.cli_options import cache_options, options_of, reach_options, request_options
from intake_cvpilot.wording import amount

__all__ = ["COMMANDS", "cite", "lock"]


@click.command()
@request_options
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to write the lock to.")
@click.option("--overwrite", is_flag=True, help="Replace another lock in that file.")
@reach_options
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that decode.")
@cache_options
def lock(
    source: str,
    message_type: str,
    start: str,
    end: str,
    output: Path | None,
    overwrite: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write down a range's objects, table versions and digests of values, to have it again.

    What is missing is fetched first.  Without --output, or with --json, the lock goes to standard
    output; it is JSON.

    \b
    Example:
        cvpilot lock wydot bsm --start 2021-04-01 --end 2021-04-07 -o april.json
        cvpilot fetch --lock april.json

    \b
    Exit codes: those of fetch.
    """
    from intake_cvpilot.bars import without_summary
    from intake_cvpilot.lock import lock as write_down
    from intake_cvpilot.settings import resolve

    with without_summary(resolve(published=True).progress) as progress:
        options: Any = options_of(progress=progress, **given)
        made = write_down(source, message_type, start, end, **options)
    if output is not None:
        made.write(output, overwrite=overwrite)
        click.echo(
            f"{output}  {amount(len(made.partitions), 'partition')}, {made.digest}", err=True
        )
    if output is None or as_json:
        click.echo(str(made))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["plain", "bibtex"]),
    default="plain",
    show_default=True,
    help="A line of text, or an entry for BibTeX.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def cite(file: Path, form: Any, as_json: bool) -> None:
    """Print a citation of what a lock names: publisher, range, licence, digest.

    Exit code 2 when FILE is no lock, or was changed since it was written.

    \b
    Example:
        cvpilot cite april.json
        cvpilot cite april.json --format bibtex
    """
    from intake_cvpilot.lock import cite as citation
    from intake_cvpilot.locked import Lock

    found = Lock.read(file)
    text = citation(found, form)
    click.echo(json.dumps({"citation": text, "digest": found.digest}) if as_json else text)


#: What the group takes up.
COMMANDS = (lock, cite)
