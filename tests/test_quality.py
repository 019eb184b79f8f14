"""Quality: figures that add up over blocks, percentiles within their bound, and the calendar."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

import intake_cvpilot as cv
from intake_cvpilot.account import summary
from intake_cvpilot.build import BlockTask, StagedUnit, build_block
from intake_cvpilot.cli import cli
from intake_cvpilot.exits import Exit
from intake_cvpilot.frames.choose import choose_repeat
from intake_cvpilot.hours import LEGEND, Seen, calendar, expected, text
from intake_cvpilot.lateness import ERROR, Lateness
from intake_cvpilot.partition import Block, partition, partitions
from intake_cvpilot.request import parse
from intake_cvpilot.sources import sources
from intake_cvpilot.sums import add_quality, told
from intake_cvpilot.synthetic import write_archive
from intake_cvpilot.tables import Table, table
from intake_cvpilot.tables.figures import Measuring

RANGE = ("wydot", "BSM", "2021-04-01", "2021-04-02")
EVENT = datetime(2021, 4, 1, 5, tzinfo=UTC)
TIME = pa.timestamp("us", "UTC")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=8)


@pytest.fixture(scope="module")
def where(made, tmp_path_factory):
    """A cache that holds both days; tests do not change it."""
    options = {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("cache")}
    cv.fetch(*RANGE, **options)
    return options


@pytest.fixture
def own(made, where, tmp_path):
    """Copies of archive and cache that a test may change."""
    shutil.copytree(made.folder, tmp_path / "archive")
    return {"archive": tmp_path / "archive", "cache_dir": tmp_path / "cache"}


# Figures


def rows_of(cells) -> pa.Table:
    """Rows from (seconds after EVENT, lateness in microseconds or None, basis, repeat)."""
    events = [EVENT + timedelta(seconds=after) for after, _, _, _ in cells]
    late = [None if us is None else timedelta(microseconds=us) for _, us, _, _ in cells]
    received = [None if b is None else a + b for a, b in zip(events, late, strict=True)]
    return pa.table(
        {
            "event_time": pa.array(events, TIME),
            "received_time": pa.array(received, TIME),
            "time_basis": pa.array([basis for _, _, basis, _ in cells], pa.string()),
            "is_repeat": pa.array([repeat for _, _, _, repeat in cells], pa.bool_()),
        }
    )


def figures(rows: pa.Table):
    measuring = Measuring("messages")
    measuring.add("messages", rows)
    measuring.add("messages.outside", rows)  # rows outside the window count nowhere
    return measuring.done()


CELLS = st.lists(
    st.tuples(
        st.integers(0, 90_000),
        st.one_of(st.none(), st.integers(-(10**9), 10**6), st.integers(0, 10**14)),
        st.sampled_from(["generated", "generated", "payload", "received", "folder"]),
        st.booleans(),
    ),
    max_size=60,
)


@given(CELLS, st.lists(st.integers(0, 60), max_size=4).map(sorted))
def test_figures_of_blocks_add_up_to_those_of_the_whole(cells, cuts):
    bounds = [0, *cuts, len(cells)]
    blocks = [rows_of(cells[a:b]) for a, b in pairwise(bounds)]
    added = add_quality(asdict(figures(block)) for block in blocks)
    whole = asdict(figures(rows_of(cells)))
    assert told(added) == told(whole)
    assert added["lateness"]["ms"] == whole["lateness"]["ms"]


@given(st.lists(st.integers(0, 10**14), min_size=1, max_size=200))
@example([10_000])
def test_percentiles_are_within_their_bound(micros):
    found = Lateness.of(figures(rows_of([(0, us, "generated", False) for us in micros])).lateness)
    ordered = [micro / 1e6 for micro in sorted(micros)]
    ranked = {p: ordered[math.ceil(p * len(ordered) / 100) - 1] for p in (50, 90, 99)}
    told_seconds = {50: found.p50, 90: found.p90, 99: found.p99}
    for true, seconds in [
        (ordered[-1], found.max),
        *((ranked[p], told_seconds[p]) for p in ranked),
    ]:
        # The bound itself is reached: half a millisecond, and a decimal that floats miss by a hair.
        assert seconds == pytest.approx(true, rel=ERROR, abs=0.0005 + 1e-9)
    assert found.rows == len(micros)


def test_what_says_nothing_of_lateness_is_counted_apart():
    cells = [
        (0, 5_000_000, "generated", False),
        (1, -1, "generated", False),
        (2, None, "generated", False),
        (3, 0, "received", False),
        (4, 0, "folder", False),
    ]
    found = Lateness.of(figures(rows_of(cells)).lateness)
    assert (found.rows, found.negative, found.unknown) == (1, 1, 3)
    assert found.p50 == found.max == pytest.approx(5, rel=ERROR)
    assert str(Lateness.of({})) == "no rows"


def test_rows_without_time_are_counted_by_period():
    rows = pa.table({"period": pa.array(["AM", "PM", "AM", None]).dictionary_encode()})
    measuring = Measuring("events")
    measuring.add("events", rows)
    assert measuring.done().hours == {"AM": 2, "NA": 1, "PM": 1}
    assert measuring.done().lateness == {}


def test_blocks_that_are_built_apart_add_up_to_one(made, tmp_path):
    day = partition("wydot/BSM/2021/04/01")
    found = sorted(p for p in (made.folder / day.key).rglob("*") if p.is_file())
    units = [StagedUnit(str(p.relative_to(made.folder)), n, p) for n, p in enumerate(found)]

    def built(name, chosen):
        folder = tmp_path / name
        folder.mkdir()
        task = BlockTask("wydot", "BSM", day.key, day.start, day.end, tuple(chosen), folder)
        return summary(Block(name, ()), build_block(task))["quality"]

    cut = len(units) // 3
    apart = add_quality([built("a", units[:cut]), built("b", units[cut:])])
    assert told(apart) == told(built("whole", units))


# Quality of a range


def test_figures_are_those_of_the_frames(made, where):
    found = cv.quality(*RANGE, **where)
    frame = cv.open_pandas(*RANGE, **where)
    assert found.fetched
    assert found.counts.rows == len(frame)
    assert sum(p.outside["messages"] for p in found.partitions if p.outside) == made.outside
    assert sum(sum(p.quarantined.values()) for p in found.partitions) == made.bad
    assert sum(p.repeats["messages"] for p in found.partitions) == frame["is_repeat"].sum()
    assert sum(sum(p.versions.values()) for p in found.partitions) == made.records
    hours = frame["event_time"].astype("datetime64[us, UTC]").dt.strftime("%Y-%m-%dT%H")
    counted = {hour: n for p in found.partitions for hour, n in p.hours.items()}
    assert counted == hours.value_counts().to_dict()
    for day, rows in frame.groupby(frame["event_time"].astype("datetime64[us, UTC]").dt.date):
        one = next(p for p in found.partitions if p.key.endswith(f"{day:%Y/%m/%d}"))
        late = (rows["received_time"] - rows["event_time"]).astype("timedelta64[us]")
        seconds = late.dt.total_seconds()
        assert one.lateness.rows == len(rows)
        for percent in (50, 90, 99):
            true = seconds.quantile(percent / 100, interpolation="lower")
            high = seconds.quantile(percent / 100, interpolation="higher")
            told_seconds = getattr(one.lateness, f"p{percent}")
            assert true * (1 - ERROR) <= told_seconds <= high * (1 + ERROR)
        assert one.lateness.max == pytest.approx(seconds.max(), rel=ERROR)


def test_the_report_gives_the_same_figures(where):
    report = cv.fetch(*RANGE, **where)
    found = cv.quality(*RANGE, **where)
    for told_one, one in zip(report.partitions, found.partitions, strict=True):
        assert told_one.quality["lateness"] == asdict(one.lateness)
        assert told_one.quality["repeats"] == one.repeats
        assert told_one.quality["hours"]["seen"] == len(one.seen)
        assert told_one.quality["hours"]["expected"] == len(one.expected) == 24
    assert report.quality["hours"]["expected"] == 48
    assert report.quality["lateness"]["rows"] == sum(p.lateness.rows for p in found.partitions)
    json.dumps(report.to_dict())
    json.dumps(found.to_dict())


def test_nothing_is_fetched_asked_or_written(made, tmp_path):
    cache = tmp_path / "cache"
    found = cv.quality(*RANGE, archive=tmp_path / "no archive", cache_dir=cache)
    assert not cache.exists()
    assert not found.fetched
    assert [p.state for p in found.partitions] == ["missing", "missing"]
    assert {cell for line in found.calendar for cell in line.cells.values()} == {"not_fetched"}
    assert str(found).count("not fetched") == 3


def test_a_gap_is_told_from_no_data_from_not_fetched_and_from_damage(own):
    for hour in ("03", "04"):
        shutil.rmtree(own["archive"] / "wydot/BSM/2021/04/01" / hour)
    cv.fetch("wydot", "BSM", "2021-03-31", "2021-04-02", **own)
    damaged = next(own["cache_dir"].rglob("2021/04/02/manifest.json"))
    damaged.write_bytes(b"{}")
    found = cv.quality("wydot", "BSM", "2021-03-31T18:00", "2021-04-03", **own)
    cells = {line.label: line.cells for line in found.calendar}
    assert cells["2021-03-31"] == dict.fromkeys([f"{h:02}" for h in range(18, 24)], "no_data")
    gaps = {h for h, cell in cells["2021-04-01"].items() if cell == "gap"}
    assert gaps == {"03", "04"}
    assert set(cells["2021-04-01"].values()) == {"rows", "gap"}
    assert set(cells["2021-04-02"].values()) == {"damaged"}
    assert set(cells["2021-04-03"].values()) == {"not_fetched"}
    shown = str(found).splitlines()
    assert "2021-03-31                       oooooo" in shown
    assert "2021-04-01  ###..# ###### ###### ######" in shown
    assert "2021-04-02  !!!!!! !!!!!! !!!!!! !!!!!!" in shown
    assert "2021-04-03  ?????? ?????? ?????? ??????" in shown
    assert all(any(words in line for line in shown) for words in LEGEND)
    first = found.partitions[1]
    assert len(first.seen) == 22
    assert "22 of 24" in str(first)


def test_a_refresh_changes_the_figures_as_a_new_cache_has_them(own, tmp_path):
    cv.fetch(*RANGE, **own)
    late = own["archive"] / "wydot/BSM/2021/04/01/23/late"
    late.write_bytes(next(p for p in late.parent.iterdir()).read_bytes())
    refreshed = cv.fetch(*RANGE, refresh=True, **own)
    anew = cv.fetch(*RANGE, archive=own["archive"], cache_dir=tmp_path / "anew")
    assert refreshed.quality == anew.quality
    assert refreshed.quality["repeats"]["messages"] > 0


# The calendar, without a cache


@given(
    st.sampled_from(["wydot", "thea"]),
    st.dates(date(2018, 1, 1), date(2023, 12, 1)),
    st.integers(1, 5),
    st.integers(0, 23),
)
def test_every_hour_of_a_range_has_one_folder(source, day, days, hour):
    start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    request = parse(source, "BSM", start, start + timedelta(days=days))
    found = partitions(request)
    covered = [hour for one in found for hour in expected(one)]
    assert len(covered) == len(set(covered))
    lines = calendar(request, [Seen(one, "gap", {}) for one in found])
    assert sum(len(line.cells) for line in lines) == 24 * days
    assert {len(expected(one)) for one in found} <= {23, 24, 25}


def test_thea_days_are_shown_in_utc_hours_with_the_spill_of_the_day_before():
    request = parse("thea", "BSM", "2019-01-14", "2019-01-14")
    before, day = partitions(request)
    assert expected(before)[-1] == "2019-01-14T04"
    seen = [Seen(before, "gap", {"2019-01-14T05": 3}), Seen(day, "gap", {"2019-01-14T06": 1})]
    (line,) = calendar(request, seen)
    assert [hour for hour, cell in line.cells.items() if cell == "rows"] == ["05", "06"]
    unknown = [seen[0], Seen(day, "not_fetched", {})]
    assert calendar(request, unknown)[0].cells["05"] == "not_fetched"


def test_new_york_has_periods():
    request = parse("nycdot", "EVENT", "2021-04-01", "2021-04-30", weekday="FRI,NA", period="AM,PM")
    friday, na = partitions(request)
    assert expected(friday) == ("NT", "AM", "MD", "PM", "EV")
    assert expected(na) == ()
    lines = calendar(request, [Seen(friday, "gap", {"AM": 2}), Seen(na, "not_fetched", {})])
    assert [(line.label, dict(line.cells)) for line in lines] == [
        ("2021-04 FRI", {"AM": "rows", "PM": "gap"}),
        ("2021-04 NA", {"AM": "not_fetched", "PM": "not_fetched"}),
    ]
    assert (
        "NA"
        not in calendar(
            parse("nycdot", "EVENT", "2021-04-01", "2021-04-30", weekday="FRI"),
            [Seen(friday, "gap", {"AM": 2})],
        )[0].cells
    )  # events without a period are no gap when there are none
    shown = text(lines).splitlines()
    head, row = shown[0], shown[1]
    assert [row[head.index(name)] for name in ("NT", "AM", "MD", "PM")] == [" ", "#", " ", "."]


# Repeats


def test_repeats_are_dropped_on_request_whatever_the_range(own):
    folder = own["archive"] / "wydot/BSM/2021/04/01"
    for original in sorted(p for p in folder.rglob("*") if p.is_file()):
        lines = [json.loads(line) for line in original.read_bytes().splitlines() if b"NaN" in line]
        if not lines:
            original.with_name(f"{original.name}-again").write_bytes(original.read_bytes())
    span = ("wydot", "BSM", "2021-04-01", "2021-04-01")

    def rows(start, end, **options):
        frame = cv.open_pandas("wydot", "BSM", start, end, **options, **own)
        return sorted(zip(frame["object_id"], frame["line"], strict=True))

    every = cv.open_pandas(*span, **own)
    kept = cv.open_pandas(*span, repeats="drop", **own)
    assert 0 < len(kept) < len(every)
    assert len(every) - len(kept) == every["is_repeat"].sum()
    columns = ["event_time", "vehicle_id", "sec_mark", "msg_count", "latitude", "speed"]
    pd.testing.assert_frame_equal(
        every[columns].drop_duplicates().reset_index(drop=True), kept[columns]
    )
    drop = {"repeats": "drop"}
    times = sorted(every["event_time"].astype("datetime64[us, UTC]"))
    middle = times[len(times) // 2].to_pydatetime()
    whole = rows("2021-04-01", "2021-04-01", **drop)
    first = rows(datetime(2021, 4, 1, tzinfo=UTC), middle, **drop)
    second = rows(middle, datetime(2021, 4, 2, tzinfo=UTC), **drop)
    assert whole == sorted(first + second)
    assert len(cv.open_dask(*span, repeats="drop", **own)) == len(kept)
    assert cv.open_arrow(*span, repeats="drop", **own).count_rows() == len(kept)
    entry = cv.open_catalog().wydot_bsm(start=span[2], end=span[3], repeats="drop", **own)
    assert len(entry.read()) == len(kept)


def test_real_repeats(bucket, tmp_path):
    where = {"archive": bucket, "cache_dir": tmp_path}
    found = cv.quality("wydot", "BSM", "2019-02-06", "2019-02-06", **where)
    assert not found.fetched
    rows = cv.open_pandas("wydot", "BSM", "2019-02-06", "2019-02-06", repeats="drop", **where)
    (one,) = cv.quality("wydot", "BSM", "2019-02-06", "2019-02-06", **where).partitions
    assert one.rows["messages"] - one.repeats["messages"] == len(rows) < one.rows["messages"]
    assert one.lateness.p50 == pytest.approx(56.95 * 86400, rel=ERROR)
    assert one.seen == ("2019-02-06T16",)


def test_wrong_values_and_tables_without_repeats_are_refused(where):
    with pytest.raises(cv.InvalidRequestError, match="repeats is 'drop' or 'keep'"):
        cv.open_pandas(*RANGE, repeats="no", **where)
    plain = Table("plain", "1.0", "No marks.", (table("messages").column("speed"),), ("speed",))
    with pytest.raises(cv.InvalidRequestError, match="plain does not mark repeats"):
        choose_repeat(plain)


def test_files_keep_repeats_whatever_was_asked(where):
    dropped = cv.open_catalog().wydot_bsm(
        start=RANGE[2], end=RANGE[3], repeats="drop", cache_dir=str(where["cache_dir"]),
        archive=str(where["archive"]),
    ).files()  # fmt: skip
    assert sum(pq.read_metadata(Path(path)).num_rows for path in dropped) == len(
        cv.open_pandas(*RANGE, **where)
    )


def test_real_events_are_counted_by_period(bucket, tmp_path):
    where = {"archive": bucket, "cache_dir": tmp_path}
    span = ("nycdot", "EVENT", "2021-04-01", "2021-04-30")
    rows = cv.open_pandas(*span, **where)
    found = cv.quality(*span, **where)
    friday = next(p for p in found.partitions if p.key.endswith("/FRI"))
    assert friday.hours == {"AM": len(rows)}
    assert friday.seen == ("AM",)
    shown = str(friday)
    assert "periods      1 of 5 with rows" in shown
    assert "lateness" not in shown
    line = next(line for line in found.calendar if line.label == "2021-04 FRI")
    assert line.cells == {"NT": "gap", "AM": "rows", "MD": "gap", "PM": "gap", "EV": "gap"}


# The command


def test_the_command_gives_text_and_json(where):
    words = ["quality", "wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-03"]
    words += ["--archive", str(where["archive"]), "--cache-dir", str(where["cache_dir"])]
    told_text = CliRunner().invoke(cli, words)
    assert told_text.exit_code == Exit.OK
    assert "2021-04-03  ?????? ?????? ?????? ??????" in told_text.output
    assert "lateness     p50" in told_text.output
    told_json = json.loads(CliRunner().invoke(cli, [*words, "--json"]).output)
    assert told_json["fetched"] is False
    assert [len(p["seen"]) for p in told_json["partitions"]] == [24, 24, 0]
    assert told_json["calendar"]["2021-04-01"]["05"] == "rows"


def test_the_command_ends_with_problems_where_the_cache_is_damaged(own):
    cv.fetch(*RANGE, **own)
    next(own["cache_dir"].rglob("manifest.json")).write_bytes(b"{}")
    words = ["quality", "wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-02"]
    words += ["--archive", str(own["archive"]), "--cache-dir", str(own["cache_dir"])]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == Exit.PROBLEMS
    assert "cvpilot repair" in done.output


def test_every_source_and_type_can_be_asked(tmp_path):
    for source in sources().values():
        for kind in source.types:
            span = ("2021-04-01", "2021-04-30")
            try:
                found = cv.quality(source.name, kind, *span, cache_dir=tmp_path)
            except NotImplementedError:  # not decoded in this version
                continue
            assert not found.fetched
            assert str(found)
