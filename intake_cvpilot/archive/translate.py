"""The errors of clients, servers and systems in our own words: the one place that knows both.

A message names the archive, the key and what to do next.  The text of a server's answer never
gets into one (it may repeat a signature or an access key); its error code does.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from intake_cvpilot.archive.retry import BusyError, TransientError, UnreachableError
from intake_cvpilot.errors import (
    AccessDeniedError,
    ArchiveError,
    CacheError,
    ChangedError,
    SpaceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["from_disk", "from_network", "from_status", "from_system", "no_table", "shown"]

_CODE = re.compile(rb"<Code>([A-Za-z0-9._]{1,64})</Code>")
_BUSY = {"SlowDown", "RequestLimitExceeded", "Throttling", "ThrottlingException",
         "TooManyRequests", "ServiceUnavailable", "BandwidthLimitExceeded"}  # fmt: skip
_PASSING = {"InternalError", "RequestTimeout", "RequestTimeoutException", "OperationAborted"}
_LONGEST_RETRY_AFTER = 3600.0

_WAYS_OUT = (
    "Ways out: credentials (storage_options={'profile': ...}, or key and secret, or anon=False "
    "for the AWS settings of the environment, with requester_pays=True where the bucket asks for "
    "it); another archive URL or a local copy (archive=, or CVPILOT_ARCHIVE)"
)
_PUBLIC_REFUSES = (
    "the public bucket has been refusing some users since 2025; this is not a sign that the data "
    "is gone. The data portal has the same messages, flattened and with fewer columns: ask for the "
    "source wydot_portal, thea_portal or nycdot_portal, which needs no account (see docs/portal.md "
    "for what it lacks). " + _WAYS_OUT
)
_CREDENTIALS = {
    "ExpiredToken": "the session token has expired; get a new one",
    "TokenRefreshRequired": "the session token has to be renewed",
    "InvalidToken": "the session token is not valid; get a new one",
    "InvalidAccessKeyId": "the access key id is unknown there; check key or profile",
    "SignatureDoesNotMatch": "the secret does not fit the access key id; check secret or profile",
    "RequestTimeTooSkewed": "the clock of this computer is off by more than 15 minutes; set it",
    "AuthorizationHeaderMalformed": "the region is another; set client_kwargs={'region_name': ...}",
}
_FINAL = {
    "NoSuchBucket": "there is no such bucket; check the archive's URL and endpoint",
    "InvalidBucketName": "the bucket's name is not valid; check the archive's URL",
    "InvalidObjectState": "the object lies in cold storage (Glacier) and has to be restored by "
    "the bucket's owner; use another archive or a local copy",
}


def shown(key: str) -> str:
    """Give a key as text for a message: control characters are escaped."""
    return key if key.isprintable() else ascii(key)[1:-1]


def from_status(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    what: str,
    listed: bool,
    public: bool = False,
) -> Exception:
    """Say what an answer other than success means.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : mapping of str to str
        Case is ignored by the mapping.
    body : bytes
        The beginning of the answer's body.
    what : str
        What was asked, e.g. ``reading s3://bucket/key``.
    listed : bool
        Whether an object was asked for that a listing has named.
    public : bool
        Whether the archive is the public bucket, asked anonymously.
    """
    found = _CODE.search(body)
    code = found[1].decode() if found else ""
    told = f"HTTP {status}" + (f" {code}" if code else "")
    if status in (429, 503, 509) or code in _BUSY:
        return BusyError(f"the archive asks to slow down ({told})", wait=_retry_after(headers))
    if status in (408, 500, 502, 504) or code in _PASSING:
        return TransientError(f"the archive has trouble ({told})", wait=_retry_after(headers))
    if code in _CREDENTIALS:
        return AccessDeniedError(f"{what}: {told}: {_CREDENTIALS[code]}")
    if code in _FINAL:
        return ArchiveError(f"{what}: {told}: {_FINAL[code]}")
    if status in (401, 403):
        return AccessDeniedError(
            f"{what}: access denied ({told}); " + (_PUBLIC_REFUSES if public else _WAYS_OUT)
        )
    if listed and status in (404, 410, 412):
        return ChangedError(f"{what}: {told}: the archive no longer holds what it listed")
    if 300 <= status < 400:
        region = headers.get("x-amz-bucket-region", "")
        hint = (
            f"; the bucket is in the region {region}: set client_kwargs={{'region_name': ...}}"
            if re.fullmatch(r"[a-z0-9-]{1,32}", region)
            else "; set the region (client_kwargs) or endpoint_url"
        )
        return ArchiveError(f"{what}: the archive points elsewhere ({told}), not followed{hint}")
    return ArchiveError(f"{what}: unexpected answer ({told}); check the archive's URL and endpoint")


def from_network(error: BaseException, *, url: str) -> Exception:
    """Say what a failure below HTTP means: named by its class, with the host and no more."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ProxyConnectionError" in names:
        return UnreachableError(
            f"the proxy for {host} cannot be reached; check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
        )
    if "EndpointConnectionError" in names:
        why = "unknown host" if "resolve" in str(error).lower() else "no connection"
        return UnreachableError(f"{host} cannot be reached ({why}); check network and endpoint")
    if names & {"ConnectTimeoutError", "NewConnectionError"}:
        return UnreachableError(f"{host} cannot be reached (time-out)")
    if "SSLError" in names:
        return ArchiveError(
            f"no trusted connection to {host}: its certificate is refused; behind an inspecting "
            "proxy give its certificates with client_kwargs={'verify': FILE}"
        )
    if names & {"ReadTimeoutError", "TimeoutError"}:
        return TransientError(f"{host} fell silent")
    return TransientError(f"the connection to {host} broke ({type(error).__name__})")


def from_system(error: OSError, *, what: str) -> ArchiveError:
    """Say what an error of the operating system means for a folder or a file system."""
    reason = error.strerror or type(error).__name__
    if isinstance(error, PermissionError):
        return AccessDeniedError(f"{what}: {reason}; check the permissions")
    if isinstance(error, FileNotFoundError):
        return ChangedError(f"{what}: the archive no longer holds what it listed")
    return ArchiveError(f"{what}: {reason}")


def from_disk(error: OSError, needed: int) -> CacheError:
    """Say what an error means that came up while a unit was written to its file."""
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpaceError(
            f"no room for the objects that arrive: {needed:,} bytes are needed for what is still "
            f"to be read ({reason}); free some space (or file entries, or quota), or set another "
            "cache_dir, and call again: what has arrived is not read again"
        )
    return CacheError(
        f"the objects that arrive cannot be written: {reason}; call again, and if it stays, check "
        "the disk and the rights of the cache"
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        from datetime import UTC, datetime
        from email.utils import parsedate_to_datetime

        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    if not seconds > 0:  # NaN too
        return None
    return min(seconds, _LONGEST_RETRY_AFTER)


def no_table(prefix: str, where: str, there: Iterable[str] = ()) -> ArchiveError:
    """Say that a place has nothing at all of a source and message type: it is no copy of them."""
    source, message_type, *_ = prefix.split("/")
    found = ", ".join(shown(name) for name in sorted(there)[:8])
    return ArchiveError(
        f"{where} has no {source}/{message_type}/ at all, so an empty day of it proves nothing and "
        "none is stored. Objects lie there as in the bucket, below year, month and day: give the "
        f"folder above {source}/ as archive=" + (f"; this one has: {found}" if found else "")
    )
