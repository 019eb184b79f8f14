"""A long range from a shell: a plan first, an end at any moment, the same command again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import date, timedelta

import pytest
from fault_server import BUCKET, FaultServer, error

import intake_cvpilot as cv
from intake_cvpilot.exits import Exit
from intake_cvpilot.synthetic import write_archive

FIRST, LAST = date(2020, 12, 27), date(2021, 1, 5)
RANGE = ("wydot", "bsm", f"{FIRST}", f"{LAST}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    return write_archive(tmp_path_factory.mktemp("archive"), days=days, records_per_hour=1)


@pytest.fixture
def server(made):
    files = (path for path in made.folder.rglob("*") if path.is_file())
    objects = {path.relative_to(made.folder).as_posix(): path.read_bytes() for path in files}
    with FaultServer(objects) as running:
        yield running


def start(server, cache, *words: str) -> subprocess.Popen[str]:
    asked = ["fetch", *RANGE[:2], "--start", RANGE[2], "--end", RANGE[3], "--cache-dir", str(cache)]
    return subprocess.Popen(
        [sys.executable, "-m", "intake_cvpilot.cache", *asked, *words],
        env={
            **os.environ,
            "CVPILOT_ARCHIVE": f"s3://{BUCKET}",
            "CVPILOT_STORAGE_OPTIONS": json.dumps({"endpoint_url": server.url}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reaches(server, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many objects have been asked for."""
    deadline = time.monotonic() + 60
    while len(server.gets) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(server.gets) >= count


def test_a_backfill_that_is_killed_again_and_again_ends_whole(server, made, tmp_path):
    cache = tmp_path / "cache"
    for share, end in ((0.2, signal.SIGKILL), (0.4, signal.SIGINT), (0.7, signal.SIGKILL)):
        with start(server, cache, "--rate", "60", "--jobs", "2") as process:
            reaches(server, int(share * made.objects), process)
            process.send_signal(end)
            _, told = process.communicate(timeout=240)
        assert process.returncode == (Exit.INTERRUPTED if end == signal.SIGINT else -end), told
    with start(server, cache, "--rate", "none", "--jobs", "2", "--json") as process:
        out, told = process.communicate(timeout=120)
    assert process.returncode == Exit.OK, told
    report = json.loads(out)
    assert report["counts"]["records"] == made.records
    assert report["actions"]["cached"] >= 4
    # Nothing that had arrived is read again, but what was under way at the three ends.
    assert len(server.gets) <= made.objects + 3 * 18
    cv.fetch(*RANGE, archive=made.folder, cache_dir=tmp_path / "whole")
    rows = [
        cv.open_arrow(*RANGE, archive=archive, cache_dir=folder, offline=True, **options).to_table()
        for archive, folder, options in (
            (f"s3://{BUCKET}", cache, {"storage_options": {"endpoint_url": server.url}}),
            (made.folder, tmp_path / "whole", {}),
        )
    ]
    assert rows[0].equals(rows[1])
    parts = [
        sorted(path.name for path in folder.rglob("messages*.parquet"))
        for folder in (cache, tmp_path / "whole")
    ]
    assert parts[0] == parts[1] != []  # named by their content


def test_a_plan_first_then_what_failed_which_the_same_command_tries_again(server, made, tmp_path):
    days = ("2020/12/30", "2021/01/02")
    broken = [min(k for k in server.objects if f"BSM/{day}/" in k) for day in days]
    told = threading.Event()
    early: list[str] = []

    def held(request, reply):
        if not told.wait(240):
            early.append(request.key)
        return error(403, "AccessDenied") if request.key in broken else reply

    server.script("get", held, forever=True)
    with start(server, tmp_path / "cache", "--rate", "100") as process:
        plan = process.stderr.readline()
        told.set()
        out, rest = process.communicate(timeout=120)
    assert early == [], "the plan is told before the first object is asked for"
    assert plan.startswith("plan: wydot BSM 2020-12-27T00:00:00Z to 2021-01-06T00:00:00Z")
    for part in (
        "10 partitions (10 missing)",
        f"{made.objects:,} objects, {made.bytes:,} bytes",
        f"at least {made.objects / 100:,.0f} s at the set rate",
    ):
        assert part in plan
    assert re.search(r"disk: at most [\d,]+ bytes, [\d,]+ free", plan)
    assert process.returncode == Exit.ACCESS  # one cause for all that failed
    assert "2 of 10 partitions failed" in rest
    for day in days:
        assert f"wydot/BSM/{day}" in rest
    assert "10 partitions (8 fetched, 2 failed)" in out
    server.forget()
    before = len(server.gets)
    with start(server, tmp_path / "cache", "--rate", "none") as process:
        out, rest = process.communicate(timeout=120)
    assert process.returncode == Exit.OK, rest
    assert "8 cached" in out
    assert "2 fetched" in out
    assert f"{made.records:,} records" in out
    again = {"/".join(request.key.split("/")[2:5]) for request in server.gets[before:]}
    assert again == set(days)
