"""The one module that reads Parquet; what it gives is what the manifest promised, or an error.

Three checks, and what each is for, measured on 17 MB parts of 400,000 rows (snappy):

* The whole file's SHA-256, once in a process for each size, inode, mtime and ctime: 12 ms, beside
  29 ms for reading all columns and 5 ms for two.  It is what finds *any* flipped bit: page
  checksums do not cover the page headers, the page index, and pages that a filter or a projection
  leaves out.  (Of 3,000 flips in page headers none gave other values, but 588 went unseen.)
* The footer's SHA-256, on every read: statistics decide which rows a filter ever sees.
* Page checksums, on every read: 1 ms or less.  They find what the disk does to a file later, when
  its size and times say that nothing changed.

A file is opened once, and checked and read through that descriptor, so it may be unlinked
meanwhile.  It is never memory-mapped: a file cut short under a map kills the process.  Arrow reads
it without Python: its threads may still hold the file when the interpreter ends, and one that then
lets go of a Python object aborts the process (4 of 90 scripts that ended with a filtered read).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from intake_cvpilot.cache.checksums import (
    file_sha256,
    footer_of,
    footer_sha256,
    is_whole,
    open_plain,
)
from intake_cvpilot.cache.folders import refuse_links
from intake_cvpilot.cache.layout import MANIFEST, key_of, repair_command
from intake_cvpilot.cache.manifest import File, Manifest, loads
from intake_cvpilot.errors import CacheError, DamagedError, PartitionChangedError

if TYPE_CHECKING:
    from io import FileIO

__all__ = ["arrow_file", "file_sha256", "footer_sha256", "read_part", "scan"]


def read_part(
    path: Path,
    file: File,
    *,
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,  # noqa: A002 -- as pyarrow calls it
    schema: pa.Schema | None = None,
    verify: Literal["once", "never"] = "once",
    words: Sequence[str] = (),
) -> pa.Table:
    """Read rows and columns of one part, checked.

    Parameters
    ----------
    path : Path
        The part, in its partition's folder.
    file : File
        Its entry in the manifest.
    columns : sequence of str, optional
        Columns to give, in this order; None for all of `schema`.
    filter : pyarrow.compute.Expression, optional
        Rows to give; row groups whose statistics exclude it are not read.
    schema : pyarrow.Schema, optional
        The table's schema: columns that the part lacks are null.  None for the part's own.
    verify : {"once", "never"}
        Whether the whole file is hashed, once in this process; footer and pages are checked
        either way.
    words : sequence of str
        Options that the repair command of a damaged part needs: ``Layout.words``.

    Returns
    -------
    pyarrow.Table
        The columns, rows in the part's order.

    Raises
    ------
    PartitionChangedError
        The part has gone and the partition no longer has it: open the frame again.
    DamagedError
        The part is not what its manifest says, or cannot be read; the message has the command.
    CacheError
        The partition lies behind a link.
    """
    with _open(path, file, words) as opened:
        try:
            _check(opened, path, file, verify, words)
            return scan(arrow_file(opened), columns, filter, schema)
        except CacheError:
            raise
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            if _still_whole(opened, file):
                raise  # the file is right: the request asked for what it cannot give
            raise damaged(path, str(error), words) from error


def _open(path: Path, file: File, words: Sequence[str]) -> FileIO:
    try:
        # Six levels: the partition's folder, and the four components and the tree above it.
        refuse_links(path.parent, 6)
        return open_plain(path)
    except CacheError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        return _open_again(path, file, words)
    except OSError as error:
        raise damaged(path, error.strerror or str(error), words) from error


def _open_again(path: Path, file: File, words: Sequence[str]) -> FileIO:
    """Look once more: an evicted partition may be back with the same content."""
    if any(named.sha256 == file.sha256 for named in _named_now(path)):
        try:
            return open_plain(path)
        except OSError as error:
            raise damaged(path, "the manifest names it and it is missing", words) from error
    raise PartitionChangedError(
        f"{path.name} of {key_of(path.parent) or path.parent} has gone: the partition was rebuilt "
        "or removed after the frame was opened; open it again"
    )


def _named_now(path: Path) -> tuple[File, ...]:
    try:
        with open_plain(path.with_name(MANIFEST)) as opened:
            manifest: Manifest = loads(opened.read(), key=key_of(path.parent))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return manifest.files


def _check(opened: FileIO, path: Path, file: File, verify: str, words: Sequence[str]) -> None:
    if verify == "once" and not is_whole(opened, file.bytes, file.sha256):
        raise damaged(path, "its content does not hash to what the manifest says", words)
    if file.footer_sha256 is None:
        raise ValueError("the manifest knows no footer of it: it is no Parquet file")
    if footer_of(opened) != file.footer_sha256:
        raise damaged(path, "its footer does not hash to what the manifest says", words)


def scan(
    source: pa.NativeFile,
    columns: Sequence[str] | None,
    rows: pc.Expression | None,
    schema: pa.Schema | None,
) -> pa.Table:
    """Read rows and columns of an open Parquet file; every page's checksum is checked."""
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True, pre_buffer=True)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    fragment = form.make_fragment(source)
    asked: dict[str, Any] = {} if columns is None else {"columns": list(columns)}
    return fragment.to_table(schema=schema or fragment.physical_schema, filter=rows, **asked)


def arrow_file(opened: FileIO) -> pa.OSFile:
    """Open an open file once more, for Arrow alone: the same inode, even when it is unlinked."""
    return pa.OSFile(f"/dev/fd/{opened.fileno()}")


def _still_whole(opened: FileIO, file: File) -> bool:
    try:
        return is_whole(opened, file.bytes, file.sha256, again=True)
    except (OSError, ValueError):
        return False


def damaged(path: Path, what: str, words: Sequence[str] = ()) -> DamagedError:
    """Say that a file is damaged, and how to repair it."""
    key = key_of(path.parent)
    way_out = f" Repair it with: {repair_command(key, words)}" if key else ""
    return DamagedError(f"{path} is damaged: {what}.{way_out}")
