"""An archive in a bucket of S3, or of anything that speaks as S3 does."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from intake_cvpilot.archive.base import Received, Snapshot, Traffic, Unit
from intake_cvpilot.archive.crew import arrivals, gather
from intake_cvpilot.archive.meter import Meter
from intake_cvpilot.archive.mirror import not_whole
from intake_cvpilot.archive.mirror_record import INDEX
from intake_cvpilot.archive.retry import Retry, TransientError
from intake_cvpilot.archive.s3_http import S3Http
from intake_cvpilot.archive.s3_listing import LARGEST_PAGE, Page, collect, parse
from intake_cvpilot.archive.s3_options import S3Options
from intake_cvpilot.archive.stop import Stop
from intake_cvpilot.archive.throttle import Throttle
from intake_cvpilot.archive.transfer import Transfer, hides_md5, is_md5
from intake_cvpilot.archive.translate import from_status, no_table, shown
from intake_cvpilot.errors import AccessDeniedError, ArchiveError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from intake_cvpilot.archive.address import Address
    from intake_cvpilot.archive.bucket import Bucket
    from intake_cvpilot.archive.policy import Policy
    from intake_cvpilot.archive.s3_http import Answer

__all__ = ["S3Archive"]

_PUBLIC_BUCKET = "usdot-its-cvpilot-publicdata"
_LIST = "?list-type=2&encoding-type=url&max-keys=1000"


class S3Archive:
    """Listings and objects of a bucket, or of a path in it, all verified.

    Parameters
    ----------
    address : Address
        Bucket and path.
    storage_options : mapping or None
        See `intake_cvpilot.archive.open_archive`.
    rate : float, Bucket or None
        Requests a second.
    threads : int
        Most reads at a time.
    policy : Policy
        Bounds of retries and waits.
    """

    def __init__(
        self,
        address: Address,
        *,
        storage_options: Mapping[str, Any] | None,
        rate: float | Bucket | None,
        threads: int,
        policy: Policy,
    ) -> None:
        self.identity = address.identity
        self._bucket = address.place
        self._root = address.root
        options = replace(S3Options.parse(storage_options), endpoint=address.endpoint)
        self._is_public = options.endpoint is None and self._bucket == _PUBLIC_BUCKET
        self._mirror: bool | None = None
        self._tables: dict[str, bool] = {}
        self._anon = options.anon
        self._threads = threads
        self._policy = policy
        self._meter = Meter()
        self._retry = Retry(policy, Throttle(rate, width=threads), self._meter)
        self._http = S3Http(options, self._bucket, policy, threads)

    def __repr__(self) -> str:
        return f"S3Archive({self.identity!r})"

    @property
    def traffic(self) -> Traffic:
        """What was asked of this archive so far."""
        return self._meter.traffic

    def snapshot(self, prefix: str, *, probe: bool = True) -> Snapshot:
        """List a partition; see `Archive.snapshot`.

        With `probe` an empty listing of a mirror is an error: it may lack what is not whole.
        """
        if not prefix.endswith("/") or prefix.startswith("/"):
            raise InvalidRequestError(f"a listing prefix ends with a slash; not {prefix!r}")
        listed_at = datetime.now(UTC)
        full = self._root + prefix
        what = f"listing s3://{self._bucket}/{full}"
        stop = Stop()
        units = collect(partial(self._page, full, what, stop), prefix=full, what=what)
        cut = len(self._root)
        if cut:
            units = [Unit(u.key[cut:], u.size, u.etag, u.last_modified) for u in units]
        if probe and not units and not self._is_public and self._is_mirror():
            raise not_whole(prefix.rstrip("/"), self.identity)
        if probe and not units and not self._is_public and not self._has_table(prefix):
            raise no_table(prefix, self.identity)
        return Snapshot(prefix, tuple(units), listed_at)

    def read(
        self, units: Sequence[Unit], folder: Path, *, small: int = 0
    ) -> Generator[Received, None, None]:
        """Read units; see `Archive.read`."""
        name = arrivals(folder)

        def one(unit: Unit, stop: Stop) -> Received:
            return self._read(unit, None if unit.size < small else name(), stop)

        return gather(one, units, self._threads)

    def peek(self, name: str) -> bytes | None:
        """Give a small file that lies beside the objects, or None where there is none."""
        what = f"reading s3://{self._bucket}/{self._root}{name}"
        target = "/" + quote(self._root + name, safe="/-_.~")
        stop, seconds = Stop(), self._policy.allowed()
        deadline = time.monotonic() + seconds

        def attempt() -> bytes | None:
            with self._http.get(target, {}, stop=stop, deadline=deadline) as answer:
                if answer.status == 404:
                    return None
                if answer.status != 200:
                    raise self._refused(answer, what, listed=False)
                return _whole(answer, what)

        self._meter.asked()
        return self._retry.call(attempt, what=what, stop=stop, seconds=seconds)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _has_table(self, prefix: str) -> bool:
        """Ask once whether there is anything of a source and message type."""
        table = "/".join([*prefix.split("/")[:2], ""])
        if table not in self._tables:
            full = self._root + table
            what = f"listing s3://{self._bucket}/{full}"
            self._tables[table] = bool(self._page(full, what, Stop(), None).units)
        return self._tables[table]

    def _is_mirror(self) -> bool:
        """Ask once whether this bucket is a mirror: what it lacks is then not known to be empty."""
        if self._mirror is None:
            try:
                self._mirror = self.peek(INDEX) is not None
            except AccessDeniedError:  # what S3 says of a missing key to who may not list it
                self._mirror = False
        return self._mirror

    def _page(self, prefix: str, what: str, stop: Stop, token: str | None) -> Page:
        target = f"{_LIST}&prefix={quote(prefix, safe='')}"
        if token is not None:
            target += f"&continuation-token={quote(token, safe='')}"
        deadline = time.monotonic() + self._policy.allowed()

        def attempt() -> Page:
            with self._http.get(target, {}, stop=stop, deadline=deadline) as answer:
                if answer.status != 200:
                    raise self._refused(answer, what, listed=False)
                body = _whole(answer, what)
            return parse(body, bucket=self._bucket, prefix=prefix, what=what)

        self._meter.listed()
        return self._retry.call(attempt, what=what, stop=stop, seconds=self._policy.allowed())

    def store(self, name: str, body: bytes) -> None:
        """Put an object into the bucket: believed when the server has understood the same bytes.

        Raises
        ------
        AccessDeniedError, ArchiveError
            It was refused, or could not be sent after all retries.
        """
        what = f"writing s3://{self._bucket}/{self._root}{shown(name)}"
        target = "/" + quote(self._root + name, safe="/-_.~")
        md5 = hashlib.md5(body, usedforsecurity=False)
        # The server compares; what it answers is compared again.
        headers = {"Content-MD5": base64.b64encode(md5.digest()).decode()}
        stop, seconds = Stop(), self._policy.allowed(len(body))
        deadline = time.monotonic() + seconds

        def attempt() -> None:
            with self._http.put(target, headers, body, stop=stop, deadline=deadline) as answer:
                if answer.status != 200:
                    raise self._refused(answer, what, listed=False)
                etag = answer.headers.get("etag", "").strip('"')
                if is_md5(etag) and etag != md5.hexdigest() and not hides_md5(answer.headers):
                    raise TransientError("the object does not have the MD5 that was sent")
                answer.beginning()

        self._meter.asked()
        self._retry.call(attempt, what=what, stop=stop, seconds=seconds)

    def _read(self, unit: Unit, path: Path | None, stop: Stop) -> Received:
        """Read a unit into a file, or into memory."""
        what = f"reading s3://{self._bucket}/{self._root}{shown(unit.key)}"
        if unit.etag is None:
            raise ArchiveError(f"{what}: without an ETag it cannot be told from another object")
        target = "/" + quote(self._root + unit.key, safe="/-_.~")
        seconds = self._policy.allowed(unit.size)
        deadline = time.monotonic() + seconds
        self._meter.asked()
        try:
            # Pieces are large: a second copy is waste.
            with BytesIO() if path is None else path.open("xb", buffering=0) as file:
                transfer = Transfer(unit, file, self._meter, what)

                def attempt() -> None:
                    with self._http.get(
                        target, transfer.headers(), stop=stop, deadline=deadline
                    ) as answer:
                        if not transfer.accepts(answer.status):
                            raise self._refused(answer, what, listed=True)
                        transfer.take(answer)

                self._retry.call(attempt, what=what, stop=stop, seconds=seconds)
                received = transfer.received(path or cast("BytesIO", file).getvalue())
        except BaseException:
            if path is not None:
                path.unlink(missing_ok=True)
            raise
        self._meter.verified(unit.size)
        return received

    def _refused(self, answer: Answer, what: str, *, listed: bool) -> Exception:
        return from_status(
            answer.status,
            answer.headers,
            answer.beginning(),
            what=what,
            listed=listed,
            public=self._is_public and self._anon,
        )


def _whole(answer: Answer, what: str) -> bytes:
    """Give the body of a listing; when it was cut, it does not parse."""
    body = bytearray()
    for piece in answer.pieces():
        body += piece
        if len(body) > LARGEST_PAGE:
            raise ArchiveError(f"{what}: the answer is larger than any S3 listing")
    return bytes(body)
