"""What a range in the cache is worth: counts, nulls, repeats, lateness, gaps.  No archive is asked.

The figures are those that were counted when the partitions were built, so nothing is read but
manifests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, Unpack

from intake_cvpilot.account import contents
from intake_cvpilot.account import quality as figures_of
from intake_cvpilot.elsewhere import elsewhere
from intake_cvpilot.hours import Cell, Line, Seen, calendar, expected, text
from intake_cvpilot.job import Job, View, look_all, prepare
from intake_cvpilot.lateness import Lateness
from intake_cvpilot.listing import named
from intake_cvpilot.options import CacheOptions, with_options
from intake_cvpilot.partition import partitions
from intake_cvpilot.report import Counts, State
from intake_cvpilot.sources import source as source_of
from intake_cvpilot.sums import add_quality
from intake_cvpilot.warn import warn
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest

__all__ = ["PartitionQuality", "Quality", "quality"]


@dataclass(frozen=True, slots=True)
class PartitionQuality:
    """What one partition is worth.

    Nulls, versions, notes and quarantined lines are of all its records; repeats, lateness and
    hours of the rows inside its window.
    """

    key: str
    """The partition."""
    state: State
    """What the cache has of it; missing: not fetched."""
    status: Literal["complete", "no_data"] | None = None
    """What a complete listing said of it; None when nothing is cached."""
    counts: Counts = field(default_factory=Counts)
    """Objects, lines and records."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows inside its window, by table."""
    outside: Mapping[str, int] = field(default_factory=dict)
    """Rows outside its window, by table."""
    quarantined: Mapping[str, int] = field(default_factory=dict)
    """Lines that could not become a record, by reason."""
    nulls: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """Null cells by table, column and reason."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """Rows that repeat another, by table."""
    lateness: Lateness = field(default_factory=lambda: Lateness.of({}))
    """Received minus event time of the first table's rows."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """Records by schema version."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """Values that were read in spite of an oddity, by kind."""
    hours: Mapping[str, int] = field(default_factory=dict)
    """Rows of the first table by UTC hour (nycdot: by period of the day)."""
    expected: tuple[str, ...] = ()
    """The hours (periods) that its folder covers."""
    error: str | None = None
    """Why it cannot be trusted, else None."""

    @property
    def seen(self) -> tuple[str, ...]:
        """The expected hours that hold rows."""
        return tuple(hour for hour in self.expected if hour in self.hours)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {**asdict(self), "seen": self.seen}

    def __str__(self) -> str:
        return "\n".join(_partition_text(self))


@dataclass(frozen=True, slots=True)
class Quality:
    """What the cache knows of a range."""

    source: str
    """The source asked for."""
    message_type: str
    """The message type asked for."""
    start: str
    """First instant, ISO 8601 in UTC."""
    end: str
    """First instant after the range, ISO 8601 in UTC."""
    archive: str
    """Identity of the archive."""
    cache: str
    """Folder of the cache."""
    partitions: tuple[PartitionQuality, ...]
    """One for each partition of the range, in order, fetched or not.  Their figures are of whole
    partitions."""
    calendar: tuple[Line, ...]
    """What is known of each hour of the range, a line a UTC day (nycdot: each period, a line a
    month and weekday)."""

    @property
    def counts(self) -> Counts:
        """The sum over all partitions."""
        return sum((p.counts for p in self.partitions), Counts())

    @property
    def fetched(self) -> bool:
        """Whether every partition of the range is in the cache."""
        return all(p.status is not None for p in self.partitions)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        plain = {name: getattr(self, name) for name in ("source", "message_type", "start", "end")}
        return {
            **plain,
            "archive": self.archive,
            "cache": self.cache,
            "fetched": self.fetched,
            "counts": asdict(self.counts),
            "partitions": [p.to_dict() for p in self.partitions],
            "calendar": {line.label: dict(line.cells) for line in self.calendar},
        }

    def __str__(self) -> str:
        total = len(self.partitions)
        held = sum(p.status is not None for p in self.partitions)
        head = (
            f"{self.source} {self.message_type} {self.start} to {self.end}: {held} of {total} "
            f"partitions in {self.cache}, {amount(self.counts.rows, 'row')}"
        )
        lines = [head, *(str(p) for p in self.partitions), ""]
        owner = source_of(self.source)
        if owner.clock != "UTC" and owner.bins == "day":
            lines.append(f"Hours are UTC; the folders of {owner.name} are days of {owner.clock}.")
        return "\n".join([*lines, text(self.calendar)])


@with_options(CacheOptions)
def quality(
    source: str, message_type: str, start: Any, end: Any, **options: Unpack[CacheOptions]
) -> Quality:
    """Tell what a range in the cache is worth; no archive is asked, and nothing is fetched.

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
    Quality
        Figures of each partition, and a calendar of the range in UTC hours that tells a gap from
        what is not fetched.

    Raises
    ------
    InvalidRequestError
        The request, before any I/O.

    Examples
    --------
    >>> print(quality("wydot", "BSM", "2021-04-01", "2021-04-07"))  # doctest: +SKIP
    """
    job = prepare(source, message_type, start, end, options)
    views = look_all(job, partitions(job.request))
    if all(view.state == "missing" for view in views):
        said = elsewhere([job.layout], job.request.source, job.request.message_type)
        if said is not None:
            warn(said)
    found = [_judge(view) for view in views]
    seen = [
        Seen(view.partition, _empty(one), one.hours) for view, one in zip(views, found, strict=True)
    ]
    return _whole(job, found, calendar(job.request, seen))


def _whole(job: Job, found: list[PartitionQuality], lines: tuple[Line, ...]) -> Quality:
    return Quality(**named(job), partitions=tuple(found), calendar=lines)


def _judge(view: View) -> PartitionQuality:
    """Read a partition's figures."""
    key, manifest, covered = view.partition.key, view.manifest, expected(view.partition)
    if manifest is None:
        error = str(view.refusal) if view.refusal else None
        return PartitionQuality(key, view.state, expected=covered, error=error)
    figures = figures_of(manifest)
    kinds = ("quarantined", "nulls", "repeats", "versions", "notes", "hours")
    return PartitionQuality(
        key=key,
        state=view.state,
        status=manifest.status,
        counts=contents(manifest),
        rows=dict(manifest.counts.rows),
        outside=_outside(manifest),
        lateness=Lateness.of(figures.get("lateness", {})),
        expected=covered,
        **{kind: figures.get(kind, {}) for kind in kinds},
    )


def _outside(manifest: Manifest) -> dict[str, int]:
    away = [file for file in manifest.files if file.role.endswith(".outside")]
    return add_quality({file.role.removesuffix(".outside"): file.rows} for file in away)


def _empty(one: PartitionQuality) -> Cell:
    """Say what an hour without rows of a partition is."""
    if one.status is None:
        return "damaged" if one.state == "damaged" else "not_fetched"
    return "no_data" if one.status == "no_data" else "gap"


def _partition_text(one: PartitionQuality) -> Iterator[str]:
    state = "not fetched" if one.state == "missing" else one.state
    counts = one.counts
    if one.status != "complete":
        what = "the archive has nothing for it" if one.status else one.error
        yield f"{one.key}  {state}" + (f": {what}" if what else "")
        return
    yield f"{one.key}  {state}"
    yield _row("rows", ", ".join(f"{n:,} {table}" for table, n in one.rows.items()))
    if counts.outside:
        rows = ", ".join(f"{n:,} {table}" for table, n in one.outside.items())
        yield _row("outside", f"{amount(counts.outside, 'record')} beyond the window ({rows})")
    yield _row(
        "lines",
        f"{counts.lines:,} = {amount(counts.records, 'record')} + {counts.blank:,} blank + "
        f"{counts.quarantined:,} quarantined, of {counts.objects:,} objects",
    )
    for name, kinds in (
        ("quarantined", one.quarantined),
        ("repeats", {table: n for table, n in one.repeats.items() if n}),
        ("versions", {f"version {v}": n for v, n in one.versions.items()}),
        ("notes", one.notes),
    ):
        if kinds:
            yield _row(name, ", ".join(f"{kind} {n:,}" for kind, n in kinds.items()))
    timed = source_of(one.key.partition("/")[0]).bins == "day"
    yield from [_row("lateness", str(one.lateness))] * timed
    unit = "hours" if timed else "periods"
    yield _row(unit, f"{len(one.seen)} of {len(one.expected)} with rows")
    for table, columns in one.nulls.items():
        total = one.rows.get(table, 0) + one.outside.get(table, 0)
        always = [name for name, why in columns.items() if sum(why.values()) == total]
        some = [
            f"{name} {', '.join(f'{reason} {n:,}' for reason, n in why.items())}"
            for name, why in columns.items()
            if name not in always and why
        ]
        yield from [_row("nulls", f"of {table}: {'; '.join(some)}")] * bool(some)
        yield from [_row("all null", f"in {table}: {', '.join(always)}")] * bool(always)


def _row(name: str, words: str) -> str:
    wrapped = wrap(words, 85, break_long_words=False, break_on_hyphens=False)
    return f"  {name:<12} " + f"\n{'':15}".join(wrapped)
