"""A list answer of S3, believed only when it is one and is whole.

The usual clients read an HTML page, an empty body or a truncated answer without a token as the
end of a listing.  Here anything but a proper answer is an error, so that no day is ever taken
for empty, or for smaller than it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from intake_cvpilot.archive.base import Unit
from intake_cvpilot.archive.retry import TransientError
from intake_cvpilot.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LARGEST_PAGE", "Page", "collect", "parse"]

LARGEST_PAGE = 16 * 2**20
"""Bytes; a page of 1,000 of the longest keys stays below."""

_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_ROOT = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?<ListBucketResult[\s>]")
_MOST_KEYS = 1000
_MOST_PAGES = 10_000  # ten million objects: no partition of any archive
_MOST_EMPTY = 100  # S3 may answer with an empty page before the end, but not for ever


@dataclass(frozen=True, slots=True)
class Page:
    """One valid list answer."""

    units: tuple[Unit, ...]
    """The objects, with keys as the bucket has them; folder markers among them."""
    token: str | None
    """What to ask the next page with; None at the end."""


def parse(body: bytes, *, bucket: str, prefix: str, what: str) -> Page:
    """Read and check one answer.

    Parameters
    ----------
    body : bytes
        The whole body.
    bucket, prefix : str
        What was asked.
    what : str
        What was asked, for messages.

    Raises
    ------
    TransientError
        The answer was cut.
    ArchiveError
        It is no list answer, or not one to this question.
    """
    if not body:
        raise TransientError("the list answer is empty")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _improper(what, "it is not UTF-8") from error
    # Nothing but a declaration stands before the root: no doctype, so no entities that grow.
    if not _ROOT.match(text):
        raise _improper(what, "it is another document (a log-in page or a proxy's error?)")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a doctype there are no entities
    except ET.ParseError as error:
        raise TransientError("the list answer is cut or malformed") from error
    return _Answer(root, what).page(bucket, prefix)


def collect(ask: Callable[[str | None], Page], *, prefix: str, what: str) -> list[Unit]:
    """Ask page after page and give all objects, sorted by key, without folder markers.

    Parameters
    ----------
    ask : callable
        Gives the page for a token; None for the first page.
    prefix : str
        What every key starts with.
    what : str
        What is asked, for messages.

    Raises
    ------
    ArchiveError
        The pages repeat a token or a key, hold a foreign key, or do not end.
    """
    units: dict[str, Unit] = {}
    tokens: set[str] = set()
    token: str | None = None
    empty = 0
    for _ in range(_MOST_PAGES):
        page = ask(token)
        for unit in page.units:
            if unit.key in units:
                raise _improper(what, f"the key {unit.key!r} is there twice")
            if not unit.key.startswith(prefix):
                raise _improper(what, f"the key {unit.key!r} is not under the prefix")
            units[unit.key] = unit
        empty = 0 if page.units else empty + 1
        token = page.token
        if token is None:
            # A marker is what consoles and sync tools leave for a folder: no records.
            return [units[key] for key in sorted(units) if units[key].size or not key.endswith("/")]
        if token in tokens or empty > _MOST_EMPTY:
            raise _improper(what, "its pages do not come to an end")
        tokens.add(token)
    raise _improper(what, f"it has more than {_MOST_PAGES} pages")


def _improper(what: str, why: str) -> ArchiveError:
    return ArchiveError(
        f"{what}: the answer is not a proper S3 listing: {why}. Nothing was stored; check "
        "network, proxy and endpoint"
    )


class _Answer:
    """The elements of an answer, each there exactly once where it has to be."""

    def __init__(self, root: ET.Element, what: str) -> None:
        self._what = what
        self._root = root
        if root.tag != f"{_NAMESPACE}ListBucketResult":
            raise _improper(what, "its root element is not S3's")
        url = self._optional("EncodingType") == "url"
        self._decode: Callable[[str], str] = self._unquote if url else str

    def page(self, bucket: str, prefix: str) -> Page:
        if (name := self._one("Name")) != bucket:
            raise _improper(self._what, f"it is about the bucket {name!r}")
        if (asked := self._decode(self._one("Prefix"))) != prefix:
            raise _improper(self._what, f"it is about the prefix {asked!r}")
        if self._root.find(f"{_NAMESPACE}CommonPrefixes") is not None:
            raise _improper(self._what, "it groups keys, which was not asked")
        units = tuple(self._unit(item) for item in self._root.iterfind(f"{_NAMESPACE}Contents"))
        count = self._number(self._one("KeyCount"), "KeyCount")
        if count != len(units) or count > _MOST_KEYS:
            raise _improper(self._what, f"it announces {count} keys and holds {len(units)}")
        return Page(units, self._token())

    def _token(self) -> str | None:
        truncated = self._one("IsTruncated")
        token = self._optional("NextContinuationToken")
        if truncated == "true":
            if not token:
                raise _improper(self._what, "it is truncated and does not say how to go on")
            return token
        if truncated != "false" or token:
            raise _improper(self._what, "it does not say whether it is complete")
        return None

    def _unit(self, item: ET.Element) -> Unit:
        fields = {child.tag: child.text or "" for child in item}
        try:
            key = self._decode(fields[f"{_NAMESPACE}Key"])
            size = self._number(fields[f"{_NAMESPACE}Size"], "Size")
            etag = fields[f"{_NAMESPACE}ETag"].removeprefix('"').removesuffix('"')
            modified = datetime.fromisoformat(fields[f"{_NAMESPACE}LastModified"])
        except (KeyError, ValueError) as error:
            raise _improper(self._what, "an object lacks key, size, ETag or time") from error
        if not key or not etag or not etag.isascii() or not etag.isprintable():
            raise _improper(self._what, "an object has no usable key or ETag")
        if modified.tzinfo is None:
            modified = modified.replace(tzinfo=UTC)
        return Unit(key, size, etag, modified)

    def _unquote(self, text: str) -> str:
        if "%" not in text and "+" not in text:
            return text
        try:
            return unquote_plus(text, errors="strict")
        except UnicodeDecodeError as error:
            raise _improper(self._what, "a key is not UTF-8") from error

    def _optional(self, name: str) -> str | None:
        found = self._root.findall(f"{_NAMESPACE}{name}")
        if len(found) > 1:
            raise _improper(self._what, f"it has {name} more than once")
        return (found[0].text or "") if found else None

    def _one(self, name: str) -> str:
        value = self._optional(name)
        if value is None:
            raise _improper(self._what, f"it has no {name}")
        return value

    def _number(self, text: str, name: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise _improper(self._what, f"its {name} is no number")
        return int(text)
