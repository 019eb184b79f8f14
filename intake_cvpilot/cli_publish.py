"""The command that writes committed partitions to a place from which others read: publish."""

from __future__ import annotations

import json
from typing import Any

import click

from intake_cvpilot.cli_options import (
    cache_options,
    options_of,
    reach_options,
    request_options,
    tell,
)
from intake_cvpilot.errors import InvalidRequestError

__all__ = ["publish"]


@click.command()
@click.argument("to", metavar="URL")
@request_options
@click.option(
    "--to-options",
    help='How to reach it, as JSON, e.g. \'{"profile": "lab"}\'; others see what you type.',
)
@click.option("--prune", is_flag=True, help="Remove parts that the new manifests do not name.")
@reach_options
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that decode.")
@cache_options
def publish(
    to: str,
    source: str,
    message_type: str,
    start: str,
    end: str,
    to_options: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Write a range to URL (a folder, s3://bucket/path, any fsspec URL) for others to read.

    What is missing is fetched first.  Parts go before their manifest, the catalog last; what is
    there already is not sent again, so the same command goes on after a stop.

    \b
    Example:
        cvpilot publish s3://lab/cvpilot wydot bsm --start 2021-04-01 --end 2021-04-07 \\
            --to-options '{"profile": "lab"}'
        cvpilot export wydot bsm --start 2021-04-01 --end 2021-04-01 -o day.csv \\
            --cache-dir s3://lab/cvpilot --offline

    \b
    Exit codes: 0 published, 2 wrong request or place, 3 something failed, 4 damage in the cache,
    5 offline and not cached, 6 access denied, 7 no space.
    """
    from intake_cvpilot.bars import without_summary
    from intake_cvpilot.publish import publish as write
    from intake_cvpilot.settings import resolve

    try:
        reach = json.loads(to_options) if to_options else None
    except ValueError:
        raise InvalidRequestError("--to-options: the value is no JSON object") from None
    with without_summary(resolve(published=True).progress) as progress:
        options: Any = options_of(progress=progress, **given)
        made = write(source, message_type, start, end, to, reach, **options)
    tell(made, as_json)
