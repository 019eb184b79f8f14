"""Which parts make one partition of a lazy frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal, overload

from intake_cvpilot.errors import InvalidRequestError

if TYPE_CHECKING:
    from intake_cvpilot.frames.select import Piece

__all__ = ["Cut", "Group", "Groups", "choose_cut", "grouped"]

Cut = Literal["part", "day", "auto"]
Group = tuple["Piece", ...]

#: Bytes in memory that ``"auto"`` aims at: what dask's own guides take for a partition.
TARGET: Final = 128 * 10**6
#: Bytes of a pandas frame with all columns for each byte of a Snappy part; 3.9 was measured for
#: WYDOT BSM.
IN_MEMORY: Final = 4


_KEY, _HASH = attrgetter("key"), attrgetter("file.sha256")


class Groups(Sequence["Group"]):
    """The groups of a frame, as dask maps over them.

    dask names a frame by a hash of all that it is made of.  Piece by piece that takes seconds for
    years of days; here the names and hashes of the parts are hashed at once.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: slice) -> Groups: ...
    def __getitem__(self, index: int | slice) -> Group | Groups:
        return Groups(self._groups[index]) if isinstance(index, slice) else self._groups[index]

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def __dask_tokenize__(self) -> tuple[str, ...]:
        sizes = ",".join(map(str, map(len, self._groups)))
        pieces = list(chain.from_iterable(self._groups))
        names = "".join([*map(_KEY, pieces), *map(_HASH, pieces)])
        digest = hashlib.sha256(f"{sizes}{names}".encode())
        # All pieces of a frame lie in one cache and are checked alike.
        piece = self._groups[0][0]
        cache = (piece.layout.where, piece.layout.identity, piece.verify)
        return digest.hexdigest(), *cache


def choose_cut(cut: str | None) -> Cut:
    """Check the option ``partition``."""
    match cut:
        case None | "part":
            return "part"
        case "day" | "auto":
            return cut
    raise InvalidRequestError(f"partition is 'part', 'day' or 'auto', not {cut!r}")


def grouped(groups: Iterable[Group], cut: Cut) -> Groups:
    """Join neighbouring groups: none, those of a day, or as many as make about 128 MB."""
    whole = list(groups)
    if cut == "part":
        return Groups(whole)
    key: Callable[[Group], Hashable] = first_key if cut == "day" else Filling()
    return Groups([tuple(chain.from_iterable(run)) for _, run in groupby(whole, key=key)])


def first_key(group: Group) -> str:
    """Give the partition of a group's first part."""
    return group[0].key


class Filling:
    """Numbers partitions of the frame: a new one where the group would not fit any more."""

    def __init__(self) -> None:
        self.number = 0
        self.held = 0

    def __call__(self, group: Group) -> int:
        size = IN_MEMORY * sum(piece.file.bytes for piece in group)
        if self.held and self.held + size > TARGET:
            self.number, self.held = self.number + 1, 0
        self.held += size
        return self.number
