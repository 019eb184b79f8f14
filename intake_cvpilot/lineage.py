"""From a row back to where it came from: the object, its place in the archive, the raw line.

Which objects a partition consists of is in the cache, so all but the raw line works offline.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from intake_cvpilot.account import OBJECTS, read_objects
from intake_cvpilot.archive.base import Unit
from intake_cvpilot.cache.census import committed
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.elsewhere import elsewhere
from intake_cvpilot.errors import CacheError, InvalidRequestError
from intake_cvpilot.job import layout_of, look_all, prepare
from intake_cvpilot.options import CacheOptions, Unset, with_options
from intake_cvpilot.origin import Trace, read_raw
from intake_cvpilot.partition import partitions
from intake_cvpilot.request import parse
from intake_cvpilot.settings import resolve
from intake_cvpilot.sources import message_type as type_of
from intake_cvpilot.sources import source as source_of
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    import pandas as pd

    from intake_cvpilot.cache.layout import Layout

__all__ = ["TraceOptions", "objects", "trace"]

_COUNTS = ("lines", "records", "blank", "quarantined")


class TraceOptions(CacheOptions, total=False):
    """Keyword arguments of ``trace``."""

    offline: bool | None
    """Open no socket: the raw line is left out."""
    rate: float | Unset | None
    """Requests a second to the archive; None lifts the limit (default 10)."""


@with_options(CacheOptions)
def objects(
    source: str, message_type: str, start: Any, end: Any, **options: Unpack[CacheOptions]
) -> pd.DataFrame:
    """Give the objects that the cached partitions of a range consist of; no archive is asked.

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
        See `intake_cvpilot.options.CacheOptions`.

    Returns
    -------
    pandas.DataFrame
        A row an object: object_id (as in the tables), partition, archive, key, etag, size
        [bytes], last_modified (UTC), lines, records, blank, quarantined. Arrow-backed dtypes.
        Partitions that are not fetched have no rows; a warning names them.

    Raises
    ------
    InvalidRequestError
        The request, before any I/O.
    DamagedError
        A partition cannot be trusted; the message names the repair command.

    Examples
    --------
    >>> objects("wydot", "BSM", "2021-04-01", "2021-04-07")  # doctest: +SKIP
    """
    import pandas as pd
    import pyarrow as pa

    job = prepare(source, message_type, start, end, options)
    parts, missing = [OBJECTS.empty_table().append_column("partition", pa.array([], "string"))], []
    for view in look_all(job, partitions(job.request)):
        if view.refusal is not None:
            raise view.refusal
        if view.manifest is None:
            missing.append(view.partition.key)
            continue
        rows = read_objects(job.layout, view.manifest)
        keys = pa.array([view.partition.key] * len(rows), "string")
        parts.append(rows.append_column("partition", keys))
    if missing:
        said = elsewhere([job.layout], job.request.source, job.request.message_type)
        warnings.warn(
            (f"{said}; " if said else "")
            + f"{amount(len(missing), 'partition is', 'partitions are')} not in the cache, so "
            "their objects are not known: "
            f"{', '.join(missing[:3])}{'...' * (len(missing) > 3)}; fetch them:\n  "
            f"{job.command('fetch')}",
            stacklevel=3,
        )
    rows = pa.concat_tables(parts)
    rows = rows.append_column("archive", pa.array([job.layout.identity] * len(rows), "string"))
    names = ["object_id", "partition", "archive", "key", "etag", "size", "last_modified", *_COUNTS]
    found: pd.DataFrame = rows.select(names).to_pandas(types_mapper=pd.ArrowDtype)
    return found


@with_options(TraceOptions)
def trace(
    row: Any,
    line: int | None = None,
    *,
    source: str,
    message_type: str,
    start: Any = None,
    end: Any = None,
    **options: Unpack[TraceOptions],
) -> Trace:
    """Lead from a row to the archive's object and raw line that it came from.

    Parameters
    ----------
    row : mapping, pandas.Series, named tuple or int
        A row of any table with its ``object_id`` and ``line``; or the object_id.
    line : int, optional
        The row's line, where ``row`` is an object_id; the first is 1.
    source : str
        wydot, wydot_backup, thea, nycdot or one of the data portal (wydot_portal...); any case.
    message_type : str
        BSM, TIM, SPAT or EVENT; any case.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64, optional
        Range of the partitions to look in, both or neither; without it the partition of the row's
        event_time is looked in, and then every cached partition of the source and type.
    **options
        See `TraceOptions`.

    Returns
    -------
    Trace
        Archive, key, line and, with the archive at hand, the raw record: only from an object that
        is what was fetched, by size and entity tag; else ``note`` says why there is none.

    Raises
    ------
    InvalidRequestError
        It is no row, no cached partition has that object, or no record of it begins at that line.

    Examples
    --------
    >>> print(trace(frame.iloc[0], source="wydot", message_type="BSM"))  # doctest: +SKIP
    """
    object_id, number = _cell(row, "object_id", line), _cell(row, "line", line)
    owner, kind = source_of(source), type_of(source, message_type)
    taken = ("archive", "storage_options", "cache_dir", "offline", "rate")
    given: Mapping[str, Any] = {name: options[name] for name in taken if name in options}  # type: ignore[literal-required]
    settings = resolve(source=owner.name, **given)
    layout = layout_of(settings)
    if (start is None) != (end is None):
        raise InvalidRequestError("a range has both start and end; leave out both for all")
    if start is not None:
        narrow = {k: v for k, v in options.items() if k in ("timezone", "weekday", "period") and v}
        asked = parse(owner.name, kind.name, start, end, **narrow)  # type: ignore[arg-type]
        keys = [each.key for each in partitions(asked)]
    else:
        keys = [
            *_near(row, owner.name, kind.name),
            *committed(layout, owner.name, kind.name),
        ]
    try:
        key, found = _find(layout, list(dict.fromkeys(keys)), object_id)
    except InvalidRequestError as error:
        said = elsewhere([layout], owner.name, kind.name)
        raise InvalidRequestError(f"{error}" + (f"\n  {said}" if said else "")) from None
    if kind.framing == "lines" and not 1 <= number <= found["lines"]:
        raise InvalidRequestError(
            f"{found['key']} has {found['lines']} lines; there is no {number}"
        )
    unit = Unit(found["key"], found["size"], found["etag"], found["last_modified"])
    offset, raw, note = read_raw(settings, unit, owner.name, number, _value(row, "event_id"))
    return Trace(
        archive=layout.identity,
        key=unit.key,
        line=number,
        partition=key,
        object_id=object_id,
        size=unit.size,
        etag=unit.etag,
        last_modified=unit.last_modified,
        counts={name: found[name] for name in _COUNTS},
        offset=offset,
        raw=raw,
        note=note,
    )


def _value(row: Any, name: str) -> Any:
    return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)


def _cell(row: Any, name: str, line: int | None) -> int:
    """Read a whole number of a row; a float has lost digits on the way."""
    value = _value(row, name) if line is None else line if name == "line" else row
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidRequestError(
            f"{name} is {value!r}: give a row with object_id and line (whole numbers), for "
            "example frame.iloc[0], or both numbers: trace(object_id, line, ...)"
        ) from None


def _near(row: Any, source: str, message_type: str) -> Iterator[str]:
    """Give the partitions of a row's event time, where it has one."""
    when = _value(row, "event_time")
    if isinstance(when, datetime) and when.tzinfo is not None:
        try:
            asked = parse(source, message_type, when, when + timedelta(microseconds=1))
        except InvalidRequestError:  # a clock that was wrong, or no instant at all
            return
        yield from (each.key for each in partitions(asked))


def _find(layout: Layout, keys: list[str], object_id: int) -> tuple[str, dict[str, Any]]:
    """Find an object among those of the partitions."""
    import pyarrow.compute as pc

    held, faults = 0, []
    for key in keys:
        try:
            manifest = load(layout, key)
            if manifest is None:
                continue
            held += 1
            rows = read_objects(layout, manifest)
        except CacheError as error:
            faults.append(str(error))
            continue
        for found in rows.filter(pc.field("object_id") == object_id).to_pylist():
            return key, found
    raise InvalidRequestError(
        f"no object with the id {object_id} is in the {held} cached of {len(keys)} partitions that "
        f"were looked in, in {layout.root} from {layout.identity}; name the right source, type, "
        "range and archive, or fetch the partition" + "".join(f"\n  {fault}" for fault in faults)
    )
