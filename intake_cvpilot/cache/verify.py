"""Looking a partition over without changing anything; the result is a value."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from intake_cvpilot.cache.checksums import footer_of, is_whole, open_plain
from intake_cvpilot.cache.folders import open_folder
from intake_cvpilot.cache.layout import MANIFEST, Layout, repair_command
from intake_cvpilot.cache.manifest import File, Manifest, load
from intake_cvpilot.cache.read import arrow_file
from intake_cvpilot.cache.schema import check, contradiction
from intake_cvpilot.errors import CacheError, NewerError
from intake_cvpilot.wording import amount

__all__ = ["Checked", "Problem", "verify"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a partition."""

    file: str
    """Name of the file in the partition's folder."""
    what: str
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What looking a partition over found."""

    key: str
    """The partition."""
    state: Literal["good", "missing", "damaged", "newer"]
    """All as the manifest says; nothing committed; there are problems; or a newer library wrote a
    manifest that this one cannot read."""
    depth: Literal["quick", "deep"]
    """Sizes and footers, or every byte."""
    files: int = 0
    """Files that the manifest names."""
    bytes: int = 0
    """Their bytes."""
    problems: tuple[Problem, ...] = ()
    """What is wrong."""
    unnamed: tuple[str, ...] = ()
    """Files that the manifest does not name: superseded parts in their grace, or left-overs.
    They are no problem, for nothing reads them."""
    words: tuple[str, ...] = field(default=(), repr=False)
    """Options that the repair command needs."""

    @property
    def repair(self) -> str | None:
        """The command that repairs the partition; None when there is nothing to repair."""
        return repair_command(self.key, self.words) if self.state == "damaged" else None

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        plain = {name: value for name, value in asdict(self).items() if name != "words"}
        return {**plain, "repair": self.repair}


def verify(layout: Layout, key: str, *, deep: bool = False) -> Checked:
    """Check a partition against its manifest; nothing is written and no lock is taken.

    Parameters
    ----------
    layout : Layout
        The cache and the archive.
    key : str
        The partition.
    deep : bool
        Hash every byte anew, decode every page and count the rows, instead of sizes and footers.

    Returns
    -------
    Checked
        What was found; damage is a result here, not an error.
    """
    depth: Literal["quick", "deep"] = "deep" if deep else "quick"
    found = _look(layout, key, depth)
    # Again: a refresh may have committed, and parts may have gone, while the files were looked at.
    return _look(layout, key, depth) if found.problems else found


def _look(layout: Layout, key: str, depth: Literal["quick", "deep"]) -> Checked:
    try:
        manifest = load(layout, key)
    except CacheError as error:
        state: Literal["newer", "damaged"] = "newer" if isinstance(error, NewerError) else "damaged"
        return Checked(
            key, state, depth, problems=(Problem(MANIFEST, str(error)),), words=layout.words
        )
    if manifest is None:
        return Checked(key, "missing", depth)
    problems = _problems(layout, manifest, deep=depth == "deep")
    named = {file.name for file in manifest.files} | {MANIFEST}
    return Checked(
        key=key,
        state="damaged" if problems else "good",
        depth=depth,
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        problems=problems,
        unnamed=tuple(sorted(_names(layout, key) - named)),
        words=layout.words,
    )


def _names(layout: Layout, key: str) -> set[str]:
    try:
        with open_folder(layout.root, layout.parts(key)) as folder:
            return set(folder.names())
    except OSError:
        return set()


def _problems(layout: Layout, manifest: Manifest, *, deep: bool) -> tuple[Problem, ...]:
    found = []
    try:
        check(json.loads(msgspec.json.encode(manifest)))
        _ = manifest.quality
    except (ValueError, CacheError) as error:
        found.append(Problem(MANIFEST, str(error)))
    if (what := contradiction(manifest)) is not None:
        found.append(Problem(MANIFEST, what))
    for file in manifest.files:
        what = _wrong(layout, manifest.key, file, deep=deep)
        if what is not None:
            found.append(Problem(file.name, what))
    return tuple(found)


def _wrong(layout: Layout, key: str, file: File, *, deep: bool) -> str | None:
    try:
        with open_plain(layout.folder(key) / file.name) as opened:
            if os.fstat(opened.fileno()).st_size != file.bytes:
                return f"has another size than the {file.bytes:,} bytes of the manifest"
            if file.footer_sha256 is not None and footer_of(opened) != file.footer_sha256:
                return "has another footer than the manifest says"
            if not deep:
                return None
            if not is_whole(opened, file.bytes, file.sha256, again=True):
                return "has another content than the manifest says"
            if file.footer_sha256 is None:
                return None
            part = pq.ParquetFile(arrow_file(opened), page_checksum_verification=True)
            rows = sum(batch.num_rows for batch in part.iter_batches())
            return None if rows == file.rows else f"has {amount(rows, 'row')}, not {file.rows:,}"
    except FileNotFoundError:
        return "is missing"
    except (OSError, ValueError, pa.ArrowException) as error:
        return f"cannot be read: {error}"
