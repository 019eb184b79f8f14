"""A stand-in for the data portal on loopback: a subset of SODA 2.1 over rows in memory.

It answers ``$select`` (columns, ``*``, ``:id``, ``count(*)``), ``$where`` (``>=``, ``<``, ``>``,
``=``, ``IS NULL``, ``in (...)``, joined by AND), ``$group`` of a count by one column,
``$order=:id``, ``$limit`` and ``$offset``, with
the portal's headers, gzip and an app token.  A script says which questions get another answer.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TIMES = {"metadata_generatedat", "metadata_receivedat"}
TERM = re.compile(
    r"\s*(?P<name>:?\w+)\s*(?:(?P<null>IS NULL)|(?P<op>>=|<=|<|>|=)\s*'(?P<value>(?:[^']|'')*)'"
    r"|in\s*\((?P<many>[^)]*)\))\s*(?:AND|$)",
    re.IGNORECASE,
)


@dataclass
class Asked:
    """A question as it arrived."""

    dataset: str
    query: dict[str, str]
    token: str | None

    @property
    def kind(self) -> str:
        select = self.query.get("$select", "")
        if "$where" not in self.query and self.query.get("$limit") == "1":
            return "date"
        return "count" if "count(" in select else "page" if "*" in select else "index"


@dataclass
class Given:
    """An answer."""

    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict)
    only: int | None = None
    """So many bytes of the body are sent."""


Step = Given | Callable[[Asked, Given], Given]


class PortalServer:
    """Serves data sets on 127.0.0.1; a context manager.

    ``tables`` maps a data set's id to its rows, each with a ``:id``.
    """

    def __init__(self, tables: dict[str, list[dict[str, Any]]], *, token: str | None = None):
        self.tables = tables
        self.token = token
        self.changed = "Tue, 03 Feb 2026 10:00:00 GMT"
        self.log: list[Asked] = []
        self.cap = 50_000
        self._scripts: list[tuple[str, list[Step]]] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> PortalServer:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._http.shutdown()
        self._http.server_close()

    def script(self, kind: str, *steps: Step) -> None:
        """The next questions of a kind (date, count, index, page) get these answers."""
        self._scripts.append((kind, list(steps)))

    def asked(self, kind: str) -> list[Asked]:
        return [each for each in self.log if each.kind == kind]

    def answer(self, asked: Asked) -> Given:
        with self._lock:
            self.log.append(asked)
            steps = next((s for kind, s in self._scripts if kind == asked.kind and s), None)
            step = steps.pop(0) if steps else None
        if isinstance(step, Given):
            return step
        given = self.proper(asked)
        return step(asked, given) if step else given

    def proper(self, asked: Asked) -> Given:
        if self.token is not None and asked.token not in (None, self.token):
            return Given(403, b'{"code":"permission_denied","message":"Invalid app_token"}')
        if asked.dataset not in self.tables:
            return Given(404, b'{"code":"dataset.missing"}')
        rows = self.tables[asked.dataset]
        fields = sorted({name for row in rows for name in row if not name.startswith(":")})
        try:
            found = [row for row in rows if matches(row, asked.query.get("$where", ""))]
        except ValueError:
            return Given(400, b'{"errorCode":"query.compiler.malformed"}')
        if asked.query.get("$order") == ":id":
            found = sorted(found, key=lambda row: row[":id"])
        begin = int(asked.query.get("$offset", 0))
        found = found[begin : begin + min(int(asked.query.get("$limit", 1000)), self.cap)]
        select = [part.strip() for part in asked.query["$select"].split(",")]
        if asked.kind == "count":
            met = [row for row in rows if matches(row, asked.query.get("$where", ""))]
            found = [{"count": str(len(met))}]
            if by := asked.query.get("$group"):
                groups = Counter(row.get(by) for row in met)
                found = [
                    {"count": str(n)} | ({} if value is None else {by: value})
                    for value, n in groups.items()
                ]
        elif "*" not in select:
            found = [{name: row[name] for name in select if name in row} for row in found]
        else:
            found = [
                row if ":id" in select else {k: v for k, v in row.items() if k != ":id"}
                for row in found
            ]
        text = "[" + "\n,".join(json.dumps(row) for row in found) + "]\n"
        types = ["floating_timestamp" if name in TIMES else "text" for name in fields]
        return Given(
            200,
            text.encode(),
            {
                "Content-Type": "application/json; charset=utf-8",
                "X-SODA2-Fields": json.dumps(fields),
                "X-SODA2-Types": json.dumps(types),
                "X-SODA2-Data-Out-Of-Date": "false",
                "X-SODA2-Truth-Last-Modified": self.changed,
                "Last-Modified": self.changed,
                "ETag": f'"{hashlib.md5(text.encode()).hexdigest()}"',
            },
        )


def matches(row: dict[str, Any], where: str) -> bool:
    """Whether a row meets a condition; ValueError for what is not of the subset."""
    at = 0
    while at < len(where.rstrip()):
        found = TERM.match(where, at)
        if found is None:
            raise ValueError(where)
        at = found.end()
        value = row.get(found["name"])
        if found["null"]:
            if value is not None:
                return False
            continue
        if value is None:
            return False
        if found["many"] is not None:
            if value not in re.findall(r"'((?:[^']|'')*)'", found["many"]):
                return False
            continue
        wanted = found["value"].replace("''", "'")
        good = {
            ">=": value >= wanted,
            "<=": value <= wanted,
            "<": value < wanted,
            ">": value > wanted,
            "=": value == wanted,
        }
        if not good[found["op"]]:
            return False
    return True


def _handler(server: PortalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            place = urlsplit(self.path)
            asked = Asked(
                place.path.removeprefix("/resource/").removesuffix(".json"),
                dict(parse_qsl(place.query)),
                self.headers.get("X-App-Token"),
            )
            given = server.answer(asked)
            body, headers = given.body, dict(given.headers)
            if "gzip" in self.headers.get("Accept-Encoding", "") and given.status == 200:
                body = gzip.compress(body, 1)
                headers["Content-Encoding"] = "gzip"
            sent = body if given.only is None else body[: given.only]
            self.send_response(given.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(sent)
            if given.only is not None:
                self.close_connection = True

        def log_message(self, *_) -> None:
            pass

    return Handler
