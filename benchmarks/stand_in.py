"""A stand-in for S3 on loopback that is not the bottleneck: fixed bytes, sent by the kernel.

It serves one bucket in a process of its own: listings are made before, bodies go out by sendfile.
Every object has the same bytes, so one MD5 is right for all of them.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, quote, urlsplit

BUCKET = "pilot"
DAY = "wydot/BSM/2021/04/01/"
PAGE = 1000


def keys(count: int) -> list[str]:
    """Names as the archive has them, in the order of a listing."""
    each = -(-count // 24)
    return [
        f"{DAY}{n // each:02}/usdot-its-cvpilot-bsm-public-4-2021-04-01-{n:08}"
        for n in range(count)
    ]


class StandIn:
    """Pages and bodies that are ready to be sent."""

    def __init__(self, count: int, size: int) -> None:
        body = random.Random(1).randbytes(size)
        self.size = size
        self.etag = hashlib.md5(body).hexdigest()
        self.body = os.memfd_create("body")
        os.write(self.body, body)
        names = keys(count)
        starts = range(0, max(count, 1), PAGE)
        self.pages = {str(n): self._page(names, start) for n, start in enumerate(starts)}

    def _page(self, names: list[str], start: int) -> bytes:
        page = names[start : start + PAGE]
        more = start + PAGE < len(names)
        token = (
            f"<NextContinuationToken>{start // PAGE + 1}</NextContinuationToken>" if more else ""
        )
        contents = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>2021-04-02T00:00:00.000Z"
            f"</LastModified><ETag>&quot;{self.etag}&quot;</ETag><Size>{self.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in page
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{quote(DAY)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            "<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        ).encode()
        return self._head(200, len(text), "application/xml") + text

    def _head(
        self, status: int, length: int, kind: str = "binary/octet-stream", more: str = ""
    ) -> bytes:
        return (
            f"HTTP/1.1 {status} OK\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n"
            f'ETag: "{self.etag}"\r\nLast-Modified: Fri, 02 Apr 2021 00:00:00 GMT\r\n'
            f"Accept-Ranges: bytes\r\n{more}\r\n"
        ).encode()

    def serve(self, connection: socket.socket) -> None:
        """Answer one connection until it closes."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = self._head(200, self.size)
        held = b""
        with connection:
            while True:
                while b"\r\n\r\n" not in held:
                    if not (came := connection.recv(65536)):
                        return
                    held += came
                head, _, held = held.partition(b"\r\n\r\n")
                method, target, _ = head.split(b" ", 2)
                if b"list-type=2" in target:
                    query = parse_qs(urlsplit(target.decode()).query)
                    connection.sendall(self.pages[query.get("continuation-token", ["0"])[0]])
                    continue
                start, stop, reply = 0, self.size, whole
                if wanted := re.search(rb"\r\n[Rr]ange: bytes=(\d+)-(\d*)", head):
                    start = int(wanted[1])
                    stop = min(self.size, int(wanted[2] or self.size) + 1)
                    span = f"Content-Range: bytes {start}-{stop - 1}/{self.size}\r\n"
                    reply = self._head(206, stop - start, more=span)
                if method == b"HEAD":
                    connection.sendall(reply)
                elif stop - start < 65536:
                    connection.sendall(reply + os.pread(self.body, stop - start, start))
                else:
                    connection.sendall(reply, socket.MSG_MORE)
                    while start < stop:
                        start += os.sendfile(connection.fileno(), self.body, start, stop - start)


@contextmanager
def running(count: int, size: int) -> Iterator[str]:
    """Run it in a process of its own; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(count), str(size)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def main() -> None:
    """Serve until it is ended; arguments: count and size of the objects."""
    stand_in = StandIn(int(sys.argv[1]), int(sys.argv[2]))
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    while True:
        connection, _ = listening.accept()

        def serve(connection: socket.socket = connection) -> None:
            with suppress(OSError):  # the client has gone
                stand_in.serve(connection)

        threading.Thread(target=serve, daemon=True).start()


if __name__ == "__main__":
    main()
