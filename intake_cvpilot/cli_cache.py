"""The commands that look after the cache: verify, repair, refresh, evict, clear, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from intake_cvpilot.cli_options import cache_options, options_of, stock_options, tell
from intake_cvpilot.exits import Exit

__all__ = ["COMMANDS", "clear", "doctor", "evict", "refresh", "repair", "verify"]


@click.command()
@stock_options
@click.option("--quick/--deep", "quick", default=True, help="Sizes and footers, or every byte.")
@click.option("--remote", is_flag=True, help="List the archive too, and tell what is new there.")
@click.option("--resume", is_flag=True, help="Pass over what was found good within the last day.")
@click.option("--jobs", type=click.IntRange(min=1), help="Threads.")
@cache_options
def verify(
    source: str | None, message_type: str | None, quick: bool, as_json: bool, **given: Any
) -> None:
    """Check the cache against its manifests: sizes and footers, or with --deep every byte.

    Exit code 4 when something is damaged, or with --remote differs from the archive.

    \b
    Example:
        cvpilot verify
        cvpilot verify wydot bsm --start 2021-04-01 --end 2021-04-07 --deep
    """
    from intake_cvpilot.maintain.verification import verify as check

    options: Any = options_of(**given)
    found = check(source, message_type, deep=not quick, **options)
    tell(found, as_json)
    if not found.is_good:
        raise click.exceptions.Exit(Exit.PROBLEMS)


@click.command()
@click.option("--max-size", help="Bytes that the cache may take, e.g. 20GB.")
@click.option("--older-than", type=float, help="Also what was not used for so many days.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--cache-dir", type=click.Path(path_type=Path), help="Folder of the cache.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def evict(
    max_size: str | None,
    older_than: float | None,
    dry_run: bool,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Remove what was used least recently, of all archives, until the cache is small enough.

    What is staged goes first; what was used within the last hour stays, and the result says how
    much that is and when it can go.  Without options the limit is CVPILOT_CACHE_LIMIT.  Exit code
    7 when the cache is still too large.

    \b
    Example:
        cvpilot evict --max-size 20GB
        cvpilot evict --older-than 90 --dry-run
    """
    from intake_cvpilot.maintain.clearing import evict as remove

    done = remove(max_size=max_size, older_than=older_than, dry_run=dry_run, cache_dir=cache_dir)
    tell(done, as_json)
    if done.is_short:
        raise click.exceptions.Exit(Exit.SPACE)
    if done.failed:
        raise click.exceptions.Exit(Exit.PARTIAL)


@click.command()
@stock_options
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@cache_options
def clear(
    source: str | None,
    message_type: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Remove partitions from the cache: those of a source, a type, a range, or all.

    \b
    Example:
        cvpilot clear wydot bsm --start 2021-04-01 --end 2021-04-07 --dry-run
        cvpilot clear wydot --yes
    """
    from intake_cvpilot.maintain.clearing import clear as remove

    if not (dry_run or yes or sys.stdin.isatty()):
        raise click.UsageError("this is no terminal to ask on: give --yes, or look with --dry-run")

    def confirm(would: Any) -> bool:
        click.echo(str(would), err=True)
        return click.confirm("Remove these?", err=True)

    options: Any = options_of(**given)
    asking = None if yes else confirm
    done = remove(source, message_type, dry_run=dry_run, confirm=asking, **options)
    if done.dry_run and (done.partitions or done.cut) and not dry_run:
        click.echo("nothing was removed", err=True)
        return
    tell(done, as_json)
    if done.failed:
        raise click.exceptions.Exit(Exit.PARTIAL)


@click.command()
@click.option("--source", help="The source whose archive is tried.")
@click.option("--offline", is_flag=True, default=None, help="Open no socket.")
@cache_options
def doctor(as_json: bool, **given: Any) -> None:
    """Try what a fetch needs: the cache, its file system, and the archive with one listing.

    \b
    Example:
        cvpilot doctor
        cvpilot doctor --offline
    """
    from intake_cvpilot.maintain.checkup import doctor as examine

    found = examine(**given)
    tell(found, as_json)
    if found.denied:
        raise click.exceptions.Exit(Exit.ACCESS)
    if not found.is_good:
        raise click.exceptions.Exit(Exit.PROBLEMS)


def rebuild_options(command: Any) -> Any:
    """Add what narrows the partitions, and what bounds what is asked of the archive."""
    for add in (
        cache_options,
        click.option("--jobs", type=click.IntRange(min=1), help="Processes that decode."),
        click.option("--max-bytes", help='Most raw bytes to read, e.g. 50GB, or "none".'),
        click.option("--rate", help='Requests a second to the archive, or "none".'),
        click.option("--offline", is_flag=True, default=None, help="Open no socket."),
        stock_options,
    ):
        command = add(command)
    return command


@click.command()
@rebuild_options
def repair(source: str | None, message_type: str | None, as_json: bool, **given: Any) -> None:
    """Check every byte, and fetch anew what is damaged and nothing else.

    Damaged files stay until the new ones are committed.  Exit code 5 when something is damaged
    and the archive may not be asked.

    \b
    Example:
        cvpilot repair
        cvpilot repair wydot bsm --start 2021-04-01 --end 2021-04-07
    """
    from intake_cvpilot.maintain.rebuilding import repair as mend

    rebuilt(mend, source, message_type, as_json, given)


@click.command()
@rebuild_options
@click.option("--newer", is_flag=True, help="Also replace what a newer version of this wrote.")
def refresh(source: str | None, message_type: str | None, as_json: bool, **given: Any) -> None:
    """List what is cached again, and fetch what was added or changed since.

    What a newer version of the library wrote stays as it is and is told (exit code 3), unless
    --newer has it fetched anew with the tables of this one.

    \b
    Example:
        cvpilot refresh wydot bsm --start 2021-04-01 --end 2021-04-07
    """
    from intake_cvpilot.maintain.rebuilding import refresh as renew

    rebuilt(renew, source, message_type, as_json, given)


def rebuilt(
    call: Any, source: str | None, message_type: str | None, as_json: bool, given: dict[str, Any]
) -> None:
    """Run a call that rebuilds, with progress, and print what it did."""
    from intake_cvpilot.bars import without_summary
    from intake_cvpilot.settings import resolve

    with without_summary(resolve().progress) as progress:
        options: Any = options_of(progress=progress, **given)
        done = call(source, message_type, **options)
    tell(done, as_json)
    if done.failures:
        raise click.exceptions.Exit(Exit.PARTIAL)


#: What the group takes up.
COMMANDS = (verify, repair, refresh, evict, clear, doctor)
