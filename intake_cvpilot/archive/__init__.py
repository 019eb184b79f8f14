"""Where raw bytes live: any S3 bucket, a local folder, or any place that fsspec reads.

Opening an archive asks it nothing.  The S3 client and fsspec are loaded when one is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake_cvpilot.archive.address import Address
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.errors import InvalidRequestError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from intake_cvpilot.archive.base import Archive
    from intake_cvpilot.archive.bucket import Bucket
    from intake_cvpilot.archive.mirror import Copy

__all__ = ["PUBLIC", "identity", "location", "open_archive"]

PUBLIC = "s3://usdot-its-cvpilot-publicdata"
"""The public bucket, which is its own identity."""


def open_archive(
    url: str | os.PathLike[str] = PUBLIC,
    *,
    storage_options: Mapping[str, Any] | None = None,
    rate: float | Bucket | None = 10.0,
    threads: int = 8,
    offline: bool = False,
    policy: Policy | None = None,
    scratch: Path | None = None,
) -> Archive:
    """Open an archive; nothing is asked of it yet.

    Parameters
    ----------
    url : str or path
        ``s3://bucket`` or ``s3://bucket/path``, a folder, ``socrata://host`` (a data portal), a
        ``.csv`` file (a whole table of it), or a URL (or a chain) of fsspec.
    storage_options : mapping, optional
        For S3: anon, key, secret, token, profile, endpoint_url, requester_pays, mirror_of,
        addressing_style, client_kwargs, config_kwargs, as in s3fs, but with `anon` True unless
        credentials are given.  AWS settings of the environment are used only with
        ``anon=False``.  For a data portal: app_token.  For other URLs: what the fsspec file system
        takes.
    rate : float, Bucket or None
        Requests a second to a remote archive, with a burst of 10; a bucket that others draw from
        too; None lifts the limit.
    threads : int
        Most units read at a time.
    offline : bool
        Give an archive that raises OfflineError for every question and opens no socket.
    policy : Policy, optional
        Bounds of retries and waits.
    scratch : Path, optional
        Folder in which a whole-table CSV of the data portal is split into days; a temporary
        folder of the machine by default.

    Returns
    -------
    Archive
        With the identity, listings and verified reads of `url`.

    Raises
    ------
    InvalidRequestError
        The URL or an option is not valid.

    Examples
    --------
    >>> open_archive("s3://my-mirror", storage_options={"profile": "lab"}).identity
    's3://my-mirror'
    """
    if threads < 1:
        raise InvalidRequestError(f"threads is at least 1; it is {threads!r}")
    address = Address.parse(url, storage_options)
    policy = policy or Policy()
    of = _copied(address)
    if offline:
        from intake_cvpilot.archive.offline import OfflineArchive

        return OfflineArchive(of or address.identity)
    if address.kind == "s3":
        from intake_cvpilot.archive.s3 import S3Archive

        bucket = S3Archive(
            address, storage_options=storage_options, rate=rate, threads=threads, policy=policy
        )
        return _mirror(bucket, of, address) if of else bucket
    if address.kind == "folder":
        from intake_cvpilot.archive.files import FolderArchive

        folder = FolderArchive(address, threads=threads)
        return _mirror(folder, of, address) if of else folder
    if address.kind == "rows":
        from tempfile import gettempdir

        from intake_cvpilot.archive.rows_csv import RowsArchive

        place = scratch or Path(gettempdir()) / "intake-cvpilot-split"
        return RowsArchive(address, scratch=place, threads=threads)
    if address.kind == "socrata":
        from intake_cvpilot.archive.socrata import SocrataArchive

        token = (storage_options or {}).get("app_token")
        return SocrataArchive(address, token=token, rate=rate, threads=threads, policy=policy)
    from intake_cvpilot.archive.filesystems import FilesystemArchive

    return FilesystemArchive(
        address, storage_options=storage_options, rate=rate, threads=threads, policy=policy
    )


def _mirror(copy: Copy, of: str, address: Address) -> Archive:
    from intake_cvpilot.archive.mirror import MirrorArchive

    return MirrorArchive(copy, of, address.identity)


def _copied(address: Address) -> str | None:
    """Give the identity of the archive that an address is a mirror of, without a network."""
    if address.kind != "folder":
        return address.mirror_of
    from intake_cvpilot.archive.mirror_record import INDEX, Index

    try:
        body = Path(address.place, INDEX).read_bytes()
    except OSError:
        return None
    return Index.parse(body, address.identity).of


def identity(
    url: str | os.PathLike[str] = PUBLIC, storage_options: Mapping[str, Any] | None = None
) -> str:
    """Give the normalised URL of an archive, without credentials and without opening it.

    Two archives with different identities never share a cache entry.  A mirror has the identity of
    the archive that it copies: a folder says so with its ``mirror.json``, a bucket by the option
    ``mirror_of``, since it is not asked before it has to be.

    Raises
    ------
    InvalidRequestError
        The URL or an option is not valid.

    Examples
    --------
    >>> identity("s3://bucket/lab/", {"endpoint_url": "https://S3.example.org:443/"})
    's3://bucket/lab?endpoint=https://s3.example.org'
    """
    address = Address.parse(url, storage_options)
    return _copied(address) or address.identity


def location(
    url: str | os.PathLike[str] = PUBLIC, storage_options: Mapping[str, Any] | None = None
) -> str:
    """Give the normalised URL of a place, without credentials: a mirror's own.

    Raises
    ------
    InvalidRequestError
        The URL or an option is not valid.
    """
    return Address.parse(url, storage_options).identity
