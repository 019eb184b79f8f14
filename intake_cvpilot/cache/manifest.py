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
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from intake_cvpilot.cache.checksums import read_plain
from intake_cvpilot.cache.entries import File, Tally, misnamed
from intake_cvpilot.cache.folders import refuse_links
from intake_cvpilot.cache.layout import MANIFEST, Layout, check_key, newer, repair_command
from intake_cvpilot.cache.schema import check, contradiction
from intake_cvpilot.errors import CacheError, DamagedError

if TYPE_CHECKING:
    from intake_cvpilot.cache.store import Store

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


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
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
        try:
            decoded: dict[str, Any] = _QUALITY_DECODER.decode(self.quality_json)
        except msgspec.MsgspecError as error:
            raise _damaged(self.key, f"its quality figures are no JSON ({error})") from error
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
    problem = misnamed(manifest.files) or contradiction(manifest)
    if problem is not None:
        raise ValueError(f"the manifest of {manifest.key} is not consistent: {problem}")
    return text


def _encode(manifest: Manifest) -> bytes:
    text = _ENCODER.encode(manifest)
    rest = text[len('{"checksum":"",') :]
    return b'{"checksum":"%s",%s\n' % (_checksum(rest).encode(), rest)


def _checksum(rest: bytes | memoryview) -> str:
    digest = hashlib.sha256(b"{")
    digest.update(rest)
    return digest.hexdigest()


def loads(
    data: bytes, *, key: str | None = None, identity: str | None = None, words: Sequence[str] = ()
) -> Manifest:
    """Read a manifest and check all that it can be held to.

    Parameters
    ----------
    data : bytes
        The file's content.
    key, identity : str, optional
        The partition and the archive that its place stands for; None to leave that unchecked.
    words : sequence of str
        Options that the repair command needs.

    Raises
    ------
    DamagedError
        It is not a manifest as this library writes it, or not of this place.
    NewerError
        A newer library wrote it; it is left alone.
    """
    try:
        manifest, as_written = _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        _refuse_newer(data, key, words)
        raise _damaged(key, f"it is no manifest ({error})", words) from error
    if manifest.format != FORMAT:
        _refuse_newer(data, key, words)
        raise _damaged(key, f"it says format {manifest.format}", words)
    rest = memoryview(data)[_HEAD:-1]
    if manifest.checksum != _checksum(rest) or not as_written:
        raise _damaged(key, "its checksum does not hold", words)
    for what, stored, wanted in (
        ("partition", manifest.key, key),
        ("archive", manifest.identity, identity),
    ):
        if wanted is not None and stored != wanted:
            raise _damaged(key, f"it is of another {what}, {stored!r}", words)
    if (problem := misnamed(manifest.files)) is not None:
        raise _damaged(key, problem, words)
    return manifest


def _decode(data: bytes) -> tuple[Manifest, bool]:
    """Decode a manifest without walking through its quality figures, four fifths of it.

    Says besides whether the rest is as writing gives it.

    No text within them can hold the marks that they are cut out by, for its quotes are escaped;
    what they hold is looked at by `Manifest.quality`, and that all of it is canonical by `loads`.
    """
    begin = data.find(b',"quality":{') + len(b',"quality":')
    end = data.rfind(b'},"status":"') + 1
    if begin < _HEAD or end < begin:
        manifest = _DECODER.decode(data)
        return manifest, _ENCODER.encode(manifest) + b"\n" == data
    text = b"".join((data[:begin], b"{}", data[end:]))
    manifest = _DECODER.decode(text)
    as_written = _ENCODER.encode(manifest) + b"\n" == text  # figures are written as they stand
    return msgspec.structs.replace(manifest, quality_json=msgspec.Raw(data[begin:end])), as_written


def _refuse_newer(data: bytes, key: str | None, words: Sequence[str]) -> None:
    try:
        found = _FORMAT_DECODER.decode(data).format
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    ours = re.sub(rb'"format":%d\b' % found, b'"format":%d' % FORMAT, data, count=1)
    if found > FORMAT and ours[13:77] != _checksum(ours[_HEAD:-1]).encode():
        # Else a flipped bit made a newer format of ours.
        raise newer(key, f"has a manifest of format {found} (this library has {FORMAT})", words)


def _damaged(key: str | None, what: str, words: Sequence[str] = ()) -> DamagedError:
    if key is None:
        return DamagedError(f"the manifest is damaged: {what}")
    way_out = f"Repair it with: {repair_command(key, words)}"
    return DamagedError(f"the manifest of {key} is damaged: {what}. {way_out}")


# Remembered, for a day's parents are those of its neighbours; writing looks every time.
_parents_are_folders = lru_cache(maxsize=1024)(partial(refuse_links, levels=5))


def load(layout: Layout, key: str) -> Manifest | None:
    """Read the manifest of a partition; None when nothing is committed.

    Raises
    ------
    DamagedError
        It is there and cannot be trusted.
    NewerError
        A newer library wrote it.
    CacheError
        The partition lies behind a link, or the disk gave an error.
    """
    if layout.store is not None:
        return _published(layout.store, layout, key)
    # Text, not paths: a range of years opens thousands of manifests, and pathlib would cost more
    # than reading and checking them.
    folder = f"{layout.root}/{layout.tree}/{check_key(key)}"
    path = f"{folder}/{MANIFEST}"
    try:
        _parents_are_folders(folder.rpartition("/")[0])
        refuse_links(folder, 1)
        data = read_plain(path, _LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except CacheError:
        raise
    except OSError as error:
        what = f"it cannot be read: {error.strerror or error}"
        if error.errno in {errno.ELOOP, errno.EACCES, errno.EPERM}:
            raise CacheError(f"{path}: {what}; it was left alone") from error
        raise _damaged(key, what, layout.words) from error
    return loads(data, key=key, identity=layout.identity or None, words=layout.words)


def _published(store: Store, layout: Layout, key: str) -> Manifest | None:
    data = store.read("/".join((*layout.parts(key), MANIFEST)))
    if data is None:
        return None
    try:
        manifest = loads(data, identity=layout.identity)
    except DamagedError as error:
        raise DamagedError(f"{layout.place(key, MANIFEST)}: {error}; publish it again") from error
    if manifest.key != key:
        raise DamagedError(f"{layout.place(key, MANIFEST)} is of another partition, {manifest.key}")
    return manifest
