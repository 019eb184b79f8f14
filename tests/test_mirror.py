"""A mirror: verified, resumable, and inside what it has whole the same archive as the bucket."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tarfile
import time
from datetime import date, timedelta

import botocore.session
import pytest
from fault_server import BUCKET, FaultServer, but
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

import intake_cvpilot as cv
from intake_cvpilot.archive import identity
from intake_cvpilot.archive.mirror_record import INDEX, Index
from intake_cvpilot.exits import Exit
from intake_cvpilot.synthetic import write_archive

DAY = ("wydot", "bsm", "2021-04-01", "2021-04-01")
NEXT = ("wydot", "bsm", "2021-04-02", "2021-04-02")
PREFIX = "wydot/BSM/2021/04/01/"


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    made = write_archive(
        tmp_path_factory.mktemp("archive"), days=[date(2021, 4, 1)], records_per_hour=1
    )
    files = (path for path in made.folder.rglob("*") if path.is_file())
    found = {path.relative_to(made.folder).as_posix(): path.read_bytes() for path in files}
    return {key: found[key] for key in sorted(found)[:6]}


@pytest.fixture
def server(objects):
    with FaultServer(objects) as running:
        yield running


@pytest.fixture
def bucket(server):
    """How to reach what is copied."""
    return {
        "archive": f"s3://{BUCKET}",
        "storage_options": {"endpoint_url": server.url},
        "rate": None,
    }


@pytest.fixture
def to(tmp_path):
    return tmp_path / "mirror"


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def raw(folder):
    return {key: body for key, body in files(folder).items() if key.startswith("wydot")}


def test_a_mirror_has_the_objects_and_the_identity_of_the_bucket(
    objects, server, bucket, to, tmp_path
):
    report = cv.mirror(*DAY, to, **bucket)
    assert report.actions == {"copied": 1}
    assert report.partitions[0].copied == len(objects)
    assert (len(server.lists), len(server.gets)) == (1, len(objects))
    assert raw(to) == objects
    told = json.loads((to / INDEX).read_bytes())
    assert told["whole"] == {"wydot/BSM": ["2021/04/01"]}
    assert told["mirror_of"] == identity(bucket["archive"], bucket["storage_options"])
    assert identity(to) == told["mirror_of"]
    from_copy = cv.fetch(*DAY, archive=to, cache_dir=tmp_path / "one")
    from_bucket = cv.fetch(*DAY, cache_dir=tmp_path / "two", **bucket)
    assert from_copy.counts == from_bucket.counts
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    parts = {name for name in one if name.endswith((".parquet", ".ndjson"))}
    assert parts
    assert {n: one[n] for n in parts} == {n: two[n] for n in parts}
    asked = len(server.log)
    assert cv.fetch(*DAY, cache_dir=tmp_path / "one", **bucket).requests == 0
    assert len(server.log) == asked


def test_elsewhere_a_missing_prefix_is_an_error_and_no_empty_day(bucket, to, tmp_path):
    cv.mirror(*DAY, to, **bucket)
    with pytest.raises(cv.ArchiveError, match="not among"):
        cv.fetch(*NEXT, archive=to, cache_dir=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("manifest.json"))
    cv.mirror(*NEXT, to, **bucket)  # the bucket's own word: that day is empty
    report = cv.fetch(*NEXT, archive=to, cache_dir=tmp_path / "cache")
    assert [p.status for p in report.partitions] == ["no_data"]
    assert json.loads((to / INDEX).read_bytes())["whole"] == {
        "wydot/BSM": ["2021/04/01..2021/04/02"]
    }


def test_a_second_run_reads_nothing_and_a_late_object_alone_is_copied(objects, server, bucket, to):
    cv.mirror(*DAY, to, **bucket)
    gets = len(server.gets)
    assert cv.mirror(*DAY, to, **bucket).actions == {"kept": 1}
    assert len(server.gets) == gets
    server.objects[f"{PREFIX}23/late"] = b"{}\n"
    report = cv.mirror(*DAY, to, **bucket)
    assert report.partitions[0].copied == 1
    assert len(server.gets) == gets + 1
    assert raw(to) == server.objects


def test_a_killed_run_goes_on_at_the_objects_that_it_lacks(objects, server, bucket, to):
    last = max(objects)
    server.script(lambda r: r.key == last, but(wait=30))
    code = (
        "import sys, json, intake_cvpilot as cv; "
        "cv.mirror(*json.loads(sys.argv[1]), sys.argv[2], **json.loads(sys.argv[3]))"
    )
    command = [sys.executable, "-c", code, json.dumps(DAY), str(to), json.dumps(bucket)]
    with subprocess.Popen(command) as running:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(raw(to)) < len(objects) - 1:
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    assert not (to / INDEX).exists()
    incoming = to / ".mirror/incoming"
    (left,) = incoming.iterdir()
    before = len(server.gets)
    cv.mirror(*DAY, to, **bucket)
    assert [request.key for request in server.gets[before:]] == [last]
    assert list(incoming.iterdir()) == [left]  # it may be another's, who is at work
    (incoming / "0.tmp").touch()
    for old in incoming.iterdir():
        os.utime(old, (0, 0))
    cv.mirror(*DAY, to, **bucket)
    assert not list(incoming.iterdir())
    assert raw(to) == objects


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "record", "link"])
def test_a_damaged_mirror_is_an_error_and_the_same_command_mends_it(
    harm, objects, server, bucket, to, tmp_path
):
    cv.mirror(*DAY, to, **bucket)
    victim = to / min(objects)
    body = victim.read_bytes()
    if harm == "flip":
        victim.write_bytes(bytes([body[0] ^ 1]) + body[1:])
    elif harm == "cut":
        victim.write_bytes(body[:-1])
    elif harm == "remove":
        victim.unlink()
    elif harm == "link":
        victim.unlink()
        (tmp_path / "elsewhere").write_bytes(body)
        victim.symlink_to(tmp_path / "elsewhere")
    else:
        record = to / ".mirror" / f"{PREFIX.rstrip('/')}.json"
        record.write_bytes(record.read_bytes().replace(b"2021", b"2022", 1))
    with pytest.raises(cv.ArchiveError, match=r"cvpilot mirror|leads out"):
        cv.fetch(*DAY, archive=to, cache_dir=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("manifest.json"))
    cv.mirror(*DAY, to, **bucket)
    assert raw(to) == objects
    assert not victim.is_symlink()
    assert cv.fetch(*DAY, archive=to, cache_dir=tmp_path / "cache").actions == {"fetched": 1}


def test_an_emptied_bucket_empties_no_mirror(objects, server, bucket, to):
    cv.mirror(*DAY, to, **bucket)
    kept = server.objects.copy()
    server.objects.clear()
    with pytest.raises(cv.ArchiveError, match="at all"):
        cv.mirror(*DAY, to, **bucket)
    server.objects |= {key.replace("/2021/04/01/", "/2022/04/01/"): kept[key] for key in kept}
    with pytest.raises(cv.ArchiveError, match="is kept"):
        cv.mirror(*DAY, to, **bucket)
    assert raw(to) == objects
    assert cv.plan(*DAY, archive=to).objects == len(objects)


def test_a_failed_object_fails_its_partition_and_the_others_are_whole(objects, server, bucket, to):
    server.objects["wydot/BSM/2021/04/02/00/a"] = b"{}\n"
    server.script(lambda r: r.key.endswith("02/00/a"), but(status=403), forever=True)
    with pytest.raises(cv.PartitionsFailedError, match="2021/04/02") as caught:
        cv.mirror("wydot", "bsm", "2021-04-01", "2021-04-02", to, **bucket)
    assert caught.value.report.actions == {"copied": 1, "failed": 1}
    assert json.loads((to / INDEX).read_bytes())["whole"] == {"wydot/BSM": ["2021/04/01"]}


def test_a_mirror_is_of_one_archive(objects, bucket, to):
    cv.mirror(*DAY, to, **bucket)
    with (
        FaultServer(objects) as other,
        pytest.raises(cv.InvalidRequestError, match="is a mirror of"),
    ):
        cv.mirror(*NEXT, to, **{**bucket, "storage_options": {"endpoint_url": other.url}})


def test_a_mirror_of_a_mirror_is_of_the_bucket(objects, bucket, to, tmp_path):
    cv.mirror(*DAY, to, **bucket)
    report = cv.mirror(*DAY, tmp_path / "second", archive=to)
    assert raw(tmp_path / "second") == objects
    assert identity(tmp_path / "second") == identity(to) == report.archive


@pytest.mark.parametrize("key", ["07/../../../../../../../../up", "07//a", "07/.a", "07/a\\b"])
def test_keys_that_are_no_file_names_are_refused(key, server, bucket, to, tmp_path):
    server.objects[f"{PREFIX}{key}"] = b"{}\n"
    with pytest.raises(cv.ArchiveError, match="cannot be the name of a file"):
        cv.mirror(*DAY, to, **bucket)
    assert not (to / INDEX).exists()
    assert raw(to) == {}


def test_more_bytes_than_allowed_are_refused(server, bucket, to):
    with pytest.raises(cv.RequestTooLargeError, match="--max-bytes"):
        cv.mirror(*DAY, to, max_bytes=10, **bucket)
    assert server.gets == []


def test_the_archive_is_no_mirror_of_itself(tmp_path):
    with pytest.raises(cv.InvalidRequestError, match="the archive itself"):
        cv.mirror(*DAY, tmp_path, archive=tmp_path)


def test_an_empty_local_folder_proves_nothing_to_a_mirror(tmp_path, to):
    (tmp_path / "archive/wydot/BSM").mkdir(parents=True)
    with pytest.raises(cv.ArchiveError, match=r"proves nothing.*--on-error skip"):
        cv.mirror(*DAY, to, archive=tmp_path / "archive")
    with pytest.warns(UserWarning, match="proves nothing"):
        cv.mirror(*DAY, to, archive=tmp_path / "archive", on_error="skip")


def test_a_tar_of_a_mirror_says_that_it_lacks_a_day(objects, bucket, to, tmp_path):
    cv.mirror(*DAY, to, **bucket)
    with tarfile.open(tmp_path / "mirror.tar", "w") as tar:
        tar.add(to, arcname="")
    where = {"archive": f"tar://::{tmp_path / 'mirror.tar'}", "cache_dir": tmp_path / "cache"}
    assert cv.fetch(*DAY, **where).counts.objects == len(objects)
    with pytest.raises(cv.ArchiveError, match="not among"):
        cv.fetch(*NEXT, **where)


def test_a_broken_mirror_json_is_mended_as_its_error_says(objects, server, bucket, to):
    cv.mirror(*DAY, to, **bucket)
    (to / INDEX).write_bytes(b"{")
    for ask in (lambda: cv.mirror(*DAY, to, **bucket), lambda: cv.plan(*DAY, archive=to)):
        with pytest.raises(cv.ArchiveError, match="remove it, then copy again") as caught:
            ask()
        assert type(caught.value) is cv.ArchiveError  # whose name the command line prints
    (to / INDEX).unlink()
    assert cv.mirror(*DAY, to, **bucket).actions == {"kept": 1}
    assert len(server.gets) == len(objects)
    assert cv.plan(*DAY, archive=to).objects == len(objects)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"[" * 100_000, b'{"format": 1, "mirror_of": "s3://b", "whole": 3}',
     b'{"format": 2, "mirror_of": "s3://b", "whole": {}}',
     b'{"format": 1, "mirror_of": "s3://b", "whole": {"wydot/BSM": ["2021/04/01..later"]}}',],
)  # fmt: skip
def test_a_mirror_json_that_is_none_is_an_error(body, tmp_path):
    (tmp_path / INDEX).write_bytes(body)
    with pytest.raises(cv.ArchiveError, match=INDEX):
        cv.plan(*DAY, archive=tmp_path)


days = (st.dates(date(2017, 1, 1), date(2022, 1, 1)) | st.dates(date(9999, 12, 29))).map(
    lambda day: f"wydot/TIM/{day:%Y/%m/%d}"
)
bins = st.sampled_from(["MON", "NA"]).map(lambda name: f"nycdot/EVENT/2021/04/{name}")


@given(st.frozensets(days | bins), st.integers(1, 400))
def test_an_index_reads_back_as_it_was_written(keys, run):
    first = date(2019, 12, 20)
    keys |= {f"wydot/BSM/{first + timedelta(days=n):%Y/%m/%d}" for n in range(run)}
    body = Index("s3://some", keys).to_json()
    assert Index.parse(body, "here") == Index("s3://some", keys)
    assert json.loads(body)["whole"]["wydot/BSM"][0].count("/") in (2, 4)


def test_the_command_copies_and_what_it_copied_is_an_archive(objects, bucket, to, tmp_path):
    env = {
        **os.environ,
        "CVPILOT_ARCHIVE": bucket["archive"],
        "CVPILOT_STORAGE_OPTIONS": json.dumps(bucket["storage_options"]),
        "CVPILOT_RATE": "none",
    }

    def run(*words, **settings):
        return subprocess.run(
            [sys.executable, "-m", "intake_cvpilot.cache", *words, "--json"],
            env={**env, **settings},
            capture_output=True,
            text=True,
            check=False,
        )

    words = ["wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-01"]
    done = run("mirror", *words, "--to", str(to))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["actions"] == {"copied": 1}
    done = run("fetch", *words, "--archive", str(to), CVPILOT_STORAGE_OPTIONS="{}")
    assert done.returncode == 0, done.stderr
    done = run("mirror", *words, "--to", str(to), "--to-options", '{"secret": CANARY}')
    assert done.returncode == Exit.USAGE
    assert "CANARY" not in done.stderr


@pytest.fixture(scope="module")
def lab():
    """A server with the semantics of S3, and a bucket of a lab."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    url = f"http://{host}:{port}"
    session = botocore.session.Session()
    session.set_credentials("CANARYKEY", "CANARYSECRET")
    session.create_client("s3", region_name="us-east-1", endpoint_url=url).create_bucket(
        Bucket="lab"
    )
    yield {"endpoint_url": url, "key": "CANARYKEY", "secret": "CANARYSECRET"}
    moto.stop()


def test_a_bucket_is_a_mirror(objects, server, bucket, lab, tmp_path):
    odd = f"{PREFIX}07/../a//b"  # a key like any other to a bucket
    server.objects = {**objects, odd: b"{}\n"}
    report = cv.mirror(*DAY, "s3://lab/cvpilot", lab, **bucket)
    assert report.partitions[0].copied == len(objects) + 1
    assert cv.mirror(*DAY, "s3://lab/cvpilot", lab, **bucket).actions == {"kept": 1}
    assert len(server.gets) == len(objects) + 1
    of = identity(bucket["archive"], bucket["storage_options"])
    where = {"archive": "s3://lab/cvpilot", "rate": None}
    as_mirror = {**where, "storage_options": {**lab, "mirror_of": of}}
    one = cv.fetch(*DAY, cache_dir=tmp_path / "one", **as_mirror)
    assert one.archive == of
    assert one.counts.objects == len(objects) + 1
    assert cv.fetch(*DAY, cache_dir=tmp_path / "one", **bucket).requests == 0
    with pytest.raises(cv.ArchiveError, match="not among"):
        cv.fetch(*NEXT, cache_dir=tmp_path / "one", **as_mirror)
    # Who does not say that it is a mirror has an archive of its own, which knows what it lacks.
    plain = {**where, "storage_options": lab}
    assert cv.fetch(*DAY, cache_dir=tmp_path / "two", **plain).counts == one.counts
    with pytest.raises(cv.ArchiveError, match="not among"):
        cv.fetch(*NEXT, cache_dir=tmp_path / "two", **plain)
    stored = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"CANARY" not in stored


def test_a_bucket_that_copies_a_folder_takes_each_file_once(objects, lab, tmp_path):
    """A folder has no MD5 to know an object by again: the bucket's own does."""
    for key, body in objects.items():
        path = tmp_path / "copy" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    folder = {"archive": tmp_path / "copy", "rate": None}
    assert cv.mirror(*DAY, "s3://lab/folder", lab, **folder).actions == {"copied": 1}
    again = cv.mirror(*DAY, "s3://lab/folder", lab, **folder)
    assert (again.actions, again.bytes_read) == ({"kept": 1}, 0)
    options = {**lab, "mirror_of": str(tmp_path / "copy")}
    report = cv.fetch(
        *DAY, archive="s3://lab/folder", storage_options=options, cache_dir=tmp_path / "cache"
    )
    assert report.counts.objects == len(objects)


@pytest.mark.parametrize("words", ["is no mirror", "not of s3://some-other"])
def test_a_bucket_that_is_no_mirror_or_of_another_archive_is_told(words, bucket, lab):
    place = "s3://lab/third"
    if "other" in words:
        cv.mirror(*DAY, place, lab, **bucket)
    options = {**lab, "mirror_of": "s3://some-other"}
    with pytest.raises(cv.ArchiveError, match=words):
        cv.fetch(*DAY, archive=place, storage_options=options, rate=None)
