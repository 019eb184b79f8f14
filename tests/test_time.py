"""Open and closed days over the months, by processes whose clock says another time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from intake_cvpilot.exits import Exit
from intake_cvpilot.synthetic import write_archive

DAY = ("wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-01")


@pytest.fixture
def at(tmp_path):
    """Run a command at an instant, UTC."""
    if shutil.which("faketime") is None:
        pytest.skip("needs faketime")
    made = write_archive(tmp_path / "archive", records_per_hour=1)
    where = ("--archive", str(made.folder), "--cache-dir", str(tmp_path / "cache"))

    def run(when: str, *words: str):
        start = [sys.executable, "-m", "intake_cvpilot.cache", *words, *where, "--json"]
        call = ["env", "TZ=UTC", "faketime", "-f", f"@{when}", *start]
        return subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)

    return run


def action(done) -> str:
    assert done.returncode == Exit.OK, done.stderr
    (partition,) = json.loads(done.stdout)["partitions"]
    return partition["action"]


def test_a_day_is_listed_again_until_it_has_settled(at):
    early = at("2021-03-29 12:00:00", "fetch", *DAY)
    assert early.returncode == Exit.USAGE  # a day that has not begun
    assert action(at("2021-04-01 23:59:50", "fetch", *DAY)) == "fetched"
    assert action(at("2021-04-02 00:00:20", "fetch", *DAY)) == "cached"  # within recheck
    assert action(at("2021-04-03 01:00:00", "fetch", *DAY)) == "relisted"
    assert action(at("2021-06-20 00:00:00", "fetch", *DAY)) == "relisted"  # now it is final
    assert action(at("2022-01-01 00:00:00", "fetch", *DAY)) == "cached"


def test_a_listing_by_a_clock_that_was_ahead_is_not_final(at):
    assert action(at("2031-01-01 00:00:00", "fetch", *DAY)) == "fetched"
    assert action(at("2021-04-02 00:00:20", "fetch", *DAY)) == "relisted"
    assert action(at("2021-04-02 00:01:00", "fetch", *DAY)) == "cached"
