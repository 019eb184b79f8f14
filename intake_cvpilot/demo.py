"""The demo: the library's main call on a small synthetic archive, with no network at all."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.synthetic import DAYS, Summary, write_archive

if TYPE_CHECKING:
    import os

    import dask.dataframe as dd

    from intake_cvpilot.report import Report

__all__ = ["run", "write_archive"]

_MARK = "made-by-cvpilot-demo"
_COLUMNS = ["event_time", "vehicle_id", "latitude", "longitude", "elevation", "speed", "heading"]


def run(folder: str | os.PathLike[str]) -> str:
    """Write a synthetic archive, open it as a dask frame, and tell what came out.

    Parameters
    ----------
    folder : path
        A new or empty folder, or one of an earlier demo, which is written anew.  The archive goes
        to ``archive`` below it and a cache of its own to ``cache``: the user's cache is not
        touched.

    Returns
    -------
    str
        A text for people: the frame's head, speeds in m/s, the report, and where things are.

    Raises
    ------
    InvalidRequestError
        When the folder holds files that no demo wrote.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> print(run(mkdtemp()))  # doctest: +SKIP
    """
    root = _cleared(Path(folder).expanduser().absolute())
    summary = write_archive(root / "archive")
    options: dict[str, Any] = {
        "start": f"{DAYS[0]}",
        "end": f"{DAYS[-1]}",
        "archive": f"{root / 'archive'}",
        "cache_dir": f"{root / 'cache'}",
    }
    frame, report, seconds = _open(options)
    _, second, again = _open(options)
    call = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return "\n\n".join(
        (
            _archive_text(summary),
            f"intake_cvpilot.open_catalog().wydot_bsm({call}).to_dask()",
            _frame_text(frame),
            f"{report}",
            (
                f"The first call took {seconds:.1f} s. The second took {again:.1f} s and sent "
                f"{second.requests} requests to the archive: what is in the cache is not "
                "read again."
            ),
            f"The archive is in {root / 'archive'}\nThe cache is in   {root / 'cache'}",
        )
    )


def _cleared(folder: Path) -> Path:
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()):
        if not mark.is_file():
            raise InvalidRequestError(
                f"{folder} holds files that no demo wrote: give a new or an empty folder"
            )
        for name in ("archive", "cache"):
            shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text("The next `cvpilot demo` in this folder removes `archive` and `cache` here.\n")
    return folder


def _open(options: dict[str, Any]) -> tuple[dd.DataFrame, Report, float]:
    """Return the frame, what was fetched for it, and the seconds that it took."""
    from intake_cvpilot import open_catalog

    begin = time.perf_counter()
    source = open_catalog().wydot_bsm(**options)
    frame = source.to_dask()
    return frame, source.report, time.perf_counter() - begin


def _archive_text(summary: Summary) -> str:
    return (
        f"A synthetic archive: {len(summary.days)} UTC days of invented drives on I-80, "
        f"{summary.objects} objects ({summary.late_objects} of them weeks late), "
        f"{summary.bytes:,} bytes,\n{summary.lines:,} lines, {summary.bad} of them bad, "
        f"{summary.blank} blank; {summary.outside} messages lie in another day's folder."
    )


def _frame_text(frame: dd.DataFrame) -> str:
    """Return the frame's head and the speeds of each day; speeds in m/s, times in UTC."""
    import pandas as pd

    rows = frame[_COLUMNS].compute()
    speeds = rows.groupby(rows["event_time"].dt.strftime("%Y-%m-%d"))["speed"].describe()
    with pd.option_context("display.width", 110, "display.max_columns", None):
        return (
            f"{frame[_COLUMNS].head(5)}\n\n"
            f"{len(rows):,} rows of {len(frame.columns)} columns; speed in m/s by UTC day:\n\n"
            f"{speeds.round(2)}"
        )
