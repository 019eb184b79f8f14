"""A downloaded whole-table CSV: split once, bounded, taken up again, and its end looked at."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

import intake_cvpilot as cv
from intake_cvpilot.archive.rows_group import Grouping, rows_in, time_parts
from intake_cvpilot.archive.rows_split import split
from intake_cvpilot.errors import ArchiveError
from intake_cvpilot.sources import message_type

BSM = message_type("wydot_portal", "BSM").dataset
NAMES = ["metadata_generatedAt", "metadata_schemaVersion", "coreData_id", "coreData_msgCnt",
         "coreData_speed", "part2_vse_ph_crumbdata", "metadata_logFileName"]  # fmt: skip
CRUMBS = '[{"latOffset": 0.001, "lonOffset": -0.002, "elevationOffset": 0.1, "timeOffset": 1.5}]'


def exported(when: datetime) -> str:
    return when.strftime("%m/%d/%Y %I:%M:%S %p")


def table(path, rows, end="\n", names=NAMES):
    """Write a table as the portal's export does."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(names)
    out.writerows(rows)
    path.write_text(text.getvalue()[:-1] + end)
    return path


def row(n, day=1, hour=None, note=""):
    when = datetime(2021, 4, day, n % 24 if hour is None else hour, 30, n % 60)
    return [exported(when), "6", f"{57303230 + n}", str(n % 128), "12.5", CRUMBS, note]


@pytest.fixture
def where(tmp_path):
    rows = [row(n, day=1 + n % 3) for n in range(300)]
    rows[7][-1] = 'two\nlines, and a "quote"'
    rows += [["", "6", "57303230", "1", "", "", ""], ["never", "6", "57303230", "1", "", "", ""]]
    path = table(tmp_path / "rows.csv", rows)
    return {"archive": f"file://{path}", "cache_dir": tmp_path / "cache"}


def test_a_table_is_an_archive_of_days(where):
    with pytest.warns(UserWarning, match="2 rows of the portal's table have no usable time"):
        report = cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-03", **where)
    assert [p.listing["rows"] for p in report.partitions] == [100, 100, 100]
    said = report.partitions[0].listing
    assert said["export_rows"] == 302
    assert (said["export_cut"], said["milliseconds"]) == (False, False)
    frame = cv.open_pandas("wydot_portal", "BSM", "2021-04-02", "2021-04-02", **where)
    assert len(frame) == 100
    assert set(frame.speed) == {12.5}
    assert frame.path_history.iloc[0][0]["time_offset"] == 1.5
    assert str(frame.event_time.iloc[0]) == "2021-04-02 01:30:01+00:00"
    assert 'two\nlines, and a "quote"' in set(frame.log_file)
    assert cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-03", **where).requests == 0


def test_the_split_table_may_go_and_the_days_fetched_stay(where):
    ask = ("wydot_portal", "BSM", "2021-04-02", "2021-04-02")
    before = cv.open_pandas(*ask, **where)
    shutil.rmtree(where["cache_dir"] / ".split")
    assert cv.verify(*ask, **where).is_good
    assert cv.fetch(*ask, **where).requests == 0
    assert cv.open_pandas(*ask, **where).equals(before)
    assert not (where["cache_dir"] / ".split").exists()
    assert len(cv.open_pandas("wydot_portal", "BSM", "2021-04-03", "2021-04-03", **where)) == 100


def aged(folder, hours=2):
    """As if nothing there had been used for so long."""
    then = time.time() - hours * 3600
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (then, then))


def test_what_a_table_was_cut_into_is_counted_and_goes_when_nobody_uses_it(where, tmp_path):
    ask = ("wydot_portal", "BSM", "2021-04-02", "2021-04-02")
    known = {"cache_dir": where["cache_dir"], "archive": where["archive"]}
    cache = where["cache_dir"]
    before = len(cv.open_pandas(*ask, **where))
    days = cache / ".split"
    size = sum(path.stat().st_size for path in days.rglob("*") if path.is_file())
    assert cv.status(**known).cut == size > 10_000
    assert f"cut into days: {size:,} bytes" in str(cv.status(**known))
    assert cv.evict(max_size=0, cache_dir=cache).freed == 0, "it was used within the hour"
    aged(days)
    cv.fetch("wydot_portal", "BSM", "2021-04-03", "2021-04-03", **where)
    assert cv.evict(max_size=0, cache_dir=cache).freed == 0, "reading is use"
    aged(days)
    (lock,) = days.rglob("split.lock")
    with FileLock(lock):
        aged(days)
        held = cv.evict(max_size=0, cache_dir=cache)
    assert "being cut by another process" in held.failed[0][1]
    aged(days)
    would = cv.evict(max_size=0, dry_run=True, cache_dir=cache)
    done = cv.evict(max_size=0, cache_dir=cache)
    assert done.cut == would.cut != ()
    assert (done.freed, done.partitions) == (would.freed, ())
    assert cv.status(**known).cut == 0
    # The days that were fetched stay, and others are cut anew.
    assert len(cv.open_pandas(*ask, offline=True, **where)) == before
    cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-01", **where)
    assert cv.status(**known).cut > size / 2
    assert cv.clear(*ask, **known).cut == (), "a range says nothing of the table"
    would = cv.clear("wydot_portal", dry_run=True, **known)
    assert len(would.cut) == 1
    assert "cut into days" in str(would)
    other = {**known, "archive": f"file://{tmp_path / 'other.csv'}"}
    with pytest.warns(UserWarning, match="has nothing here"):
        assert cv.clear("wydot_portal", **other).cut == ()
    assert cv.status(**known).cut > 0
    assert cv.clear("wydot_portal", **known).freed == would.freed
    assert cv.status(**known).cut == 0


def test_a_link_in_the_place_of_a_cut_table_is_not_followed(where, tmp_path):
    cv.fetch("wydot_portal", "BSM", "2021-04-02", "2021-04-02", **where)
    (name,) = (where["cache_dir"] / ".split").iterdir()
    outside = tmp_path / "outside"
    name.rename(outside)
    name.symlink_to(outside)
    aged(outside)
    cv.evict(max_size=0, cache_dir=where["cache_dir"])
    cv.clear("wydot_portal", cache_dir=where["cache_dir"], archive=where["archive"])
    assert (outside / "state.json").exists()
    assert list((outside / "days").iterdir())


def test_a_comparison_with_the_table_splits_it_in_the_cache(where, tmp_path, monkeypatch):
    ask = ("wydot_portal", "BSM", "2021-04-02", "2021-04-02")
    cv.fetch(*ask, **where)
    shutil.rmtree(where["cache_dir"] / ".split")
    elsewhere = tmp_path / "temporary"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    assert cv.verify(*ask, remote=True, **where).is_good
    assert list((where["cache_dir"] / ".split").iterdir())
    assert not list(elsewhere.iterdir())


def test_a_row_of_the_table_is_found_again(where):
    frame = cv.open_pandas("wydot_portal", "BSM", "2021-04-02", "2021-04-02", **where)
    one = frame.iloc[3]
    found = cv.trace(one, source="wydot_portal", message_type="BSM", **where)
    assert json.loads(found.raw)["coredata_id"] == one.vehicle_id
    assert found.key.startswith("wydot_portal/BSM/2021/04/02/")


@pytest.mark.parametrize(
    ("end", "cut", "rows"),
    [
        ("\n", False, 3),
        ("", False, 3),
        ("\n04/01/2021 10:30:00 AM,6,5730", True, 3),
        ('\n04/01/2021 10:30:00 AM,6,57303230,1,2.5,"[{""latO', True, 3),
    ],
)
def test_the_end_tells_whether_the_download_was_cut(tmp_path, end, cut, rows):
    path = table(tmp_path / "rows.csv", [row(n) for n in range(3)], end=end)
    state = split(path, BSM, tmp_path / "split")
    assert (state.cut, state.rows) == (cut, {"2021-04-01": rows})


def test_a_row_of_too_few_values_is_quarantined(tmp_path):
    path = table(tmp_path / "rows.csv", [row(1), row(2)[:4], row(3)])
    where = {"archive": path, "cache_dir": tmp_path / "cache"}
    report = cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-01", **where)
    assert (report.counts.lines, report.counts.records, report.counts.quarantined) == (3, 2, 1)


def test_another_table_is_refused(tmp_path):
    path = table(tmp_path / "rows.csv", [["x"]], names=["a"])
    with pytest.raises(ArchiveError, match="9k4m-a3jc: its first line lacks coredata_id"):
        cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-01", archive=path)
    with pytest.raises(ArchiveError, match="there is no file"):
        cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-01", archive=tmp_path / "no.csv")


def test_a_day_that_is_none_is_counted_with_the_rows_without_a_time(tmp_path):
    odd = [["02/30/2021 10:30:00 AM", *row(1)[1:]], ["13/01/2021 10:30:00 AM", *row(1)[1:]]]
    state = split(table(tmp_path / "rows.csv", [row(1), *odd]), BSM, tmp_path / "split")
    assert (state.rows, state.without_time, state.total) == ({"2021-04-01": 1}, 2, 3)


def test_a_table_that_changed_is_split_anew(tmp_path):
    path = table(tmp_path / "rows.csv", [row(1)])
    assert split(path, BSM, tmp_path / "split").rows == {"2021-04-01": 1}
    table(path, [row(1), row(2), row(3, day=2)])
    assert split(path, BSM, tmp_path / "split").rows == {"2021-04-01": 2, "2021-04-02": 1}


@pytest.mark.parametrize("lost", ["the end of a day", "a day"])
def test_a_split_that_lost_bytes_is_made_anew(tmp_path, lost):
    path = table(tmp_path / "rows.csv", [row(n, day=1 + n % 3) for n in range(30)])
    done = split(path, BSM, tmp_path / "split")
    day = tmp_path / "split" / "days" / "2021-04-02.csv"
    whole = day.read_bytes()
    day.write_bytes(whole[:-7]) if lost == "the end of a day" else day.unlink()
    assert split(path, BSM, tmp_path / "split") == done
    assert day.read_bytes() == whole


KILLED = """
import sys
from pathlib import Path
from intake_cvpilot.archive import rows_split
from intake_cvpilot.sources import message_type
rows_split.BLOCK = rows_split.HELD = 4096
rows_split.CHECKPOINT = 20_000
rows_split.split(Path(sys.argv[1]), message_type("wydot_portal", "BSM").dataset, Path(sys.argv[2]))
"""


def test_a_pass_that_was_killed_goes_on_and_no_row_is_there_twice(tmp_path):
    path = table(tmp_path / "rows.csv", [row(n, day=1 + n % 28) for n in range(40_000)])
    done = split(path, BSM, tmp_path / "whole")
    killed = 0
    for wait in (0.5, 0.6, 0.7, 0.8):
        run = subprocess.Popen([sys.executable, "-c", KILLED, path, tmp_path / "split"])
        time.sleep(wait)
        killed += run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
    again = split(path, BSM, tmp_path / "split")
    assert killed
    assert again == done
    for each in (tmp_path / "whole" / "days").iterdir():
        assert (tmp_path / "split" / "days" / each.name).read_bytes() == each.read_bytes()


LIMITED = """
import sys
from pathlib import Path
from intake_cvpilot.archive.rows_split import split
from intake_cvpilot.sources import message_type
split(Path(sys.argv[1]), message_type("wydot_portal", "BSM").dataset, Path(sys.argv[2]))
# Not getrusage: a new process begins with the peak of the one that started it.
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


def test_memory_does_not_grow_with_the_table(tmp_path):
    path = tmp_path / "rows.csv"
    table(path, [row(n, day=1 + n % 28, note="x" * 600) for n in range(10_000)])
    body = path.read_bytes().partition(b"\n")[2]
    with path.open("ab") as file:
        for _ in range(40):
            file.write(body)
    assert path.stat().st_size > 300 * 10**6
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path, tmp_path / "split"],
        capture_output=True,
        text=True,
        check=True,
    )
    path.unlink()
    assert int(done.stdout) * 1024 < 400 * 10**6


TEXT = st.text(st.sampled_from('ab,"\n\r 0123456789/:'), max_size=12)


@settings(max_examples=200)
@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=12), st.integers(1, 40))
def test_rows_are_cut_as_csv_says_whatever_the_blocks(rows, size):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["2021-04-01", *row] for row in rows])
    body = text.getvalue().encode()
    groups = Grouping(0, 10)
    for begin in range(0, len(body), size):
        groups.feed(body[begin : begin + size])
    found = [line for _, lines in groups.taken() for line in lines]
    assert b"".join(line + b"\n" for line in found) == body
    assert list(rows_in(body)) == found
    assert len(found) == len(rows)
    assert groups.end() == b""


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("04/06/2021 10:30:00 AM", ("2021-04-06", "10")),
        ("04/06/2021 12:30:00 AM", ("2021-04-06", "00")),
        ("04/06/2021 12:30:00 PM", ("2021-04-06", "12")),
        ("04/06/2021 11:59:59 PM", ("2021-04-06", "23")),
        ("2021-04-06T10:30:00.123", ("2021-04-06", "10")),
        ("04/06/2021", ("2021-04-06", "")),
        ("2021-04-06", ("2021-04-06", "")),
        ("", None),
        ("never", None),
    ],
)
def test_both_spellings_of_a_time(text, parts):
    assert time_parts(text) == parts


def test_new_yorks_table_is_split_by_month_and_weekday(tmp_path):
    names = ["eventHeader_eventTimeBin", "eventHeader_eventType", "bsmList"]
    bins = ["2021-04-FRI-AM", "21-04-FRI-PM", "2021-04-N/A-N/A", "x", "2021-04-XXX-AM"]
    path = table(tmp_path / "rows.csv", [[name, "fcw", "[]"] for name in bins], names=names)
    where = {"archive": path, "cache_dir": tmp_path / "cache"}
    month = ("2021-04-01", "2021-04-30")
    with pytest.warns(UserWarning, match="2 rows"):
        report = cv.fetch("nycdot_portal", "EVENT", *month, **where)
    rows = {p.key[-3:]: p.listing["rows"] for p in report.partitions if p.listing["rows"]}
    assert rows == {"FRI": 2, "/NA": 1}
    frame = cv.open_pandas("nycdot_portal", "EVENT", *month, period="AM", **where)
    assert list(frame.weekday) == ["FRI"]
