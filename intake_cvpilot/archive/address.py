"""From an archive's URL to its place and its identity, without opening anything."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

from intake_cvpilot.archive.s3_options import S3Options, normal_endpoint
from intake_cvpilot.errors import InvalidRequestError

__all__ = ["Address", "without_secrets"]

_SECRET = re.compile(
    r"(^|[-_])(access|auth\w*|cred\w*|key|pass\w*|pwd|secret|sig|signature|token|user\w*)($|[-_])",
    re.IGNORECASE,
)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?/?", re.IGNORECASE)
_PORTAL_OPTIONS = frozenset({"app_token", "endpoint_url"})
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an archive is."""

    kind: Literal["s3", "folder", "filesystem", "socrata", "rows"]
    """What reads it: the S3 client, the local disk, fsspec, the data portal's, or the splitter of
    a whole-table CSV."""
    place: str
    """The bucket, the absolute folder, the portal's URL, or the URL for fsspec (which may hold
    credentials)."""
    root: str
    """The path below the bucket with a trailing slash, or nothing."""
    identity: str
    """The normalised URL without credentials; it opens the same place."""
    endpoint: str | None = None
    """Only S3: the service, if it is not AWS."""
    mirror_of: str | None = None
    """Only S3: identity of the archive that this one is said to be a mirror of."""

    @property
    def is_local(self) -> bool:
        """Whether it is this computer that answers, so that nobody's patience is used up."""
        if self.kind != "filesystem":
            return self.kind in ("folder", "rows")
        scheme, mark, _ = self.place.rpartition("::")[2].partition("://")
        return not mark or scheme in ("file", "local", "memory")

    def __repr__(self) -> str:
        return f"Address({self.identity!r})"

    @classmethod
    def parse(
        cls,
        url: str | os.PathLike[str],
        storage_options: Mapping[str, Any] | None = None,
        *,
        listed: bool = True,
    ) -> Address:
        """Read a URL or the path of a folder; `listed` says that its files must be listed.

        Raises
        ------
        InvalidRequestError
            The URL is none, or the options are not for it.
        """
        text = os.fspath(url)
        scheme = text.partition("://")[0] if "://" in text else ""
        if not text:
            raise InvalidRequestError("the archive is a URL or a folder; it is empty")
        if "::" in text:
            return _filesystem(text, storage_options)
        if scheme in ("s3", "s3a"):
            return _s3(text, storage_options)
        if scheme in ("", "file", "local"):
            return _folder(unquote(text.partition("://")[2]) if scheme else text, storage_options)
        if scheme == "socrata":
            return _socrata(text, storage_options)
        if scheme in ("http", "https") and listed:
            raise InvalidRequestError(
                "an archive over http has no listing; for an S3 service give s3://bucket with "
                "storage_options={'endpoint_url': 'https://host'}, for the data portal "
                "socrata://host"
            )
        return _filesystem(text, storage_options)


def _s3(text: str, options: Mapping[str, Any] | None) -> Address:
    place, _, query = text.partition("://")[2].partition("?")
    bucket, _, path = place.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidRequestError(
            "an S3 archive is s3://bucket or s3://bucket/path; credentials go into storage_options"
        )
    if "#" in path or (query and not query.startswith("endpoint=")):
        raise InvalidRequestError(
            "an S3 archive's URL has no query but ?endpoint=URL; use storage_options"
        )
    root = path.strip("/")
    given = S3Options.parse(options)
    endpoint = given.endpoint
    if query:
        there = normal_endpoint(query.removeprefix("endpoint="))
        if endpoint not in (None, there):
            raise InvalidRequestError("the URL and storage_options name two different endpoints")
        endpoint = there
    of = Address.parse(given.mirror_of).identity if given.mirror_of else None
    identity = f"s3://{bucket}" + (f"/{root}" if root else "")
    if endpoint:
        identity += f"?endpoint={endpoint}"
    return Address("s3", bucket, f"{root}/" if root else "", identity, endpoint, of)


def _socrata(text: str, options: Mapping[str, Any] | None) -> Address:
    host = text.partition("://")[2].rstrip("/")
    if not _HOST.fullmatch(host):
        raise InvalidRequestError(
            "a data portal is socrata://host; the app token goes into storage_options or "
            "CVPILOT_APP_TOKEN"
        )
    unknown = sorted(set(options or {}) - _PORTAL_OPTIONS)
    if unknown:
        raise InvalidRequestError(
            f"storage_options of a data portal are {', '.join(sorted(_PORTAL_OPTIONS))}; not "
            f"{', '.join(unknown)}"
        )
    host = host.lower()
    endpoint = (options or {}).get("endpoint_url")
    if endpoint is None:
        return Address("socrata", f"https://{host}", "", f"socrata://{host}")
    if not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
        raise InvalidRequestError("endpoint_url of a data portal is http(s)://host[:port]")
    endpoint = endpoint.rstrip("/").lower()
    return Address("socrata", endpoint, "", f"socrata://{host}?endpoint={endpoint}")


def _folder(text: str, options: Mapping[str, Any] | None) -> Address:
    if options:
        raise InvalidRequestError("storage_options are for remote archives; this one is a folder")
    path = Path(text).expanduser().resolve()
    kind: Literal["folder", "rows"] = "rows" if path.suffix.lower() == ".csv" else "folder"
    return Address(kind, str(path), "", path.as_uri())


def _filesystem(text: str, options: Mapping[str, Any] | None) -> Address:
    identity = "::".join(_public(part) for part in text.rstrip("/").split("::"))
    if shown := without_secrets(options or {}):
        # Options can name another place (the file of a tar, a host): they tell archives apart.
        canonical = json.dumps(shown, sort_keys=True, default=repr)
        identity += f"#{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
    return Address("filesystem", text, "", identity)


def _public(part: str) -> str:
    """Normalise a link of a chain, without user, password and secret parameters."""
    if "://" not in part:
        # A bare word is the name of a file system, anything else the path of a local file.
        local = "/" in part or "." in part
        return Path(part).expanduser().resolve().as_uri() if local else part
    scheme, _, rest = part.partition("://")
    if scheme in ("file", "local"):
        return Path(unquote(rest)).expanduser().resolve().as_uri()
    rest, _, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    kept = urlencode([(k, v) for k, v in parse_qsl(query) if not _SECRET.search(k)])
    place = (host.rpartition("@")[2] + slash + path).rstrip("/")
    return f"{scheme}://{place}" + (f"?{kept}" if kept else "")


def without_secrets(value: Any) -> Any:
    """Give options, nested ones too, without those that may be secret."""
    if isinstance(value, Mapping):
        return {
            str(name): without_secrets(inner)
            for name, inner in value.items()
            if not _SECRET.search(str(name)) and not hasattr(inner, "get_secret_value")
        }
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner) for inner in value]
    return value
