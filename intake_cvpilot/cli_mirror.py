"""The command that copies raw objects: mirror."""

from __future__ import annotations

import json
from typing import Any

import click

from intake_cvpilot.cli_options import cache_options, options_of, request_options, tell
from intake_cvpilot.errors import InvalidRequestError, PartitionsFailedError
from intake_cvpilot.exits import Exit

__all__ = ["mirror"]


@click.command()
@request_options
@click.option("--rate", help='Requests a second, or "none".')
@click.option("--max-bytes", help='Most raw bytes of the range, e.g. 50GB, or "none".')
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Fail after the other partitions, or warn.",
)
@click.option("--to", required=True, help="Folder or s3://bucket to copy to.")
@click.option(
    "--to-options",
    help='How to reach it, as JSON, e.g. \'{"profile": "lab"}\'; others see what you type.',
)
@cache_options
def mirror(
    source: str,
    message_type: str,
    start: str,
    end: str,
    to: str,
    to_options: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Copy the raw objects of a range to a folder or bucket that then serves as the archive.

    What is there already is not read again: the same command goes on after a stop.  Exit code 3:
    some partitions failed, the others are whole.

    \b
    Example:
        cvpilot mirror wydot bsm --start 2021-04-01 --end 2021-04-07 --to /data/cvpilot
        cvpilot fetch wydot bsm --start 2021-04-01 --end 2021-04-07 --archive /data/cvpilot
    """
    from intake_cvpilot.mirror import mirror as copy

    try:
        reach = json.loads(to_options) if to_options else None
    except ValueError:
        raise InvalidRequestError("--to-options: the value is no JSON object") from None
    try:
        options: Any = options_of(**given)
        report = copy(source, message_type, start, end, to, reach, **options)
    except PartitionsFailedError as error:
        if as_json:
            tell(error.report, as_json)
        raise
    tell(report, as_json)
    if "failed" in report.actions:
        raise click.exceptions.Exit(Exit.PARTIAL)
