"""What the exit code of a command says."""

from __future__ import annotations

from enum import IntEnum

from intake_cvpilot import errors

__all__ = ["CODES", "Exit", "exit_code"]


class Exit(IntEnum):
    """What the exit code of a command says."""

    OK = 0
    """Done."""
    UNEXPECTED = 1
    """An error that this library does not know."""
    USAGE = 2
    """The command or the request cannot be answered as asked."""
    PARTIAL = 3
    """Some partitions failed; the others are in the cache."""
    PROBLEMS = 4
    """Problems were found in the cache."""
    OFFLINE = 5
    """Offline, and the cache lacks what was asked for."""
    ACCESS = 6
    """The archive refuses access."""
    SPACE = 7
    """No room for what is needed."""
    LOCKED = 8
    """Another process holds a partition for too long."""
    INTERRUPTED = 130
    """Interrupted from the keyboard."""


#: Errors and their exit codes, the first that fits.
CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (errors.InvalidRequestError, Exit.USAGE),
    (NotImplementedError, Exit.USAGE),
    (errors.MissingExtraError, Exit.USAGE),
    (errors.AccessDeniedError, Exit.ACCESS),
    (errors.OfflineError, Exit.OFFLINE),
    (errors.SpaceError, Exit.SPACE),
    (errors.LockTimeoutError, Exit.LOCKED),
    (errors.DamagedError, Exit.PROBLEMS),
    (errors.LockMismatchError, Exit.PROBLEMS),
    (errors.PartitionsFailedError, Exit.PARTIAL),
    (errors.CVPilotError, Exit.PARTIAL),
)


def exit_code(error: Exception) -> Exit:
    """Give the exit code of an error; when every partition failed alike, that of the cause."""
    if isinstance(error, errors.PartitionsFailedError):
        codes = {exit_code(cause) for cause in error.failures.values()}
        return codes.pop() if len(codes) == 1 else Exit.PARTIAL
    return next((code for kind, code in CODES if isinstance(error, kind)), Exit.UNEXPECTED)
