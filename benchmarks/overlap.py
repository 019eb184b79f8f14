"""Fetching and decoding at once, beside the slower of the two alone.

The archive is a folder behind an S3 server on loopback that sends at a set rate: the one at which
fetching alone takes as long as decoding alone, where overlap is hardest, and half of it.
"""

from __future__ import annotations

import hashlib
import socketserver
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from benchmarks.archives import DAY, day
from benchmarks.benchmark import Benchmark, Measured, Run, SkippedError, clock
from intake_cvpilot.fetch import run as fetch_job
from intake_cvpilot.job import prepare
from intake_cvpilot.listing import closing_archive
from intake_cvpilot.partition import partitions

BUCKET = "pilot"
BLOCKS = 8
CHUNK = 65_536
#: Megabytes below which no pool is started, and from which the slow server is measured.
POOLED, LARGE = 72, 100


class Rated(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves a folder as a bucket; all connections together send at most so many bytes a second."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rate = float("inf")
        self.tags = {
            path.relative_to(root).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
            for path in root.rglob("*")
            if path.is_file()
        }
        self._lock = threading.Lock()
        self._free = 0.0
        super().__init__(("127.0.0.1", 0), Handler)

    def wait(self, size: int) -> None:
        """Wait until so many more bytes may go out."""
        with self._lock:
            self._free = max(self._free, time.monotonic()) + size / self.rate
            until = self._free
        time.sleep(max(0.0, until - time.monotonic()))


class Handler(BaseHTTPRequestHandler):
    """Lists and reads; as much of S3 as the library asks for."""

    protocol_version = "HTTP/1.1"
    server: Rated

    def do_GET(self) -> None:
        """Answer one request."""
        split = urlsplit(self.path)
        asked = parse_qs(split.query)
        if "list-type" in asked:
            self.answer(self.listing(asked["prefix"][0]), "application/xml", "list")
            return
        key = unquote(split.path).removeprefix(f"/{BUCKET}/")
        body = (self.server.root / key).read_bytes()
        self.answer(body, "binary/octet-stream", self.server.tags[key])

    def answer(self, body: bytes, kind: str, tag: str) -> None:
        """Send at the set rate."""
        self.send_response(200)
        for name, value in (
            ("Content-Length", str(len(body))),
            ("Content-Type", kind),
            ("ETag", f'"{tag}"'),
            ("Last-Modified", "Fri, 02 Apr 2021 00:00:00 GMT"),
        ):
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(body), CHUNK):
            piece = body[start : start + CHUNK]
            if tag != "list":
                self.server.wait(len(piece))
            self.wfile.write(piece)

    def listing(self, prefix: str) -> bytes:
        """Give every key at once: no day here has a thousand."""
        found = sorted(key for key in self.server.tags if key.startswith(prefix))
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2021-04-02T00:00:00.000Z"
            f"</LastModified><ETag>&quot;{self.server.tags[key]}&quot;</ETag>"
            f"<Size>{(self.server.root / key).stat().st_size}</Size></Contents>"
            for key in found
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found)}"
            f"</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{contents}"
            "</ListBucketResult>"
        ).encode()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(root: Path) -> Iterator[Rated]:
    """Serve a folder until the end of the block."""
    with Rated(root) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def options(server: Rated, cache: Path) -> dict[str, Any]:
    """Give the options that lead to the server."""
    url = f"http://127.0.0.1:{server.server_address[1]}"
    return {
        "archive": f"s3://{BUCKET}",
        "storage_options": {"endpoint_url": url, "anon": True},
        "cache_dir": cache,
        "rate": None,
        "progress": False,
    }


def overlap(slower: float, run: Run) -> Measured:
    """Measure fetch alone, decode alone, and both; ``slower``: how much longer fetching takes."""
    if slower > 1 and run.sizes.mb < LARGE:
        raise SkippedError(f"takes minutes; from --mb {LARGE}")
    archive = day(run.folder, max(run.sizes.mb, POOLED))
    whole, alone = [], []
    with serving(archive.root) as server:

        def job() -> Any:
            made = prepare("wydot", "BSM", DAY, DAY, options(server, run.place("overlap")))
            return replace(made, block_bytes=archive.bytes // BLOCKS)

        def fetch_only() -> None:
            made = job()
            (wanted,) = partitions(made.request)
            into = run.place("incoming")
            with closing_archive(made) as source:
                units = source.snapshot(wanted.prefix).units
                for _ in source.read(units, into):
                    pass

        def both() -> None:
            fetch_job(job(), wish=False)

        both()  # the pool's and the client's first start do not count
        for _ in range(run.repeat):
            server.rate = float("inf")
            decode = clock(both)  # the server is no limit: what is left is the decoding
            server.rate = archive.bytes / (decode * slower)
            alone.append(max(clock(fetch_only), decode))
            whole.append(clock(both))
    share = statistics.median(alone)
    return Measured(
        tuple(whole), tuple(alone), note=f"{archive.bytes / share / 1e6:.0f} MB/s, {BLOCKS} blocks"
    )


BENCHMARKS = (
    Benchmark(
        "overlap",
        "fetch and decode a day",
        "the slower of the two alone; the server sends as fast as decoding goes",
        partial(overlap, 1.0),
        1.15,
    ),
    Benchmark(
        "overlap-slow",
        "fetch and decode a day",
        "the slower of the two alone; the server is half as fast",
        partial(overlap, 2.0),
        1.15,
    ),
)
