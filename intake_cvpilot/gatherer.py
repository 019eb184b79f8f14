"""A data gatherer for a research pipeline that reads the data portal's columns.

The pipeline (ConnectedDrivingPipelineV4) asks its gatherers for a dask frame, and its own gatherer
hands over to a class ``Gatherer.S3DataGatherer.S3DataGatherer`` where ``S3DataGatherer.source`` is
configured.  `install` puts `S3DataGatherer` there.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot import instants
from intake_cvpilot.errors import InvalidRequestError

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

__all__ = ["S3DataGatherer", "install"]

_LOG: Final = logging.getLogger(__name__)
_KEY: Final = "S3DataGatherer."
_GIB: Final = 2**30
_TIMES: Final = ("metadata_generatedAt", "metadata_receivedAt")
_DTYPES: Final = {"string": "object", "int64": "Int64", "double": "float64", "bool": "boolean"}


class S3DataGatherer:
    """Gathers a range as a dask frame with the data portal's names.

    Parameters
    ----------
    pathprovider, contextprovider : callable
        Give the pipeline's providers.  ``get(key)`` of the second is asked for

        - ``S3DataGatherer.source`` and ``.message_type``;
        - ``.start_date`` and ``.end_date``: days, both included; or ``.days_back``: that many days
          up to yesterday, or up to ``.end_date``;
        - ``.timezone`` of the days (default UTC) and ``.cache_dir``, as everywhere;
        - ``.archive``: URL or folder, as everywhere;
        - ``.columns``: the portal's columns to read (default all);
        - ``.fill``: a mapping of columns to what their nulls are replaced with.  None by default:
          the pipeline's cleaners drop each row that has a null in a column they select;
        - ``.time_format``: ``export`` (default) writes times as the portal's export does
          (``04/06/2021 10:30:00 AM``), which the pipeline's cleaners parse and which has no
          milliseconds; ``api`` as its API does (``2021-04-06T10:30:00.000``).

    Attributes
    ----------
    client : distributed.Client or None
        The active one, if there is one.
    data : dask.dataframe.DataFrame or None
        What was gathered.

    Raises
    ------
    InvalidRequestError
        A key is missing or its value is no good; nothing was fetched.

    Examples
    --------
    >>> gatherer = S3DataGatherer(lambda: paths, lambda: settings)  # doctest: +SKIP
    >>> frame = gatherer.gather_data()  # doctest: +SKIP
    """

    def __init__(self, pathprovider: Callable[[], Any], contextprovider: Callable[[], Any]) -> None:
        self._paths = pathprovider()
        self._context = contextprovider()
        self.client = _client()
        self.data: dd.DataFrame | None = None
        self._source = self._required("source")
        self._type = self._required("message_type")
        self._days = self._range()
        given = self._optional("fill")
        self._fill = {} if given is None else given
        if not isinstance(self._fill, Mapping):
            raise InvalidRequestError(
                f"{_KEY}fill maps columns to values, such as {{'coreData_elevation': 0.0}}, and is "
                f"not {self._fill!r}"
            )
        self._format = self._optional("time_format") or "export"
        if self._format not in ("export", "api"):
            raise InvalidRequestError(f"{_KEY}time_format is export or api, not {self._format!r}")

    def gather_data(self) -> dd.DataFrame:
        """Fetch what is missing, and give the frame.

        Returns
        -------
        dask.dataframe.DataFrame
            The portal's columns; text is object, whole numbers Int64, numbers float64, flags
            boolean.

        Raises
        ------
        InvalidRequestError
            ``.fill`` names a column that is not read, or a value of another kind than its column.
        PartitionsFailedError, ArchiveError, CacheError
            As for `open_dask`.
        """
        from intake_cvpilot.frames import open_dask

        options = {
            key: value
            for key in ("timezone", "cache_dir", "archive", "columns")
            if (value := self._optional(key)) is not None
        }
        frame = open_dask(self._source, self._type, *self._days, names="portal", **options)
        unknown = [name for name in self._fill if name not in frame.columns]
        if unknown:
            raise InvalidRequestError(f"{_KEY}fill names {unknown[0]!r}, which is not gathered")
        meta = as_pipeline(frame._meta, self._format)  # noqa: SLF001 -- dask's own way to ask
        for name, value in self._fill.items():
            _refuse_other(value, name, meta[name].dtype)
        frame = frame.map_partitions(as_pipeline, self._format, meta=meta)  # type: ignore[no-untyped-call]
        self.data = self._filled(frame)
        return self.data

    def _filled(self, frame: dd.DataFrame) -> dd.DataFrame:
        if not self._fill:
            return frame
        nulls = frame[list(self._fill)].isna().sum().compute()
        for name, value in self._fill.items():
            _LOG.info("filled %s cells of %s with %r", f"{int(nulls[name]):,}", name, value)
        filled: dd.DataFrame = frame.fillna(self._fill)
        return filled

    def get_gathered_data(self) -> dd.DataFrame | None:
        """Give what was gathered last; None before."""
        return self.data

    def compute_data(self) -> pd.DataFrame:
        """Give what was gathered as a pandas frame in memory."""
        found: pd.DataFrame = self._gathered().compute()  # type: ignore[no-untyped-call]
        return found

    def persist_data(self) -> S3DataGatherer:
        """Keep what was gathered in the memory of dask's workers."""
        self.data = self._gathered().persist()  # type: ignore[no-untyped-call]
        return self

    def get_memory_usage(self) -> dict[str, dict[str, float]]:
        """Give used and available memory by worker, and in total: GiB and percent.

        Returns
        -------
        dict
            ``total``, and each worker's address where there is a client: ``used_gb``,
            ``limit_gb`` and ``percent``.  Without a client ``total`` is of this process.
        """
        if self.client is None:
            return {"total": _share(_resident(), _physical())}
        workers = self.client.scheduler_info()["workers"]
        used = {name: info["metrics"]["memory"] for name, info in workers.items()}
        limit = {name: info["memory_limit"] for name, info in workers.items()}
        found = {name: _share(used[name], limit[name]) for name in workers}
        return {**found, "total": _share(sum(used.values()), sum(limit.values()))}

    def log_memory_usage(self) -> None:
        """Log used and available memory."""
        for name, share in self.get_memory_usage().items():
            _LOG.info(
                "memory of %s: %.2f of %.2f GiB (%.1f %%)",
                name,
                share["used_gb"],
                share["limit_gb"],
                share["percent"],
            )

    def _gathered(self) -> dd.DataFrame:
        if self.data is None:
            raise InvalidRequestError("nothing is gathered yet: call gather_data() first")
        return self.data

    def _optional(self, key: str) -> Any:
        try:
            return self._context.get(_KEY + key)
        except Exception:  # noqa: BLE001 -- providers say with any error that a key is missing
            return None

    def _required(self, key: str) -> Any:
        value = self._optional(key)
        if value is None:
            raise InvalidRequestError(f"{_KEY}{key} must be configured")
        return value

    def _range(self) -> tuple[Any, Any]:
        start, end = self._optional("start_date"), self._optional("end_date")
        back = self._optional("days_back")
        if start is None and back is not None:
            zone = instants.zone(self._optional("timezone") or "UTC")
            if end is None:
                end = datetime.now(zone).date() - timedelta(days=1)
            start = _day(end) - timedelta(days=_count(back) - 1)
        if start is None or end is None:
            raise InvalidRequestError(
                f"{_KEY}start_date and {_KEY}end_date, or {_KEY}days_back, must be configured"
            )
        return start, end


def _day(end: Any) -> date:
    """Give the last day; an instant's is the day that it lies in."""
    found = instants.read(end)
    return found.date() if isinstance(found, datetime) else found


def _count(back: Any) -> int:
    try:
        days = int(back)
    except (TypeError, ValueError):
        days = 0
    if days < 1:
        raise InvalidRequestError(f"{_KEY}days_back is a number of days from 1, not {back!r}")
    return days


def _refuse_other(value: Any, name: str, dtype: Any) -> None:
    """Refuse a value that would give a column another dtype."""
    import pandas as pd

    try:
        fits = isinstance(value, str) if dtype.kind == "O" else len(pd.array([value], dtype)) == 1
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InvalidRequestError(f"{_KEY}fill: {value!r} is no {dtype} as {name} is")


def as_pipeline(frame: pd.DataFrame, times: str) -> pd.DataFrame:
    """Give a partition the dtypes and the times that the pipeline knows from the export."""
    import pandas as pd

    found = frame.copy()
    for name in found.columns:
        kind = str(getattr(found[name].dtype, "pyarrow_dtype", found[name].dtype))
        if times == "export" and name in _TIMES:
            moments = pd.to_datetime(found[name].astype("object"), format="ISO8601")
            found[name] = moments.dt.strftime("%m/%d/%Y %I:%M:%S %p")
        dtype: Any = _DTYPES.get(kind, "float64")
        found[name] = found[name].astype(dtype)
        if found[name].dtype == object:
            found[name] = found[name].where(found[name].notna(), None)
    return found


def _client() -> Any:
    try:
        return import_module("distributed").get_client()
    except (ImportError, ValueError):
        return None


def _share(used: float, limit: float) -> dict[str, float]:
    percent = 100 * used / limit if limit else 0.0
    return {"used_gb": used / _GIB, "limit_gb": limit / _GIB, "percent": percent}


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 -- no file
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _physical() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def install() -> None:
    """Register `S3DataGatherer` as the pipeline's module ``Gatherer.S3DataGatherer``.

    Call it before the pipeline gathers: its own gatherer imports that module when it is made.  A
    package ``Gatherer`` that can be imported stays as it is.
    """
    module = ModuleType("Gatherer.S3DataGatherer")
    module.S3DataGatherer = S3DataGatherer  # type: ignore[attr-defined]
    try:
        package = import_module("Gatherer")
    except ImportError:
        package = ModuleType("Gatherer")
        package.__path__ = []
        sys.modules["Gatherer"] = package
    package.S3DataGatherer = module  # type: ignore[attr-defined]
    sys.modules["Gatherer.S3DataGatherer"] = module
