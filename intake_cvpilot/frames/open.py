"""Open a range as a frame: fetch what is missing, then read lazily from the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from intake_cvpilot.collector import held_back
from intake_cvpilot.fetch import run
from intake_cvpilot.frames.choose import choose_index
from intake_cvpilot.frames.groups import choose_cut
from intake_cvpilot.frames.select import Piece, Selection, pieces, selection
from intake_cvpilot.job import prepare
from intake_cvpilot.options import DaskOptions, FrameOptions, IndexOptions, with_options
from intake_cvpilot.remarks import remark_beyond

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd
    import pyarrow.dataset as ds

    from intake_cvpilot.report import Report

#: Options that say which rows and columns of a table, and under which names.
SELECTING = ("table", "columns", "filters", "outside", "repeats", "names")

__all__ = ["Opened", "as_dask", "open_arrow", "open_dask", "open_pandas", "opened"]


@dataclass(frozen=True)
class Opened:
    """A fetched range, ready to be read by any engine."""

    selection: Selection
    """Rows and columns."""
    pieces: tuple[Piece, ...]
    """The committed parts that can hold them, in order."""
    report: Report
    """What was fetched."""


def opened(
    source: str | None,
    message_type: str | None,
    start: Any,
    end: Any,
    options: Mapping[str, Any],
    before: Callable[[Selection], object] | None = None,
) -> Opened:
    """Validate everything, fetch what is missing, and find the parts to read.

    ``before`` is called between: what cannot be given afterwards must not cost a fetch.
    """
    job = prepare(source, message_type, start, end, options)
    chosen = selection(
        job.request,
        **{key: options[key] for key in SELECTING if options.get(key) is not None},
    )
    choose_index(chosen.table, options.get("index"))
    choose_cut(options.get("partition"))
    if before is not None:
        before(chosen)
    outcome = run(job, options.get("progress"), options.get("client"), outside=chosen.outside)
    if chosen.outside:
        remark_beyond(outcome.manifests, chosen.table.name, chosen.start, chosen.end)
    with held_back():
        found = pieces(job.layout, outcome.manifests, chosen, job.settings.verify)
    return Opened(chosen, tuple(found), outcome.report)


@with_options(DaskOptions)
def open_dask(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[DaskOptions],
) -> dd.DataFrame:
    """Open a range as a lazy dask frame; what is missing is fetched first.

    Parameters
    ----------
    source : str
        wydot, wydot_backup, thea, nycdot or one of the data portal (wydot_portal...); any case.
    message_type : str
        BSM, TIM, SPAT or EVENT; any case.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        The range. A date means the whole day, ``end`` included; anything else is an instant and
        the range is half-open. Naive values are in ``timezone`` (default UTC).
    **options
        Of the frame: ``columns`` (names, in this order; None for all), ``filters`` (a list of
        ``(column, op, value)``, values in the columns' units, times aware), ``outside`` ("keep"
        gives rows that lie in another day's folder), ``repeats`` ("drop" leaves out exact
        repeats), ``table`` and ``names``: `DaskOptions`, besides ``partition`` and ``index``.
        Of the data: ``archive``, ``cache_dir``, ``offline``, ``refresh`` and others:
        `intake_cvpilot.options.Options`.

    Returns
    -------
    dask.dataframe.DataFrame
        SI units, UTC; a partition for each part, sorted by event time within it, unless
        ``partition`` says otherwise.  dtypes are a constant of the table.

    Raises
    ------
    InvalidRequestError
        The request, before any I/O.
    PartitionsFailedError, ArchiveError, CacheError
        What could not be fetched.

    Examples
    --------
    >>> open_dask("wydot", "BSM", "2021-04-01", "2021-04-07")  # doctest: +SKIP
    """
    return as_dask(opened(source, message_type, start, end, options), options)


def as_dask(found: Opened, options: Mapping[str, Any]) -> dd.DataFrame:
    """Give an opened range as a lazy frame, as ``index`` and ``partition`` ask."""
    from intake_cvpilot.frames.dask import to_dask

    cut = choose_cut(options.get("partition"))
    return to_dask(found.pieces, found.selection, index=options.get("index"), cut=cut)


@with_options(IndexOptions)
def open_pandas(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[IndexOptions],
) -> pd.DataFrame:
    """Read a range into a pandas frame; what is missing is fetched first.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    **options
        Of the frame: ``columns`` (names, in this order; None for all), ``filters`` (a list of
        ``(column, op, value)``, values in the columns' units, times aware), ``outside`` ("keep"
        gives rows that lie in another day's folder), ``repeats`` ("drop" leaves out exact
        repeats), ``table`` and ``names``: `IndexOptions`, besides ``index``.
        Of the data: ``archive``, ``cache_dir``, ``offline``, ``refresh`` and others:
        `intake_cvpilot.options.Options`.

    Returns
    -------
    pandas.DataFrame
        The rows of `open_dask` in memory, sorted by event time.

    Raises
    ------
    InvalidRequestError, PartitionsFailedError, ArchiveError, CacheError
        As for `open_dask`.

    Examples
    --------
    >>> open_pandas("wydot", "BSM", "2021-04-01", "2021-04-01")  # doctest: +SKIP
    """
    from intake_cvpilot.frames.pandas import read_pandas

    found = opened(source, message_type, start, end, options)
    return read_pandas(found.pieces, found.selection, index=options.get("index"))


@with_options(FrameOptions)
def open_arrow(
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[FrameOptions],
) -> ds.Dataset:
    """Open a range as an Arrow dataset over the committed files; what is missing is fetched.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
    **options
        Of the frame: ``columns`` (names, in this order; None for all), ``filters`` (a list of
        ``(column, op, value)``, values in the columns' units, times aware), ``outside`` ("keep"
        gives rows that lie in another day's folder), ``repeats`` ("drop" leaves out exact
        repeats), ``table`` and ``names``: `FrameOptions`.
        Of the data: ``archive``, ``cache_dir``, ``offline``, ``refresh`` and others:
        `intake_cvpilot.options.Options`.

    Returns
    -------
    pyarrow.dataset.Dataset
        Filtered to the range.  With ``columns`` its schema is those, followed by the columns that
        the range and the filters need; its metadata name table, source and archive.  Each file's
        whole hash was checked when the dataset was opened, and page checksums are checked on
        reading.

    Raises
    ------
    InvalidRequestError, PartitionsFailedError, ArchiveError, CacheError
        As for `open_dask`.

    Examples
    --------
    >>> open_arrow("wydot", "BSM", "2021-04-01", "2021-04-01")  # doctest: +SKIP
    """
    from intake_cvpilot.frames.arrow import to_dataset

    found = opened(source, message_type, start, end, options)
    about = {"source": found.report.source, "archive": found.report.archive}
    return to_dataset(found.pieces, found.selection, about)
