"""The whole way from a bucket: pages, denials, impostors, changes, and the count of requests."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import botocore.session
import pytest
from fault_server import BUCKET, FaultServer, Reply, error, proper
from moto.server import ThreadedMotoServer

import intake_cvpilot as cv
from intake_cvpilot.exits import Exit
from intake_cvpilot.synthetic import write_archive

DAY = ("2021-04-01", "2021-04-01")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_archive(
        tmp_path_factory.mktemp("archive"), days=[date(2021, 4, 1)], records_per_hour=2
    )


@pytest.fixture(scope="module")
def objects(made):
    files = (path for path in made.folder.rglob("*") if path.is_file())
    return {path.relative_to(made.folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def server(objects):
    with FaultServer(objects, page=20) as running:
        yield running


@pytest.fixture
def where(server, tmp_path):
    return {
        "archive": f"s3://{BUCKET}",
        "storage_options": {"endpoint_url": server.url},
        "cache_dir": tmp_path / "cache",
        "rate": None,
    }


def manifests(cache: Path) -> list[Path]:
    return list(cache.rglob("manifest.json"))


def test_a_bucket_gives_what_its_folder_gives(made, where, server, tmp_path):
    report = cv.fetch("wydot", "bsm", *DAY, **where)
    pages = -(-made.objects // server.page)
    assert len(server.lists) == pages
    assert len(server.gets) == made.objects
    assert report.requests == pages + made.objects
    assert report.counts.records == made.records
    frame = cv.open_pandas("wydot", "bsm", *DAY, **where)
    assert len(server.log) == report.requests  # the second call asked nothing
    local = cv.open_pandas("wydot", "bsm", *DAY, archive=made.folder, cache_dir=tmp_path / "local")
    assert frame.equals(local)


def test_the_same_bucket_behind_another_endpoint_is_another_archive(where, objects):
    cv.fetch("wydot", "bsm", *DAY, **where)
    with FaultServer(objects) as other:
        where |= {"storage_options": {"endpoint_url": other.url}}
        assert cv.plan("wydot", "bsm", *DAY, **where).states == {"missing": 1}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(403, "AccessDenied"), cv.AccessDeniedError),
        (Reply(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"), cv.ArchiveError),
        (Reply(200, {}, b""), cv.ArchiveError),
        (error(404, "NoSuchBucket"), cv.ArchiveError),
    ],
    ids=["403", "captive portal", "empty", "no bucket"],
)
def test_a_listing_that_is_no_listing_is_never_an_empty_day(where, server, answer, kind):
    server.script("list", answer, forever=True)
    with pytest.raises(kind):
        cv.fetch("wydot", "bsm", *DAY, **where)
    assert manifests(where["cache_dir"]) == []


def test_an_object_that_is_denied_fails_its_day_whole(where, server):
    denied = sorted(server.objects)[3]
    server.script(lambda r: r.key == denied, error(403, "AccessDenied"), forever=True)
    with pytest.raises(cv.AccessDeniedError):
        cv.fetch("wydot", "bsm", *DAY, **where)
    assert manifests(where["cache_dir"]) == []


def test_what_arrived_before_a_failure_is_not_read_again(where, server, made):
    denied = max(server.objects)
    server.script(lambda r: r.key == denied, error(403, "AccessDenied"), proper)
    with pytest.raises(cv.AccessDeniedError):
        cv.fetch("wydot", "bsm", *DAY, **where)
    report = cv.fetch("wydot", "bsm", *DAY, **where)
    assert report.counts.records == made.records
    gets = [request.key for request in server.gets]
    assert len(gets) < 2 * made.objects
    assert gets.count(denied) == 2
    assert sum(1 for key in set(gets) if gets.count(key) > 1) <= 9  # what was under way


def test_a_verified_empty_prefix_of_a_bucket_is_no_data(where):
    report = cv.fetch("wydot", "bsm", "2020-01-01", "2020-01-01", **where)
    assert [p.status for p in report.partitions] == ["no_data"]
    again = cv.fetch("wydot", "bsm", "2020-01-01", "2020-01-01", **where)
    assert again.requests == 0  # a bucket's word is final when the day is long over


def test_a_day_that_changes_while_it_is_read_is_listed_again(where, server, made):
    key = min(server.objects)

    def replaced(request, reply):
        server.objects[key] += b"\n"
        return server.proper(request)

    server.script(lambda r: r.key == key, replaced)
    report = cv.fetch("wydot", "bsm", *DAY, **where)
    assert report.counts.records == made.records
    assert report.counts.bytes == made.bytes + 1
    assert len(server.lists) == 2 * -(-made.objects // server.page)


def test_no_secret_reaches_the_cache_or_an_error(where, server, caplog):
    caplog.set_level(logging.DEBUG)
    secret = {"key": "AKIACANARY", "secret": "CANARYSECRET", "token": "CANARYTOKEN"}
    where["storage_options"] |= secret
    server.page = 1000
    server.script("list", proper, error(403, "AccessDenied"))
    cv.fetch("wydot", "bsm", *DAY, **where)
    with pytest.raises(cv.ArchiveError) as caught:
        cv.fetch("wydot", "bsm", *DAY, refresh=True, **where)
    stored = b"".join(p.read_bytes() for p in where["cache_dir"].rglob("*") if p.is_file())
    told = f"{caught.value!r} {caught.value} {caplog.text}"
    for text in secret.values():
        assert text.encode() not in stored
        assert text not in told


def test_the_command_for_a_denied_bucket_names_the_ways_out(where, server):
    server.script("list", error(403, "AccessDenied"), forever=True)
    words = ["fetch", "wydot", "bsm", "--start", DAY[0], "--end", DAY[1]]
    done = subprocess.run(
        [sys.executable, "-m", "intake_cvpilot.cache", *words, "--cache-dir", where["cache_dir"]],
        env={
            **os.environ,
            "CVPILOT_ARCHIVE": where["archive"],
            "CVPILOT_STORAGE_OPTIONS": json.dumps(where["storage_options"]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == Exit.ACCESS, done.stderr
    for way in ("profile", "archive"):
        assert way in done.stderr


def test_moto_serves_more_than_a_page_signed_and_anonymous(tmp_path, objects):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        url = f"http://{host}:{port}"
        session = botocore.session.Session()
        session.set_credentials("owner", "owner")
        client = session.create_client("s3", region_name="us-east-1", endpoint_url=url)
        client.create_bucket(Bucket="lab-mirror")
        line = next(iter(objects.values())).split(b"\n")[0]
        keys = [f"wydot/BSM/2021/04/01/{n % 24:02}/object-{n}" for n in range(1030)]
        for key in keys:
            client.put_object(Bucket="lab-mirror", Key=key, Body=line, ACL="public-read")
        where = {"archive": "s3://lab-mirror", "rate": None}
        signed = {"endpoint_url": url, "anon": False, "key": "owner", "secret": "owner"}
        for name, options in (("anonymous", {"endpoint_url": url}), ("signed", signed)):
            report = cv.fetch(
                "wydot",
                "bsm",
                *DAY,
                storage_options=options,
                cache_dir=tmp_path / name,
                **where,
            )
            assert report.counts.objects == len(keys)
            assert report.counts.records == len(keys)
            assert report.requests == 2 + len(keys)
    finally:
        moto.stop()
