"""The archive's own lines, for those whom our tables do not serve."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Unpack

from intake_cvpilot.decode import shapes_for
from intake_cvpilot.decode.framing import UnreadableError, frames
from intake_cvpilot.errors import DecodeError
from intake_cvpilot.job import Job, prepare
from intake_cvpilot.listing import closing_archive
from intake_cvpilot.options import Options, with_options
from intake_cvpilot.partition import blocks, partitions

__all__ = ["RawLine", "open_raw"]


class RawLine(NamedTuple):
    """One framing unit of one object, as it stands in the archive."""

    object: str
    """The object's full key."""
    line: int
    """The number of the line where it begins, as in the tables' column ``line``."""
    bytes: bytes
    """Its bytes without the line end."""


@with_options(Options)
def open_raw(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[Options],
) -> Iterator[RawLine]:
    """Iterate over the archive's own lines; nothing is decoded and nothing is cached.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`; every line of every partition that can hold rows of the range is
        given, so the caller filters by time.
    **options
        See `intake_cvpilot.options.Options`.

    Yields
    ------
    RawLine
        Object key, line number and bytes, in the order of the keys.  Blank lines are left out.

    Raises
    ------
    InvalidRequestError, ArchiveError
        The request at once, the archive's faults while iterating.

    Examples
    --------
    >>> next(open_raw("wydot", "BSM", "2021-04-01", "2021-04-01"))  # doctest: +SKIP
    """
    job = prepare(source, message_type, start, end, options)
    return iterate(job)


def iterate(job: Job) -> Iterator[RawLine]:
    """Read block by block into a temporary folder, and give the lines."""
    framing = shapes_for(job.request.source, job.request.message_type).framing
    with closing_archive(job) as archive, TemporaryDirectory(prefix="cvpilot-raw-") as folder:
        for partition in partitions(job.request):
            snapshot = archive.snapshot(partition.prefix)
            for block in blocks(snapshot.units, partition.prefix):
                with closing(archive.read(block.units, Path(folder))) as arriving:
                    places = {got.unit: got.path for got in arriving}
                for unit in block.units:
                    yield from lines(unit.key, places[unit], framing)
                    places[unit].unlink()


def lines(key: str, path: Path, framing: str) -> Iterator[RawLine]:
    """Give an object's lines, also those that are too long for the tables."""
    try:
        for line, offset, data in frames(path, framing):
            text = data if isinstance(data, bytes) else cut(path, offset, data.length)
            if text.strip():
                yield RawLine(key, line, text)
    except UnreadableError as error:
        raise DecodeError(f"{key} cannot be read as lines: {': '.join(error.args)}") from error


def cut(path: Path, offset: int, length: int) -> bytes:
    """Read a part of a plain or compressed object."""
    with path.open("rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    with gzip.open(path) if zipped else path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)
