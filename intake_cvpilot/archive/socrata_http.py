"""HTTP to the data portal: one question, one answer that is read whole."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from intake_cvpilot.archive.retry import TransientError
from intake_cvpilot.archive.s3_http import Answer
from intake_cvpilot.archive.translate import from_network, from_status
from intake_cvpilot.errors import AccessDeniedError, ArchiveError

if TYPE_CHECKING:
    from intake_cvpilot.archive.policy import Policy
    from intake_cvpilot.archive.stop import Stop

__all__ = ["Body", "SocrataHttp"]

LARGEST: Final = 512 * 2**20
"""Bytes of an answer; a page of 10,000 rows stays far below."""
_SILENCE: Final = 120.0  # seconds: counting in a table of 100 million rows takes its time
_AGAIN: Final = 2.0  # seconds after which an answer that is still being made is asked for again
_CODE: Final = re.compile(rb'"(?:errorCode|code)"\s*:\s*"([A-Za-z0-9._-]{1,80})"')


@dataclass(frozen=True, slots=True)
class Body:
    """An answer that came whole."""

    content: bytes
    """Its body, not compressed."""
    headers: Mapping[str, str]
    """Its headers; case is ignored."""
    size: int
    """Bytes that came over the line."""


class SocrataHttp:
    """Asks one portal; safe to use from many threads.

    Parameters
    ----------
    url : str
        Scheme and host.
    token : str or None
        The app token, which is sent and never shown.
    policy : Policy
        Time-outs and the slowest body.
    threads : int
        Connections that are kept.
    """

    def __init__(self, url: str, token: str | None, policy: Policy, threads: int) -> None:
        self.url = url
        self._token = token
        self._policy = policy
        self._http = URLLib3Session(
            proxies=get_environ_proxies(url),
            timeout=(policy.connect_timeout, max(policy.read_timeout, _SILENCE)),
            max_pool_connections=threads,
        )

    def ask(
        self, dataset: str, query: Mapping[str, str], *, what: str, stop: Stop, deadline: float
    ) -> Body:
        """Send a question and read the answer.

        Raises
        ------
        TransientError
            It may be answered another time: busy, still being made (202), broken off.
        AccessDeniedError, ArchiveError
            It will not.
        """
        asked = "&".join(f"{quote(name)}={quote(text, safe='')}" for name, text in query.items())
        url = f"{self.url}/resource/{dataset}.json?{asked}"
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if self._token is not None:
            headers["X-App-Token"] = self._token
        try:
            raw = self._http.send(
                AWSPreparedRequest("GET", url, headers, None, stream_output=True)
            ).raw
        except BotoCoreError as error:
            raise from_network(error, url=self.url) from None
        try:
            with stop.waking(raw.shutdown):
                answer = Answer(raw, self.url, self._policy, deadline)
                if answer.status != 200:
                    raise self._refused(answer, dataset, what)
                return _whole(answer, what)
        finally:
            raw.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _refused(self, answer: Answer, dataset: str, what: str) -> Exception:
        status, body = answer.status, answer.beginning()
        found = _CODE.search(body)
        told = f"HTTP {status}" + (f" {found[1].decode()}" if found else "")
        if status == 202:
            wait = answer.headers.get("retry-after", "")
            return TransientError(
                "the portal is still making the answer (HTTP 202)",
                wait=float(wait) if re.fullmatch(r"\d{1,4}", wait) else _AGAIN,
            )
        if status in (401, 403):
            whose = "the app token is not accepted" if self._token else "the portal refuses"
            return AccessDeniedError(
                f"{what}: access denied ({told}): {whose}. Ways out: check CVPILOT_APP_TOKEN or "
                "storage_options={'app_token': ...}; a downloaded rows.csv of the table as archive="
            )
        if status == 404:
            return ArchiveError(f"{what}: {told}: there is no data set {dataset} at {self.url}")
        if status == 400:
            return ArchiveError(f"{what}: {told}: the portal does not understand the question")
        if 300 <= status < 400:
            return ArchiveError(f"{what}: the portal points elsewhere ({told}), not followed")
        return from_status(status, answer.headers, b"", what=what, listed=False)


def _whole(answer: Answer, what: str) -> Body:
    """Read a body, decompressed on the way."""
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise ArchiveError(f"{what}: the answer comes with the encoding {encoding[:20]!r}")
    gunzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    content, size = bytearray(), 0
    try:
        for piece in answer.pieces():
            size += len(piece)
            content += piece if gunzip is None else gunzip.decompress(piece, LARGEST)
            if len(content) > LARGEST:
                raise ArchiveError(f"{what}: the answer is larger than any page")
    except zlib.error as error:
        raise TransientError("the answer's gzip is damaged") from error
    length = answer.headers.get("content-length")
    if (gunzip is not None and not gunzip.eof) or (length is not None and length != str(size)):
        raise TransientError(f"the answer ended after {size} bytes")
    return Body(bytes(content), answer.headers, size)
