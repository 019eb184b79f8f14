"""Who forgot to name the archive, or asks for an empty range again, is told so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import intake_cvpilot as cv
from intake_cvpilot.synthetic import write_archive

DAYS = ("wydot", "BSM", "2021-04-01", "2021-04-02")
EMPTY = ("wydot", "BSM", "2021-06-01", "2021-06-02")

pytestmark = pytest.mark.filterwarnings("ignore:.*do not lie in the window")


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=2)
    where = {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("cache")}
    cv.fetch(*DAYS, **where)
    return where


def test_a_cache_that_has_the_range_of_another_archive_says_of_which(where):
    cache = {"cache_dir": where["cache_dir"]}
    hint = rf"nothing here from s3://.* but from {where['archive'].as_uri()}: name the archive"
    with pytest.warns(UserWarning, match=hint):
        assert cv.quality(*DAYS, **cache).partitions[0].state == "missing"
    with pytest.warns(UserWarning, match=hint):
        assert len(cv.objects(*DAYS, **cache)) == 0
    with pytest.raises(cv.OfflineError, match=hint):
        cv.open_dask(*DAYS, offline=True, **cache)
    with pytest.raises(cv.InvalidRequestError, match=hint):
        cv.trace(1, 1, source="wydot", message_type="BSM", **cache)


def test_a_cache_that_lacks_days_of_the_archive_does_not_speak_of_others(where, recwarn):
    with pytest.raises(cv.OfflineError) as caught:
        cv.open_dask(*EMPTY, offline=True, **where)
    assert "nothing here" not in str(caught.value)
    cv.quality(*EMPTY, **where)
    assert not [w for w in recwarn if "nothing here" in str(w.message)]


def test_an_empty_range_is_told_of_each_time_and_planned_as_such(where):
    for _ in range(2):
        with pytest.warns(UserWarning, match="no objects for any of these partitions"):
            cv.fetch(*EMPTY, **where)
    plan = cv.plan(*EMPTY, **where)
    assert {p.status for p in plan.partitions} == {"no_data"}
    assert "2 without data" in str(plan)
    assert [line.split("  ")[-1] for line in plan.lines()] == ["no data", "no data"]


def test_a_plan_of_many_partitions_has_a_line_for_neighbours_that_are_alike(where):
    plan = cv.plan("wydot", "BSM", "2021-02-01", "2021-06-30", **where)
    lines = list(plan.lines())
    key = "wydot/BSM/2021/0{}".format
    assert [line.split("  ")[0] for line in lines] == [
        f"{key('2/01')} to {key('3/31')}",
        f"{key('4/01')} to {key('4/02')}",
        f"{key('4/03')} to {key('5/31')}",
        f"{key('6/01')} to {key('6/02')}",
        f"{key('6/03')} to {key('6/30')}",
    ]
    held = sum(p.rows or 0 for p in plan.partitions)
    assert lines[1].endswith(f"2 partitions  current  {held:,} rows")
    assert lines[3].endswith("2 partitions  current  no data")


def test_the_package_is_the_command(tmp_path):
    words = ["path", "--cache-dir", str(tmp_path)]
    run = [sys.executable, "-m", "intake_cvpilot", *words]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path)
