"""Committed partitions of a range, written to a place from which others read them as they lie."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack

from intake_cvpilot.archive.shelf import Shelf, open_shelf
from intake_cvpilot.bars import showing
from intake_cvpilot.cache.layout import MANIFEST, Layout
from intake_cvpilot.cache.manifest import Manifest, dumps, loads
from intake_cvpilot.cache.store import local
from intake_cvpilot.errors import DamagedError, InvalidRequestError
from intake_cvpilot.fetch import run
from intake_cvpilot.job import prepare
from intake_cvpilot.listing import named
from intake_cvpilot.options import Options, with_options
from intake_cvpilot.plain_catalog import CATALOG, is_plain_catalog, plain_catalog
from intake_cvpilot.progress import Event, Progress
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import File

__all__ = ["Publication", "PublishOptions", "Published", "publish"]

#: Files that are sent, and manifests that are read, at a time.
AT_A_TIME = 8


class PublishOptions(Options, total=False):
    """Keyword arguments of `publish`."""

    prune: bool
    """Whether parts that the new manifests no longer name are removed at the end (default False:
    frames that were opened before can still be computed)."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one partition."""

    key: str
    """The partition."""
    action: Literal["published", "kept", "newer"]
    """Its manifest was written; it was there already; or the place has one of a later listing."""
    files: int
    """Files that its manifest names."""
    bytes: int
    """Their bytes."""
    sent: int
    """Files that were sent now."""
    removed: int = 0
    """Superseded files that were removed."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published of a range."""

    source: str
    """The source asked for."""
    message_type: str
    """The message type asked for."""
    start: str
    """First instant, ISO 8601 in UTC."""
    end: str
    """First instant after the range, ISO 8601 in UTC."""
    archive: str
    """Identity of the archive that the partitions come from."""
    cache: str
    """Folder of the cache."""
    place: str
    """URL of the published cache, without credentials."""
    catalog: str
    """URL or path of its plain catalog."""
    partitions: tuple[Published, ...]
    """One for each partition whose window meets the range, in order."""

    @property
    def actions(self) -> Mapping[str, int]:
        """Partitions by what was done."""
        return dict(Counter(each.action for each in self.partitions))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {**asdict(self), "actions": self.actions}

    def __str__(self) -> str:
        actions = ", ".join(f"{n} {action}" for action, n in self.actions.items()) or "none"
        removed = sum(each.removed for each in self.partitions)
        return (
            f"{self.source} {self.message_type} {self.start} to {self.end} in {self.place}: "
            f"{amount(len(self.partitions), 'partition')} ({actions}); "
            f"{amount(sum(each.files for each in self.partitions), 'file')}, "
            f"{sum(each.bytes for each in self.partitions):,} bytes, "
            f"{amount(sum(each.sent for each in self.partitions), 'file')} sent"
            + (f", {removed:,} superseded files removed" if removed else "")
            + f"; catalog: {self.catalog}"
        )


@with_options(PublishOptions)
def publish(
    source: str,
    message_type: str,
    start: Any,
    end: Any,
    to: str | os.PathLike[str],
    to_options: Mapping[str, Any] | None = None,
    **options: Unpack[PublishOptions],
) -> Publication:
    """Write a range's partitions to a folder or bucket, to be read there by anybody.

    What is missing in the cache is fetched first.  Parts are written before the manifest that
    names them, and the catalog last: a reader never sees a partition whose parts are not there.
    Everything is compared after writing.  What is there already is not sent again, so the same
    call goes on after a stop, and brings the place up to date.

    ``open_*(..., cache_dir=to, offline=True)`` reads the place as it lies, and
    ``intake.open_catalog(to + "/catalog.yml")`` does without this library.

    Parameters
    ----------
    source, message_type : str
        As for `open_dask`.
    start, end : str, datetime.date, datetime.datetime or numpy.datetime64
        As for `open_dask`: dates are whole days, else half-open; naive values in ``timezone``.
        Whole partitions are published.
    to : str or path
        A folder, ``s3://bucket/path``, or any URL that fsspec writes to.
    to_options : mapping, optional
        How to reach `to`, like ``storage_options``; never written to the place.
    **options
        See `PublishOptions` and `intake_cvpilot.options.Options`.

    Returns
    -------
    Publication
        What was sent, for each partition.

    Raises
    ------
    InvalidRequestError
        The request, or `to` is the cache itself, or holds partitions of another archive or a
        ``catalog.yml`` that was not published.
    AccessDeniedError
        The place refuses access.
    CacheError
        Something could not be written, or did not arrive as it was sent.
    PartitionsFailedError, ArchiveError
        What could not be fetched.

    Examples
    --------
    >>> publish("wydot", "BSM", "2021-04-01", "2021-04-07", "s3://lab/cvpilot")  # doctest: +SKIP
    """
    prune = options.pop("prune", False)
    job = prepare(source, message_type, start, end, options)
    shelf = open_shelf(to, to_options)
    _refuse(job.layout, shelf)
    outcome = run(job, options.get("progress"), options.get("client"))
    with showing(options.get("progress")) as progress:
        size = sum(file.bytes for manifest in outcome.manifests for file in manifest.files)
        progress(Event("plan", "", len(outcome.manifests), size))
        done = [_publish(job.layout, manifest, shelf, progress) for manifest in outcome.manifests]
        catalog = plain_catalog(job.layout.tree, _there(job.layout, shelf))
        if shelf.read(CATALOG) != catalog:
            shelf.store(CATALOG, catalog)
        if prune:
            done = [_pruned(job.layout, each, shelf) for each in done]
        made = Publication(
            **named(job),
            place=shelf.where,
            catalog=f"{shelf.folder or shelf.where.partition('?')[0]}/{CATALOG}",
            partitions=tuple(done),
        )
        progress(Event("done", "", message=str(made)))
    return made


def _refuse(layout: Layout, shelf: Shelf) -> None:
    """Refuse a place that is the cache, or another archive's."""
    if layout.store is not None:
        raise InvalidRequestError(
            f"{layout.where} is published already: copy it, or give a folder as cache_dir"
        )
    if shelf.folder is not None and shelf.folder.resolve() == layout.root.resolve():
        raise InvalidRequestError(f"{shelf.folder} is the cache itself; give another place")
    others = [name for name in shelf.names("") if name.split("@")[0] == "v1"]
    if any(name != layout.tree for name in others):
        raise InvalidRequestError(
            f"{shelf.where} holds partitions of another archive than {layout.identity}; give "
            "another place"
        )
    there = shelf.read(CATALOG)
    if there is not None and not is_plain_catalog(layout.tree, there):
        raise InvalidRequestError(
            f"{shelf.where} has a {CATALOG} that publishing did not write, perhaps of `cvpilot "
            "catalog`, and would lose it: give another place, or move it away"
        )


def _publish(layout: Layout, manifest: Manifest, shelf: Shelf, progress: Progress) -> Published:
    """Write a partition's files, and then its manifest."""
    key = manifest.key
    folder = "/".join(layout.parts(key))
    data, there = dumps(manifest), shelf.read(f"{folder}/{MANIFEST}")
    size = sum(file.bytes for file in manifest.files)
    if there is not None and there != data and _listed_later(there, manifest):
        return Published(key, "newer", len(manifest.files), size, 0)
    listed = shelf.names(folder)

    def send(file: File) -> bool:
        path, name = local(layout, key, file), f"{folder}/{file.name}"
        try:
            lacks = not shelf.holds(name, path, file.sha256, listed.get(file.name))
            if lacks:
                shelf.put(name, path, file.sha256)
        except FileNotFoundError:
            raise DamagedError(
                f"{path} is missing, and its manifest names it. Repair it with: "
                f"{layout.repair(key)}"
            ) from None
        progress(Event("read", key, done=file.bytes))
        return lacks

    with ThreadPoolExecutor(AT_A_TIME) as crew:
        sent = sum(crew.map(send, manifest.files))
    if there != data:
        shelf.store(f"{folder}/{MANIFEST}", data)
    progress(Event("commit", key))
    return Published(
        key, "kept" if there == data and not sent else "published", len(manifest.files), size, sent
    )


def _listed_later(data: bytes, ours: Manifest) -> bool:
    try:
        return loads(data, key=ours.key, identity=ours.identity).listed_at > ours.listed_at
    except DamagedError:
        return False


def _there(layout: Layout, shelf: Shelf) -> Iterable[Manifest]:
    """Give what is published, from the manifests themselves: two calls at a time lose nothing."""
    names = shelf.find(layout.tree, MANIFEST)
    with ThreadPoolExecutor(AT_A_TIME) as crew:
        for data in crew.map(shelf.read, names):
            if data is not None:
                try:
                    yield loads(data, identity=layout.identity)
                except DamagedError:
                    continue  # whoever opens it is told


def _pruned(layout: Layout, done: Published, shelf: Shelf) -> Published:
    """Remove what the manifest of a partition, as it now lies there, does not name."""
    folder = "/".join(layout.parts(done.key))
    data = shelf.read(f"{folder}/{MANIFEST}")
    if data is None:
        return done
    kept = {MANIFEST, *(file.name for file in loads(data, key=done.key).files)}
    gone = [name for name in shelf.names(folder) if name not in kept]
    for name in gone:
        shelf.remove(f"{folder}/{name}")
    return Published(done.key, done.action, done.files, done.bytes, done.sent, len(gone))
