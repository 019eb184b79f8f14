"""Access as a whole: what a plan foresees, what a kill costs, what stays secret, who is asked."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest
from fault_server import BUCKET, FaultServer, Reply, error

import intake_cvpilot as cv
from intake_cvpilot.archive import identity, location, open_archive
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.synthetic import write_archive

DAY = ("wydot", "bsm", "2021-04-01", "2021-04-01")
NEXT = ("wydot", "bsm", "2021-04-02", "2021-04-02")
BOTH = ("wydot", "bsm", "2021-04-01", "2021-04-02")


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=1)
    found = {}
    for day in ("01", "02"):
        files = [p for p in (made.folder / f"wydot/BSM/2021/04/{day}").rglob("*") if p.is_file()]
        for path in sorted(files)[:5]:
            found[path.relative_to(made.folder).as_posix()] = path.read_bytes()
    return found


@pytest.fixture
def server(objects):
    with FaultServer(objects) as running:
        yield running


@pytest.fixture
def where(server, tmp_path):
    return {
        "archive": f"s3://{BUCKET}",
        "storage_options": {"endpoint_url": server.url},
        "cache_dir": tmp_path / "cache",
        "rate": None,
    }


# The plan


def test_a_plan_foresees_time_parquet_and_room(objects, where):
    first = cv.plan(*BOTH, **{**where, "rate": 2})
    assert first.seconds == len(objects) / 2
    assert first.parquet_bytes is None  # nothing of the kind is cached
    sizes = [p.bytes for p in first.partitions]
    assert first.disk_bytes == max(sizes) + sum(sizes)
    assert first.fits
    assert first.free_bytes > 0
    cv.fetch(*DAY, **where)
    files = where["cache_dir"].glob("v1*/wydot/BSM/2021/04/01/*")
    stored = sum(p.stat().st_size for p in files if p.name != "manifest.json")
    then = cv.plan(*BOTH, **where)
    assert then.states == {"current": 1, "missing": 1}
    assert then.parquet_bytes == round(sizes[1] * stored / sizes[0])
    assert then.disk_bytes == sizes[1] + then.parquet_bytes
    told = then.to_dict()
    assert told["fits"] is True
    assert f"{then.parquet_bytes:,} bytes of Parquet" in str(then)


def test_a_plan_of_a_local_copy_foresees_no_waiting(tmp_path):
    (tmp_path / "copy/wydot/BSM/2021/04/01/00").mkdir(parents=True)
    (tmp_path / "copy/wydot/BSM/2021/04/01/00/a").write_text("{}")
    plan = cv.plan(*DAY, archive=tmp_path / "copy", cache_dir=tmp_path / "cache", rate=2)
    assert (plan.objects, plan.seconds) == (1, None)
    assert "set rate" not in str(plan)


def test_what_no_disk_can_hold_is_refused_before_the_first_read(tmp_path):
    """A file of 8 TB that takes no room itself."""
    path = tmp_path / "archive/wydot/BSM/2021/04/01/00/a"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(8 * 10**12)
    where = {"archive": tmp_path / "archive", "cache_dir": tmp_path / "cache", "max_bytes": None}
    plan = cv.plan(*DAY, **where)
    assert not plan.fits
    assert "MAY NOT FIT" in str(plan)
    with pytest.raises(cv.SpaceError, match="nothing was read"):
        cv.fetch(*DAY, **where)
    assert not (tmp_path / "cache").exists()


# Kills


@pytest.mark.parametrize("again", ["this process", "another"])
def test_a_killed_run_goes_on_and_tells_what_is_fetched_twice(objects, server, where, again):
    keys = sorted(key for key in objects if "/04/01/" in key)
    victim = keys[-1]
    # Large enough to come as a file: the bytes of small ones that are on their way are not told.
    body = b"\n".join([objects[victim]] * (2**17 // len(objects[victim])))
    server.objects = {**objects, victim: body}
    half = len(body) // 2
    server.script(
        lambda r: r.key == victim,
        lambda q, r: Reply(r.status, {**r.headers}, r.body, drip=(half, 60)),
    )
    code = (
        "import sys, json, intake_cvpilot as cv; "
        "print(cv.fetch(*json.loads(sys.argv[1]), **json.loads(sys.argv[2])).bytes_again)"
    )
    command = [sys.executable, "-c", code, json.dumps(DAY), json.dumps(where, default=str)]
    staging = where["cache_dir"] / ".staging"

    def arrived() -> tuple[int, int]:
        parts = [p.stat().st_size for p in staging.rglob("incoming/*.part")]
        packs = b"".join(path.read_bytes() for path in staging.rglob("units/*.pack"))
        heads = re.findall(rb"[0-9a-f]{32}-[0-9a-f]{32} \d+\n", packs)
        return len(heads), sum(parts)

    with subprocess.Popen(command) as running:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and arrived() != (len(keys) - 1, half):
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    assert arrived() == (len(keys) - 1, half)
    asked = len(server.gets)
    if again == "another":
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) == half
    else:
        report = cv.fetch(*DAY, **where)
        assert report.bytes_again == half
        assert f"{half:,} a second time" in str(report)
    assert [request.key for request in server.gets[asked:]] == [victim]
    assert cv.fetch(*DAY, refresh=True, **where).bytes_again == 0


# Failures


def test_a_denial_in_the_middle_fails_its_day_and_not_the_others(server, where):
    second = lambda r: r.is_list and r.query["prefix"].endswith("/02/")  # noqa: E731
    server.script(second, error(403, "AccessDenied"), forever=True)
    with pytest.raises(cv.PartitionsFailedError, match=r"2021/04/02.*access denied") as caught:
        cv.fetch(*BOTH, **where)
    assert caught.value.report.actions == {"fetched": 1, "failed": 1}
    with pytest.warns(UserWarning, match="1 of 2 partitions failed"):
        report = cv.fetch(*BOTH, on_error="skip", **where)
    assert report.actions == {"cached": 1, "failed": 1}


def test_who_is_denied_at_once_asks_once(server, where):
    server.script("list", error(403, "AccessDenied"), forever=True)
    with pytest.raises(cv.AccessDeniedError, match="Ways out"):
        cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-30", **where)
    assert len(server.log) == 1
    with pytest.warns(UserWarning, match="30 of 30"):
        report = cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-30", on_error="skip", **where)
    assert report.actions == {"failed": 30}


# Politeness


def test_requests_at_a_time_fall_at_the_server_when_it_asks_and_recover(objects, server, tmp_path):
    body = b"{}\n"
    server.objects = {f"wydot/BSM/2021/04/01/07/{n:03}": body for n in range(120)}
    lock, now, seen = threading.Lock(), [0], []

    def watched(request, reply):
        with lock:
            now[0] += 1
            seen.append(now[0])
        time.sleep(0.06)
        with lock:
            now[0] -= 1
        return reply

    server.script("get", *[watched] * 16, error(503, "SlowDown"), *[watched] * 200)
    archive = open_archive(
        f"s3://{BUCKET}",
        storage_options={"endpoint_url": server.url},
        rate=None,
        threads=8,
        policy=Policy(first_wait=0.01),
    )
    list(archive.read(archive.snapshot("wydot/BSM/2021/04/01/").units, tmp_path))
    archive.close()
    before, after = max(seen[:20]), max(seen[-50:])
    between = min(max(seen[n : n + 6]) for n in range(16, 50))
    assert before >= 7
    assert between <= 5  # halved, and a little more after each round of good answers
    assert after >= 7


# Who is asked, and how


def test_an_address_names_its_endpoint_and_opens_the_same_place(server, where):
    named = identity(where["archive"], where["storage_options"])
    assert named == f"s3://{BUCKET}?endpoint={server.url}" == location(named)
    plan = cv.plan(*DAY, archive=named, rate=None)
    assert plan.objects == 5
    with pytest.raises(cv.InvalidRequestError, match="two different endpoints"):
        identity(named, {"endpoint_url": "http://other"})
    with pytest.raises(cv.OfflineError) as caught:
        cv.fetch(*DAY, archive=named, offline=True)
    assert f"--archive '{named}'" in str(caught.value)


def test_a_bucket_may_stand_in_the_path_or_in_the_host(server, monkeypatch):
    options = {"endpoint_url": server.url, "addressing_style": "path"}
    archive = open_archive(f"s3://{BUCKET}", storage_options=options, rate=None)
    assert len(archive.snapshot("wydot/BSM/2021/04/01/").units) == 5
    assert server.log[-1].path == f"/{BUCKET}"
    # In the host: the name leads nowhere, but a proxy gets the request.
    monkeypatch.setenv("http_proxy", server.url)
    options = {"endpoint_url": "http://s3.example.org", "addressing_style": "virtual"}
    archive = open_archive(f"s3://{BUCKET}", storage_options=options, rate=None)
    assert len(archive.snapshot("wydot/BSM/2021/04/01/").units) == 5
    assert server.log[-1].path in ("", "/")
    assert server.log[-1].headers["host"] == f"{BUCKET}.s3.example.org"


def test_a_bucket_whose_readers_pay_wants_to_be_told(server, where):
    unpaid = lambda r: r.headers.get("x-amz-request-payer") != "requester"  # noqa: E731
    server.script(unpaid, error(403, "AccessDenied"), forever=True)
    signed = {**where["storage_options"], "key": "k", "secret": "s"}
    with pytest.raises(cv.AccessDeniedError, match="requester_pays"):
        cv.fetch(*DAY, **{**where, "storage_options": signed})
    paying = {**signed, "requester_pays": True}
    assert cv.fetch(*DAY, **{**where, "storage_options": paying}).actions == {"fetched": 1}


def test_offline_opens_no_socket_for_a_miss_or_a_hit_of_a_bucket(where):
    cv.fetch(*DAY, **where)
    code = """
import json, sys
def forbid(event, args):
    if event.startswith("socket."):
        raise SystemExit(f"a socket was used: {event}")
sys.addaudithook(forbid)
import intake_cvpilot as cv
hit, miss, where = (json.loads(text) for text in sys.argv[1:])
assert cv.fetch(*hit, **where).actions == {"cached": 1}
assert len(cv.open_pandas(*hit, **where))
for ask in (cv.fetch, cv.open_dask, cv.open_arrow):
    try:
        ask(*miss, **where)
    except cv.OfflineError as error:
        assert "2021/04/02 (missing)" in str(error) and "cvpilot fetch wydot bsm" in str(error)
    else:
        raise SystemExit("no error")
assert cv.plan(*miss, **where).states == {"missing": 1}
print("done")
"""
    given = [json.dumps(each, default=str) for each in (DAY, NEXT, where)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *given],
        env={**os.environ, "CVPILOT_OFFLINE": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "done\n", done.stdout + done.stderr


# Secrets


CANARIES = {"key": "AKIACANARYKEY", "secret": "CANARYsecret/+", "token": "CANARYtoken=="}


def leaks(data: bytes | str) -> list[str]:
    data = data.encode() if isinstance(data, str) else data
    return [name for name, text in CANARIES.items() if text.encode() in data]


def test_secrets_reach_no_file_log_text_pickle_or_graph(server, where, tmp_path, caplog):
    import cloudpickle

    caplog.set_level(logging.DEBUG)
    where["storage_options"] |= CANARIES
    report = cv.fetch(*DAY, **where)
    frame = cv.open_dask(*DAY, **where)
    source = cv.open_catalog().wydot_bsm(start=DAY[2], end=DAY[3], **where)
    texts = [report, cv.plan(*DAY, **where), frame, source, source.to_dask(), caplog.text]
    texts.append(json.dumps(report.to_dict(), default=str))
    graph = cloudpickle.dumps((frame.__dask_graph__(), frame))
    for what in (report, frame, source.to_dask()):
        assert not leaks(pickle.dumps(what))
    assert not leaks(graph)
    cv.mirror(*DAY, tmp_path / "mirror", **where)
    server.script(lambda r: True, error(403, "SignatureDoesNotMatch"), forever=True)
    for ask in (cv.fetch, cv.plan, cv.open_arrow):
        with pytest.raises(cv.ArchiveError) as caught:
            ask(*NEXT, **where)
        texts += [repr(caught.value), "".join(traceback.format_exception(caught.value))]
    for text in texts:
        assert not leaks(f"{text!s} {text!r}")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert not leaks(path.read_bytes()), path
    assert not leaks(caplog.text)


def test_the_environment_is_secret_too_and_unused_by_who_is_anonymous(server, where, tmp_path):
    env = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": CANARIES["key"],
        "AWS_SECRET_ACCESS_KEY": CANARIES["secret"],
        "AWS_SESSION_TOKEN": CANARIES["token"],
        "CVPILOT_ARCHIVE": where["archive"],
        "CVPILOT_CACHE_DIR": str(where["cache_dir"]),
    }

    def run(options):
        words = ["fetch", "wydot", "bsm", "--start", DAY[2], "--end", DAY[3], "--refresh"]
        done = subprocess.run(
            [sys.executable, "-m", "intake_cvpilot.cache", *words],
            env={**env, "CVPILOT_STORAGE_OPTIONS": json.dumps(options)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not leaks(done.stdout + done.stderr)
        return done

    anonymous = where["storage_options"]
    assert run(anonymous).returncode == 0
    assert not [r for r in server.log if "authorization" in r.headers]
    before = len(server.log)
    assert run({**anonymous, "anon": False}).returncode == 0
    signed = server.log[before:]
    assert signed
    for request in signed:
        assert CANARIES["key"] in request.headers["authorization"]
        assert request.headers["x-amz-security-token"] == CANARIES["token"]
    server.script("list", error(403, "AccessDenied"), forever=True)
    assert run({**anonymous, "anon": False}).returncode == 6
    for path in Path(where["cache_dir"]).rglob("*"):
        assert not path.is_file() or not leaks(path.read_bytes())
