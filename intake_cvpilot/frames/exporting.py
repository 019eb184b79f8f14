"""Ranges as files for those who have other tools: one file, or one a day."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot.cache.folders import output_error
from intake_cvpilot.cache.manifest import instant_text
from intake_cvpilot.errors import CVPilotError, InvalidRequestError
from intake_cvpilot.extras import need
from intake_cvpilot.frames.choose import TIME
from intake_cvpilot.frames.formats import ENDINGS, SUFFIXES, write
from intake_cvpilot.frames.geo import GEOMETRY, geo_metadata, kind_of, with_wkb
from intake_cvpilot.frames.naming import schema_of, streamed
from intake_cvpilot.frames.open import opened
from intake_cvpilot.options import FrameOptions, with_options
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["Export", "ExportOptions", "Exported", "export"]

Span = tuple[datetime, datetime]


class ExportOptions(FrameOptions, total=False):
    """Keyword arguments of `export`."""

    form: Literal["parquet", "csv", "ndjson", "geoparquet"]
    """What to write; without it the file's name says so: .csv, .ndjson or .jsonl, .parquet or no
    suffix, .geoparquet.  With ``split="day"`` it is Parquet."""
    split: Literal["none", "day"]
    """One file (default), or one a UTC day in a folder."""
    overwrite: bool
    """Whether files that are there are replaced (default False)."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One file that was written."""

    path: str
    """Where it is."""
    rows: int
    """How many rows it has."""
    bytes: int
    """Its size."""


@dataclass(frozen=True, slots=True)
class Export:
    """What an export wrote."""

    files: tuple[Exported, ...]
    """The files, in order of time."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"files": [asdict(file) for file in self.files]}

    def __str__(self) -> str:
        return "\n".join(
            f"{f.path}  {amount(f.rows, 'row')}, {f.bytes:,} bytes" for f in self.files
        )


@with_options(ExportOptions)
def export(
    source: str,
    message_type: str,
    start: Any,
    end: Any,
    output: str | Path,
    **options: Unpack[ExportOptions],
) -> Export:
    """Write a range to files; what is missing is fetched first.

    Rows are read and written part by part, so memory is bounded by the largest part.  A file gets
    its name when it is whole and on the disk: an export that fails or is killed leaves none.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    output : str or Path
        The file; with ``split="day"`` the folder, which is made.
    **options
        See `ExportOptions`, `FrameOptions` and `intake_cvpilot.options.Options`.

    Returns
    -------
    Export
        The files with their rows and sizes.  In CSV and NDJSON instants are ISO 8601 in UTC with
        microseconds; in CSV nested values are JSON text, and null is empty.

    Raises
    ------
    InvalidRequestError
        The request, or a file that is there already; before anything is fetched.  A place that
        cannot be written to.
    SpaceError
        No room for a file.
    PartitionsFailedError, ArchiveError, CacheError
        As for `open_dask`.

    Examples
    --------
    >>> export("wydot", "BSM", "2021-04-01", "2021-04-01", "day.csv", form="csv")  # doctest: +SKIP
    """
    wish, split = options.pop("form", None), options.pop("split", "none")
    overwrite = options.pop("overwrite", False)
    if "://" in str(output):
        raise InvalidRequestError(
            f"{output} is a URL, and an export is written to this computer; `cvpilot publish` "
            "writes to URLs"
        )
    form = wish or ("parquet" if split == "day" else _form(Path(output)))
    if form not in SUFFIXES:
        raise InvalidRequestError(f"form is one of {', '.join(SUFFIXES)}, not {form!r}")
    if split not in ("none", "day"):
        raise InvalidRequestError(f"split is 'none' or 'day', not {split!r}")
    stem = None if split == "none" else f"{source}-{message_type}".lower()
    places = partial(_places, Path(output), stem, SUFFIXES[form])

    def before(chosen: Selection) -> None:
        _refuse(chosen, form)
        for path in places(chosen):
            _free(path, overwrite=overwrite)

    found = opened(source, message_type, start, end, options, before)
    return Export(
        tuple(
            _write(path, form, *_narrowed(found.pieces, found.selection, span))
            for path, span in places(found.selection).items()
        )
    )


def _form(output: Path) -> str:
    """Read off a file's name what to write."""
    form = ENDINGS.get(output.suffix.lower())
    if form is None:
        known = ", ".join(ending for ending in ENDINGS if ending)
        raise InvalidRequestError(
            f"{output.name}: nothing is written to files that end in {output.suffix}; let it end "
            f"in one of {known}, or say the form with form= (--format): {', '.join(SUFFIXES)}"
        )
    return form


def _places(
    output: Path, stem: str | None, suffix: str, chosen: Selection
) -> dict[Path, Span | None]:
    """Name the files to write: one, or with a stem one for each UTC day."""
    if stem is None:
        return {output: None}
    if chosen.start is None or chosen.end is None:
        raise InvalidRequestError(
            f"table {chosen.table.name} has no {TIME}: it cannot be split into days"
        )
    found: dict[Path, Span | None] = {}
    day = datetime(chosen.start.year, chosen.start.month, chosen.start.day, tzinfo=UTC)
    while day < chosen.end:
        after = day + timedelta(days=1)
        found[output / f"{stem}-{chosen.table.name}-{day:%Y-%m-%d}{suffix}"] = (day, after)
        day = after
    return found


def _refuse(chosen: Selection, form: str) -> None:
    """Refuse what cannot be written in a form."""
    if not chosen.columns:
        raise InvalidRequestError("columns names no column; leave it out for all")
    if form == "geoparquet":
        need("shapely", "geo")
        kind_of(chosen.table.name)


def _free(path: Path, *, overwrite: bool) -> None:
    """Refuse a place that is taken."""
    if path.is_dir():
        raise InvalidRequestError(f"{path} is a folder: name a file in it, or split='day'")
    if path.exists() and not overwrite:
        raise InvalidRequestError(
            f"{path} is there already: give another name, or overwrite=True (--overwrite)"
        )


def _narrowed(
    found: Sequence[Piece], chosen: Selection, span: Span | None
) -> tuple[Sequence[Piece], Selection]:
    """Give the parts and rows of a day."""
    if span is None or chosen.start is None or chosen.end is None:
        return found, chosen
    bounds = [pa.scalar(moment, pa.timestamp("us", "UTC")) for moment in span]
    within = (pc.field(TIME) >= bounds[0]) & (pc.field(TIME) < bounds[1])
    one = replace(
        chosen,
        rows=within if chosen.rows is None else chosen.rows & within,
        start=max(span[0], chosen.start),
        end=min(span[1], chosen.end),
    )
    low, high = map(instant_text, span)
    met = [
        piece
        for piece in found
        if (piece.file.start or "") < high and (piece.file.end or high) >= low
    ]
    return met, one


def _write(path: Path, form: str, found: Sequence[Piece], chosen: Selection) -> Exported:
    schema = schema_of(chosen)
    if form == "geoparquet":
        kind_of(chosen.table.name)
        about = {**(schema.metadata or {}), **geo_metadata(chosen.table.name)}
        schema = schema.append(pa.field(GEOMETRY, pa.binary())).with_metadata(about)
        tables = with_wkb(found, chosen)
    else:
        tables = streamed(found, chosen)
    begun = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with begun.open("xb") as stream:
            rows = write(form, stream, schema, tables)
            stream.flush()
            os.fsync(stream.fileno())
        size = begun.stat().st_size
        begun.replace(path)
    except CVPilotError:
        raise
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        with suppress(OSError):
            begun.unlink()
    return Exported(str(path), rows, size)
