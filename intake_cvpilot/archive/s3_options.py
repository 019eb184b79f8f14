"""What `storage_options` may say about an S3 archive, in the names that s3fs uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from intake_cvpilot.errors import InvalidRequestError

__all__ = ["S3Options", "normal_endpoint"]

_VALID = {
    "anon": "bool, default True unless credentials are given",
    "key": "access key id",
    "secret": "secret access key",
    "token": "session token",
    "profile": "profile of the AWS configuration",
    "endpoint_url": "http(s)://host[:port] of another S3 service",
    "requester_pays": "bool",
    "mirror_of": "URL of the archive that this one is a mirror of",
    "addressing_style": "auto, path or virtual",
    "client_kwargs": "mapping of region_name, endpoint_url, verify (a file of CA certificates)",
    "config_kwargs": "mapping of s3 -> addressing_style",
}
_CLIENT = {"region_name", "endpoint_url", "verify"}
_STYLES = ("auto", "path", "virtual")
# Bucket names are unique within AWS: these endpoints are all the same place.
_AWS_HOST = re.compile(r"s3([.-](dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com")
# Without a dot: the certificates of AWS cover one label before s3.
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class S3Options:
    """How to reach an S3 archive."""

    anon: bool = True
    """Whether requests go out unsigned; then no AWS setting of the machine plays a part."""
    key: str | None = field(default=None, repr=False)
    """Access key id, or None for the usual chain (environment, profile, instance)."""
    secret: str | None = field(default=None, repr=False)
    """Secret access key."""
    token: str | None = field(default=None, repr=False)
    """Session token of temporary credentials."""
    profile: str | None = None
    """Profile of the AWS configuration."""
    region: str | None = None
    """Region; None for the profile's own, else us-east-1."""
    endpoint: str | None = None
    """Normalised URL of another S3 service; None for AWS."""
    requester_pays: bool = False
    """Whether the caller agrees to pay for the requests."""
    style: str = "auto"
    """Where the bucket's name stands: ``path``, ``virtual`` (host), or ``auto``."""
    mirror_of: str | None = None
    """URL of the archive whose mirror this one is; None for an archive of its own."""
    verify: str | None = None
    """A file of CA certificates to trust, beside none of the usual ones."""

    @classmethod
    def parse(cls, options: Mapping[str, Any] | None) -> S3Options:
        """Check the options.

        Raises
        ------
        InvalidRequestError
            An unknown name, a value of a wrong kind, or options that contradict each other.  The
            message never holds a value that may be secret.
        """
        given = {name: _plain(value) for name, value in (options or {}).items()}
        _known(given, _VALID, "storage_options")
        client = _mapping(given, "client_kwargs", _CLIENT)
        config = _mapping(given, "config_kwargs", {"s3"})
        styles = _mapping(config, "s3", {"addressing_style"})
        key, secret, token, profile = (
            _text(given, name) for name in ("key", "secret", "token", "profile")
        )
        if (key is None) != (secret is None) or (token is not None and key is None):
            raise InvalidRequestError(
                "storage_options: key and secret go together, and token only with both"
            )
        signed = key is not None or profile is not None
        anon = _flag(given, "anon", default=not signed)
        if anon and signed:
            raise InvalidRequestError(
                "storage_options: anon=True and credentials contradict each other; leave one out"
            )
        requester_pays = _flag(given, "requester_pays", default=False)
        if anon and requester_pays:
            raise InvalidRequestError(
                "storage_options: requester_pays needs signed requests; add anon=False with key "
                "and secret, a profile, or the AWS settings of the environment"
            )
        style = given.get("addressing_style") or styles.get("addressing_style") or "auto"
        if style not in _STYLES:
            raise InvalidRequestError(
                f"storage_options: addressing_style is one of {', '.join(_STYLES)}; not {style!r}"
            )
        return cls(
            anon=anon,
            key=key,
            secret=secret,
            token=token,
            profile=profile,
            region=_region(_text(client, "region_name")),
            endpoint=normal_endpoint(_text(given, "endpoint_url") or _text(client, "endpoint_url")),
            requester_pays=requester_pays,
            style=style,
            mirror_of=_text(given, "mirror_of"),
            verify=_certificates(client.get("verify", True)),
        )

    def bucket_url(self, bucket: str, region: str) -> str:
        """Give the URL of a bucket, without a trailing slash."""
        endpoint = self.endpoint
        if endpoint is None:
            suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
            endpoint = f"https://s3.{region}.{suffix}"
            in_host = self.style != "path" and _HOST_LABEL.fullmatch(bucket) is not None
        else:
            in_host = self.style == "virtual"
        if in_host:
            scheme, _, rest = endpoint.partition("://")
            return f"{scheme}://{bucket}.{rest}"
        return f"{endpoint}/{quote(bucket, safe='')}"


def normal_endpoint(url: str | None) -> str | None:
    """Give an endpoint in its one spelling; None for AWS itself."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequestError("storage_options: endpoint_url is no URL") from error
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidRequestError(
            "storage_options: endpoint_url holds more than scheme, host, port and path; "
            "credentials go into key and secret"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidRequestError(
            "storage_options: endpoint_url is http(s)://host[:port], e.g. https://s3.example.org"
        )
    if _AWS_HOST.fullmatch(host) and parts.scheme == "https":
        return None
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return (
        f"{parts.scheme}://{host}"
        + (f":{port}" if port not in (None, usual) else "")
        + (parts.path.rstrip("/"))
    )


def _plain(value: Any) -> Any:
    """Take the value out of a secret type."""
    reveal = getattr(value, "get_secret_value", None)
    return reveal() if callable(reveal) else value


def _known(given: Mapping[str, Any], valid: Any, where: str) -> None:
    if unknown := sorted(str(name) for name in given if name not in valid):
        listed = (
            "; ".join(f"{name} ({what})" for name, what in valid.items())
            if isinstance(valid, Mapping)
            else ", ".join(sorted(valid))
        )
        raise InvalidRequestError(
            f"{where}: unknown option {', '.join(unknown)} for an S3 archive; valid are: {listed}"
        )


def _mapping(given: Mapping[str, Any], name: str, valid: set[str]) -> dict[str, Any]:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"storage_options: {name} is a mapping")
    _known(value, valid, f"storage_options: {name}")
    return dict(value)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = _plain(given.get(name))
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidRequestError(f"storage_options: {name} is text")
    return value


def _flag(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidRequestError(f"storage_options: {name} is true or false")
    return value


def _region(name: str | None) -> str | None:
    if name is not None and not _REGION.fullmatch(name):
        raise InvalidRequestError("storage_options: region_name is a name such as us-east-1")
    return name


def _certificates(verify: Any) -> str | None:
    if verify is None or verify is True:
        return None
    if isinstance(verify, str) and Path(verify).is_file():
        return verify
    raise InvalidRequestError(
        "storage_options: verify is a file of CA certificates; checking cannot be turned off"
    )
