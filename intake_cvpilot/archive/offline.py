"""The archive of someone without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from intake_cvpilot.archive.base import Traffic
from intake_cvpilot.errors import OfflineError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from intake_cvpilot.archive.base import Received, Snapshot, Unit

__all__ = ["OfflineArchive"]


class OfflineArchive:
    """Knows its identity and answers no question; it opens no socket."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.traffic = Traffic()

    def snapshot(self, prefix: str) -> Snapshot:
        """Refuse."""
        self._refuse(f"list {prefix}")

    def read(
        self,
        units: Sequence[Unit],
        folder: Path,  # noqa: ARG002
        *,
        small: int = 0,  # noqa: ARG002
    ) -> Generator[Received, None, None]:
        """Refuse, unless there is nothing to read."""
        if units:
            self._refuse(f"read {len(units)} objects")
        return _nothing()

    def close(self) -> None:
        """Do nothing."""

    def _refuse(self, what: str) -> NoReturn:
        raise OfflineError(
            f"offline: cannot {what} of {self.identity}; fetch it while online "
            "(`cvpilot fetch`), or unset offline and CVPILOT_OFFLINE"
        )


def _nothing() -> Generator[Received, None, None]:
    yield from ()
