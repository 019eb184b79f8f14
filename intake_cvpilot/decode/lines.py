"""Many lines as one text, and where each begins and ends: no object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lines", "Positions"]

Positions = npt.NDArray[np.int64]
"""Of lines among others, ascending."""
_RETURN: Final = ord("\r")


class Lines:
    """The lines of a text, cut at line feeds; a carriage return before one belongs to the end.

    Parameters
    ----------
    text : bytes
        What a line feed ends is a line, also where it is empty; the last one may lack it.
    """

    def __init__(self, text: bytes) -> None:
        self.text = text if text.endswith(b"\n") else text + b"\n"
        self._bounds: Positions = np.array([0, *_after(self.text, b"\n")], dtype=np.int64)
        self.starts = self._bounds[:-1]
        """Where each begins."""
        self.ends = self._bounds[1:] - 1
        """Where each ends, exclusive."""
        self.ends -= self._last(self.ends > self.starts) == _RETURN

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, at: int) -> bytes:
        return self.text[self.starts[at] : self.ends[at]]

    def enclosed(self, first: bytes, last: bytes, most: int) -> npt.NDArray[np.bool_]:
        """Say which lines begin and end with two different bytes, and are no longer than a limit.

        Parameters
        ----------
        first, last : bytes
            One byte each.
        most : int
            Bytes of the longest.
        """
        sizes = self.ends - self.starts
        good = (sizes > 1) & (sizes <= most)
        good &= self._byte(self.starts, good) == ord(first)
        good &= self._last(good) == ord(last)
        return good

    def holding(self, byte: bytes) -> npt.NDArray[np.bool_]:
        """Say which lines hold a byte."""
        found = np.zeros(len(self), dtype=bool)
        at = self.text.find(byte)
        while at >= 0:
            line = int(np.searchsorted(self.starts, at, "right")) - 1
            found[line] = True
            at = self.text.find(byte, self.ends[line])
        return found

    def joined(self, chosen: Positions) -> bytes | memoryview:
        """Give some lines as one text, with the line feeds and what stands before them."""
        begins, ends = self._bounds[chosen], self._bounds[chosen + 1]
        if (begins[1:] == ends[:-1]).all():
            return memoryview(self.text)[begins[0] : ends[-1]]
        places = zip(begins.tolist(), ends.tolist(), strict=True)
        return b"".join([self.text[begin:end] for begin, end in places])

    def _last(self, where: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        return self._byte(self.ends - 1, where)

    def _byte(self, places: Positions, where: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        """The bytes at places, 0 where not asked for."""
        found = np.zeros(len(places), dtype=np.uint8)
        found[where] = np.frombuffer(self.text, dtype=np.uint8)[places[where]]
        return found


def _after(text: bytes, byte: bytes) -> Iterator[int]:
    at = text.find(byte) + 1
    while at:
        yield at
        at = text.find(byte, at) + 1
