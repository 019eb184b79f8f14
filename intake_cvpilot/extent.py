"""Where the bytes of one object are on this disk: a file of their own, or a part of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

__all__ = ["Extent", "Stored"]


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of a file, opened as if it were a file; small, as it is read at once."""

    path: Path
    """The file."""
    offset: int
    """Where the part begins."""
    length: int
    """Bytes of the part."""

    def open(self, mode: Literal["rb"] = "rb", buffering: int = 0) -> BytesIO:  # noqa: ARG002
        """Open it, as ``Path.open`` does.

        Raises
        ------
        OSError
            The file cannot be read, or ends before the part does.
        """
        data = b""
        # Of some ten thousand that are read in a row, a file object would be half the cost.
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while rest := self.length - len(data):
                more = os.pread(file, rest, self.offset + len(data))
                if not more:
                    what = f"{self.length} bytes at {self.offset}"
                    raise OSError(f"{self.path} ends before the {what}")
                data += more
        finally:
            os.close(file)
        return BytesIO(data)


Stored = Path | Extent
"""What can be opened to read an object."""
