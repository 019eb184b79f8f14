"""The errors of the library, grouped by what the caller does next.

::

    CVPilotError                         anything this library raises on purpose
    ├── InvalidRequestError (ValueError)     ask differently
    │   └── RequestTooLargeError             ask for less, or raise max_bytes
    ├── ArchiveError (OSError)               the archive did not give a proper answer
    │   ├── AccessDeniedError                use credentials, another archive or a local copy
    │   ├── ChangedError                     the archive changed while it was read: list again
    │   └── OfflineError                     the cache lacks partitions: fetch them online
    ├── DecodeError (ValueError)             the library does not know this shape of data
    ├── CacheError (OSError)                 the local cache cannot serve or store
    │   ├── DamagedError                     run the repair command it names
    │   ├── NewerError                       update the library, or fetch anew with this one
    │   ├── PartitionChangedError            open the frame again
    │   ├── LockTimeoutError                 wait for the process it names, or raise the time limit
    │   └── SpaceError                       free space, or raise the size limit
    ├── LockMismatchError                what a request gives is not what its lock= names
    ├── MissingExtraError (ImportError)      install the extra that it names
    └── PartitionsFailedError                some partitions failed, the others are in the cache

Messages say what happened, to which value, and what to do next.  They never hold a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AccessDeniedError",
    "ArchiveError",
    "CVPilotError",
    "CacheError",
    "ChangedError",
    "DamagedError",
    "DecodeError",
    "InvalidRequestError",
    "LockMismatchError",
    "LockTimeoutError",
    "MissingExtraError",
    "NewerError",
    "OfflineError",
    "PartitionChangedError",
    "PartitionsFailedError",
    "RequestTooLargeError",
    "SpaceError",
]


class CVPilotError(Exception):
    """Anything this library raises on purpose."""


class InvalidRequestError(CVPilotError, ValueError):
    """The request cannot be answered as asked; the message lists what would be valid."""


class RequestTooLargeError(InvalidRequestError):
    """The request would read more raw bytes than ``max_bytes`` allows.

    Attributes
    ----------
    plan : intake_cvpilot.Plan or None
        What a fetch would read.
    """

    def __init__(self, message: str, plan: Any = None) -> None:
        super().__init__(message)
        self.plan = plan


class ArchiveError(CVPilotError, OSError):
    """The archive did not give a proper answer; nothing of the partition was stored."""


class AccessDeniedError(ArchiveError):
    """The archive refuses access: use credentials, another archive URL or a local copy."""


class ChangedError(ArchiveError):
    """The archive no longer holds what its listing said; list again."""


class OfflineError(ArchiveError):
    """Offline, and the cache lacks what the request needs."""


class DecodeError(CVPilotError, ValueError):
    """The library does not know this shape of data."""


class CacheError(CVPilotError, OSError):
    """The local cache cannot serve or store."""


class DamagedError(CacheError):
    """A file of the cache is not what its manifest says; the message names the repair command."""


class NewerError(CacheError):
    """A newer version of the library wrote the partition; the message names both ways on."""


class PartitionChangedError(CacheError):
    """The partition was rebuilt or removed after the frame was opened; open it again."""


class LockTimeoutError(CacheError):
    """Another process holds a partition's lock; the message says which and since when."""


class SpaceError(CacheError):
    """No room for what the request needs; the message names the bytes."""


class LockMismatchError(CVPilotError):
    """What a request gives is not what its lock names; the message says what differs.

    Attributes
    ----------
    differences : mapping of str to str
        What differs, for each partition key.
    """

    def __init__(self, message: str, differences: Mapping[str, str]) -> None:
        super().__init__(message)
        self.differences = dict(differences)


class MissingExtraError(CVPilotError, ImportError):
    """An optional engine is not installed; the message names the extra that brings it."""


class PartitionsFailedError(CVPilotError):
    """Some partitions of a fetch failed; the others are committed.

    Attributes
    ----------
    failures : mapping of str to Exception
        The cause for each failed partition key.
    report : intake_cvpilot.Report or None
        What was done.
    """

    def __init__(self, message: str, failures: Mapping[str, Exception], report: Any = None) -> None:
        super().__init__(message)
        self.failures = dict(failures)
        self.report = report
