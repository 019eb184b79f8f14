"""Units that arrive are put where any process finds them: files, or small ones in packs."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from intake_cvpilot.cache.folders import storage_error
from intake_cvpilot.cache.pack import SMALL, Pack
from intake_cvpilot.cache.staging import unit_name, units

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout
    from intake_cvpilot.extent import Stored

__all__ = ["SMALL", "Arrived", "adopt"]


class Arrived:
    """Takes the units of a partition as they arrive, under its lock; to be closed.

    Parameters
    ----------
    layout, key : Layout, str
        The cache and the partition.
    """

    def __init__(self, layout: Layout, key: str) -> None:
        self._layout = layout
        self._key = key
        self._folder = units(layout, key)
        self._pack = Pack(self._folder)

    def take(
        self, content: Path | bytes, unit_key: str, size: int, etag: str | None, digest: str
    ) -> Stored:
        """Put a received, verified unit where any process finds it.

        Parameters
        ----------
        content : Path or bytes
            The file, which is moved; or fewer than `SMALL` bytes.
        unit_key, size, etag, digest : str, int, str or None, str
            As in `adopt`.

        Raises
        ------
        SpaceError, CacheError
            It could not be stored.
        """
        told = (unit_key, size, etag, digest)
        if isinstance(content, Path):
            return adopt(self._layout, self._key, content, *told, into=self._folder)
        try:
            return self._pack.add(unit_name(*told), content)
        except OSError as error:
            what = "a unit of " + self._key
            raise storage_error(error, what, self._layout.root, size) from error

    def close(self) -> None:
        """Close the pack."""
        self._pack.close()


def adopt(
    layout: Layout,
    key: str,
    received: Path,
    unit_key: str,
    size: int,
    etag: str | None,
    digest: str,
    into: Path | None = None,
) -> Path:
    """Move a received, verified unit to the name under which any process finds it.

    Parameters
    ----------
    layout, key : Layout, str
        The cache and the partition.
    received : Path
        The file; it is moved.
    unit_key, size, etag : str, int, str or None
        The unit as the archive listed it.
    digest : str
        MD5 or SHA-256 (hex) of the file's content.
    into : Path or None
        What `units` gave; the folder is made and looked at anew when it is None or has gone.

    Raises
    ------
    SpaceError, CacheError
        It could not be moved.
    """
    name = unit_name(unit_key, size, etag, digest)
    try:
        if into is not None:
            try:
                return _moved(received, into / name)
            except FileNotFoundError:
                pass  # the folder has been cleared
        return _moved(received, units(layout, key) / name)
    except OSError as error:
        raise storage_error(error, "a unit of " + key, layout.root, size) from error


def _moved(received: Path, target: Path) -> Path:
    try:
        os.rename(received, target)  # noqa: PTH104 - Path.rename takes twice as long
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{secrets.token_hex(16)}.tmp")
        shutil.copyfile(received, beside)
        beside.rename(target)
        received.unlink()
    return target
