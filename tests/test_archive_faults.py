"""What an archive does when the network and the server misbehave: the numbers are the fault's."""

from __future__ import annotations

import gzip
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from fault_server import BUCKET, FaultServer, Reply, but, error, rewritten

from intake_cvpilot.archive import open_archive
from intake_cvpilot.archive.base import Unit
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.archive.stop import AbandonedError, Stop
from intake_cvpilot.archive.throttle import Throttle
from intake_cvpilot.archive.translate import from_status
from intake_cvpilot.errors import (
    AccessDeniedError,
    ArchiveError,
    ChangedError,
    InvalidRequestError,
)

DAY = "wydot/BSM/2021/04/01/"
QUIET = 1.5  # seconds of silence in the tests of silence
FAST = Policy(
    attempts=4,
    unreachable=2,
    first_wait=0.01,
    longest_wait=0.05,
    total=10.0,
    connect_timeout=5.0,
    read_timeout=5.0,
    window=0.3,
    slowest=2000.0,
)
# Only for the tests of silence: on a busy machine other answers may take a while too.
IMPATIENT = replace(FAST, read_timeout=0.5)


def patience(name: str) -> Policy:
    return IMPATIENT if "silence" in name else FAST


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


BODY = some_bytes(200_000)


@pytest.fixture
def server():
    with FaultServer({f"{DAY}07/a": BODY}) as running:
        yield running


@pytest.fixture
def opened(server):
    archives = []

    def opened(policy=FAST, rate=None, threads=4, url=f"s3://{BUCKET}", **options):
        archive = open_archive(
            url,
            storage_options={"endpoint_url": server.url, **options},
            rate=rate,
            threads=threads,
            policy=policy,
        )
        archives.append(archive)
        return archive

    yield opened
    for archive in archives:
        archive.close()


def fetched(archive, folder: Path) -> dict[str, bytes]:
    """List the day and read all of it; what is yielded is taken out of the folder."""
    folder.mkdir(exist_ok=True)
    found = {}
    for received in archive.read(archive.snapshot(DAY).units, folder):
        found[received.unit.key] = received.path.read_bytes()
        received.path.unlink()
    return found


def fails(archive, folder: Path, kind=ArchiveError) -> str:
    """Read the day, which has to fail without leaving a file; give the message."""
    with pytest.raises(kind) as raised:
        fetched(archive, folder)
    assert list(folder.iterdir()) == []
    return str(raised.value)


# Listings


IMPROPER = {
    "15 a log-in page": Reply(200, {}, b"<!DOCTYPE html><html><body>log in</body></html>"),
    "15 a page that is well-formed": Reply(200, {}, b"<html><body>log in</body></html>"),
    "16 an empty body": Reply(200, {}, b""),
    "16 white space": Reply(200, {}, b"\n \n"),
    "13 an error with status 200": Reply(200, {}, b"<Error><Code>SlowDown</Code></Error>"),
    "17 truncated without a token": rewritten(">false<", ">true<"),
    "17 truncated, token empty": rewritten(
        "<IsTruncated>false</IsTruncated>",
        "<IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken>",
    ),
    "a token though complete": rewritten(
        "</IsTruncated>", "</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    ),
    "neither true nor false": rewritten(">false<", ">maybe<"),
    "completeness unsaid": rewritten("<IsTruncated>false</IsTruncated>", ""),
    "completeness said twice": rewritten(
        "</IsTruncated>", "</IsTruncated><IsTruncated>true</IsTruncated>"
    ),
    "21 cut": lambda request, reply: replace(reply, body=reply.body[:300]),
    "21 cut, with the length of the whole": lambda request, reply: replace(
        reply, only=300, end="fin"
    ),
    "22 count too high": rewritten("<KeyCount>1<", "<KeyCount>2<"),
    "22 count too low": rewritten("<KeyCount>1<", "<KeyCount>0<"),
    "22 no count": rewritten("<KeyCount>1</KeyCount>", ""),
    "22 a count that is none": rewritten("<KeyCount>1<", "<KeyCount>-1<"),
    "23 an entity bomb": rewritten(
        "<ListBucketResult",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        "<ListBucketResult",
        1,
    ),
    "23 an entity bomb in UTF-16": lambda request, reply: replace(
        reply, body=('<!DOCTYPE x [<!ENTITY a "a">]>' + reply.body.decode()).encode("utf-16")
    ),
    "another bucket": rewritten(f"<Name>{BUCKET}<", "<Name>other<"),
    "another prefix": rewritten(f"<Prefix>{DAY}<", "<Prefix>wydot/BSM/2021/04/02/<"),
    "a foreign key": rewritten(f"<Key>{DAY}", "<Key>wydot/BSM/2021/04/02/"),
    "another namespace": rewritten("http://s3.amazonaws.com/doc/2006-03-01/", "urn:other"),
    "no namespace": rewritten(' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ""),
    "another root": rewritten("ListBucketResult", "ListBucketsResult"),
    "version 1 of listings": rewritten("ListBucketResult", "ListBucketResultV1"),
    "groups of keys": rewritten(
        "<KeyCount>", "<CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes><KeyCount>"
    ),
    "no ETag": rewritten("ETag>", "Etag>"),
    "an empty ETag": lambda request, reply: replace(
        reply, body=reply.body.replace(b"<ETag>&quot;", b"<ETag></ETag><Old>&quot;").replace(
            b"</ETag><Size>", b"</Old><Size>"
        ),
    ),
    "no time": rewritten("LastModified", "Modified"),
    "a size that is none": rewritten("<Size>200000<", "<Size>2e5<"),
    "a key that is not UTF-8": rewritten("07/a</Key>", "07/%ff</Key>"),
    "a body that is not UTF-8": lambda request, reply: replace(
        reply, body=reply.body.replace(b"07/a<", b"07/\xff<")
    ),
}  # fmt: skip


@pytest.mark.parametrize("answer", IMPROPER.values(), ids=IMPROPER)
def test_what_is_no_proper_listing_is_an_error_and_never_an_empty_day(server, opened, answer):
    server.script("list", answer, forever=True)
    with pytest.raises(ArchiveError):
        opened().snapshot(DAY)
    assert len(server.lists) <= FAST.attempts


def test_a_listing_without_end_is_not_taken_in(server, opened):
    body = b"<ListBucketResult>" + b"<x/>" * 5_000_000
    server.script("list", Reply(200, {"Content-Length": None}, body, end="fin"), forever=True)
    with pytest.raises(ArchiveError, match="larger than any"):
        opened().snapshot(DAY)


def test_a_proper_empty_listing_is_an_empty_day(server, opened):
    snapshot = opened().snapshot("wydot/BSM/2021/04/02/")
    assert snapshot.units == ()
    assert snapshot.authoritative


def test_21_a_cut_listing_is_asked_for_again(server, opened):
    server.script("list", lambda request, reply: replace(reply, body=reply.body[:300]))
    archive = opened()
    assert len(archive.snapshot(DAY).units) == 1
    assert (archive.traffic.lists, archive.traffic.retries) == (1, 1)


def test_a_listing_without_url_encoding_is_read_as_it_stands(server, opened):
    server.objects = {f"{DAY}07/a b+c": b"x"}
    server.script(
        "list",
        lambda request, reply: replace(
            reply,
            body=reply.body.replace(b"<EncodingType>url</EncodingType>", b"").replace(
                b"a%20b%2Bc", b"a b+c"
            ),
        ),
    )
    assert opened().snapshot(DAY).units[0].key == f"{DAY}07/a b+c"


def test_pages_follow_each_other_by_their_tokens(server, opened):
    server.objects = {f"{DAY}07/{n:04}": b"x" for n in range(25)}
    server.page = 10
    assert [unit.key for unit in opened().snapshot(DAY).units] == sorted(server.objects)
    assert len(server.lists) == 3


def test_18_the_same_token_twice_is_an_error(server, opened):
    server.objects = {f"{DAY}07/{n:04}": b"x" for n in range(25)}
    server.page = 10
    again = rewritten(
        "<NextContinuationToken>",
        f"<NextContinuationToken>{DAY}07/0009</NextContinuationToken><Other>",
    )
    server.script(
        lambda r: "continuation-token" in r.query,
        lambda request, reply: replace(
            again(request, reply),
            body=again(request, reply).body.replace(
                b"0019</NextContinuationToken>", b"0019</Other>"
            ),
        ),
        forever=True,
    )
    with pytest.raises(ArchiveError, match="do not come to an end"):
        opened().snapshot(DAY)
    assert len(server.lists) == 2


def test_empty_pages_without_end_are_an_error(server, opened):
    count = iter(range(10_000))

    def empty(request, reply):
        body = reply.body.decode().replace(">false<", ">true<").replace("Count>1<", "Count>0<")
        body = body[: body.index("<Contents>")]
        token = f"<NextContinuationToken>{next(count)}</NextContinuationToken>"
        return replace(reply, body=f"{body}{token}</ListBucketResult>".encode())

    server.script("list", empty, forever=True)
    with pytest.raises(ArchiveError, match="do not come to an end"):
        opened().snapshot(DAY)


def test_19_overlapping_pages_are_an_error(server, opened):
    server.objects = {f"{DAY}07/{n:04}": b"x" for n in range(12)}
    server.page = 10
    server.script(
        lambda r: "continuation-token" in r.query, rewritten("07/0011<", "07/0009<"), forever=True
    )
    with pytest.raises(ArchiveError, match="there twice"):
        opened().snapshot(DAY)


def test_20_a_page_that_fails_for_good_fails_the_listing(server, opened):
    server.objects = {f"{DAY}07/{n:04}": b"x" for n in range(12)}
    server.page = 10
    server.script(lambda r: "continuation-token" in r.query, error(503, "SlowDown"), forever=True)
    with pytest.raises(ArchiveError, match=r"listing s3://pilot/.*503 SlowDown"):
        opened().snapshot(DAY)


def test_folder_markers_go_and_empty_objects_stay(server, opened):
    server.objects = {DAY: b"", f"{DAY}07/": b"", f"{DAY}07/empty": b"", f"{DAY}08/": b"odd"}
    assert [u.key for u in opened().snapshot(DAY).units] == [f"{DAY}07/empty", f"{DAY}08/"]


# Refusals


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(403, "AccessDenied"), AccessDeniedError, "profile"),  # 28
        (Reply(403, {}, b"forbidden"), AccessDeniedError, "local copy"),
        (error(401), AccessDeniedError, "credentials"),
        (error(400, "ExpiredToken"), AccessDeniedError, "expired"),  # 30
        (error(403, "RequestTimeTooSkewed"), AccessDeniedError, "clock"),  # 30
        (error(403, "SignatureDoesNotMatch"), AccessDeniedError, "secret"),
        (error(404, "NoSuchBucket"), ArchiveError, "no such bucket"),  # 32
        (error(404), ArchiveError, "endpoint"),
        (error(403, "InvalidObjectState"), ArchiveError, "cold storage"),  # 39
        (error(400, "AuthorizationHeaderMalformed"), AccessDeniedError, "region_name"),
        (error(418, "Teapot"), ArchiveError, "418 Teapot"),
        (error(304), ArchiveError, "not followed"),
        (error(301, "PermanentRedirect", x_amz_bucket_region="us-west-2"), ArchiveError, "us-west"),
    ],
)
def test_a_refusal_is_told_at_once_with_the_way_out(server, opened, tmp_path, answer, kind, words):
    server.script("list", answer, forever=True)
    message = fails(opened(), tmp_path / "new", kind)
    assert words in message
    assert "text of the server" not in message
    assert len(server.log) == 1


def test_28_a_refusal_by_the_public_bucket_tells_its_state():
    told = from_status(403, {}, b"", what="listing", listed=False, public=True)
    assert isinstance(told, AccessDeniedError)
    for words in ("since 2025", "profile", "CVPILOT_ARCHIVE", "local copy"):
        assert words in str(told)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_33_no_redirect_is_followed(server, opened, status):
    with FaultServer({f"{DAY}07/a": BODY}) as other:
        server.script("list", error(status, location=f"{other.url}/{BUCKET}/"), forever=True)
        with pytest.raises(ArchiveError, match="points elsewhere"):
            opened().snapshot(DAY)
        assert other.log == []


def test_29_a_refused_object_fails_and_is_named(server, opened, tmp_path):
    server.script("get", error(403, "AccessDenied"), forever=True)
    assert f"{DAY}07/a" in fails(opened(), tmp_path / "new", AccessDeniedError)
    assert len(server.gets) == 1


def test_what_was_under_way_beside_a_failure_is_still_given(server, opened, tmp_path):
    server.objects = {f"{DAY}07/{n}": BODY for n in range(4)}
    refused = lambda request: request.key.endswith("/0")  # noqa: E731
    slow = lambda request: not request.is_list and not refused(request)  # noqa: E731
    server.script(refused, but(wait=0.2, status=403), forever=True)
    server.script(slow, but(wait=0.4), forever=True)
    archive = opened()
    came = []
    with pytest.raises(AccessDeniedError):
        came.extend(archive.read(archive.snapshot(DAY).units, tmp_path))
    assert sorted(r.unit.key[-1] for r in came) == ["1", "2", "3"]
    assert sorted(tmp_path.iterdir()) == sorted(r.path for r in came)


# Passing trouble


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])  # 1, 3, 4
@pytest.mark.parametrize("kind", ["list", "get"])
def test_passing_trouble_passes(server, opened, tmp_path, kind, status):
    server.script(kind, error(status, "SlowDown"), error(status, ""))
    archive = opened()
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": BODY}
    assert archive.traffic.retries == 2
    assert archive.traffic.requests == len(server.log) == 4
    assert len(archive.traffic.errors) == 2


def test_2_lasting_trouble_ends_with_the_key_the_attempts_and_the_cause(server, opened, tmp_path):
    server.script("get", error(503, "SlowDown"), forever=True)
    message = fails(opened(), tmp_path / "new")
    assert f"{DAY}07/a" in message
    assert "4 times" in message
    assert "slow down" in message
    assert len(server.gets) == FAST.attempts


def test_4_retry_after_is_waited_for_by_all(server, opened, tmp_path):
    server.objects = {f"{DAY}07/{n:02}": b"x" for n in range(12)}
    server.script("get", error(503, "SlowDown", retry_after="1"))
    server.script("get", but(wait=0.3), forever=True)
    assert len(fetched(opened(threads=4), tmp_path)) == 12
    first = server.gets[0].at
    # Those that were under way already came at once; their threads wait with the others.
    assert len([request for request in server.gets if request.at - first < 0.95]) <= 4
    assert len(server.gets) == 13


def test_4_retry_after_may_be_a_date(server, opened, tmp_path):
    at = datetime.now(UTC) + timedelta(seconds=2)
    server.script("get", error(429, retry_after=format_datetime(at, usegmt=True)))
    fetched(opened(), tmp_path)
    first, second = server.gets
    assert second.at - first.at >= 0.5  # the date has whole seconds


@pytest.mark.parametrize("words", ["soon", "-3", "nan", "0"])
def test_4_a_retry_after_that_says_nothing_is_passed_over(server, opened, tmp_path, words):
    server.script("get", error(503, retry_after=words))
    fetched(opened(), tmp_path)
    assert len(server.gets) == 2


def test_4_a_retry_after_beyond_all_patience_is_told(server, opened, tmp_path):
    server.script("get", error(503, retry_after="900"), forever=True)
    assert "900 s" in fails(opened(), tmp_path / "new")
    assert len(server.gets) == 1


def test_5_a_server_that_is_down_is_told_soon(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    archive = open_archive(
        f"s3://{BUCKET}", storage_options={"endpoint_url": f"http://127.0.0.1:{port}"}, policy=FAST
    )
    with pytest.raises(ArchiveError, match=r"cannot be reached.*2 times"):
        archive.snapshot(DAY)


def test_26_an_unknown_host_is_told(tmp_path):
    archive = open_archive(
        f"s3://{BUCKET}", storage_options={"endpoint_url": "http://no-such.invalid"}, policy=FAST
    )
    with pytest.raises(ArchiveError, match=r"no-such\.invalid cannot be reached"):
        archive.snapshot(DAY)


def test_41_a_dead_proxy_is_named_without_its_password(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:hunter2@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    archive = open_archive(
        f"s3://{BUCKET}", storage_options={"endpoint_url": "http://s3.example.org"}, policy=FAST
    )
    with pytest.raises(ArchiveError, match="HTTP_PROXY") as raised:
        archive.snapshot(DAY)
    assert "hunter2" not in str(raised.value)


BROKEN = {
    "6 reset before the headers": Reply(raw=b"", end="rst"),
    "6 closed before the headers": Reply(raw=b"", end="fin"),
    "25 silence": but(wait=QUIET),
    "40 garbage for headers": Reply(raw=b"\x00\x01garbage\r\n\r\n", end="fin"),
    "40 a header without end": Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, end="fin"),
    "40 headers without number": Reply(
        raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", end="fin"
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("kind", ["list", "get"])
def test_a_broken_connection_is_made_again(server, opened, tmp_path, kind, fault):
    server.script(kind, BROKEN[fault])
    archive = opened(patience(fault))
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": BODY}
    assert archive.traffic.retries == len(server.log) - 2 >= 1


@pytest.mark.parametrize("fault", BROKEN)
def test_a_connection_that_breaks_for_ever_is_an_error(server, opened, tmp_path, fault):
    server.script("list", BROKEN[fault], forever=True)
    assert "4 times" in fails(opened(patience(fault)), tmp_path / "new")
    assert len(server.log) == FAST.attempts


# Bodies


@pytest.mark.parametrize("end", ["rst", "fin"])  # 7, 8
def test_a_broken_body_goes_on_where_it_broke(server, opened, tmp_path, end):
    server.script("get", but(only=120_000, end=end))
    archive = opened()
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": BODY}
    first, second = server.gets
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=120000-"
    assert {r.headers["if-match"] for r in server.gets} == {f'"{server.etag(f"{DAY}07/a")}"'}
    assert (archive.traffic.reads, archive.traffic.retries) == (1, 1)
    assert (archive.traffic.bytes, archive.traffic.bytes_again) == (len(BODY), 0)


def test_a_body_that_breaks_again_and_again_goes_on_each_time(server, opened, tmp_path):
    server.script("get", *[but(only=50_000, end="fin")] * 3)
    assert fetched(opened(), tmp_path) == {f"{DAY}07/a": BODY}
    starts = [r.headers.get("range") for r in server.gets]
    assert starts == [None, "bytes=50000-", "bytes=100000-", "bytes=150000-"]


SHORT = {
    "9 a length that fits the short body": lambda q, r: replace(r, body=r.body[:5000]),
    "9 a length of none": lambda q, r: replace(r, body=b""),
    "10 no length and an early end": but(headers={"Content-Length": None}, only=5000, end="fin"),
    "11 chunks that are cut": lambda q, r: Reply(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + BODY[:500], end="fin"
    ),
    "11 chunks that end too soon": lambda q, r: Reply(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n"
        + BODY[:500]
        + b"\r\n0\r\n\r\n",
        end="fin",
    ),
    "11 chunks that are none": lambda q, r: Reply(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", end="fin"
    ),
    "12 a flipped bit": lambda q, r: replace(
        r, body=bytes([r.body[0] ^ 1]) + r.body[1:]
    ),
    "13 an error with status 200": Reply(200, {}, b"<Error><Code>InternalError</Code></Error>"),
    "14 a page": Reply(200, {}, b"<html>log in</html>"),
    "14 a page of the right length": Reply(200, {}, b"<html>log in</html>".ljust(len(BODY))),
    "too long a body": lambda q, r: replace(r, body=r.body + b"more"),
    "too long a body without a length": lambda q, r: replace(
        r, body=r.body + b"more", headers={"Content-Length": None}, end="fin"
    ),
    "24 a drip": but(drip=(1, 0.05)),
    "24 a drip without a length": but(drip=(1, 0.05), headers={"Content-Length": None}),
    "25 silence within": but(only=1000, drip=(500, QUIET)),
}  # fmt: skip


@pytest.mark.parametrize("fault", SHORT)
def test_a_wrong_body_is_read_again_until_it_is_right(server, opened, tmp_path, fault):
    server.script("get", SHORT[fault])
    archive = opened(patience(fault))
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": BODY}
    assert archive.traffic.retries >= 1


def test_an_answer_that_announces_too_little_is_not_begun_with(server, opened, tmp_path):
    server.script("get", Reply(200, {}, b"<html>log in</html>"))
    archive = opened()
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": BODY}
    assert [r.headers.get("range") for r in server.gets] == [None, None]
    assert archive.traffic.bytes_again == 0


def test_a_key_is_quoted_in_a_request(server, opened, tmp_path):
    key = f"{DAY}07/a b+c%d?e#f"
    server.objects = {key: b"x"}
    assert fetched(opened(), tmp_path) == {key: b"x"}
    assert server.gets[0].path == f"/{BUCKET}/{DAY}07/a%20b%2Bc%25d%3Fe%23f"


@pytest.mark.parametrize("fault", SHORT)
def test_a_body_that_stays_wrong_is_an_error_that_leaves_nothing(server, opened, tmp_path, fault):
    server.script("get", SHORT[fault], forever=True)
    message = fails(opened(patience(fault)), tmp_path / "new")
    assert f"{DAY}07/a" in message
    assert len(server.gets) <= FAST.attempts


def test_a_steady_drip_ends_with_the_total_time(server, opened, tmp_path):
    server.script("get", but(drip=(1000, 0.05)), forever=True)
    policy = replace(FAST, total=1.0, pace=1e9)
    begun = time.monotonic()
    assert "in time" in fails(opened(policy), tmp_path / "new")
    assert time.monotonic() - begun < 10
    assert len(server.gets) == 1


def test_a_steady_drip_of_a_listing_ends_too(server, opened):
    server.script("list", but(drip=(20, 0.05)), forever=True)
    with pytest.raises(ArchiveError, match="less than 2000 bytes a second"):
        opened().snapshot(DAY)


def test_34_an_object_replaced_after_its_listing_is_a_change(server, opened, tmp_path):
    archive = opened()
    units = archive.snapshot(DAY).units
    server.objects[f"{DAY}07/a"] = some_bytes(len(BODY), 2)
    with pytest.raises(ChangedError, match="07/a"):
        list(archive.read(units, tmp_path))
    assert len(server.gets) == 1
    assert list(tmp_path.iterdir()) == []


def test_34_an_object_replaced_is_seen_without_if_match_too(server, opened, tmp_path):
    """A server that ignores If-Match."""
    archive = opened()
    units = archive.snapshot(DAY).units
    server.script("get", but(headers={"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}))
    with pytest.raises(ChangedError, match="replaced"):
        list(archive.read(units, tmp_path))


def test_31_a_vanished_object_is_a_change(server, opened, tmp_path):
    archive = opened()
    units = archive.snapshot(DAY).units
    del server.objects[f"{DAY}07/a"]
    with pytest.raises(ChangedError, match="no longer holds"):
        list(archive.read(units, tmp_path))


@pytest.mark.parametrize("status", [412, 416])  # 35, 37
def test_an_object_replaced_while_it_is_read_is_never_spliced(server, opened, tmp_path, status):
    def replaced(request, reply):
        server.objects[f"{DAY}07/a"] = some_bytes(len(BODY), 2)
        return replace(reply, only=100_000, end="fin")

    server.script("get", replaced, error(status, "Whatever"))
    archive = opened()
    units = archive.snapshot(DAY).units
    with pytest.raises(ChangedError):
        list(archive.read(units, tmp_path))
    assert [r.headers.get("range") for r in server.gets] == [None, "bytes=100000-", None]
    assert archive.traffic.bytes_again == 100_000


@pytest.mark.parametrize("status", [412, 416])  # 35, 37
def test_a_resume_that_is_refused_begins_anew(server, opened, tmp_path, status):
    server.script("get", but(only=100_000, end="fin"), error(status, "Whatever"))
    archive = opened()
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": BODY}
    assert [r.headers.get("range") for r in server.gets] == [None, "bytes=100000-", None]
    assert archive.traffic.bytes_again == 100_000


def test_416_without_a_range_is_an_error(server, opened, tmp_path):
    server.script("get", error(416, "InvalidRange"), forever=True)
    assert "416" in fails(opened(), tmp_path / "new")
    assert len(server.gets) == 1


def test_36_an_ignored_range_begins_anew_within_the_same_answer(server, opened, tmp_path):
    whole = lambda request, reply: server.proper(replace(request, headers={}))  # noqa: E731
    server.script("get", but(only=100_000, end="fin"), whole)
    archive = opened()
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": BODY}
    assert len(server.gets) == 2
    assert archive.traffic.bytes_again == 100_000


@pytest.mark.parametrize(
    "shown", ["bytes 0-199999/200000", "bytes 100000-199999/300000", "bytes */200000", "", "100000"]
)
def test_36_a_range_that_is_another_begins_anew(server, opened, tmp_path, shown):
    other = lambda q, r: replace(r, headers={**r.headers, "Content-Range": shown})  # noqa: E731
    server.script("get", but(only=100_000, end="fin"), other)
    assert fetched(opened(), tmp_path) == {f"{DAY}07/a": BODY}
    assert [r.headers.get("range") for r in server.gets] == [None, "bytes=100000-", None]


def test_38_a_compressed_object_is_an_error(server, opened, tmp_path):
    server.objects[f"{DAY}07/a"] = gzip.compress(b'{"metadata": {}}\n')
    compressed = lambda q, r: replace(  # noqa: E731
        r, headers={**r.headers, "Content-Encoding": "gzip"}
    )
    server.script("get", compressed, forever=True)
    assert "gzip" in fails(opened(), tmp_path / "new")
    assert {r.headers["accept-encoding"] for r in server.gets} == {"identity"}


def test_an_etag_of_parts_is_held_against_the_size_only(server, opened, tmp_path):
    parts = lambda q, r: replace(  # noqa: E731
        r, body=r.body.replace(server.etag(f"{DAY}07/a").encode(), b"0" * 32 + b"-3")
    )
    server.script("list", parts)
    server.script("get", Reply(200, {"ETag": '"' + "0" * 32 + '-3"'}, BODY))
    assert fetched(opened(), tmp_path) == {f"{DAY}07/a": BODY}


def test_an_object_of_parts_that_is_too_long_is_an_error(server, opened, tmp_path):
    etag = "0" * 32 + "-3"
    server.script("list", rewritten(server.etag(f"{DAY}07/a"), etag))
    headers = {"ETag": f'"{etag}"', "Content-Length": None}
    server.script("get", Reply(200, headers, BODY + b"more", end="fin"), forever=True)
    assert "longer" in fails(opened(), tmp_path / "new")


@pytest.mark.parametrize(
    "header",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
    ],
)
def test_an_etag_under_a_key_of_ones_own_is_no_md5(server, opened, tmp_path, header):
    etag = server.etag(f"{DAY}07/a")
    server.objects[f"{DAY}07/a"] = other = some_bytes(len(BODY), 2)
    server.script("list", rewritten(server.etag(f"{DAY}07/a"), etag))
    server.script("get", Reply(200, {"ETag": f'"{etag}"', **header}, other))
    assert fetched(opened(), tmp_path) == {f"{DAY}07/a": other}


# Many at a time


def test_a_read_that_is_given_up_ends_at_once_and_leaves_nothing(server, opened, tmp_path):
    server.objects = {f"{DAY}07/{n:03}": BODY for n in range(50)}
    slow = lambda request: not request.is_list and request.key[-1] != "0"  # noqa: E731
    server.script(slow, but(drip=(1000, 0.2)), forever=True)
    archive = opened(replace(FAST, window=60, read_timeout=60, total=600))
    reading = archive.read(archive.snapshot(DAY).units, tmp_path)
    taken = next(reading)
    begun = time.monotonic()
    reading.close()
    assert time.monotonic() - begun < 5
    assert list(tmp_path.iterdir()) == [taken.path]
    assert not [t for t in threading.enumerate() if t.name.startswith("cvpilot-read")]
    assert len(server.gets) < 50


def test_after_a_failure_nothing_more_is_begun(server, opened, tmp_path):
    server.objects = {f"{DAY}07/{n:02}": b"x" for n in range(60)}
    server.script(lambda request: request.key.endswith("/00"), error(403), forever=True)
    server.script("get", but(wait=0.1), forever=True)
    archive = opened(threads=2)
    with pytest.raises(AccessDeniedError):
        list(archive.read(archive.snapshot(DAY).units, tmp_path))
    assert len(server.gets) <= 4


def test_what_came_and_was_not_taken_is_put_away(server, opened, tmp_path):
    server.objects = {f"{DAY}07/{n:02}": b"x" for n in range(60)}
    archive = opened(threads=4)
    reading = archive.read(archive.snapshot(DAY).units, tmp_path)
    taken = next(reading)
    deadline = time.monotonic() + 10
    while len(list(tmp_path.iterdir())) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(list(tmp_path.iterdir())) >= 5
    reading.close()
    assert list(tmp_path.iterdir()) == [taken.path]


@pytest.mark.parametrize(("largest", "each"), [(2**20, 2), (1, 32)])
def test_a_slow_reader_holds_back_the_threads(server, opened, tmp_path, largest, each):
    server.objects = {f"{DAY}07/{n:03}": b"x" for n in range(200)}
    server.objects[f"{DAY}07/199"] = b"x" * largest
    archive = opened(threads=2)
    reading = archive.read(archive.snapshot(DAY).units, tmp_path)
    next(reading)
    time.sleep(0.3)
    assert len(server.gets) <= 1 + 2 * each + 2
    assert len(list(reading)) == 199


def test_requests_at_a_time_fall_when_the_archive_asks_for_it_and_recover():
    stop, throttle = Stop(), Throttle(None, width=4)

    def fit() -> int:
        """Count the turns that can be held at a time."""
        with ExitStack() as held, ThreadPoolExecutor(1) as other:
            for count in range(5):
                giving_up = Stop()
                turn = throttle.turn(giving_up)
                entered = other.submit(turn.__enter__)
                try:
                    entered.result(timeout=0.05 if count else None)
                except TimeoutError:
                    giving_up.set()
                    assert isinstance(entered.exception(), AbandonedError)
                    return count
                held.callback(turn.__exit__, None, None, None)
        return 5

    assert fit() == 4
    throttle.slow_down()
    throttle.slow_down()  # within the same moment: one sign of overload
    assert fit() == 2
    for _ in range(20):
        throttle.speed_up()
    assert fit() == 4
    stop.set()
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(throttle.turn(Stop()))
        with pytest.raises(AbandonedError):
            held.enter_context(throttle.turn(stop))


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_is_above_zero(rate):
    with pytest.raises(InvalidRequestError, match="rate"):
        open_archive("s3://pilot", rate=rate)


def test_42_no_more_requests_than_the_rate_allows(server, opened, tmp_path):
    server.objects = {f"{DAY}07/{n:03}": b"x" for n in range(60)}
    archive = opened(rate=50.0)
    assert len(fetched(archive, tmp_path)) == 60
    first, last = server.log[0].at, server.log[-1].at
    assert len(server.log) == 61
    assert last - first >= (61 - 10) / 50.0 * 0.95  # a burst of 10, then 50 a second
    assert archive.traffic.requests == 61


def test_a_request_bound_is_kept(server, opened, tmp_path):
    """At most ceil(n / 1000) lists and n reads."""
    server.objects = {f"{DAY}07/{n:04}": b"x" for n in range(2001)}
    archive = opened(threads=8)
    assert len(fetched(archive, tmp_path)) == 2001
    assert (len(server.lists), len(server.gets)) == (3, 2001)
    assert (archive.traffic.lists, archive.traffic.reads, archive.traffic.retries) == (3, 2001, 0)


# The way there


def test_requests_are_signed_only_with_credentials(server, opened):
    opened().snapshot(DAY)
    opened(key="k", secret="s", token="t", requester_pays=True).snapshot(DAY)
    plain, signed = server.log
    assert not {"authorization", "x-amz-request-payer", "cookie"} & set(plain.headers)
    assert signed.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=k/")
    assert "x-amz-request-payer" in signed.headers["authorization"]
    assert signed.headers["x-amz-request-payer"] == "requester"
    assert signed.headers["x-amz-security-token"] == "t"


@pytest.mark.parametrize(
    "proxy", ["http://hunter2:/x@host", "http://user:hunter2@host:port", "ftp://user:hunter2@host"]
)
def test_41_a_proxy_that_cannot_be_read_does_not_show_its_password(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    options = {"endpoint_url": "http://s3.example.org"}
    archive = open_archive(f"s3://{BUCKET}", storage_options=options, policy=FAST)
    with pytest.raises(ArchiveError) as raised:
        archive.snapshot(DAY)
    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_a_unit_without_an_etag_is_not_read(server, opened, tmp_path):
    with pytest.raises(ArchiveError, match="without an ETag"):
        list(opened().read([Unit(f"{DAY}07/a", 1)], tmp_path))
    assert server.log == []


def test_27_an_untrusted_certificate_is_refused_at_once(certificate, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FaultServer({f"{DAY}07/a": BODY}, tls=context) as server:
        options = {"endpoint_url": server.url}
        archive = open_archive(f"s3://{BUCKET}", storage_options=options, policy=FAST)
        with pytest.raises(ArchiveError, match="certificate"):
            archive.snapshot(DAY)
        assert server.log == []
        trusting = {**options, "client_kwargs": {"verify": str(certificate)}}
        archive = open_archive(f"s3://{BUCKET}", storage_options=trusting, policy=FAST)
        assert fetched(archive, tmp_path / "new") == {f"{DAY}07/a": BODY}


def test_27_checking_cannot_be_turned_off():
    with pytest.raises(InvalidRequestError, match="cannot be turned off"):
        open_archive("s3://some", storage_options={"client_kwargs": {"verify": False}})


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_offline_means_no_socket(tmp_path):
    """In a process of its own that cannot make a socket."""
    script = """
import sys
from pathlib import Path
from intake_cvpilot.archive import open_archive
from intake_cvpilot.archive.base import Unit
from intake_cvpilot.errors import OfflineError

def no_socket(event, arguments):
    if event.startswith("socket."):
        raise SystemExit("a socket was made: " + event)

sys.addaudithook(no_socket)
for url in ("s3://pilot", "s3://usdot-its-cvpilot-publicdata", "memory://x"):
    archive = open_archive(url, offline=True)
    for ask in (
        lambda: archive.snapshot("wydot/BSM/2021/04/01/"),
        lambda: list(archive.read([Unit("wydot/BSM/2021/04/01/07/a", 1)], Path())),
    ):
        try:
            ask()
        except OfflineError as error:
            print(error)
    assert list(archive.read((), Path())) == []
    archive.close()
assert not {"botocore", "fsspec", "urllib3"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6
    assert "wydot/BSM/2021/04/01/" in done.stdout
