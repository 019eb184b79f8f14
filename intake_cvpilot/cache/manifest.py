"""The manifest: the one file that says what a partition consists of.

On disk it is one line of canonical JSON (sorted keys, no white space, a closing newline); any JSON
tool shows it.  `checksum`, which sorts first, is the SHA-256 of the same text without that field.
Reading accepts exactly the bytes that writing gives, so a flipped bit, a cut, a key that occurs
twice, an unknown field and a change by hand are all found, without a schema on the reading path;
`manifest.schema.json` is checked on writing and by `verify`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from intake_cvpilot.cache.checksums import open_plain
from intake_cvpilot.cache.folders import refuse_links
from intake_cvpilot.cache.layout import MANIFEST, Layout, check_key, repair_command
from intake_cvpilot.cache.schema import check, contradiction
from intake_cvpilot.errors import CacheError, DamagedError

__all__ = [
    "FORMAT",
    "File",
    "Manifest",
    "Tally",
    "as_quality",
    "dumps",
    "instant_text",
    "load",
    "loads",
]

#: Version of the manifest's format.
FORMAT = 1

#: A manifest is some kilobytes; what is larger than this is not read.
_LARGEST = 64 * 2**20

_Count = Annotated[int, msgspec.Meta(ge=0)]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}(\.outside)?-[0-9a-f]{16}\.(parquet|ndjson)")


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One immutable file of a partition."""

    role: str
    """``objects``, ``quarantine``, a table's name, or a table's name and ``.outside``."""
    name: str
    """Role, first 16 hex digits of `sha256`, suffix: it follows from the content."""
    bytes: _Count
    """Size in bytes."""
    rows: _Count
    """Rows, or lines of a quarantine file."""
    sha256: str
    """SHA-256 (hex) of the content."""
    footer_sha256: str | None = None
    """SHA-256 (hex) from the Parquet metadata to the end; None for other files."""
    block: str | None = None
    """What it was built from: equal values, equal file; None for `objects`."""
    start: str | None = None
    """First event_time in it, inclusive, as `instant_text`; None where no row has one."""
    end: str | None = None
    """Last event_time in it, inclusive, as `instant_text`; None where no row has one."""


class Tally(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a partition holds: lines = records + blank + quarantined; records = inside + outside."""

    objects: _Count = 0
    """Objects of the archive."""
    bytes: _Count = 0
    """Raw bytes of the objects."""
    lines: _Count = 0
    """Framing units."""
    records: _Count = 0
    """Lines that became records."""
    blank: _Count = 0
    """Lines of white space only."""
    quarantined: _Count = 0
    """Lines that could not become a record."""
    inside: _Count = 0
    """Records with an event time in the partition's window."""
    outside: _Count = 0
    """Records outside it."""
    rows: dict[str, int] = {}
    """Rows inside the window, by table."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a partition consists of; committed as a whole or not at all."""

    checksum: str = ""
    """SHA-256 (hex) of the canonical JSON without this field; `dumps` computes it."""
    format: int = FORMAT
    """Version of this format."""
    identity: str
    """Identity of the archive."""
    key: str
    """The partition."""
    status: Literal["complete", "no_data"]
    """Every listed unit is in it; or a verified listing was empty."""
    generation: Annotated[int, msgspec.Meta(ge=1)]
    """1 for the first commit, one more for each that replaced another."""
    listed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    """Aware UTC: when the listing began."""
    closed: bool
    """Whether the listing came so late that nothing more is expected."""
    fingerprint: str
    """SHA-256 (hex) over the listed units."""
    files: tuple[File, ...] = ()
    """Every file but this one."""
    counts: Tally = Tally()
    """What it holds."""
    quality_json: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="quality")
    """The object `quality`, undecoded; `as_quality` makes it."""
    table_versions: dict[str, str] = {}
    """Version of each table, major.minor."""
    options: str = ""
    """Hash of the options that change rows."""
    library: str = ""
    """Version of the library that wrote it."""

    @property
    def quality(self) -> dict[str, Any]:
        """Nulls by table, column and reason; quarantined lines by reason; schema versions; notes.

        Decoded when asked for: it is the larger half of a manifest, and readers do not need it.
        """
        decoded: dict[str, Any] = _QUALITY_DECODER.decode(self.quality_json)
        if as_quality(decoded) != self.quality_json:
            raise _damaged(self.key, "its quality figures are not as this library writes them")
        return decoded


class _Format(msgspec.Struct):
    format: int


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Manifest)
_QUALITY_DECODER = msgspec.json.Decoder(dict[str, Any])
_FORMAT_DECODER = msgspec.json.Decoder(_Format)
# `checksum` sorts before every other field, so the text without it is a slice.
_HEAD = len('{"checksum":"') + 64 + len('",')


def as_quality(figures: Mapping[str, Any]) -> msgspec.Raw:
    """Give quality figures as a manifest carries them: canonical JSON."""
    return msgspec.Raw(_ENCODER.encode(dict(figures)))


def instant_text(instant: datetime) -> str:
    """Give an aware datetime as the manifest writes it, e.g. ``2019-02-06T00:00:00.000000Z``."""
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "Z"


def dumps(manifest: Manifest) -> bytes:
    """Give the canonical text of a manifest, with its checksum.

    Raises
    ------
    ValueError
        The manifest contradicts itself or its schema: a fault of the caller, nothing is written.
    """
    text = _encode(msgspec.structs.replace(manifest, checksum=""))
    check(json.loads(text))
    problem = next(filter(None, map(misnamed, manifest.files)), contradiction(manifest))
    if problem is not None:
        raise ValueError(f"the manifest of {manifest.key} is not consistent: {problem}")
    return text


def _encode(manifest: Manifest) -> bytes:
    text = _ENCODER.encode(manifest)
    rest = text[len('{"checksum":"",') :]
    return b'{"checksum":"%s",%s\n' % (_checksum(rest).encode(), rest)


def _checksum(rest: bytes) -> str:
    return hashlib.sha256(b"{" + rest).hexdigest()


def loads(data: bytes, *, key: str | None = None, identity: str | None = None) -> Manifest:
    """Read a manifest and check all that it can be held to.

    Parameters
    ----------
    data : bytes
        The file's content.
    key, identity : str, optional
        The partition and the archive that its place stands for; None to leave that unchecked.

    Raises
    ------
    DamagedError
        It is not a manifest as this library writes it, or not of this place.
    CacheError
        A newer library wrote it; it is left alone.
    """
    try:
        manifest = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        _refuse_newer(data, key)
        raise _damaged(key, f"it is no manifest ({error})") from error
    if manifest.format != FORMAT:
        _refuse_newer(data, key)
        raise _damaged(key, f"it says format {manifest.format}")
    if manifest.checksum != _checksum(data[_HEAD:-1]) or _ENCODER.encode(manifest) + b"\n" != data:
        raise _damaged(key, "its checksum does not hold")
    for what, stored, wanted in (
        ("partition", manifest.key, key),
        ("archive", manifest.identity, identity),
    ):
        if wanted is not None and stored != wanted:
            raise _damaged(key, f"it is of another {what}, {stored!r}")
    problem = next((p for p in map(misnamed, manifest.files) if p), None)
    if problem is not None:
        raise _damaged(key, problem)
    return manifest


def misnamed(file: File) -> str | None:
    """Say why a file's name is not the one that follows from its content, or None."""
    suffix = "ndjson" if file.role == "quarantine" else "parquet"
    expected = f"{file.role}-{file.sha256[:16]}.{suffix}"
    if file.name != expected or _NAME.fullmatch(expected) is None:
        return f"it names a file {file.name!r}, which is none of a partition"
    return None


def _refuse_newer(data: bytes, key: str | None) -> None:
    try:
        found = _FORMAT_DECODER.decode(data).format
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    ours = re.sub(rb'"format":%d\b' % found, b'"format":%d' % FORMAT, data, count=1)
    if found > FORMAT and ours[13:77] != _checksum(ours[_HEAD:-1]).encode():
        # Else a flipped bit made a newer format of ours.
        raise CacheError(
            f"the manifest of {key or 'a partition'} has format {found}, this library reads "
            f"format {FORMAT}: a newer version of the library wrote it. It was left alone; "
            "update the library, or use another cache_dir"
        )


def _damaged(key: str | None, what: str) -> DamagedError:
    if key is None:
        return DamagedError(f"the manifest is damaged: {what}")
    return DamagedError(
        f"the manifest of {key} is damaged: {what}. Repair it with: {repair_command(key)}"
    )


@lru_cache(maxsize=1024)
def _parents_are_folders(parent: str) -> None:
    # Remembered, for a day's parents are those of its neighbours; writing looks every time.
    refuse_links(Path(parent), 5)


def load(layout: Layout, key: str) -> Manifest | None:
    """Read the manifest of a partition; None when nothing is committed.

    Raises
    ------
    DamagedError
        It is there and cannot be trusted.
    CacheError
        A newer library wrote it, the partition lies behind a link, or the disk gave an error.
    """
    # Text, not paths: a range of years opens thousands of manifests, and pathlib would cost more
    # than reading and checking them.
    folder = f"{layout.root}/{layout.tree}/{check_key(key)}"
    path = f"{folder}/{MANIFEST}"
    try:
        _parents_are_folders(folder.rpartition("/")[0])
        refuse_links(folder, 1)
        with open_plain(path) as file:
            data = file.read(min(os.fstat(file.fileno()).st_size + 1, _LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except CacheError:
        raise
    except OSError as error:
        what = f"it cannot be read: {error.strerror or error}"
        if error.errno in {errno.ELOOP, errno.EACCES, errno.EPERM}:
            raise CacheError(f"{path}: {what}; it was left alone") from error
        raise _damaged(key, what) from error
    return loads(data, key=key, identity=layout.identity)
