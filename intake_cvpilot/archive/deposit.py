"""Where a mirror is written: a folder or a bucket; what is there already is looked at first."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from intake_cvpilot.archive.address import Address
from intake_cvpilot.archive.deposit_places import BucketPlace, FolderPlace
from intake_cvpilot.archive.mirror_record import INDEX, Index, Record, record_name
from intake_cvpilot.errors import ArchiveError, InvalidRequestError

if TYPE_CHECKING:
    from intake_cvpilot.archive.base import Received, Snapshot
    from intake_cvpilot.archive.policy import Policy

__all__ = ["Deposit", "open_deposit"]


class Place(Protocol):
    """What can be written to."""

    def peek(self, name: str) -> bytes | None:
        """Give a small file, or None."""
        ...

    def store(self, name: str, body: bytes) -> None:
        """Write a small file whole or not at all."""
        ...

    def take(self, received: Received) -> str:
        """Put an object that arrived where it belongs, and give the digest to know it by there."""
        ...

    def held(self, snapshot: Snapshot, known: Mapping[str, str]) -> dict[str, str]:
        """Give the digest of each unit that is there already, by key."""
        ...

    def records(self) -> Iterator[str]:
        """Give the keys of the partitions that have a record."""
        ...

    def check(self, key: str) -> None:
        """Raise ArchiveError if an object's key cannot be kept here."""
        ...

    def incoming(self) -> contextlib.AbstractContextManager[Path]:
        """Give a folder for objects that arrive."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class Deposit:
    """A mirror that is being written.

    Parameters
    ----------
    place : Place
        A folder or a bucket.
    of : str
        Identity of the archive that is copied.
    where : str
        The mirror's own URL, for messages.
    """

    def __init__(self, place: Place, of: str, where: str) -> None:
        self.place = place
        self.of = of
        self.where = where

    def check(self) -> None:
        """Refuse to write another archive's objects into a mirror.

        Raises
        ------
        InvalidRequestError
            It is a mirror of another archive.
        """
        body = self.place.peek(INDEX)
        if body is not None and (there := Index.parse(body, self.where).of) != self.of:
            raise InvalidRequestError(
                f"{self.where} is a mirror of {there}; {self.of} needs a place of its own"
            )

    def record(self, key: str) -> Record | None:
        """Give what was written of a partition; what is broken is written anew."""
        body = self.place.peek(record_name(key))
        try:
            return Record.parse(body, key, self.where) if body is not None else None
        except ArchiveError:
            return None

    def commit(self, record: Record) -> None:
        """Say that a partition is whole: its record first, then the index of all records."""
        self.place.store(record_name(record.key), record.to_json())
        # From the records, not from the index: so two commands at a time lose nothing.
        whole = frozenset(self.place.records()) | {record.key}
        self.place.store(INDEX, Index(self.of, whole).to_json())


def open_deposit(
    to: str | os.PathLike[str],
    options: Mapping[str, Any] | None,
    of: str,
    *,
    rate: float | None,
    policy: Policy,
) -> Deposit:
    """Open a folder or a bucket for writing; nothing is asked of it yet.

    Raises
    ------
    InvalidRequestError
        It is neither, or an option is not valid.
    """
    address = Address.parse(to, options)
    if address.kind == "folder":
        return Deposit(FolderPlace(Path(address.place)), of, address.identity)
    if address.kind == "s3":
        from intake_cvpilot.archive.s3 import S3Archive

        bucket = S3Archive(address, storage_options=options, rate=rate, threads=8, policy=policy)
        return Deposit(BucketPlace(bucket), of, address.identity)
    raise InvalidRequestError("a mirror is written to a folder or to s3://bucket")
