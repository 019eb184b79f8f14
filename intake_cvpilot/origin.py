"""Where a row came from, as a value, and the raw record itself out of the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from intake_cvpilot.archive import open_archive
from intake_cvpilot.cache.layout import split_folder
from intake_cvpilot.decode import frames_of
from intake_cvpilot.decode.redact import redact_bytes
from intake_cvpilot.errors import ArchiveError, ChangedError, InvalidRequestError
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Unit
    from intake_cvpilot.settings import Settings

__all__ = ["Trace", "read_raw"]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a row came from."""

    archive: str
    """Identity of the archive: its URL without credentials."""
    key: str
    """The object's key in the archive."""
    line: int
    """The line of the object at which the record begins; the first is 1."""
    partition: str
    """The partition that holds the row."""
    object_id: int
    """The row's ``object_id``: what the key hashes to."""
    size: int
    """Bytes of the object."""
    etag: str | None
    """Its entity tag when it was fetched."""
    last_modified: datetime | None
    """When it was last modified, aware UTC."""
    counts: Mapping[str, int]
    """Its lines, records, blank and quarantined lines."""
    offset: int | None = None
    """Byte of the (decompressed) object at which the record begins; None without `raw`."""
    raw: bytes | None = field(default=None, repr=False)
    """The raw record without its line end, as it stands in the archive; None when it could not be
    had."""
    note: str | None = None
    """Why `raw` is missing, or what is odd about it."""

    @property
    def url(self) -> str:
        """URL of the object, without credentials."""
        links = self.archive.partition("#")[0].split("::")
        at = next((n for n, link in enumerate(links) if "://" in link), 0)
        base, mark, query = links[at].partition("?")
        slash = "" if base.endswith("://") else "/"
        key = quote(self.key) if base.startswith("file:") else self.key
        links[at] = f"{base}{slash}{key}{mark}{query}"
        return "::".join(links)

    @property
    def text(self) -> str | None:
        """The raw record as text; user names and passwords in it are replaced by ``***``."""
        if self.raw is None:
            return None
        return redact_bytes(self.raw)[0].decode("utf-8", "backslashreplace")

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON; the raw record as `text`."""
        return {**asdict(self), "raw": self.text, "url": self.url}

    def __str__(self) -> str:
        counts = ", ".join(f"{number:,} {name}" for name, number in self.counts.items())
        lines = [
            self.url,
            f"  line {self.line} of {self.key}",
            f"  {self.size:,} bytes, etag {self.etag}, modified {self.last_modified}; {counts}",
            f"  in partition {self.partition}",
        ]
        return "\n".join([*lines, *filter(None, [self.note and f"  {self.note}", self.text])])


def read_raw(
    settings: Settings, unit: Unit, source: str, line: int, event_id: str | None
) -> tuple[int | None, bytes | None, str | None]:
    """Read a record from the archive.

    Parameters
    ----------
    settings : Settings
        Where the archive is.
    unit : Unit
        The object as it was when it was fetched.
    source : str
        Name of the source.
    line : int
        Where the record begins.
    event_id : str or None
        Hash of the record, which tells records of one line apart; None: not known.

    Returns
    -------
    (int or None, bytes or None, str or None)
        Offset, bytes, and a note that says why they are missing or what is odd.

    Raises
    ------
    InvalidRequestError
        No record begins at that line.
    """
    if settings.offline:
        return None, None, "offline: the raw line is left out"
    opened = open_archive(
        settings.archive,
        storage_options=settings.reach,
        rate=settings.rate,
        scratch=split_folder(settings.cache_dir),
    )
    try:
        with (
            closing(opened) as archive,
            TemporaryDirectory(prefix="cvpilot-trace-") as folder,
            closing(archive.read([unit], Path(folder))) as arriving,
        ):
            path = next(iter(arriving)).path
            with path.open("rb") as stream:
                begun = [each for each in frames_of(source, stream) if each.line == line]
    except ChangedError as error:
        return None, None, f"the object has changed since it was fetched: {error}"
    except ArchiveError as error:
        return None, None, f"the raw line cannot be read: {error}"
    if not begun:
        raise InvalidRequestError(f"no record of {unit.key} begins at line {line}")
    chosen = next((e for e in begun if hashlib.sha256(e.data).hexdigest()[:16] == event_id), None)
    alone = chosen is not None or len(begun) == 1
    note = (
        None
        if alone
        else f"{amount(len(begun), 'record begins', 'records begin')} here; this is the first"
    )
    return (chosen or begun[0]).offset, (chosen or begun[0]).data, note
