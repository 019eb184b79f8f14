"""THEA's clock: UTC ranges over folders that are cut and named on the Eastern wall."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import intake_cvpilot as cv
from intake_cvpilot.decode.eastern import EasternStamp, folder_eastern, is_repeated, passes, repeats
from intake_cvpilot.decode.readers import Odd
from intake_cvpilot.partition import partition
from intake_cvpilot.tables.convert import convert

WALL = ZoneInfo("America/New_York")
SPRING = datetime(2019, 3, 10, tzinfo=UTC)
AUTUMN = datetime(2019, 11, 3, tzinfo=UTC)
STEP = timedelta(minutes=10)
HOUR = timedelta(hours=1)
Record = dict[str, Any]


def wall(moment: datetime) -> str:
    return f"{moment.astimezone(WALL):%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} [ET]"


def metadata(moment: datetime, kind: str, unit: str) -> Record:
    return {
        "schemaVersion": 1,
        "recordGeneratedBy": "rsu",
        "recordGeneratedAt": wall(moment),
        "logFileName": "x.csv",
        "kind": "in",
        "psid": {"bsm": "32", "spat": "32770"}[kind],
        "RSUID": unit,
        "externalID": "NA",
        "dataType": kind,
    }


def bsm(moment: datetime, unit: str = "thea1") -> Record:
    """A record whose id tells the instant that it means."""
    core = {"msgCnt": "1", "id": name(moment), "secMark": str(moment.second * 1000)}
    return {"metadata": metadata(moment, "bsm", unit), "payload": {"data": {"coreData": core}}}


def spat(moment: datetime, unit: str = "thea1", *, minute: bool = True) -> Record:
    """The same with a time mark that lies half a second ahead."""
    year = datetime(moment.year, 1, 1, tzinfo=UTC)
    mark = (moment + timedelta(seconds=0.5)).timestamp() % 3600
    state = {
        "signalGroup": "2",
        "state-time-speed": {
            "MovementEvent": {
                "eventState": {"stop-And-Remain": None},
                "timing": {"minEndTime": str(int(mark * 10))},
            }
        },
    }
    message: Record = {
        "intersections": {
            "IntersectionState": {
                "id": {"id": "7"},
                "name": name(moment),
                "status": "0" * 16,
                "states": {"MovementState": [state, {**state, "signalGroup": "4"}]},
            }
        }
    }
    if minute:
        message["timeStamp"] = str(int((moment - year) / timedelta(minutes=1)))
    return {"metadata": metadata(moment, "spat", unit), "payload": {"data": {"SPAT": message}}}


def name(moment: datetime) -> str:
    return f"{moment:%m%dT%H%M%S.%f}"


def put(root: Path, kind: str, hour: datetime, records: Iterable[Record], tail: str = "a") -> Path:
    """An object in the folder of a wall hour."""
    folder = root / "thea" / kind / f"{hour.astimezone(WALL):%Y/%m/%d/%H}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"usdot-its-cvpilot-{kind.lower()}-public-0-{tail}"
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def filed(
    root: Path, kind: str, make: Callable[[datetime], Record], moments: Iterable[datetime]
) -> None:
    """Records in order, filed literally by the hour of the wall, an object an hour."""
    hours: dict[str, list[datetime]] = {}
    for moment in moments:
        hours.setdefault(f"{moment.astimezone(WALL):%Y/%m/%d/%H}", []).append(moment)
    for held in hours.values():
        put(root, kind, held[0], map(make, held))


def moments(day: datetime, days: int = 1) -> list[datetime]:
    """Every ten minutes from a day before to some days after."""
    count = (days + 2) * 144
    return [
        day - timedelta(days=1) + n * STEP + timedelta(milliseconds=n % 3) for n in range(count)
    ]


def names(frame: pd.DataFrame, column: str = "vehicle_id") -> list[str]:
    return [str(text) for text in frame[column]]


@pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("kind", ["BSM", "SPAT"])
def test_each_day_and_hour_of_utc_holds_exactly_its_rows(
    kind: str, day: datetime, tmp_path: Path
) -> None:
    column, each = ("vehicle_id", 1) if kind == "BSM" else ("intersection_name", 2)
    made = moments(day)
    filed(tmp_path / "archive", kind, bsm if kind == "BSM" else spat, made)
    options = {"archive": str(tmp_path / "archive"), "cache_dir": tmp_path / "cache"}

    def expected(start: datetime, end: datetime) -> list[str]:
        return [name(m) for m in made if start <= m < end for _ in range(each)]

    # Of the first and the last day half a day or less is filed within the folders made here.
    for n in range(-1, 2):
        start = day + timedelta(days=n)
        frame = cv.open_pandas("thea", kind, start.date(), start.date(), **options)
        assert names(frame, column) == expected(start, start + timedelta(days=1))
        assert set(frame["time_basis"]) == {"generated"}
        times = [moment.to_pydatetime() for moment in frame["event_time"]]
        assert [name(moment) for moment in times] == names(frame, column)
    for n in range(16):
        start = day + n * HOUR
        frame = cv.open_pandas("thea", kind, start, start + HOUR, **options)
        assert names(frame, column) == expected(start, start + HOUR)


def test_marks_and_sent_times_move_with_their_pass(tmp_path: Path) -> None:
    made = [m for m in moments(AUTUMN) if AUTUMN + 4 * HOUR <= m < AUTUMN + 9 * HOUR]
    filed(tmp_path / "archive", "SPAT", lambda m: spat(m, minute=False), made)
    filed(tmp_path / "archive", "BSM", bsm, made)
    options = {"archive": str(tmp_path / "archive"), "cache_dir": tmp_path / "cache"}
    frame = cv.open_pandas("thea", "SPAT", AUTUMN.date(), AUTUMN.date(), **options)
    ahead = frame["min_end_time"].astype("datetime64[us, UTC]") - frame["event_time"].astype(
        "datetime64[us, UTC]"
    )
    assert set(frame["time_basis"]) == {"generated"}
    assert ahead.between(pd.Timedelta("0.4s"), pd.Timedelta("0.6s")).all()
    frame = cv.open_pandas("thea", "BSM", AUTUMN.date(), AUTUMN.date(), **options)
    apart = frame["sent_time"].astype("datetime64[us, UTC]") - frame["event_time"].astype(
        "datetime64[us, UTC]"
    )
    assert apart.abs().max() <= pd.Timedelta("5ms")


# Filed by the first of them, they run over midnight of the wall.
LATE = [AUTUMN + 3.5 * HOUR + n * timedelta(minutes=17) for n in range(5)]


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the autumn change, some of it misfiled: the very last is in no window."""
    root = tmp_path_factory.mktemp("autumn")
    filed(root, "BSM", bsm, moments(AUTUMN, days=2))
    put(root, "BSM", LATE[0], [bsm(m, "thea2") for m in [*LATE, AUTUMN + 9 * HOUR]], "late")
    return root


@given(st.lists(st.integers(0, 96 * 6), min_size=3, max_size=3).map(sorted))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_range_is_the_union_of_its_parts(autumn: Path, cuts: list[int]) -> None:
    made = [*moments(AUTUMN, days=2), *LATE]
    a, b, c = (AUTUMN - timedelta(days=1) + n * STEP + timedelta(milliseconds=1) for n in cuts)

    def rows(start: datetime, end: datetime) -> list[str]:
        if start == end:
            return []
        options = {"archive": str(autumn), "cache_dir": autumn.with_name("cache")}
        return names(cv.open_pandas("thea", "BSM", start, end, **options))

    whole = rows(a, c)
    assert sorted(whole) == sorted(rows(a, b) + rows(b, c))
    assert sorted(whole) == sorted(name(m) for m in made if a <= m < c)


def rows_of(root: Path, kind: str = "BSM") -> pd.DataFrame:
    return cv.open_pandas(
        "thea",
        kind,
        AUTUMN.date(),
        AUTUMN.date(),
        archive=str(root),
        cache_dir=root.with_name("cache"),
    )


def test_what_nothing_resolves_is_the_first_pass(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    first, second = AUTUMN + 5.5 * HOUR, AUTUMN + 6.25 * HOUR
    put(root, "BSM", first, [bsm(first)], "a")
    put(root, "BSM", first, [bsm(second)], "b")
    frame = rows_of(root)
    assert list(frame["time_basis"]) == ["generated_ambiguous"] * 2
    assert [f"{t:%H:%M}" for t in frame["event_time"]] == ["05:15", "05:30"]


@pytest.mark.parametrize(
    ("minutes", "told"),
    [((59, 29), False), ((59, 28), True), ((50, 10, 15, 5, 59), True), ((10, 50, 40), False)],
)
def test_only_a_step_back_of_more_than_half_an_hour_tells(
    minutes: tuple[int, ...], told: bool, tmp_path: Path
) -> None:
    start = AUTUMN + 5 * HOUR
    put(tmp_path / "archive", "BSM", start, [bsm(start + timedelta(minutes=m)) for m in minutes])
    frame = rows_of(tmp_path / "archive").sort_values("line")
    assert set(frame["time_basis"]) == {"generated" if told else "generated_ambiguous"}
    hours = [6 if told and n else 5 for n in range(len(minutes))]
    times = [f"{h:02}:{m:02}" for h, m in zip(hours, minutes, strict=True)]
    assert [f"{t:%H:%M}" for t in frame["event_time"]] == times


def test_order_counts_within_one_object_and_roadside_unit(tmp_path: Path) -> None:
    start = AUTUMN + 5 * HOUR
    late, early = start + timedelta(minutes=55), start + timedelta(minutes=5)
    nameless = bsm(early)
    del nameless["metadata"]["RSUID"]
    root = tmp_path / "archive"
    put(root, "BSM", start, [bsm(late, "thea1"), bsm(early, "thea2"), nameless], "a")
    put(root, "BSM", start, [bsm(early, "thea1")], "b")
    frame = rows_of(root)
    assert set(frame["time_basis"]) == {"generated_ambiguous"}
    put(root, "BSM", start, [bsm(late, "thea3"), bsm(early, "thea2"), bsm(early, "thea3")], "c")
    frame = cv.open_pandas(
        "thea", "BSM", AUTUMN, AUTUMN + 12 * HOUR, archive=str(root), cache_dir=tmp_path / "other"
    )
    told = frame[frame["time_basis"] == "generated"]
    assert set(told["rsu_id"]) == {"thea3"}
    assert [f"{t:%H:%M}" for t in told["event_time"]] == ["05:55", "06:05"]


def test_the_order_of_lines_tells_across_chunks(tmp_path: Path) -> None:
    """The step stands beyond the first chunk of conversion, and decides what stands before it."""
    start = AUTUMN + 5 * HOUR
    made = [start + n * timedelta(milliseconds=700) for n in range(10_000)]
    put(tmp_path / "archive", "BSM", start, map(bsm, made))
    frame = rows_of(tmp_path / "archive")
    assert len(frame) == 10_000
    assert set(frame["time_basis"]) == {"generated"}
    assert names(frame) == [name(m) for m in made]


def test_a_minute_of_the_year_tells_unless_it_is_stale(tmp_path: Path) -> None:
    moment = AUTUMN + 6.5 * HOUR
    fresh, stale = spat(moment, "thea1"), spat(moment, "thea2")
    stale["payload"]["data"]["SPAT"]["timeStamp"] = str(307 * 1440 - 22 * 60)
    own = spat(moment, "thea3", minute=False)
    own["payload"]["data"]["SPAT"]["intersections"]["IntersectionState"]["moy"] = fresh["payload"][
        "data"
    ]["SPAT"]["timeStamp"]
    put(tmp_path / "archive", "SPAT", moment, [fresh, stale, own])
    frame = rows_of(tmp_path / "archive", "SPAT").drop_duplicates("rsu_id").set_index("rsu_id")
    assert dict(frame["time_basis"].astype(str)) == {
        "thea1": "generated",
        "thea2": "generated_ambiguous",
        "thea3": "generated",
    }
    assert {unit: f"{t:%H:%M}" for unit, t in frame["event_time"].items()} == {
        "thea1": "06:30",
        "thea2": "05:30",
        "thea3": "06:30",
    }


@given(st.dates(date(2017, 1, 1), date(2030, 12, 31)))
@settings(deadline=None)
def test_both_passes_lie_on_the_same_side_of_every_window(day: date) -> None:
    """What lets the pass be settled after the window was applied."""
    sundays = [date(day.year, 11, n) for n in range(1, 8) if date(day.year, 11, n).weekday() == 6]
    change = datetime.combine(sundays[0], datetime.min.time(), UTC)
    first, last = change + 5 * HOUR, change + 6 * HOUR - timedelta(microseconds=1)
    assert passes(int((first - 4 * HOUR).timestamp()) // 3600).repeated
    for away in (*range(-2, 3), (day - sundays[0]).days):
        found = partition(f"thea/BSM/{sundays[0] + timedelta(days=away):%Y/%m/%d}")
        assert found.start is not None
        assert found.end is not None
        sides = {found.start <= m + n * HOUR < found.end for m in (first, last) for n in (0, 1)}
        assert len(sides) == 1


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30)), st.sampled_from(["", " [ET]"]))
@settings(deadline=None, max_examples=300)
def test_a_stamp_is_the_first_pass_of_its_wall(moment: datetime, zone: str) -> None:
    raw = f"{moment:%Y-%m-%d %H:%M:%S.%f}".rjust(26, "0") + zone
    found = EasternStamp().one(raw)
    whole = convert(EasternStamp(), [raw, None]).array
    assert whole.cast("int64").to_pylist() == [found, None]
    hour = moment.replace(minute=0, second=0, microsecond=0, tzinfo=WALL)
    there = hour.astimezone(UTC) + (moment - hour.replace(tzinfo=None))
    assert found == (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if repeats(raw):
        assert is_repeated(found // 3_600_000_000)


def test_what_a_stamp_may_say() -> None:
    def read(raw: Any) -> str:
        try:
            micros = EasternStamp().one(raw)
        except Odd as odd:
            return odd.reason
        return f"{datetime(1970, 1, 1) + timedelta(microseconds=micros):%d %H:%M}"

    assert read("2019-11-03 01:30:00 [ET]") == read("2019-11-03 01:30") == "03 05:30"
    assert read("2019-11-03 01:30:00 [EDT]") == read("2019-11-03T01:30:00-04:00") == "03 05:30"
    assert read("2019-11-03 01:30:00 [EST]") == read("2019-11-03T06:30:00Z") == "03 06:30"
    # The skipped hour: the clock had not been put forward.
    assert read("2019-03-10 02:30:00 [ET]") == read("2019-03-10 03:30:00 [ET]") == "10 07:30"
    assert read("2019-03-10 02:30:00 [CT]") == "unreadable"
    assert read("") == "missing"
    assert read(5) == "unreadable"
    assert read("9999-12-31 22:00:00 [ET]") == read("0001-12-31 00:00:00") == "out_of_range"
    done = convert(EasternStamp(), ["2019-03-10 02:30:00 [ET]", "2019-11-03 01:30:00 [ET]"])
    assert done.notes == {"skipped_hour": 1, "repeated_hour": 1}


def test_folders_begin_on_the_wall() -> None:
    def begins(key: str) -> datetime:
        return datetime.fromtimestamp(folder_eastern(key) / 1e6, UTC)

    assert begins("thea/BSM/2019/01/14/00/x") == datetime(2019, 1, 14, 5, tzinfo=UTC)
    assert begins("thea/BSM/2019/11/03/01/x") == datetime(2019, 11, 3, 5, tzinfo=UTC)
    assert begins("thea/BSM/2019/11/03/02/x") == datetime(2019, 11, 3, 7, tzinfo=UTC)
    assert begins("nowhere") == datetime(1970, 1, 1, tzinfo=UTC)
