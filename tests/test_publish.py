"""Published partitions: whole whenever seen, sent once, read where they lie, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import traceback
from datetime import date
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import botocore.session
import fsspec
import intake
import pandas as pd
import pytest
import yaml
from fault_server import BUCKET, FaultServer, but
from fsspec.implementations.memory import MemoryFileSystem
from test_cli import run

import intake_cvpilot as cv
from intake_cvpilot.cache.layout import MANIFEST
from intake_cvpilot.catalog import catalog_file, static_catalog
from intake_cvpilot.exits import Exit
from intake_cvpilot.synthetic import write_archive

DAYS = ("wydot", "BSM", "2021-04-01", "2021-04-02")
DAY = ("wydot", "BSM", "2021-04-01", "2021-04-01")
SECRET = "sesame-7391"
REACH = {"key": "lab", "secret": SECRET}

pytestmark = pytest.mark.filterwarnings("ignore:.*do not lie in the window")


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=4)
    return {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("cache")}


@pytest.fixture(scope="module")
def whole(where):
    return cv.open_pandas(*DAYS, **where)


class Place:
    """Somewhere to publish: its URL, how to reach it, and what lies there."""

    def __init__(self, url, options, fs, root):
        self.url, self.options, self.fs, self.root = url, options, fs, root

    def files(self):
        self.fs.invalidate_cache()
        found = self.fs.find(self.root)
        return {str(name).partition(self.root.strip("/") + "/")[2]: name for name in found}

    def content(self):
        return {name: self.fs.cat_file(path) for name, path in self.files().items()}

    def reading(self, where):
        return {
            "archive": where["archive"],
            "cache_dir": self.url,
            "cache_options": self.options,
            "offline": True,
        }


@pytest.fixture(params=["s3", "file", "memory"])
def place(request, tmp_path):
    if request.param == "file":
        folder = tmp_path / "pub lic"
        return Place(folder.as_uri(), None, fsspec.filesystem("file"), str(folder))
    if request.param == "memory":
        root = f"/{tmp_path.name}-{time.time_ns()}"
        return Place(f"memory:/{root}", None, fsspec.filesystem("memory"), root)
    return bucket_of(request.getfixturevalue("moto"), request.node.name)


def bucket_of(url, name):
    bucket = f"b{abs(hash(name + str(time.time_ns())))}"
    options = {**REACH, "endpoint_url": url}
    client = botocore.session.get_session().create_client(
        "s3", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x", endpoint_url=url
    )
    client.create_bucket(Bucket=bucket)
    fs = fsspec.filesystem("s3", key="x", secret="x", endpoint_url=url, use_listings_cache=False)
    return Place(f"s3://{bucket}/pub", options, fs, f"{bucket}/pub")


@pytest.mark.parametrize("text", [None, "sources: {}\nmetadata: {a: 1", "- a", "sources: 1"])
def test_a_catalog_that_publishing_did_not_write_is_not_replaced(where, place, tmp_path, text):
    if text is None:
        day = intake.open_catalog(str(catalog_file())).wydot_bsm(start=DAY[2], end=DAY[3], **where)
        text = static_catalog(tmp_path / "plain", [day]).read_text()
    place.fs.makedirs(place.root, exist_ok=True)
    place.fs.pipe_file(f"{place.root}/catalog.yml", text.encode())
    with pytest.raises(cv.InvalidRequestError, match=r"catalog\.yml that publishing did not write"):
        cv.publish(*DAY, place.url, to_options=place.options, **where)
    assert place.content() == {"catalog.yml": text.encode()}


def test_what_is_published_is_read_where_it_lies(where, whole, place):
    made = cv.publish(*DAYS, place.url, place.options, **where)
    assert made.actions == {"published": 2}
    assert sum(each.sent for each in made.partitions) == sum(p.files for p in made.partitions) > 4
    before = place.content()
    names = {name.rpartition("/")[2] for name in before}
    assert {MANIFEST, "catalog.yml"} <= names
    here = {
        path.relative_to(where["cache_dir"]).as_posix(): path.read_bytes()
        for path in where["cache_dir"].glob("v1*/**/*")
        if path.is_file()
    }
    assert {name: data for name, data in before.items() if name.startswith("v1")} == here
    reading = place.reading(where)
    frame = cv.open_dask(*DAYS, columns=["speed", "line"], filters=[("speed", ">", 20)], **reading)
    expected = whole[whole["speed"] > 20][["speed", "line"]]
    assert 0 < len(expected) < len(whole)
    pd.testing.assert_frame_equal(
        frame.compute().reset_index(drop=True), expected.reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(cv.open_pandas(*DAYS, **reading), whole)
    objects = cv.objects(*DAYS, **{k: v for k, v in reading.items() if k != "offline"})
    assert len(objects) == len(cv.objects(*DAYS, **where)) > 0
    assert cv.plan(*DAYS, **reading).bytes == 0
    assert place.content() == before, "reading writes nothing"
    assert SECRET.encode() not in b"".join(before.values())


def test_engines_that_read_files_themselves_get_checked_copies(where, whole, place):
    pytest.importorskip("polars", reason="needs the extra polars")
    pytest.importorskip("duckdb", reason="needs the extra duckdb")
    cv.publish(*DAYS, place.url, place.options, **where)
    reading = place.reading(where)
    assert len(cv.open_polars(*DAYS, **reading).collect()) == len(whole)
    assert cv.open_duckdb(*DAYS, **reading).aggregate("count(*)").fetchall() == [(len(whole),)]
    assert cv.open_arrow(*DAYS, **reading).count_rows() == len(whole)
    source = cv.open_catalog().wydot_bsm(start=DAYS[2], end=DAYS[3], **reading)
    assert len(source.read()) == len(whole)
    assert SECRET not in source.yaml()
    assert all(name.startswith(place.url) for name in source.files())
    part = next(name for name in place.files() if "/messages-" in name)
    data = place.fs.cat_file(place.files()[part])
    spoilt = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    place.fs.pipe_file(place.files()[part], spoilt)
    for attempt in (cv.open_pandas, lambda *a, **k: cv.open_dask(*a, **k).compute()):
        with pytest.raises(cv.DamagedError, match="publish it again") as damage:
            attempt(*DAYS, **reading)
        assert part in str(damage.value)
        assert "cvpilot repair" not in str(damage.value)
    again = cv.publish(*DAYS, place.url, place.options, **where)
    assert sum(each.sent for each in again.partitions) == 1, "only what is not right is sent"
    assert place.fs.cat_file(place.files()[part]) == data


def test_plain_intake_reads_the_catalog_without_the_library(where, whole, place, tmp_path):
    cv.publish(*DAY, place.url, place.options, **where)
    made = cv.publish(*DAYS, place.url, place.options, **where)
    (text,) = [data for name, data in place.content().items() if name == "catalog.yml"]
    entry = yaml.safe_load(text)["sources"]["wydot_bsm"]
    assert entry["metadata"]["partitions"] == {
        "first": "wydot/BSM/2021/04/01",
        "last": "wydot/BSM/2021/04/02",
        "number": 2,
    }
    options = None
    if place.options:
        options = {"key": "x", "secret": "x", "endpoint_url": place.options["endpoint_url"]}
    if place.url.startswith("memory:"):
        opened = intake.open_catalog(made.catalog).wydot_bsm
        frame = opened.to_dask().compute()
        assert len(frame) == len(whole)
        return
    code = (
        "import sys, json, intake\n"
        "options = json.loads(sys.argv[2])\n"
        "given = {'storage_options': options} if options else {}\n"
        "rows = intake.open_catalog(sys.argv[1], **given).wydot_bsm(**given).to_dask().compute()\n"
        "assert 'intake_cvpilot' not in sys.modules\n"
        "print(len(rows), round(float(rows.speed.sum()), 6), rows.time_basis.iloc[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, made.catalog, json.dumps(options)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = [len(whole), round(float(whole["speed"].sum()), 6), whole["time_basis"].iloc[0]]
    assert done.stdout.split() == [str(value) for value in expected]


class Flaky(MemoryFileSystem):
    """A place that looks at itself before each write, and refuses the write with some number."""

    protocol = "flaky"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]
    left: ClassVar = [10**9]
    lock: ClassVar = threading.Lock()

    def pipe_file(self, path, value, **kwargs):
        self.count()
        super().pipe_file(path, value, **kwargs)

    def put_file(self, lpath, rpath, **kwargs):
        self.count()
        super().pipe_file(rpath, Path(lpath).read_bytes())

    def count(self):
        with self.lock:
            consistent({name: bytes(file.getbuffer()) for name, file in self.store.items()})
            self.left[0] -= 1
            if self.left[0] < 0:
                raise OSError("no more")


fsspec.register_implementation("flaky", Flaky, clobber=True)


def consistent(files):
    """Whatever is seen: a manifest's files are there, and so is what the catalog names."""
    for name, data in files.items():
        folder = name.rpartition("/")[0]
        if name.endswith(MANIFEST):
            for file in json.loads(data)["files"]:
                content = files[f"{folder}/{file['name']}"]
                assert hashlib.sha256(content).hexdigest() == file["sha256"]
        if name.endswith("catalog.yml"):
            for entry in yaml.safe_load(data)["sources"].values():
                for path in entry["args"]["urlpath"]:
                    assert path.replace("{{ CATALOG_DIR }}", folder) in files


def test_wherever_it_stops_readers_see_whole_partitions_and_it_goes_on(where, whole):
    written = 0
    while True:
        Flaky.store.clear()
        Flaky.left[0] = written
        try:
            cv.publish(*DAYS, "flaky://pub", **where)
        except cv.CacheError as error:
            assert "flaky://pub" in str(error)  # noqa: PT017 -- the loop ends with success
            stopped = set(Flaky.store)
            Flaky.left[0] = 10**9
            made = cv.publish(*DAYS, "flaky://pub", **where)
            parts = sum(name.endswith((".parquet", ".ndjson")) for name in stopped)
            assert sum(p.sent for p in made.partitions) == (
                sum(p.files for p in made.partitions) - parts
            )
            assert len(cv.open_pandas(*DAYS, **reading_of("flaky://pub", where))) == len(whole)
            written += 1
        else:
            break
    Flaky.left[0] = 10**9
    assert written == sum(p.files for p in cv.publish(*DAYS, "flaky://pub", **where).partitions) + 3


def reading_of(url, where):
    return {"archive": where["archive"], "cache_dir": url, "offline": True}


def test_a_later_generation_replaces_an_earlier_one_and_never_the_other_way(tmp_path):
    archive = write_archive(
        tmp_path / "archive", days=[date(2021, 4, 1)], records_per_hour=4
    ).folder
    early, late = tmp_path / "early", tmp_path / "late"
    place = tmp_path / "public"
    cv.fetch(*DAY, archive=archive, cache_dir=early)
    cv.publish(*DAY, place, archive=archive, cache_dir=early)
    opened = cv.open_dask(*DAY, **reading_of(place.as_uri(), {"archive": archive}))
    before = opened.compute()
    some = next(path for path in sorted(archive.glob("wydot/BSM/**/*")) if path.is_file())
    some.with_name("later").write_bytes(some.read_bytes())
    cv.fetch(*DAY, archive=archive, cache_dir=late)
    made = cv.publish(*DAY, place, archive=archive, cache_dir=late)
    assert made.actions == {"published": 1}
    new = cv.open_pandas(*DAY, **reading_of(place.as_uri(), {"archive": archive}))
    assert len(new) > len(before)
    assert len(opened.compute()) == len(before), "superseded parts stay"
    rows = intake.open_catalog(made.catalog).wydot_bsm.to_dask().compute()
    assert len(rows) == len(new), "the catalog has the parts of one generation"
    assert cv.publish(*DAY, place, archive=archive, cache_dir=early).actions == {"newer": 1}
    assert len(cv.open_pandas(*DAY, **reading_of(place.as_uri(), {"archive": archive}))) == len(new)
    made = cv.publish(*DAY, place, archive=archive, cache_dir=late, prune=True)
    assert made.partitions[0].removed > 0
    assert made.partitions[0].sent == 0
    with pytest.raises(cv.PartitionChangedError, match="open it again"):
        opened.compute()
    assert len(cv.open_pandas(*DAY, **reading_of(place.as_uri(), {"archive": archive}))) == len(new)


def test_what_cannot_be_meant_is_refused(where, tmp_path):
    place = tmp_path / "public"
    cv.publish(*DAY, place, **where)
    url = place.as_uri()
    with pytest.raises(cv.InvalidRequestError, match="the cache itself"):
        cv.publish(*DAY, where["cache_dir"], **where)
    other = write_archive(tmp_path / "other", days=[date(2021, 4, 1)], records_per_hour=1).folder
    with pytest.raises(cv.InvalidRequestError, match="another archive"):
        cv.publish(*DAY, place, archive=other, cache_dir=tmp_path / "mine")
    with pytest.raises(cv.InvalidRequestError, match="add offline=True"):
        cv.open_dask(*DAY, archive=where["archive"], cache_dir=url)
    with pytest.raises(cv.InvalidRequestError, match="is published already"):
        cv.publish(*DAY, tmp_path / "again", **reading_of(url, where))
    for call in (cv.status, cv.verify, cv.clear, cv.evict):
        with pytest.raises(cv.InvalidRequestError, match="needs a folder"):
            call(cache_dir=url)
    with pytest.raises(cv.OfflineError, match="cvpilot publish") as lacking:
        cv.open_dask(*DAYS, **reading_of(url, where))
    assert "2021/04/02" in str(lacking.value)
    with pytest.raises(cv.InvalidRequestError, match="no URL that fsspec opens"):
        cv.publish(*DAY, "nowhere://x", **where)
    manifest = next(place.rglob(MANIFEST))
    manifest.write_bytes(manifest.read_bytes()[:-9])
    with pytest.raises(cv.DamagedError, match="publish it again"):
        cv.open_dask(*DAY, **reading_of(url, where))
    assert cv.publish(*DAY, place, **where).actions == {"published": 1}


def test_a_web_server_is_enough_to_read(where, whole, tmp_path):
    cv.publish(*DAYS, tmp_path / "public", **where)
    handler = partial(Quiet, directory=tmp_path / "public")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert len(cv.open_pandas(*DAYS, **reading_of(url, where))) == len(whole)
        with pytest.raises(cv.CVPilotError):
            cv.publish(*DAYS, url, **where)
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_given):
        pass


def test_secrets_travel_nowhere(where, whole, moto, tmp_path, request):
    place = bucket_of(moto, request.node.name)
    cv.publish(*DAYS, place.url, place.options, **where)
    frame = cv.open_dask(*DAYS, **place.reading(where))
    data = pickle.dumps(frame)
    assert SECRET.encode() not in data
    code = "import pickle, sys; print(len(pickle.load(sys.stdin.buffer).compute(scheduler='sync')))"
    own = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own"}
    done = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=False,
        env={**os.environ, **own},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(whole)


@pytest.mark.parametrize(("status", "kind"), [(403, cv.AccessDeniedError), (400, cv.CacheError)])
def test_a_place_that_refuses_says_what_to_do_and_no_secret(where, status, kind):
    with FaultServer({}) as server:
        server.script(lambda _: True, but(status=status, body=SECRET.encode()), forever=True)
        options = {**REACH, "endpoint_url": server.url}
        with pytest.raises(kind, match=r"to_options|call again") as refused:
            cv.publish(*DAY, f"s3://{BUCKET}/pub", options, **where)
        assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_the_command_publishes_and_other_commands_read_there(where, whole, tmp_path, moto, request):
    place = bucket_of(moto, request.node.name)
    asked = ("wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-02")
    at = ("--archive", str(where["archive"]))
    told = run(
        *("publish", place.url, *asked, *at, "--cache-dir", str(where["cache_dir"]), "--json"),
        *("--to-options", json.dumps(place.options)),
    )
    assert told.returncode == Exit.OK, told.stderr
    assert json.loads(told.stdout)["actions"] == {"published": 2}
    environment = {
        "CVPILOT_CACHE_OPTIONS": json.dumps(place.options),
        "CVPILOT_CACHE_DIR": place.url,
        "CVPILOT_OFFLINE": "1",
    }
    out = tmp_path / "out.parquet"
    told = run("export", *asked, *at, "-o", str(out), "--json", **environment)
    assert told.returncode == Exit.OK, told.stderr
    assert json.loads(told.stdout)["files"][0]["rows"] == len(whole)
    told = run("fetch", *asked, *at, **{**environment, "CVPILOT_OFFLINE": ""})
    assert told.returncode == Exit.USAGE
    assert "--offline" in told.stderr
    assert SECRET not in told.stderr


def test_the_examples_of_the_page_run(where, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("CVPILOT_ARCHIVE", str(where["archive"]))
    monkeypatch.setenv("CVPILOT_CACHE_DIR", str(where["cache_dir"]))
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "publishing.md").read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, "publishing.md", "exec"), names)
    assert len(names["fast"]) == (whole["speed"] > 25).sum() > 0
    assert len(names["rows"]) == len(whole)
