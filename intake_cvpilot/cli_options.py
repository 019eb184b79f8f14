"""What commands share: options that are declared once, and results for people and machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from intake_cvpilot.options import Options

__all__ = [
    "cache_options",
    "lockable_options",
    "options_of",
    "reach_options",
    "request_options",
    "stock_options",
    "tell",
]

Command = TypeVar("Command", bound=Callable[..., Any])


def cache_options(command: Command) -> Command:
    """Add the options that say which cache and which archive."""
    for add in (
        click.option("--cache-dir", help="Folder of the cache; offline also a published URL."),
        click.option("--archive", help="URL or folder of the archive."),
        click.option("--json", "as_json", is_flag=True, help="JSON on standard output."),
    ):
        command = add(command)
    return command


def request_options(command: Command) -> Command:
    """Add the source, the message type and the range."""
    return _request(command, required=True)


def lockable_options(command: Command) -> Command:
    """Add the same, and a lock that says them all."""
    told = "What `cvpilot lock` wrote: the range is the lock's; other content is an error (4)."
    return _request(click.option("--lock", metavar="FILE", help=told)(command), required=False)


def _request(command: Command, *, required: bool) -> Command:
    for add in (
        click.option("--weekday", multiple=True, help="Only nycdot: MON to SUN or NA."),
        click.option("--period", multiple=True, help="Only nycdot: NT, AM, MD, PM, EV or NA."),
        click.option("--timezone", default="UTC", show_default=True, help="Zone of naive bounds."),
        click.option(
            "--end", required=required, help="Last day (included), or an instant (excluded)."
        ),
        click.option("--start", required=required, help="First day, or first instant."),
        click.argument("message_type", metavar="TYPE" if required else "[TYPE]", required=required),
        click.argument("source", required=required, callback=_no_entry),
    ):
        command = add(command)
    return command


def _no_entry(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Say what an entry of the catalog is called here, before its type is missed."""
    if value is not None and "_" in value:
        from intake_cvpilot.sources import source

        source(value)
    return value


def stock_options(command: Command) -> Command:
    """Add what narrows the partitions of the cache: source, type and range, all optional."""
    for add in (
        click.option("--weekday", multiple=True, help="Only nycdot: MON to SUN or NA."),
        click.option("--timezone", default="UTC", show_default=True, help="Zone of naive bounds."),
        click.option("--end", help="Last day (included), or an instant (excluded)."),
        click.option("--start", help="First day, or first instant; without a range all."),
        click.argument("message_type", metavar="[TYPE]", required=False),
        click.argument("source", required=False),
    ):
        command = add(command)
    return command


def reach_options(command: Command) -> Command:
    """Add the options that bound what is asked of the archive."""
    for add in (
        click.option("--offline", is_flag=True, default=None, help="Open no socket."),
        click.option("--refresh", is_flag=True, help="List again; rebuild what changed."),
        click.option("--rate", help='Requests a second to the archive, or "none".'),
        click.option("--max-bytes", help='Most raw bytes to read, e.g. 50GB, or "none".'),
        click.option(
            "--max-size", "cache_limit", help="Bytes that the cache may take, e.g. 200GB."
        ),
    ):
        command = add(command)
    return command


def options_of(**given: Any) -> Options:
    """Give the library's options from the command line's; what was not given stays unset."""
    options = {key: value for key, value in given.items() if value not in (None, ())}
    for name in ("weekday", "period"):  # as often as wanted, or with commas
        if name in options:
            options[name] = ",".join(options[name])
    return cast("Options", options)


def tell(value: Any, as_json: bool) -> None:
    """Print a result: its text for people, or JSON for machines."""
    click.echo(json.dumps(value.to_dict(), default=str) if as_json else str(value))
