"""What a mirror writes down: whose copy it is, what is whole, and each partition's listing; pure.

``mirror.json`` lies at the top of the copy and is for people too.  A partition's record,
``.mirror/<partition>.json``, is the listing that the archive gave, with a hash of each object as it
arrived; it is written when every object is in its place, so a partition with a record is whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from intake_cvpilot.archive.base import Snapshot, Unit
from intake_cvpilot.errors import ArchiveError

__all__ = ["INDEX", "LARGEST", "RECORDS", "Index", "Record", "record_name"]

INDEX = "mirror.json"
"""Name of the file that makes a copy a mirror."""
RECORDS = ".mirror/"
"""Where the records are; no object of the archive is named so."""
LARGEST = 256 * 2**20
"""Bytes; no file of ours in a mirror is larger."""

_FORMAT = 1
_DAY = re.compile(r"\d{4}/\d{2}/\d{2}")
_DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


def record_name(key: str) -> str:
    """Give the key of a partition's record."""
    return f"{RECORDS}{key}.json"


@dataclass(frozen=True)
class Index:
    """What ``mirror.json`` says."""

    of: str
    """Identity of the archive that is copied."""
    whole: frozenset[str]
    """Keys of the partitions that are whole."""

    def to_json(self) -> bytes:
        """Write it: days as ranges, first and last, other partitions one by one."""
        by_type: dict[str, list[str]] = {}
        for key in sorted(self.whole):
            source, kind, rest = key.split("/", 2)
            by_type.setdefault(f"{source}/{kind}", []).append(rest)
        whole = {name: _ranges(rest) for name, rest in by_type.items()}
        return _pretty({"format": _FORMAT, "mirror_of": self.of, "whole": whole})

    @classmethod
    def parse(cls, body: bytes, where: str) -> Index:
        """Read it.

        Raises
        ------
        ArchiveError
            It is no such file, or of a later format.
        """
        try:
            told = json.loads(body)
            number, of, whole = told["format"], told["mirror_of"], told["whole"]
            keys = {f"{name}/{key}" for name, ranges in whole.items() for key in _expanded(ranges)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _broken(INDEX, where) from error
        if number != _FORMAT or not isinstance(of, str) or not of:
            raise ArchiveError(
                f"{where}: {INDEX} is of the format {str(number)[:10]!r}; this library reads "
                f"{_FORMAT}: use a newer one"
            )
        return cls(of, frozenset(keys))


@dataclass(frozen=True)
class Record:
    """A partition as it was copied."""

    key: str
    """The partition."""
    listed_at: datetime
    """Aware UTC: when the archive listed it."""
    units: tuple[Unit, ...]
    """Its objects as the archive listed them."""
    digests: Mapping[str, str]
    """By the object's key: MD5 or SHA-256 (hex) of what arrived, told apart by its length."""

    @property
    def snapshot(self) -> Snapshot:
        """The archive's own listing."""
        return Snapshot(f"{self.key}/", self.units, self.listed_at)

    def to_json(self) -> bytes:
        """Write it, with a checksum of itself."""
        body = {
            "format": _FORMAT,
            "key": self.key,
            "listed_at": self.listed_at.isoformat(),
            "units": [
                [
                    unit.key,
                    unit.size,
                    unit.etag,
                    unit.last_modified.isoformat() if unit.last_modified else None,
                    self.digests[unit.key],
                ]
                for unit in self.units
            ],
        }
        return _pretty({**body, "checksum": _checksum(body)})

    @classmethod
    def parse(cls, body: bytes, key: str, where: str) -> Record:
        """Read the record of a partition.

        Raises
        ------
        ArchiveError
            It is not whole, or of another partition.
        """
        try:
            told = json.loads(body)
            if told.pop("checksum") != _checksum(told) or told["key"] != key:
                raise ValueError("it is not what was written")
            units, digests = [], {}
            for name, size, etag, modified, digest in told["units"]:
                if not name.startswith(f"{key}/") or not _DIGEST.fullmatch(digest):
                    raise ValueError("an object is not of the partition, or has no hash")
                at = datetime.fromisoformat(modified) if modified else None
                units.append(Unit(name, size, etag, at))
                digests[name] = digest
            listed_at = datetime.fromisoformat(told["listed_at"]).astimezone(UTC)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _broken(record_name(key), where) from error
        return cls(key, listed_at, tuple(units), digests)


def _broken(name: str, where: str) -> ArchiveError:
    # The index alone says whose copy it is, so it is not replaced before a person has looked.
    first = "remove it, then " if name == INDEX else ""
    return ArchiveError(
        f"{where}: {name} is not what `cvpilot mirror` writes; {first}copy again from the same "
        "archive with that command: what is there with the right content is not read again"
    )


def _ranges(keys: Iterable[str]) -> list[str]:
    found: list[list[str]] = []
    for key in keys:
        if found and _is_next(found[-1][-1], key):
            found[-1][-1] = key
        else:
            found.append([key, key])
    return [first if first == last else f"{first}..{last}" for first, last in found]


def _is_next(before: str, key: str) -> bool:
    days = _DAY.fullmatch(before) and _DAY.fullmatch(key)
    return bool(days) and _date(key) - _date(before) == timedelta(days=1)


def _expanded(ranges: Iterable[str]) -> Iterable[str]:
    for text in ranges:
        first, mark, last = text.partition("..")
        if not mark:
            yield first
            continue
        for day in range(_date(first).toordinal(), _date(last).toordinal() + 1):
            yield f"{date.fromordinal(day):%Y/%m/%d}"


def _date(key: str) -> date:
    return datetime.strptime(key, "%Y/%m/%d").date()  # noqa: DTZ007 - a folder's day


def _checksum(body: Any) -> str:
    plain = json.dumps(body, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _pretty(body: Any) -> bytes:
    return (json.dumps(body, indent=1, ensure_ascii=True) + "\n").encode()
