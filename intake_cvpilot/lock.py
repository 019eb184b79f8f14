"""A request locked and cited: what an analysis was made of, for those who want to make it again."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal, Unpack

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.fetch import run
from intake_cvpilot.job import prepare
from intake_cvpilot.locked import Lock, lock_of
from intake_cvpilot.options import Options, with_options
from intake_cvpilot.sources import source as source_of

__all__ = ["Lock", "cite", "lock"]


@with_options(Options)
def lock(source: str, message_type: str, start: Any, end: Any, **options: Unpack[Options]) -> Lock:
    """Write down what a request gives; what is missing is fetched first.

    ``open_*(lock=...)`` and ``fetch(lock=...)`` then give the same rows, or say what differs.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    **options
        See `intake_cvpilot.options.Options`.

    Returns
    -------
    Lock
        Its partitions with fingerprints and table versions; ``write(path)`` puts it in a file.

    Raises
    ------
    InvalidRequestError, PartitionsFailedError, ArchiveError, CacheError
        As for `fetch`.

    Examples
    --------
    >>> lock("wydot", "BSM", "2021-04-01", "2021-04-07").write("april.json")  # doctest: +SKIP
    """
    # Partial failures would be a lock of something else than the request.
    job = prepare(source, message_type, start, end, {**options, "on_error": "raise"})
    outcome = run(job, options.get("progress"), options.get("client"))
    return lock_of(job.layout, job.request.canonical(), outcome.manifests)


def cite(
    lock: Lock | Mapping[str, Any] | str | os.PathLike[str],
    form: Literal["plain", "bibtex"] = "plain",
) -> str:
    """Give a citation of what a lock names.

    Parameters
    ----------
    lock : Lock, path or mapping
        The lock, its file, or its ``to_dict()``.
    form : {"plain", "bibtex"}
        One line of text, or an entry for BibTeX.

    Returns
    -------
    str
        Publisher, title, range (UTC), archive, table versions, licence and the lock's digest.

    Raises
    ------
    InvalidRequestError
        The lock cannot be read, or `form` is another.

    Examples
    --------
    >>> print(cite("april.json"))  # doctest: +SKIP
    """
    found = Lock.read(lock)
    source = source_of(found.request["source"])
    kind = source.types[found.request["message_type"]]
    title = f"{source.title}: {kind.title} ({source.name} {kind.name})"
    versions = sorted({item for each in found.partitions for item in each.tables.items()})
    tables = ", ".join(f"{name} {version}" for name, version in versions) or "none"
    span = f"{found.request['start']} to {found.request['end']} (UTC, the end not included)"
    for name in ("weekday", "period"):
        span += f", {name} {found.request[name]}" if name in found.request else ""
    made = f"Tables: {tables}; made by intake-cvpilot {found.library}; lock sha256:{found.digest}"
    licence = f"Licence: {source.licence.name}, {source.licence.url}"
    if form == "plain":
        return f"{source.agency}. {title}, {span}. {found.archive}. {made}. {licence}."
    if form == "bibtex":
        return (
            f"@misc{{{source.name}-{kind.name.lower()}-{found.digest[:12]},\n"
            f"  author = {{{{{_tex(source.agency)}}}}},\n"
            f"  title = {{{{{_tex(title)}}}}},\n"
            f"  howpublished = {{{_tex(found.archive)}}},\n"
            f"  note = {{{_tex(f'{span}. {made}. {licence}.')}}},\n"
            "}"
        )
    raise InvalidRequestError(f"form is 'plain' or 'bibtex', not {form!r}")


def _tex(text: str) -> str:
    """Write text so that TeX takes no character of it for a command."""
    return re.sub(r"([&%$#_])", r"\\\1", text.replace("~", r"\string~"))
