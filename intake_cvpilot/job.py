"""A request made ready: validated, with its settings, and what the cache has of its partitions."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from intake_cvpilot.account import options_hash
from intake_cvpilot.archive import identity, location
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.archive.shelf import open_shelf
from intake_cvpilot.build import table_versions
from intake_cvpilot.cache.layout import Layout
from intake_cvpilot.cache.manifest import Manifest, load
from intake_cvpilot.errors import CacheError, DamagedError, InvalidRequestError, NewerError
from intake_cvpilot.locked import Lock
from intake_cvpilot.partition import TARGET, partitions
from intake_cvpilot.request import Request, parse
from intake_cvpilot.settings import Settings, resolve
from intake_cvpilot.state import age_of, newer_text, state_of
from intake_cvpilot.warn import warn

if TYPE_CHECKING:
    from intake_cvpilot.partition import Partition
    from intake_cvpilot.report import State

#: Manifests of a published cache that are asked for at a time.
AT_A_TIME = 16

__all__ = [
    "Job",
    "View",
    "layout_of",
    "look",
    "look_all",
    "needs_archive",
    "prepare",
    "refuse_published",
]


@dataclass(frozen=True)
class Job:
    """A validated request with the settings that hold for it."""

    request: Request
    """What is wanted."""
    settings: Settings
    """Cache, archive and limits."""
    layout: Layout
    """Where the cache keeps partitions of this archive."""
    versions: Mapping[str, str]
    """This library's table versions of the message type."""
    refresh: bool
    """Whether every partition is listed again."""
    skip: bool
    """Whether failed partitions are warned of rather than raised."""
    lock: Lock | None = None
    """What the partitions must be; None for whatever they are."""
    allow_stale: bool = False
    """Whether partitions of an older major table version are read where nothing newer is had."""
    over_newer: bool = False
    """Whether partitions of a newer library are built anew with this one's tables."""
    only: frozenset[str] | None = None
    """Keys of the partitions that are meant; None for all of the request's."""
    block_bytes: int = TARGET
    """Listed bytes at which a block is full."""
    policy: Policy = field(default_factory=Policy)
    """How patient the fetch is with the archive."""

    def partitions(self) -> tuple[Partition, ...]:
        """Give the partitions that are meant, in order."""
        return tuple(
            each for each in partitions(self.request) if self.only is None or each.key in self.only
        )

    def usable(self, view: View) -> Manifest | None:
        """Give what is committed if it may be read: it is not stale, or that is allowed."""
        stale = view.state == "stale" and self.allow_stale
        return view.manifest if stale or view.state in ("current", "open") else None

    def stored(self, key: str) -> Manifest | None:
        """Give what is committed of a partition.

        Raises
        ------
        DamagedError, NewerError
            It cannot be trusted, or a newer version of the library wrote it.
        """
        manifest = load(self.layout, key)
        if manifest is not None and age_of(self.versions, manifest.table_versions) == "newer":
            what = newer_text(self.versions, manifest.table_versions)
            raise self.layout.newer(key, what)
        return manifest

    def refused(self, view: View) -> bool:
        """Say whether a partition fails unseen: only a refresh replaces what cannot be used."""
        replaced = self.refresh and (view.state != "newer" or self.over_newer)
        return view.refusal is not None and not replaced

    def command(self, verb: str) -> str:
        """Give the shell command that does something with the same request."""
        asked = self.request.canonical()
        words = ["cvpilot", verb, asked.pop("source"), asked.pop("message_type").lower()]
        words += [word for name, text in asked.items() for word in (f"--{name}", text)]
        return shlex.join([*words, *self.layout.words])


class View(msgspec.Struct, frozen=True):
    """What the cache has of one partition."""

    partition: Partition
    """The partition."""
    state: State
    """In one word."""
    manifest: Manifest | None
    """What is committed, if it can be trusted."""
    refusal: CacheError | None = None
    """Why it cannot be used: a DamagedError or a NewerError."""


def prepare(
    source: str | None,
    message_type: str | None,
    start: Any,
    end: Any,
    options: Mapping[str, Any],
) -> Job:
    """Validate a request and settle its settings; no I/O but reading a lock's file."""
    lock = None if options.get("lock") is None else Lock.read(options["lock"])
    named = {"source": source, "message_type": message_type, "start": start, "end": end}
    narrowed = {
        k: options[k] for k in ("timezone", "weekday", "period") if options.get(k) is not None
    }
    if lock is not None and all(value is None for value in named.values()):
        named, narrowed = dict(lock.request), {}
    if lacking := [name for name, value in named.items() if value is None]:
        raise InvalidRequestError(
            f"{', '.join(lacking)} must be given: source, message_type, start and end, or lock= "
            "for those of a lock"
        )
    request = parse(**{**named, **narrowed})
    for note in request.notes:
        warn(note)
    given: dict[str, Any] = {
        key: options[key]
        for key in (
            "archive",
            "storage_options",
            "cache_dir",
            "cache_options",
            "offline",
            "rate",
            "jobs",
            "max_bytes",
            "cache_limit",
            "lock_timeout",
            "codec",
        )
        if key in options
    }
    settings = resolve(source=request.source, published=True, **given)
    if lock is not None and settings.origins["archive"] == "default":
        settings = resolve(
            source=request.source, published=True, **{**given, "archive": lock.archive}
        )
    layout = layout_of(settings)
    if lock is not None and layout.identity != lock.archive:
        raise InvalidRequestError(
            f"the lock is of the archive {lock.archive}, not of {layout.identity}: give that one, "
            "or a mirror of it"
        )
    return Job(
        request=request,
        settings=settings,
        layout=layout,
        lock=lock,
        versions=table_versions(request.source, request.message_type),
        refresh=bool(options.get("refresh", False)),
        skip=skips(options.get("on_error", "raise")),
        allow_stale=bool(options.get("allow_stale", False)),
    )


def layout_of(settings: Settings) -> Layout:
    """Give the place of an archive's partitions, and the words that name it in a command."""
    named = identity(settings.archive, settings.storage_options)  # without credentials
    words: list[str] = []
    store = open_shelf(settings.published, settings.cache_options) if settings.published else None
    if store is None and settings.origins.get("cache_dir") == "argument":
        words += ["--cache-dir", str(settings.cache_dir)]
    if settings.origins.get("archive") == "argument":
        # A mirror goes by its own name here.
        words += ["--archive", location(settings.archive, settings.storage_options)]
    return Layout(settings.cache_dir, named, words=tuple(words), store=store)


def refuse_published(job: Job) -> None:
    """Refuse to fetch into a cache that is published: it is only read."""
    if job.layout.store is not None and not job.settings.offline:
        raise InvalidRequestError(
            f"{job.layout.where} is a published cache, which is only read: add offline=True "
            "(--offline, CVPILOT_OFFLINE=1) to use what it holds, or give a folder as cache_dir to "
            "fetch into"
        )


def skips(on_error: str) -> bool:
    """Read the option ``on_error``."""
    if on_error not in ("raise", "skip"):
        raise InvalidRequestError(f"on_error is 'raise' or 'skip', not {on_error!r}")
    return on_error == "skip"


def look(job: Job, partition: Partition, now: datetime) -> View:
    """See what the cache has of a partition."""
    try:
        manifest = job.stored(partition.key)
    except DamagedError as damage:
        return View(partition, "damaged", None, damage)
    except NewerError as refusal:
        return View(partition, "newer", None, refusal)
    state = state_of(
        manifest,
        versions=job.versions,
        options=options_hash(),
        now=now,
        recheck=job.settings.recheck,
    )
    return View(partition, state, manifest)


def look_all(job: Job, parts: Iterable[Partition]) -> list[View]:
    """See what the cache has of partitions; a published one is asked for several at a time."""
    now = datetime.now(UTC)
    if job.layout.store is None:
        return [look(job, partition, now) for partition in parts]
    with ThreadPoolExecutor(AT_A_TIME) as crew:
        return list(crew.map(lambda partition: look(job, partition, now), parts))


def needs_archive(job: Job, view: View) -> bool:
    """Say whether a partition has to be listed."""
    if job.settings.offline:
        return job.usable(view) is None
    if job.lock is not None and view.manifest is not None and not job.refresh:
        return job.usable(view) is None or not job.lock.holds(job.layout, view.manifest)
    return job.refresh or view.state != "current"
