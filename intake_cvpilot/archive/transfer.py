"""One object on its way to a file: resumed where it broke, believed only when it is whole."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, BinaryIO, Literal

from intake_cvpilot.archive.base import Received
from intake_cvpilot.archive.retry import TransientError
from intake_cvpilot.errors import ArchiveError, ChangedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from intake_cvpilot.archive.base import Unit
    from intake_cvpilot.archive.meter import Meter
    from intake_cvpilot.archive.s3_http import Answer

__all__ = ["Transfer", "hides_md5", "is_md5"]

_MD5 = re.compile(r"[0-9a-f]{32}")
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_PLAIN = {"", "identity", "aws-chunked", "utf-8"}  # what uploads leave there without compressing

Verdict = Literal["whole", "rest", "restart"]


def is_md5(etag: str | None) -> bool:
    """Say whether an entity tag looks like the MD5 of the content (parts and keys aside)."""
    return etag is not None and _MD5.fullmatch(etag) is not None


class Transfer:
    """What has arrived of a unit so far.

    Parameters
    ----------
    unit : Unit
        What the listing says.
    file : binary file
        Empty, seekable, open for writing.
    meter : Meter
        Where bytes are counted that had to be thrown away.
    what : str
        What is asked, for messages.
    """

    def __init__(self, unit: Unit, file: BinaryIO, meter: Meter, what: str) -> None:
        self._unit = unit
        self._file = file
        self._meter = meter
        self._what = what
        self._begin()

    def _begin(self) -> None:
        self._arrived = 0
        # One hash is enough: the listing's MD5 where it has one, else one of our own.
        self._hash = (
            hashlib.md5(usedforsecurity=False) if is_md5(self._unit.etag) else hashlib.sha256()
        )

    def headers(self) -> dict[str, str]:
        """Give what the next request has to say: only this object, and only what lacks."""
        headers = {"If-Match": f'"{self._unit.etag}"'}
        if self._arrived:
            headers["Range"] = f"bytes={self._arrived}-"
        return headers

    def accepts(self, status: int) -> bool:
        """Say whether an answer with that status is for `take`; any other is a refusal."""
        return status in (200, 206) or (self._arrived > 0 and status in (412, 416))

    def judge(self, status: int, headers: Mapping[str, str]) -> Verdict:
        """Decide what a successful or resumed answer is.

        Raises
        ------
        ChangedError
            It is of another object.
        TransientError
            It cannot be what the listing says; worth another attempt.
        ArchiveError
            It is stored compressed.
        """
        # Some servers say 416 where 412 is right: what stands behind the key has changed, or all
        # of it is here already.  Asking for the whole object tells which.
        if status in (412, 416):
            return "restart"
        etag = headers.get("etag", "").removeprefix("W/").strip('"')
        if etag and etag != self._unit.etag:
            raise ChangedError(f"{self._what}: the object was replaced after it was listed")
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in _PLAIN:
            raise ArchiveError(
                f"{self._what}: the object comes with the encoding {encoding[:20]!r}, which this "
                "library does not read; the archive's objects are plain text"
            )
        size = self._unit.size
        if status == 206:
            found = _RANGE.fullmatch(headers.get("content-range", ""))
            if not found or tuple(map(int, found.groups())) != (self._arrived, size - 1, size):
                return "restart"
            return "rest"
        length = headers.get("content-length")
        if length is not None and length != str(size):
            raise TransientError(f"the answer announces {length[:20]} of {size} bytes")
        return "whole"

    def take(self, answer: Answer) -> None:
        """Take what an answer brings, and check the object when all of it is here.

        Raises
        ------
        TransientError
            Something lacks, or is wrong; the next attempt goes on, or begins anew.
        ChangedError, ArchiveError
            As `judge`.
        """
        verdict = self.judge(answer.status, answer.headers)
        if verdict == "restart":
            self.restart()
            raise TransientError(f"the object cannot be resumed (HTTP {answer.status})", wait=0)
        if verdict == "whole" and self._arrived:
            self.restart()  # the range was ignored: this is the beginning again
        size = self._unit.size
        for piece in answer.pieces():
            self._store(piece)
            self._hash.update(piece)
            self._arrived += len(piece)
            if self._arrived > size:
                self.restart()
                raise TransientError(f"the body is longer than the {size} bytes listed")
        if self._arrived < size:
            raise TransientError(f"the body ended after {self._arrived} of {size} bytes")
        checked = is_md5(self._unit.etag) and not hides_md5(answer.headers)
        if checked and self._hash.hexdigest() != self._unit.etag:
            self.restart()
            raise TransientError("the content does not have the MD5 that its ETag says")

    def _store(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:  # an unbuffered file may take less than it is given, on a disk that fills up
            rest = rest[self._file.write(rest) :]

    def restart(self) -> None:
        """Throw away what has arrived."""
        self._meter.wasted(self._arrived)
        self._file.seek(0)
        self._file.truncate()
        self._begin()

    def received(self, content: Path | bytes) -> Received:
        """Give the result: all of it is there."""
        return Received(self._unit, content, self._hash.hexdigest())


def hides_md5(headers: Mapping[str, str]) -> bool:
    """Say whether the ETag only looks like an MD5, as under a customer's or KMS key."""
    return (
        "kms" in headers.get("x-amz-server-side-encryption", "")
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )
