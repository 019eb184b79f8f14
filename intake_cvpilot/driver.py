"""The Intake driver: one request of one table, opened through a catalog or ``open_cvpilot``."""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from intake.source.base import DataSource, Schema

from intake_cvpilot.asked import Asked, ask
from intake_cvpilot.errors import PartitionsFailedError
from intake_cvpilot.options import DaskOptions, with_options
from intake_cvpilot.reader import Engines

if TYPE_CHECKING:
    from pathlib import Path

    import dask.dataframe as dd
    import pandas as pd

    from intake_cvpilot.frames.open import Opened
    from intake_cvpilot.frames.select import Selection
    from intake_cvpilot.planned import Plan
    from intake_cvpilot.report import Report
    from intake_cvpilot.request import Request

__all__ = ["CVPilotSource", "SourceOptions"]

# Intake warns twice for every text parameter of every entry, whatever the catalog holds.
warnings.filterwarnings(
    "ignore",
    message="Shell command not executed due to getshell=False",
    category=UserWarning,
    module=r"intake\.catalog\.utils",
)


class SourceOptions(DaskOptions, total=False):
    """Keyword arguments of a catalog entry and of ``intake.open_cvpilot``."""

    metadata: Mapping[str, Any] | None
    """What a catalog says of the entry; it changes nothing in the rows."""


@with_options(SourceOptions)
def open_cvpilot(
    source: Any = None,
    message_type: Any = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[SourceOptions],
) -> dict[str, Any]:
    """Give the arguments by name; what the driver does not take is refused by name."""
    return {"source": source, "message_type": message_type, "start": start, "end": end, **options}


class CVPilotSource(Engines, DataSource):  # type: ignore[misc]  # intake has no types
    """Messages of a source in a range, as a table.

    Making a source fetches nothing. A complete range is validated at once, one that lacks a bound
    when it is used: Intake makes every entry with its defaults first.

    Sources that ask for the same are equal and have equal dask tokens, however it was spelled.
    Secrets take no part in that, and are in no repr, YAML, token or pickle.

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
        See `SourceOptions` and `intake_cvpilot.options.Options`.

    Attributes
    ----------
    report : Report or None
        What the last fetch of this source did; None before the first.

    Raises
    ------
    InvalidRequestError
        An unknown source, type, option or bound, before any I/O.

    Examples
    --------
    >>> CVPilotSource("wydot", "bsm", "2021-04-01", "2021-04-07").request.start.isoformat()
    '2021-04-01T00:00:00+00:00'
    """

    name = "cvpilot"
    version = "1.0"
    container = "dataframe"
    partition_access = True

    __signature__ = inspect.signature(open_cvpilot)

    def __init__(self, *given: Any, **options: Any) -> None:
        arguments = open_cvpilot(*given, **options)
        metadata = arguments.pop("metadata", None)
        self._take(ask(arguments), metadata)
        for note in self.request.notes if self.request else ():
            warnings.warn(note, stacklevel=2)

    def _take(self, asked: Asked, metadata: Mapping[str, Any] | None) -> None:
        self._asked = asked
        # Intake's own methods read these: canonical, or YAML and chaining go astray.
        self._captured_init_args = ()
        self._captured_init_kwargs = dict(asked.canonical)
        super().__init__(metadata=metadata)
        self.npartitions: int | None = None
        self.report: Report | None = None
        self._frame: dd.DataFrame | None = None

    @property
    def request(self) -> Request | None:
        """The validated request; None as long as ``start`` or ``end`` is missing."""
        return self._asked.request

    # What it is

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CVPilotSource) and self._asked.key == other._asked.key

    def __hash__(self) -> int:
        return hash(self._asked.key)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return (CVPilotSource.name, self._asked.key)

    def __getstate__(self) -> OrderedDict[str, Any]:
        """Give what a pickle holds: the request as it was spelled, and no secret."""
        return OrderedDict(
            cls=self.classname,
            args=[],
            **self._asked.to_pickle(),
            metadata=self.metadata,
            name=self.name,
            description=self.description,
        )

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._take(ask(state["kwargs"], state["lost"]), state["metadata"])
        self.name, self.description = state["name"], state["description"]

    def __copy__(self) -> CVPilotSource:
        return self.configure_new()  # a pickle, which copies are made by otherwise, lacks secrets

    def __deepcopy__(self, memo: Any) -> CVPilotSource:
        return self.configure_new()

    def _yaml(self) -> dict[str, Any]:
        data: dict[str, Any] = super()._yaml()
        if self._asked.left_out:
            entry = data["sources"][self.name]
            entry["metadata"] = {
                **entry["metadata"],
                "left_out": f"{', '.join(self._asked.left_out)}: give them when opening",
            }
        return data

    def describe(self) -> dict[str, Any]:
        """Give the catalog entry's description, or the same for a source made without one."""
        if self._entry is not None:
            return super().describe()  # type: ignore[no-any-return]
        return {
            "name": self.name,
            "container": self.container,
            "plugin": [CVPilotSource.name],
            "driver": [CVPilotSource.name],
            "description": self.description,
            "direct_access": "forbid",
            "user_parameters": [],
            "metadata": self.metadata,
            "args": dict(self._captured_init_kwargs),
        }

    def configure_new(self, **kwargs: Any) -> CVPilotSource:
        """Give a new source with some arguments altered, the others as they were spelled.

        Parameters
        ----------
        **kwargs
            Any arguments of this class; None takes one back.

        Returns
        -------
        CVPilotSource
            From the same catalog entry, if this one is from one.
        """
        if self._entry is not None:
            kept = {k: v for k, v in self._asked.plain.items() if k in self._passed_kwargs}
            return self._entry(**{**kept, **kwargs})  # type: ignore[no-any-return]
        made = type(self)(**{**self._asked.plain, "metadata": self.metadata, **kwargs})
        made.name, made.description = self.name, self.description
        return made

    __call__ = get = configure_new  # Intake's other names for it

    # What it does

    def plan(self) -> Plan:
        """Say what a fetch would read: a listing for each partition in need, no reads."""
        return self._asked.plan()

    def to_dask(self) -> dd.DataFrame:
        """Fetch what is missing, then give a lazy frame; arguments and errors of `open_dask`.

        Returns
        -------
        dask.dataframe.DataFrame
            Rows of the range in order of time, SI units, UTC; dtypes as in `discover`.
        """
        from intake_cvpilot.frames.open import as_dask

        self._frame = as_dask(self._open(), self._asked.plain)
        self.npartitions = self._frame.npartitions
        return self._frame

    def read(self) -> pd.DataFrame:
        """Fetch what is missing, then give all rows as one pandas frame; raises as `to_dask`."""
        from intake_cvpilot.frames.pandas import read_pandas

        found = self._open()
        return read_pandas(found.pieces, found.selection, index=self._asked.plain.get("index"))

    def read_partition(self, i: int) -> pd.DataFrame:
        """Give a partition of the frame that `to_dask` gave last, opening it if there is none.

        Parameters
        ----------
        i : int
            Its number, counted from 0.

        Raises
        ------
        IndexError
            There is no such partition.
        """
        frame = self.to_dask() if self._frame is None else self._frame
        if not 0 <= i < frame.npartitions:
            raise IndexError(f"{i} is not among the partitions 0 to {frame.npartitions - 1}")
        return frame.partitions[i].compute()  # type: ignore[no-any-return]

    def read_chunked(self) -> Iterator[pd.DataFrame]:
        """Give the partitions of a newly opened frame one after the other, as pandas frames."""
        frame = self.to_dask()
        for i in range(frame.npartitions):
            yield frame.partitions[i].compute()

    def files(self) -> list[str]:
        """Give the Parquet parts of the range that are in the cache now; asks no archive.

        Returns
        -------
        list of str
            Paths in order of time. Parts hold rows outside the range too; what is not fetched yet
            is not among them.
        """
        return self._asked.parts()

    def write_parquet(self, folder: Path) -> list[Path]:
        """Fetch what is missing, then write the rows as plain Parquet files to a new folder."""
        from intake_cvpilot.frames.parquet import write_parquet

        found = self._open()
        return write_parquet(found.pieces, found.selection, folder)

    def _open(self, before: Callable[[Selection], object] | None = None) -> Opened:
        """Fetch what is missing, and keep the report; see `opened`."""
        try:
            found = self._asked.open(before)
        except PartitionsFailedError as error:
            self.report = error.report
            raise
        self.report = found.report
        return found

    def _get_schema(self) -> Schema:
        """Give dtypes and shape from the table's definition: no I/O."""
        from intake_cvpilot.frames.dtypes import frame_meta

        taken = ("source", "message_type", "table", "columns", "index", "names")
        known = {**self._asked.plain, **self._asked.canonical}
        meta = frame_meta(**{name: known[name] for name in taken if name in known})
        return Schema(
            dtype=dict(meta.dtypes),
            shape=(None, len(meta.columns)),
            npartitions=self.npartitions,
            extra_metadata={},
        )

    def _close(self) -> None:
        self._frame = None
