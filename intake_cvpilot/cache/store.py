"""Files of a partition wherever they lie: in the cache's folder, or published elsewhere.

A published part is fetched whole, for it is hashed whole before a row of it is believed; parts are
some tens of megabytes.  It is read from memory, and nothing of it stays on this computer, unless an
engine reads files itself: that one gets a checked copy, which goes when the process ends.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Protocol

import pyarrow as pa

from intake_cvpilot.cache.checksums import footer_of
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.read import read_part, scan
from intake_cvpilot.errors import DamagedError, PartitionChangedError

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from intake_cvpilot.cache.layout import Layout
    from intake_cvpilot.cache.manifest import File

__all__ = ["Store", "local", "read_file"]


class Store(Protocol):
    """Where partitions are published; it can be pickled, and goes without secrets."""

    @property
    def where(self) -> str:
        """URL, without credentials."""
        ...

    def read(self, name: str) -> bytes | None:
        """Give a file's content by its path below the place; None where there is none."""
        ...


def read_file(
    layout: Layout,
    key: str,
    file: File,
    *,
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,  # noqa: A002 -- as pyarrow calls it
    schema: pa.Schema | None = None,
    verify: Literal["once", "never"] = "once",
) -> pa.Table:
    """Read rows and columns of one part of a partition, checked; as `read_part`.

    Raises
    ------
    PartitionChangedError
        The part has gone and the partition no longer has it: open the frame again.
    DamagedError
        The part is not what its manifest says.
    """
    if layout.store is None:
        return read_part(
            layout.folder(key) / file.name,
            file,
            columns=columns,
            filter=filter,
            schema=schema,
            verify=verify,
            words=layout.words,
        )
    data = _content(layout.store, layout, key, file)
    return scan(pa.BufferReader(data), columns, filter, schema)


def local(layout: Layout, key: str, file: File) -> Path:
    """Give the path of a part on this computer: its own, or that of a checked copy.

    Raises
    ------
    PartitionChangedError, DamagedError
        A published part has gone, or is not what its manifest says.
    """
    if layout.store is None:
        return layout.folder(key) / file.name
    copy = Path(_copies(os.getpid()).name, f"{file.sha256}.parquet")
    if not copy.exists():
        beside = copy.with_suffix(f".{os.urandom(4).hex()}")
        beside.write_bytes(_content(layout.store, layout, key, file))
        beside.replace(copy)
    return copy


@cache
def _copies(_process: int) -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="cvpilot-parts-")


def _content(store: Store, layout: Layout, key: str, file: File) -> bytes:
    place = layout.place(key, file.name)
    data = store.read("/".join((*layout.parts(key), file.name)))
    if data is None:
        now = load(layout, key)
        if now is not None and file in now.files:
            raise DamagedError(f"{place} is missing, and its manifest names it; publish it again")
        raise PartitionChangedError(
            f"{place} has gone: the partition was published anew, or removed, after the frame was "
            "opened; open it again"
        )
    if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise DamagedError(
            f"{place} is damaged: its content does not hash to what the manifest says; "
            "publish it again"
        )
    if file.footer_sha256 is None or footer_of(io.BytesIO(data)) != file.footer_sha256:
        raise DamagedError(f"{place} is damaged: its footer is not what the manifest says")
    return data
