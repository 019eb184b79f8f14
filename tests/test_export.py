"""What is written for other tools: whole files only, the same rows in each format."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime

import pyarrow.parquet as pq
import pytest
from test_cli import run

import intake_cvpilot as cv
from intake_cvpilot.synthetic import write_archive

DAYS = ("wydot", "BSM", "2021-04-01", "2021-04-02")


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=4)
    return {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("cache")}


@pytest.fixture(scope="module")
def whole(where):
    return cv.open_pandas(*DAYS, **where)


def test_parquet_has_the_rows_and_the_columns_meanings(where, whole, tmp_path):
    done = cv.export(*DAYS, tmp_path / "out.parquet", **where)
    (file,) = done.files
    data = pq.read_table(file.path)
    assert file.rows == data.num_rows == len(whole)
    assert data.column_names == list(whole.columns)
    assert data.schema.field("speed").metadata[b"unit"] == b"m/s"
    assert str(data.schema.field("time_basis").type) == "string"
    assert sorted(data["line"].to_pylist()) == sorted(whole["line"].tolist())


def test_csv_and_ndjson_say_the_same(where, whole, tmp_path):
    columns = ["event_time", "speed", "vehicle_id", "sanitized", "events", "path_history", "extra"]
    asked = {"columns": columns, **where}
    cv.export(*DAYS, tmp_path / "out.csv", form="csv", **asked)
    cv.export(*DAYS, tmp_path / "out.ndjson", form="ndjson", **asked)
    with (tmp_path / "out.csv").open(newline="") as stream:
        sheet = list(csv.DictReader(stream))
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert len(sheet) == len(lines) == len(whole)
    for row, line in zip(sheet, lines, strict=True):
        assert list(row) == list(line) == columns
        assert datetime.fromisoformat(row["event_time"]).tzinfo == UTC
        assert row["event_time"] == line["event_time"]
        assert row["speed"] == ("" if line["speed"] is None else str(line["speed"]))
        assert row["sanitized"] == {True: "true", False: "false", None: ""}[line["sanitized"]]
        nested = row["path_history"]
        assert (json.loads(nested) if nested else None) == line["path_history"]
    assert any(row["path_history"] for row in sheet)


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("x.csv", b"speed"),
        ("x.NDJSON", b"{"),
        ("x.jsonl", b"{"),
        ("x.parquet", b"PAR1"),
        ("x", b"PAR1"),
    ],
)
def test_without_a_form_the_files_name_says_what_is_written(where, tmp_path, name, starts):
    cv.export(*DAYS, tmp_path / name, columns=["speed"], **where)
    assert (tmp_path / name).read_bytes().startswith(starts)


def test_one_file_a_day_is_the_same_rows_under_the_portals_names(where, whole, tmp_path):
    asked = {"names": "portal", "columns": ["metadata_generatedAt", "coreData_position"], **where}
    done = cv.export(*DAYS, tmp_path, split="day", form="csv", **asked)
    names = [f"wydot-bsm-messages-2021-04-0{day}.csv" for day in (1, 2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert sum(file.rows for file in done.files) == len(whole)
    for name, day in zip(names, ("2021-04-01", "2021-04-02"), strict=True):
        header, *lines = (tmp_path / name).read_text().splitlines()
        assert header == "metadata_generatedAt,coreData_position"
        assert lines
        assert all(line.startswith(day) for line in lines)


def test_what_is_there_stays_and_what_fails_leaves_nothing(where, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(cv.InvalidRequestError, match="is there already"):
        cv.export(*DAYS, out, form="csv", **where)
    assert out.read_text() == "mine"
    cv.export(*DAYS, out, form="csv", overwrite=True, **where)
    assert out.read_text().startswith("event_time")
    for part in where["cache_dir"].rglob("messages-*.parquet"):
        data = bytearray(part.read_bytes())
        part.chmod(0o600)
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
    with pytest.raises(cv.DamagedError):
        cv.export(*DAYS, tmp_path / "new.csv", form="csv", **where)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("wrong", [{"form": "xlsx"}, {"split": "hour"}, {"columns": ["sped"]}])
def test_a_wrong_wish_is_told_before_anything_is_fetched(wrong, tmp_path):
    with pytest.raises(cv.InvalidRequestError):
        cv.export(*DAYS, tmp_path / "x", archive=tmp_path, cache_dir=tmp_path / "c", **wrong)
    assert not (tmp_path / "c").exists()


MONTH = ("nycdot", "EVENT", "2021-04-01", "2021-04-30")


@pytest.mark.parametrize(
    ("request_", "output", "wish", "said"),
    [
        (DAYS, "", {}, "is a folder"),
        (DAYS, "", {"split": "day"}, "2021-04-02.parquet is there already"),
        (DAYS, "x", {"columns": []}, "no column"),
        (DAYS, "x.xlsx", {}, r"x.xlsx: .*end in .xlsx.*\.csv.*--format"),
        (DAYS, "x.csv.gz", {}, r"end in .gz.*--format"),
        (MONTH, "x", {"split": "day"}, "cannot be split"),
        (MONTH, "x", {"form": "geoparquet"}, "no positions"),
    ],
)
def test_what_cannot_be_written_costs_no_fetch(request_, output, wish, said, tmp_path):
    (tmp_path / "wydot-bsm-messages-2021-04-02.parquet").touch()
    where = {"archive": tmp_path, "cache_dir": tmp_path / "c"}
    with pytest.raises(cv.InvalidRequestError, match=said):
        cv.export(*request_, tmp_path / output, **where, **wish)
    with pytest.raises(cv.InvalidRequestError, match="is a URL"):
        cv.export(*request_, f"s3://bucket/{output}", **where, **wish)
    assert not (tmp_path / "c").exists()


def test_the_command(tmp_path):
    made = write_archive(tmp_path / "archive", records_per_hour=2)
    words = ["export", "wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-01", "--json"]
    words += ["-o", str(tmp_path / "day.csv"), "--columns", "speed, line"]
    words += ["--archive", str(made.folder), "--cache-dir", str(tmp_path / "cache")]
    start = [sys.executable, "-c", "from intake_cvpilot.cli import main; main()"]
    done = subprocess.run([*start, *words], capture_output=True, text=True, check=True)
    (file,) = json.loads(done.stdout)["files"]
    assert (tmp_path / "day.csv").read_text().count("\n") == file["rows"] + 1
    again = subprocess.run([*start, *words], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "overwrite" in again.stderr


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    days = [date(2021, 4, day) for day in range(1, 13)]
    made = write_archive(tmp_path_factory.mktemp("many"), days=days, records_per_hour=100)
    found = {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("many-cache")}
    cv.fetch("wydot", "BSM", days[0], days[-1], jobs=1, **found)
    return found


def test_the_commands_filters_are_those_of_the_library(many, tmp_path):
    whole = cv.open_pandas(*DAYS, **many)
    words = ["export", *DAYS[:2], "--start", DAYS[2], "--end", DAYS[3], "--json", "--offline"]
    words += ["--archive", str(many["archive"]), "--cache-dir", str(many["cache_dir"])]
    fast, slow = whole["speed"] > 25, whole["speed"] < 5
    for number, (text, expected) in enumerate(
        [
            ('[["speed", ">", 25], ["msg_count", "<", 64]]', fast & (whole["msg_count"] < 64)),
            ('[[["speed", ">", 25]], [["speed", "<", 5]]]', fast | slow),
        ]
    ):
        told = run(*words, "-o", str(tmp_path / f"{number}.csv"), "--filters", text)
        assert told.returncode == 0, told.stderr
        assert 0 < json.loads(told.stdout)["files"][0]["rows"] == expected.sum() < len(whole)
    for text in ("speed > 25", "25", '[["sped", ">", 25]]', '[["speed", ">", "fast"]]'):
        told = run(*words, "-o", str(tmp_path / "wrong.csv"), "--filters", text)
        assert told.returncode == 2, told.stderr
        assert "filters" in told.stderr or "sped" in told.stderr
    assert not (tmp_path / "wrong.csv").exists()


EXPORTING = """
import pathlib, re, sys
import intake_cvpilot as cv
end, form, target, archive, cache = sys.argv[1:]
cv.export("wydot", "BSM", "2021-04-01", end, target, form=form, archive=archive, cache_dir=cache,
          offline=True, outside="keep")
said = pathlib.Path("/proc/self/status").read_text()
print(re.search(r"VmHWM:\\s+(\\d+) kB", said)[1])
"""

# Allocators that keep what was freed would hide it: with these the peak repeats within 1 MB.
TIDY = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_six_times_the_days_take_no_more_memory(form, many, tmp_path):
    def peak(end):
        target = tmp_path / f"{end}.{form}"
        words = [end, form, str(target), str(many["archive"]), str(many["cache_dir"])]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", EXPORTING, *words],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **TIDY},
        )
        return int(done.stdout) / 1024, target.stat().st_size

    (two, small), (twelve, large) = peak("2021-04-02"), peak("2021-04-12")
    assert large > 5 * small
    assert twelve < two + 8, f"{twelve:.0f} MB after {two:.0f} MB"
