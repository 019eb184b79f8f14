"""Open and closed days over the months, by processes whose clock says another time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from intake_cvpilot.exits import Exit
from intake_cvpilot.synthetic import write_archive

DAY = ("wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-01")


@pytest.fixture
def at(tmp_path):
    """Run a command at an instant, UTC."""
    if shutil.which("faketime") is None:
        pytest.skip("needs faketime: on Debian, apt-get install faketime")
    made = write_archive(tmp_path / "archive", records_per_hour=1)
    where = ("--archive", str(made.folder), "--cache-dir", str(tmp_path / "cache"))

    def run(when: str, *words: str):
        start = [sys.executable, "-m", "intake_cvpilot.cache", *words, "--json"]
        start += where[2:] if words[0] == "evict" else where
        # The times of files stay as they are: seconds ago, whatever the clock says.
        call = ["env", "TZ=UTC", "NO_FAKE_STAT=1", "faketime", "-f", when, *start]
        return subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)

    return run


def action(done) -> str:
    assert done.returncode == Exit.OK, done.stderr
    (partition,) = json.loads(done.stdout)["partitions"]
    return partition["action"]


def test_a_day_is_listed_again_until_it_has_settled(at):
    early = at("@2021-03-29 12:00:00", "fetch", *DAY)
    assert early.returncode == Exit.USAGE  # a day that has not begun
    assert action(at("@2021-04-01 23:59:50", "fetch", *DAY)) == "fetched"
    assert action(at("@2021-04-02 00:00:20", "fetch", *DAY)) == "cached"  # within recheck
    assert action(at("@2021-04-03 01:00:00", "fetch", *DAY)) == "relisted"
    assert action(at("@2021-06-20 00:00:00", "fetch", *DAY)) == "relisted"  # now it is final
    assert action(at("@2022-01-01 00:00:00", "fetch", *DAY)) == "cached"


def test_a_listing_by_a_clock_that_was_ahead_is_not_final(at):
    assert action(at("@2031-01-01 00:00:00", "fetch", *DAY)) == "fetched"
    assert action(at("@2021-04-02 00:00:20", "fetch", *DAY)) == "relisted"
    assert action(at("@2021-04-02 00:01:00", "fetch", *DAY)) == "cached"


def test_midnight_ends_today_and_begins_a_day_that_is_open(at, tmp_path):
    today = ("wydot", "bsm", "--start", "2021-04-03", "--end", "2021-04-03")
    folder = tmp_path / "archive/wydot/BSM/2021/04/03/00"
    record = (
        '{"metadata":{"schemaVersion":6,"recordGeneratedAt":"2021-04-03T00:00:%02d.000Z"},'
        '"payload":{"data":{"coreData":{"msgCnt":1,"id":"A1B2C3D4"}}}}'
    )

    def rows(when: str) -> tuple[str, int]:
        done = at(when, "fetch", *today)
        assert done.returncode == Exit.OK, done.stderr
        (partition,) = json.loads(done.stdout)["partitions"]
        return partition["action"], partition["counts"]["records"]

    assert at("@2021-04-02 23:59:40", "fetch", *today).returncode == Exit.USAGE
    assert rows("@2021-04-03 00:00:01") == ("fetched", 0)  # nothing yet, which is not final
    folder.mkdir(parents=True)
    (folder / "first").write_text(record % 1)
    assert rows("@2021-04-03 23:59:40") == ("cached", 0)  # within recheck
    assert rows("@2021-04-04 00:00:30") == ("fetched", 1)
    (folder / "late").write_text(record % 2)
    assert rows("@2021-04-04 23:59:40") == ("cached", 1)
    assert rows("@2021-04-05 00:01:00") == ("fetched", 2)


def test_superseded_parts_go_before_any_partition_when_space_is_short(at, tmp_path):
    cache = tmp_path / "cache"
    both = ("wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-02")
    assert at("+0", "fetch", *both).returncode == Exit.OK
    (old,) = cache.glob("v1*/wydot/BSM/2021/04/01/messages-*.parquet")
    source = next(
        path for path in (tmp_path / "archive/wydot/BSM/2021/04/01").rglob("*") if path.is_file()
    )
    source.with_name("late").write_bytes(source.read_bytes())
    assert at("+0", "refresh", *both).returncode == Exit.OK
    assert old.exists()
    parts = {path for path in cache.rglob("messages-*.parquet") if path != old}
    size = sum(path.stat().st_size for path in cache.glob("v1*/**/*") if path.is_file())
    limit = ("evict", "--max-size", str(size - 1))
    # Frames that were opened lately may need it; three hours later it goes, and nothing else does.
    held = at("+0", *limit)
    assert held.returncode == Exit.SPACE
    told = json.loads(held.stdout)
    gone = [path.with_suffix("").stat().st_size for path in cache.rglob("*.superseded")]
    assert (told["in_use"], told["superseded"]) == (size, sum(gone))
    until = datetime.fromisoformat(told["until"])
    assert timedelta(0) < until - datetime.now(UTC) < timedelta(hours=1)
    assert old.exists()
    would = at("+3h", *limit, "--dry-run")
    assert old.exists()
    done = at("+3h", *limit)
    assert done.returncode == Exit.OK, done.stdout
    assert json.loads(done.stdout)["partitions"] == []
    assert [json.loads(one.stdout)["left"] for one in (would, done)] == [
        size - told["superseded"]
    ] * 2
    assert json.loads(would.stdout)["partitions"] == []
    assert not old.exists()
    assert parts == set(cache.rglob("messages-*.parquet"))
    # The next to go is a whole partition.
    least = at("+3h", "evict", "--max-size", "1")
    assert len(json.loads(least.stdout)["partitions"]) == 2
    assert not list(cache.rglob("messages-*.parquet"))
