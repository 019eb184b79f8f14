"""The command that brings a range into the cache: a day, or years of them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from intake_cvpilot.cli_options import (
    cache_options,
    lockable_options,
    options_of,
    reach_options,
    tell,
)
from intake_cvpilot.errors import PartitionsFailedError
from intake_cvpilot.exits import Exit

if TYPE_CHECKING:
    from intake_cvpilot.progress import Event, Progress

__all__ = ["fetch"]


@click.command()
@lockable_options
@reach_options
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that decode.")
@click.option("--cluster", metavar="ADDRESS", help="Fetch on the workers of this dask scheduler.")
@click.option("--codec", type=click.Choice(["snappy", "zstd"]), help="Compression of new parts.")
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Fail after the other partitions, or warn.",
)
@cache_options
def fetch(
    source: str | None,
    message_type: str | None,
    start: str | None,
    end: str | None,
    cluster: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Bring a range into the cache; what is there already is not read again.

    The plan is printed first, then what was done.  Whatever ends it, the same command goes on
    where this one stopped, and tries again what failed.

    \b
    Example:
        cvpilot fetch wydot bsm --start 2021-04-01 --end 2021-04-07
        cvpilot fetch wydot bsm --start 2017-01-01 --end 2024-12-31 --max-bytes none --jobs 4
        cvpilot fetch --lock april.json
    """
    from intake_cvpilot.bars import without_summary
    from intake_cvpilot.cluster.choose import connected
    from intake_cvpilot.fetch import fetch as bring
    from intake_cvpilot.settings import resolve

    try:
        with (
            nullcontext() if cluster is None else connected(cluster) as client,
            without_summary(resolve(published=True).progress) as progress,
        ):
            options = options_of(progress=announcing(progress), client=client, **given)
            report = bring(source, message_type, start, end, **options)
    except PartitionsFailedError as error:
        tell(error.report, as_json)
        raise
    tell(report, as_json)
    if as_json:
        click.echo(str(report), err=True)
    if any(partition.action == "failed" for partition in report.partitions):
        raise click.exceptions.Exit(Exit.PARTIAL)


def announcing(show: Progress) -> Progress:
    """Print the plan before its first byte is read."""

    def told(event: Event) -> None:
        if event.kind == "plan":
            click.echo(f"plan: {event.message}", err=True)
        show(event)

    return told
