"""A server on loopback that speaks as S3 does, and misbehaves as a test scripts it.

It holds objects and answers listings and reads properly.  A script says which requests get
another answer: each request that matches takes the next step of its script; after the last step
the proper answers return, or the last step is repeated.  All requests are logged.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "pilot"
PAGE = 1000


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    at: float

    @property
    def is_list(self) -> bool:
        return "list-type" in self.query

    @property
    def key(self) -> str:
        return unquote(self.path).removeprefix(f"/{BUCKET}/")


@dataclass(frozen=True)
class Reply:
    """An answer, byte by byte if need be."""

    status: int = 200
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Beside Content-Length, which is right unless it is given here; None leaves one out."""
    body: bytes = b""
    only: int | None = None
    """So many bytes of the body are sent; None for all."""
    end: Literal["keep", "fin", "rst"] = "keep"
    """What becomes of the connection."""
    wait: float = 0.0
    """Seconds of silence before the answer."""
    drip: tuple[int, float] | None = None
    """The body comes in pieces of so many bytes, with so many seconds between."""
    raw: bytes | None = None
    """Instead of a status, headers and body."""


Step = Reply | Callable[[Request, Reply], Reply]
"""An answer, or what makes one out of the request and the proper answer."""


def proper(request: Request, reply: Reply) -> Reply:
    return reply


def but(**changes) -> Step:
    """The proper answer with some fields changed."""
    return lambda request, reply: replace(reply, **changes)


def rewritten(old: str, new: str, count: int = -1) -> Step:
    """The proper answer with a text in the body replaced."""
    return lambda request, reply: replace(
        reply, body=reply.body.decode().replace(old, new, count).encode()
    )


def error(status: int, code: str = "", **headers: str) -> Reply:
    """A refusal as S3 words it; underscores of header names become dashes."""
    body = f"<Error><Code>{code}</Code><Message>text of the server</Message></Error>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, headers=named, body=body.encode() if code else b"")


@dataclass
class _Script:
    match: Callable[[Request], bool]
    steps: list[Step]
    forever: bool

    def take(self) -> Step:
        return self.steps[0] if self.forever and len(self.steps) == 1 else self.steps.pop(0)


class FaultServer:
    """Serves one bucket on 127.0.0.1; a context manager."""

    def __init__(self, objects: Mapping[str, bytes] | None = None, *, page: int = PAGE, tls=None):
        self.objects: dict[str, bytes] = dict(objects or {})
        self.log: list[Request] = []
        self.page = page
        self._scripts: list[_Script] = []
        self._lock = threading.Lock()
        self._tls = tls
        self._closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._closing.set()
        self._socket.close()

    def script(
        self,
        match: Literal["list", "get"] | Callable[[Request], bool],
        *steps: Step,
        forever: bool = False,
    ) -> None:
        """Say what matching requests get; an earlier script goes first."""
        if match == "list":
            match = lambda request: request.is_list  # noqa: E731
        elif match == "get":
            match = lambda request: not request.is_list  # noqa: E731
        with self._lock:
            self._scripts.append(_Script(match, list(steps), forever))

    def forget(self) -> None:
        """Drop what is scripted: from here on the answers are proper."""
        with self._lock:
            self._scripts.clear()

    @property
    def lists(self) -> list[Request]:
        return [request for request in self.log if request.is_list]

    @property
    def gets(self) -> list[Request]:
        return [request for request in self.log if not request.is_list]

    def etag(self, key: str) -> str:
        return hashlib.md5(self.objects[key]).hexdigest()

    def proper(self, request: Request) -> Reply:
        """What S3 would answer."""
        if request.is_list:
            return self._listing(request)
        body = self.objects.get(request.key)
        if body is None:
            return error(404, "NoSuchKey")
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if request.headers.get("if-match", etag) != etag:
            return error(412, "PreconditionFailed")
        headers: dict[str, str | None] = {"ETag": etag}
        if (wanted := request.headers.get("range")) is None:
            return Reply(200, headers, body)
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if start >= len(body):
            return error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return Reply(206, headers, body[start:])

    def _listing(self, request: Request) -> Reply:
        prefix = request.query.get("prefix", "")
        after = request.query.get("continuation-token", "")
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        page, more = keys[: self.page], len(keys) > self.page
        contents = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>2021-04-02T00:00:00.000Z"
            f"</LastModified><ETag>&quot;{self.etag(key)}&quot;</ETag>"
            f"<Size>{len(self.objects[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{quote(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        )
        return Reply(200, {"Content-Type": "application/xml"}, text.encode())

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            stream = connection.makefile("rb")
            while (request := self._receive(stream)) is not None:
                if not self._send(connection, self._answer(request)):
                    return
        except OSError:
            pass  # the client has gone, or refused the certificate
        finally:
            connection.close()

    def _receive(self, stream) -> Request | None:
        line = stream.readline().decode("latin-1").split()
        if len(line) < 2:
            return None
        headers = {}
        while (field_line := stream.readline().strip()) != b"":
            name, _, value = field_line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        parts = urlsplit(line[1])
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        request = Request(line[0], parts.path, query, headers, time.monotonic())
        with self._lock:
            self.log.append(request)
        return request

    def _answer(self, request: Request) -> Reply:
        with self._lock:
            script = next((s for s in self._scripts if s.steps and s.match(request)), None)
            step = script.take() if script else proper
        return step if isinstance(step, Reply) else step(request, self.proper(request))

    def _send(self, connection: socket.socket, reply: Reply) -> bool:
        """Send an answer; give whether the connection stays."""
        if reply.wait:
            self._closing.wait(reply.wait)
        if reply.raw is not None:
            connection.sendall(reply.raw)
        else:
            headers = {"Content-Length": str(len(reply.body)), **reply.headers}
            lines = [f"{k}: {v}" for k, v in headers.items() if v is not None]
            head = "\r\n".join([f"HTTP/1.1 {reply.status} Said", *lines, "", ""])
            body = reply.body[: reply.only]
            step, pause = reply.drip or (len(body) or 1, 0.0)
            connection.sendall(head.encode("latin-1") + body[:step])
            for start in range(step, len(body), step):
                if pause and self._closing.wait(pause):
                    return False
                connection.sendall(body[start : start + step])
        if reply.end == "rst":
            time.sleep(0.05)  # what was sent before has to arrive before
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif reply.end == "fin":
            connection.shutdown(socket.SHUT_RDWR)
        return reply.end == "keep"
