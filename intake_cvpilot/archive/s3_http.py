"""HTTP to one bucket: botocore's connections and signatures, below its client.

The client would hide what has to be seen (the body of a listing, a redirect, an answer's
headers), ask again on its own and read the machine's AWS settings for anonymous requests too; it
also costs most of the time of a small read.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import (
    BotoCoreError,
    HTTPClientError,
    ProfileNotFound,
    ProxyConnectionError,
)
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from intake_cvpilot.archive.retry import TransientError
from intake_cvpilot.archive.translate import from_network
from intake_cvpilot.errors import AccessDeniedError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from intake_cvpilot.archive.policy import Policy
    from intake_cvpilot.archive.s3_options import S3Options
    from intake_cvpilot.archive.stop import Stop

__all__ = ["Answer", "S3Http"]

_DEFAULT_REGION = "us-east-1"
_ERROR_BODY = 64 * 1024  # bytes of a refusal that are looked at
_CHUNK = 256 * 1024  # of 64 KiB to 1 MiB the least processor time for large objects, with the hash
_TOKEN = re.compile(r"(?<=x-amz-security-token:)\S+")


def _hide_token(record: logging.LogRecord) -> bool:
    """Mask the session token, which botocore tells its debug log with the headers it signs."""
    if isinstance(record.args, tuple):
        record.args = tuple(_TOKEN.sub("***", str(value)) for value in record.args)
    return True


logging.getLogger("botocore.auth").addFilter(_hide_token)


class Answer:
    """A status, headers, and a body that comes piece by piece, never decoded."""

    def __init__(self, raw: Any, url: str, policy: Policy, deadline: float) -> None:
        self.status: int = raw.status
        self.headers: Mapping[str, str] = raw.headers
        self._raw = raw
        self._url = url
        self._policy = policy
        self._deadline = deadline

    def pieces(self) -> Iterator[bytes]:
        """Give the body as it arrives.

        Raises
        ------
        TransientError
            The connection broke, the body comes too slowly, or time is over.
        """
        policy, clock = self._policy, time.monotonic
        since, arrived = clock(), 0
        try:
            # read1 waits for one piece only: a drip cannot hide behind a read that waits for all.
            while piece := self._raw.read1(_CHUNK):
                yield piece
                arrived += len(piece)
                now = clock()
                if now > self._deadline:
                    raise TransientError("the body did not arrive in time")
                if now - since > policy.window:
                    if arrived < policy.slowest * (now - since):
                        raise TransientError(
                            f"the body comes at less than {policy.slowest:.0f} bytes a second"
                        )
                    since, arrived = now, 0
        except (HTTPError, OSError) as error:
            raise from_network(error, url=self._url) from error

    def beginning(self, most: int = _ERROR_BODY) -> bytes:
        """Give at most so many bytes of the body, fewer if it breaks."""
        body = b""
        try:
            for piece in self.pieces():
                body += piece
                if len(body) >= most:
                    break
        except TransientError:
            pass
        return body[:most]


class S3Http:
    """Sends requests to one bucket; safe to use from many threads.

    Parameters
    ----------
    options : S3Options
        Endpoint, region, style and credentials.
    bucket : str
        The bucket.
    policy : Policy
        Time-outs and the slowest body.
    threads : int
        Connections that are kept.
    """

    def __init__(self, options: S3Options, bucket: str, policy: Policy, threads: int) -> None:
        self._options = options
        self._policy = policy
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._session: Session | None = None
        verify: bool | str = options.verify or True
        region = options.region
        if not options.anon:
            self._session, region, bundle = _machine(options)
            verify = options.verify or bundle or True
        self._region = region or _DEFAULT_REGION
        self.url = options.bucket_url(bucket, self._region)
        self._http = URLLib3Session(
            verify=verify,
            proxies=get_environ_proxies(self.url),
            timeout=(policy.connect_timeout, policy.read_timeout),
            max_pool_connections=threads,
        )

    @contextmanager
    def get(
        self, target: str, headers: dict[str, str], *, stop: Stop, deadline: float
    ) -> Iterator[Answer]:
        """Send a request and give its answer, whatever its status; redirects are not followed.

        Parameters
        ----------
        target : str
            Quoted path below the bucket with a leading slash, or a query with its mark.
        headers : dict of str to str
            Beside those of the signature.
        stop : Stop
            Ends a body that nobody wants any more.
        deadline : float
            On the monotonic clock: when the whole body has to be there.

        Raises
        ------
        TransientError, ArchiveError
            No answer came.
        """
        with self._send("GET", target, headers, None, stop=stop, deadline=deadline) as answer:
            yield answer

    @contextmanager
    def put(
        self, target: str, headers: dict[str, str], body: bytes, *, stop: Stop, deadline: float
    ) -> Iterator[Answer]:
        """Send an object and give the answer; see `get`."""
        with self._send("PUT", target, headers, body, stop=stop, deadline=deadline) as answer:
            yield answer

    @contextmanager
    def _send(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        stop: Stop,
        deadline: float,
    ) -> Iterator[Answer]:
        url = self.url + target
        try:
            raw = self._http.send(self._request(method, url, headers, body)).raw
        except BotoCoreError as error:
            # These may repeat the URL of a proxy, password and all.
            telling = type(error) is HTTPClientError or isinstance(error, ProxyConnectionError)
            cause = None if telling else error
            raise from_network(error, url=url) from cause
        try:
            with stop.waking(raw.shutdown):
                yield Answer(raw, url, self._policy, deadline)
        finally:
            raw.close()  # a body that was read whole has given its connection back already

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _request(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> AWSPreparedRequest:
        # A body that is compressed on the way would not have the listed size.
        headers = {"Accept-Encoding": "identity", **headers}
        if self._options.requester_pays:
            headers["x-amz-request-payer"] = "requester"
        if self._session is None:
            return AWSPreparedRequest(method, url, headers, body, stream_output=True)
        request = AWSRequest(method, url, headers, body, stream_output=True)
        S3SigV4Auth(self._frozen(), "s3", self._region).add_auth(request)
        return request.prepare()

    def _frozen(self) -> Any:
        """Give the credentials of this moment; temporary ones are renewed when it is time."""
        with self._lock:
            if self._credentials is None and self._session is not None:
                try:
                    self._credentials = self._session.get_credentials()
                    found = self._credentials and self._credentials.get_frozen_credentials()
                except BotoCoreError as error:
                    raise AccessDeniedError(
                        "the AWS credentials cannot be had "
                        f"({type(error).__name__}); check profile and login"
                    ) from error
                if not found or not found.access_key:
                    self._credentials = None
                    raise AccessDeniedError(
                        "no AWS credentials found (environment, profile, instance); give key and "
                        "secret, or a profile, or leave anon=False out"
                    )
        try:
            return self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise AccessDeniedError(
                f"the AWS credentials cannot be renewed ({type(error).__name__}); log in again"
            ) from error


def _machine(options: S3Options) -> tuple[Session, str | None, str | None]:
    """Give a session, region and CA bundle from the options and the machine's AWS settings."""
    session = Session(profile=options.profile)
    if options.key is not None:
        session.set_credentials(options.key, options.secret, options.token)
    try:
        region = options.region or session.get_config_variable("region")
        bundle = session.get_config_variable("ca_bundle")
    except ProfileNotFound as error:
        raise InvalidRequestError(
            "storage_options: the profile is not in the AWS configuration of this machine; "
            f"it has: {', '.join(sorted(session.available_profiles)) or 'none'}"
        ) from error
    return session, region, bundle
