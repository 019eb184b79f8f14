"""The 42 faults of a network and a server, each on the whole way from the request to the cache.

After each, the same oracle: what failed is not committed and is told with its cause, nothing of it
is called empty, and the same call without the fault gives byte for byte what a good day gives,
reads only what it lacks, and leaves nothing behind.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import world
from fault_server import BUCKET, FaultServer, Reply, but, error, rewritten

import intake_cvpilot as cv
from intake_cvpilot.archive import identity
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.cache.layout import Layout
from intake_cvpilot.cache.verify import verify
from intake_cvpilot.fetch import run
from intake_cvpilot.job import prepare

KEY = "wydot/BSM/2021/04/01"
PASSED: set[int] = set()
FAST = Policy(
    attempts=3,
    unreachable=2,
    first_wait=0.01,
    longest_wait=0.05,
    total=20.0,
    connect_timeout=5.0,
    read_timeout=5.0,
    window=0.3,
    slowest=2000.0,
)
NOT_LISTED = "not a proper S3 listing"


def body(hour: str, edition: int = 0) -> bytes:
    lines = [world.record(world.DAYS[0], hour, n, edition) for n in range(world.RECORDS)]
    return "\n".join(lines).encode()


def good_day() -> dict[str, bytes]:
    return {f"{KEY}/{hour}/object": body(hour) for hour in ("03", "04", "05")}


FIRST, VICTIM, LAST = sorted(good_day())


class Place:
    """A server, a cache, and what is asked of both."""

    def __init__(self, server: FaultServer, cache: Path) -> None:
        self.server = server
        self.cache = cache
        self.url = server.url
        self.policy = FAST
        self.more: dict[str, object] = {}

    @property
    def options(self) -> dict[str, object]:
        return {
            "archive": f"s3://{BUCKET}",
            "storage_options": {"endpoint_url": self.url, **self.more},
            "cache_dir": self.cache,
            "rate": None,
            "jobs": 1,
        }

    def fetch(self, days: str = world.DAYS[0], **more) -> cv.Report:
        job = prepare("wydot", "BSM", world.DAYS[0], days, {**self.options, **more})
        return run(replace(job, policy=self.policy)).report

    def parts(self) -> set[str]:
        """The committed files of the day, named by their content; not the objects' times."""
        files = self.cache.glob(f"v1*/{KEY}/*")
        return {path.name for path in files if path.name != "manifest.json"}

    def gets(self, key: str = VICTIM) -> list[str | None]:
        """The ranges that were asked for of an object."""
        return [r.headers.get("range") for r in self.server.gets if r.key == key]

    def fails(self, kind: type[Exception], *words: str) -> str:
        """Fetch, which has to fail with a cause and leave the day as it was: not there."""
        with pytest.raises(kind) as caught:
            self.fetch()
        message = str(caught.value)
        for word in words:
            assert word in message
        assert not list(self.cache.rglob("manifest.json"))
        return message

    def whole(self, again: int = 0, retries: int = 1) -> cv.Report:
        """Fetch, which has to succeed in spite of the fault."""
        report = self.fetch()
        assert report.actions == {"fetched": 1}
        assert report.retries == retries
        assert report.bytes_again == again
        assert report.requests == len(self.server.log)
        return report


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """What a good day gives."""
    with FaultServer(good_day()) as server:
        place = Place(server, tmp_path_factory.mktemp("golden"))
        place.fetch()
        return place.parts()


@pytest.fixture
def place(tmp_path, golden, request, figure):
    """A place for a fault; the oracle comes after the test."""
    objects = good_day()
    with FaultServer(objects) as server:
        place = Place(server, tmp_path / "cache")
        yield place
        server.forget()
        server.objects = objects
        place.url, place.more, place.policy = server.url, {}, FAST
        held = {p.stat().st_size for p in (place.cache / ".staging").rglob("units/*")}
        asked = len(server.gets)
        report = place.fetch(refresh=True)
        assert [p.status for p in report.partitions] == ["complete"]
        assert golden <= place.parts()
        assert len(server.gets) - asked <= len(objects) - len(held)
        layout = Layout(place.cache, identity(f"s3://{BUCKET}", {"endpoint_url": server.url}))
        assert verify(layout, KEY, deep=True).state == "good"
        assert not [p for p in (place.cache / ".staging").rglob("*") if p.is_file()]
    number = int(request.node.name.split("_")[1])
    PASSED.add(number)
    if len(PASSED) == 42:
        figure("network faults survived", f"{len(PASSED)} of 42")


def of(key: str):
    return lambda request: request.key == key


def test_01_busy_twice(place):
    place.server.script(of(VICTIM), error(503, "SlowDown"), error(503, "SlowDown"))
    place.whole(retries=2)


def test_02_busy_for_ever(place):
    place.server.script(of(VICTIM), error(503, "SlowDown"), forever=True)
    place.fails(cv.ArchiveError, VICTIM, "3 times", "slow down", "503")
    assert len(place.gets()) == FAST.attempts


def test_02_busy_for_ever_leaves_the_other_day(place):
    other = f"{KEY[:-2]}02/04/object"
    place.server.objects[other] = body("04")
    place.server.script(of(other), error(503, "SlowDown"), forever=True)
    with pytest.raises(cv.PartitionsFailedError, match="slow down") as caught:
        place.fetch(world.DAYS[1])
    assert list(caught.value.failures) == [f"{KEY[:-2]}02"]
    assert [path.parent.name for path in place.cache.rglob("manifest.json")] == ["01"]


def test_03_trouble_of_the_server(place):
    place.policy = replace(FAST, attempts=4)
    place.server.script(of(VICTIM), *(error(status) for status in (500, 502, 504)))
    place.whole(retries=3)


def test_04_retry_after_is_waited_for(place):
    place.server.script(of(VICTIM), error(429, "RequestLimitExceeded", retry_after="1"))
    place.whole()
    first, second = [r.at for r in place.server.gets if r.key == VICTIM]
    assert second - first >= 1.0


def test_05_a_server_that_is_down_and_a_cache_that_goes_on(place):
    place.fetch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    place.url = f"http://127.0.0.1:{port}"
    with pytest.raises(cv.ArchiveError, match=r"cannot be reached.*2 times"):
        place.fetch()
    place.url = place.server.url
    asked = len(place.server.log)
    assert place.fetch(offline=True).actions == {"cached": 1}
    assert len(place.server.log) == asked


def test_06_a_reset_before_the_headers(place):
    place.server.script(of(VICTIM), Reply(raw=b"", end="rst"))
    place.whole()


@pytest.mark.parametrize("end", ["rst", "fin"])
def test_07_08_a_body_that_breaks_goes_on_where_it_broke(place, end):
    place.server.script(of(VICTIM), but(only=1000, end=end))
    place.whole()
    assert place.gets() == [None, "bytes=1000-"]
    PASSED.add(8)


def test_09_a_length_that_fits_a_short_body(place):
    place.server.script(of(VICTIM), lambda q, r: replace(r, body=r.body[:1000]))
    place.whole()


def test_10_no_length_and_an_early_end(place):
    place.server.script(of(VICTIM), but(headers={"Content-Length": None}, only=1000, end="fin"))
    place.whole()


def test_11_chunks_that_are_cut(place):
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + body("04")[:500]
    place.server.script(of(VICTIM), Reply(raw=raw, end="fin"))
    place.whole()


def test_12_a_flipped_bit_once(place):
    flipped = lambda q, r: replace(r, body=bytes([r.body[0] ^ 1]) + r.body[1:])  # noqa: E731
    place.server.script(of(VICTIM), flipped)
    place.whole(again=len(body("04")))


def test_12_a_flipped_bit_for_ever(place):
    flipped = lambda q, r: replace(r, body=bytes([r.body[0] ^ 1]) + r.body[1:])  # noqa: E731
    place.server.script(of(VICTIM), flipped, forever=True)
    place.fails(cv.ArchiveError, VICTIM, "MD5")


def test_13_an_error_with_status_200(place):
    place.server.script(of(VICTIM), Reply(200, {}, b"<Error><Code>X</Code></Error>"), forever=True)
    place.fails(cv.ArchiveError, VICTIM)


def test_14_a_page_in_place_of_an_object(place):
    page = b"<html>log in</html>".ljust(len(body("04")))
    place.server.script(of(VICTIM), Reply(200, {}, page), forever=True)
    place.fails(cv.ArchiveError, VICTIM, "MD5")


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html></html>", b"<html><body/></html>"])
def test_15_a_page_in_place_of_a_listing(place, page):
    place.server.script("list", Reply(200, {"Content-Type": "text/html"}, page), forever=True)
    place.fails(cv.ArchiveError, NOT_LISTED)


def test_16_an_empty_listing(place):
    place.server.script("list", Reply(200, {}, b""), forever=True)
    place.fails(cv.ArchiveError, "empty")


def test_17_truncated_without_a_token(place):
    place.server.script("list", rewritten(">false<", ">true<"), forever=True)
    place.fails(cv.ArchiveError, NOT_LISTED, "how to go on")


def test_18_the_same_token_twice(place):
    place.server.page = 1
    same = "<NextContinuationToken>same</NextContinuationToken>"

    def answer(request, reply):
        if "continuation-token" in request.query:  # the second page, whatever the token
            query = {**request.query, "continuation-token": FIRST}
            reply = place.server.proper(replace(request, query=query))
        head, _, tail = reply.body.decode().partition("<NextContinuationToken>")
        rest = tail.partition("</NextContinuationToken>")[2]
        return replace(reply, body=(head + same + rest).encode())

    place.server.script("list", answer, forever=True)
    place.fails(cv.ArchiveError, NOT_LISTED, "do not come to an end")
    assert len(place.server.lists) == 2
    assert place.server.gets == []


def test_19_pages_that_overlap(place):
    place.server.page = 2
    more = lambda request: "continuation-token" in request.query  # noqa: E731
    place.server.script(more, rewritten("05/object", "04/object"), forever=True)
    place.fails(cv.ArchiveError, NOT_LISTED, "there twice")
    assert place.server.gets == []


def test_20_a_page_that_fails_for_good(place):
    place.server.page = 2
    more = lambda request: "continuation-token" in request.query  # noqa: E731
    place.server.script(more, error(503, "SlowDown"), forever=True)
    place.fails(cv.ArchiveError, "listing", "503")
    assert place.server.gets == []


def test_21_a_listing_that_is_cut(place):
    cut = lambda request, reply: replace(reply, body=reply.body[:300])  # noqa: E731
    place.server.script("list", cut, forever=True)
    place.fails(cv.ArchiveError, "cut")
    assert len(place.server.lists) == FAST.attempts


def test_22_a_count_that_is_wrong(place):
    place.server.script("list", rewritten("<KeyCount>3<", "<KeyCount>4<"), forever=True)
    place.fails(cv.ArchiveError, NOT_LISTED, "announces 4")


def test_23_an_entity_bomb(place):
    entities = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol" * 1000}">' for n in range(9)
    )
    bomb = rewritten("<ListBucketResult", f"<!DOCTYPE x [{entities}]><ListBucketResult", 1)
    place.server.script("list", bomb, forever=True)
    tracemalloc.start()
    try:
        place.fails(cv.ArchiveError, NOT_LISTED)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_24_a_drip_once(place):
    place.server.script(of(VICTIM), but(drip=(1, 0.05)))
    place.whole()


def test_24_a_drip_for_ever(place):
    place.server.script(of(VICTIM), but(drip=(1, 0.05)), forever=True)
    place.fails(cv.ArchiveError, VICTIM, "bytes a second")


def test_25_silence_before_the_headers(place):
    place.policy = replace(FAST, read_timeout=0.5)
    place.server.script(of(VICTIM), but(wait=2), forever=True)
    place.fails(cv.ArchiveError, VICTIM, "fell silent", "3 times")
    assert len(place.gets()) == FAST.attempts


def test_26_an_unknown_host(place):
    place.url = "http://no-such.invalid"
    place.fails(cv.ArchiveError, "no-such.invalid cannot be reached")


@pytest.mark.parametrize("fault", ["self-signed", "expired", "wrong host"])
def test_27_a_certificate_that_is_not_to_be_trusted(place, fault, tmp_path):
    file = certificate(
        tmp_path / "certificate.pem",
        host="127.0.0.2" if fault == "wrong host" else "127.0.0.1",
        days=-1 if fault == "expired" else 1,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with FaultServer(good_day(), tls=context) as server:
        place.url = server.url
        if fault != "self-signed":  # trusted, but for what is wrong
            place.more = {"client_kwargs": {"verify": str(file)}}
        place.fails(cv.ArchiveError, "certificate is refused")
        assert server.log == []


def test_28_a_listing_that_is_denied(place):
    place.server.script("list", error(403, "AccessDenied"), forever=True)
    place.fails(cv.AccessDeniedError, "profile", "requester_pays", "local copy")
    assert len(place.server.log) == 1


def test_29_one_object_that_is_denied(place):
    place.server.script(of(VICTIM), error(403, "AccessDenied"), forever=True)
    place.fails(cv.AccessDeniedError, VICTIM)
    assert len(place.gets()) == 1


@pytest.mark.parametrize(
    ("code", "word"), [("ExpiredToken", "expired"), ("RequestTimeTooSkewed", "clock")]
)
def test_30_credentials_and_clocks_that_are_off(place, code, word):
    place.server.script("list", error(403, code), forever=True)
    place.fails(cv.AccessDeniedError, code, word)
    assert len(place.server.log) == 1


def test_31_an_object_that_has_gone(place):
    def gone(request, reply):
        place.server.objects = {k: v for k, v in good_day().items() if k != VICTIM}
        return error(404, "NoSuchKey")

    place.server.script(of(VICTIM), gone)
    with pytest.warns(UserWarning, match=f"vanished.*{VICTIM}"):
        report = place.fetch()
    assert report.counts.objects == 2
    assert len(place.server.lists) == 2


def test_31_an_object_that_is_listed_and_never_there(place):
    place.server.script(of(VICTIM), error(404, "NoSuchKey"), forever=True)
    place.fails(cv.ArchiveError, VICTIM, "404 NoSuchKey", "3 times")
    assert len(place.server.lists) == 4


def test_32_a_bucket_that_is_not_there(place):
    place.server.script("list", error(404, "NoSuchBucket"), forever=True)
    place.fails(cv.ArchiveError, "no such bucket")
    assert len(place.server.log) == 1


@pytest.mark.parametrize("status", [301, 307])
def test_33_a_redirect_to_another_host(place, status):
    place.more = {"key": "CANARY", "secret": "CANARY"}
    with FaultServer(good_day()) as other:
        away = error(status, "TemporaryRedirect", location=f"{other.url}/{BUCKET}/")
        place.server.script(lambda request: True, away, forever=True)
        place.fails(cv.ArchiveError, "points elsewhere", "not followed")
        assert other.log == []


def test_34_an_object_replaced_after_it_was_listed(place):
    def replaced(request, reply):
        place.server.objects[VICTIM] = body("04", edition=7)
        return place.server.proper(request)

    place.server.script(of(VICTIM), replaced)
    assert place.fetch().actions == {"fetched": 1}
    assert len(place.server.lists) == 2
    assert editions(place) == {0, 7}
    place.server.objects = good_day()


def test_35_an_object_replaced_while_it_is_read(place):
    def replaced(request, reply):
        place.server.objects[VICTIM] = body("04", edition=7)
        return replace(reply, only=1000, end="fin")

    place.server.script(of(VICTIM), replaced)
    assert place.fetch().bytes_again == 1000
    assert editions(place) == {0, 7}
    frame = table(place)
    assert set(frame[frame["event_time"].dt.hour == 4]["msg_count"]) == {7}


def test_36_a_range_that_is_ignored(place):
    whole = lambda request, reply: place.server.proper(replace(request, headers={}))  # noqa: E731
    place.server.script(of(VICTIM), but(only=1000, end="fin"), whole)
    place.whole(again=1000)


@pytest.mark.parametrize("status", [412, 416])
def test_37_a_range_that_is_refused(place, status):
    place.server.script(of(VICTIM), but(only=1000, end="fin"), error(status, "InvalidRange"))
    place.whole(again=1000, retries=2)
    assert place.gets() == [None, "bytes=1000-", None]


def test_38_an_object_that_comes_compressed(place):
    packed = gzip.compress(body("04"))
    reply = Reply(200, {"Content-Encoding": "gzip"}, packed)
    place.server.script(of(VICTIM), reply, forever=True)
    place.fails(cv.ArchiveError, VICTIM, "gzip")


def test_39_an_object_in_cold_storage(place):
    place.server.script(of(VICTIM), error(403, "InvalidObjectState"), forever=True)
    place.fails(cv.ArchiveError, VICTIM, "cold storage")


GARBAGE = {
    "garbage": b"\x00\x01garbage\r\n\r\n",
    "without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    "without number": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_40_headers_that_are_garbage(place, kind):
    place.server.script(of(VICTIM), Reply(raw=GARBAGE[kind], end="fin"), forever=True)
    place.fails(cv.ArchiveError, VICTIM, "3 times")
    assert len(place.gets()) == FAST.attempts


def test_41_a_proxy_that_is_dead(place, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:hunter2@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    place.url = "http://s3.example.org"
    assert "hunter2" not in place.fails(cv.ArchiveError, "proxy", "HTTP_PROXY")
    monkeypatch.delenv("http_proxy")


def test_42_no_more_requests_than_the_rate_allows(place):
    place.server.objects = {f"{KEY}/05/{n:03}": b"\n" for n in range(60)}
    place.fetch(rate=50.0)
    times = [request.at for request in place.server.log]
    assert len(times) == 61
    for n, begun in enumerate(times):  # a burst of 10, then the rate and 5 %, in every window
        for m in range(n + 12, len(times)):
            assert m - n + 1 <= 11 + 50.0 * 1.05 * (times[m] - begun)


def table(place):
    where = {k: v for k, v in place.options.items() if k != "jobs"}
    return cv.open_pandas("wydot", "BSM", world.DAYS[0], world.DAYS[0], offline=True, **where)


def editions(place) -> set[int]:
    """Which editions the rows are of: a record carries its own."""
    return set(table(place)["msg_count"])


def certificate(path: Path, *, host: str, days: int) -> Path:
    """A certificate that nobody has signed, with its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    end = datetime.now(UTC) + timedelta(days=days)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(end - timedelta(days=3))
        .not_valid_after(end)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + signed.public_bytes(encoding))
    return path


def test_the_list_is_complete():
    """Each of the 42 has a test; 7 and 8 are two ends of one."""
    names = [name.split("_") for name in globals() if name.startswith("test_")]
    numbers = {int(number) for _, number, *_ in names if number.isdigit()}
    assert numbers | {8} == set(range(1, 43))
