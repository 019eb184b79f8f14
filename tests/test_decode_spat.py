"""THEA SPaT: messages to the table ``movements``."""

from __future__ import annotations

import copy
import datetime as dt
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from golden_compare import Bound, bounds, check, check_bound, sample
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import built, check_balance, compact, holder_of, is_kept, mutated, places

import intake_cvpilot as cv


@pytest.mark.parametrize("stem", ["thea-spat-1", "thea-spat-1-autumn"])
def test_cells_are_those_derived_by_hand(stem: str, tmp_path: Path) -> None:
    check(stem, tmp_path)


@pytest.mark.parametrize("bound", bounds("thea", "SPAT"), ids=str)
def test_both_sides_of_every_bound(bound: Bound, tmp_path: Path) -> None:
    check_bound(bound, tmp_path)


KEY = "thea/SPAT/2019/11/03/01"
SAMPLES = [json.loads(sample(stem)) for stem in ("thea-spat-1", "thea-spat-1-autumn")]
LEAVES = [(n, path) for n, record in enumerate(SAMPLES) for path in places(record)]


@given(st.lists(mutated(SAMPLES), max_size=5))
@settings(deadline=None, max_examples=100)
def test_altered_records_balance(records: list[Any]) -> None:
    check_balance(KEY, [b"\n".join(map(compact, records))], "movements")


@given(st.sampled_from(LEAVES), st.booleans())
@settings(deadline=None, max_examples=150)
def test_nothing_is_dropped_silently(
    place: tuple[int, tuple[str | int, ...]], beside: bool
) -> None:
    number, path = place
    record = copy.deepcopy(SAMPLES[number])
    holder = holder_of(record, path)
    if beside and isinstance(holder, dict):
        holder["zz-key"] = "zz-mark"
    else:
        holder[path[-1]] = "zz-mark"
    assert is_kept(KEY, record, "zz-mark")


def rows_of(folder: Path, *records: Any) -> list[Any]:
    result, rows, _ = built(KEY, [b"\n".join(map(compact, records))], folder)
    assert not result.quarantined
    return rows


def intersection(record: Any) -> Any:
    found = record["payload"]["data"]["SPAT"]["intersections"]["IntersectionState"]
    return found[0] if isinstance(found, list) else found


def test_a_message_without_movements_gives_a_row(tmp_path: Path) -> None:
    none, no_states, no_events = (copy.deepcopy(SAMPLES[1]) for _ in range(3))
    del none["payload"]["data"]["SPAT"]["intersections"]
    del intersection(no_states)["states"]
    intersection(no_events)["states"] = {"MovementState": {"signalGroup": "3"}}
    rows = rows_of(tmp_path, none, no_states, no_events)
    assert [(r["intersection_id"], r["signal_group"], r["event"]) for r in rows] == [
        (None, None, None),
        (0, None, None),
        (0, 3, None),
    ]


def test_what_no_column_holds_stands_in_each_row_of_its_level(tmp_path: Path) -> None:
    record = copy.deepcopy(SAMPLES[0])
    spat = record["payload"]["data"]["SPAT"]
    spat["name"] = "downtown"
    first = spat["intersections"]["IntersectionState"][0]
    first["priority"] = {"x": "1"}
    first["states"]["MovementState"][0]["state-time-speed"]["MovementEvent"].append("odd")
    first["states"]["MovementState"][0]["state-time-speed"]["MovementEvent"][1]["speeds"] = ["30"]
    del first["states"]["MovementState"][1]["maneuverAssistList"]
    kept = [
        json.loads(row["extra"])["payload"]["data"]["SPAT"] for row in rows_of(tmp_path, record)
    ]
    assert [found["name"] for found in kept] == ["downtown"] * 4
    states = [found.get("intersections", {}).get("IntersectionState", {}) for found in kept]
    assert [found.get("priority") for found in states] == [{"x": "1"}] * 3 + [None]
    moves = [found.get("states", {}).get("MovementState") for found in states]
    assert moves == [
        {"state-time-speed": {"other": ["odd"]}},
        {"state-time-speed": {"MovementEvent": {"speeds": ["30"]}, "other": ["odd"]}},
        None,
        None,
    ]


def test_messages_repeat_each_other_and_stay_in_order(tmp_path: Path) -> None:
    plain = copy.deepcopy(SAMPLES[1])
    states = intersection(plain)["states"]["MovementState"]
    states.append(copy.deepcopy(states[1]))
    other = copy.deepcopy(plain)
    intersection(other)["states"]["MovementState"][0]["signalGroup"] = "9"
    rows = rows_of(tmp_path, plain, other, plain)
    assert [(r["line"], r["signal_group"], r["is_repeat"]) for r in rows] == [
        (1, 8, False),
        (1, 6, False),
        (1, 6, False),
        (2, 9, False),
        (2, 6, True),
        (2, 6, True),
        (3, 8, True),
        (3, 6, True),
        (3, 6, True),
    ]


def test_marks_wait_for_a_time(tmp_path: Path) -> None:
    record = copy.deepcopy(SAMPLES[1])
    record["metadata"]["recordGeneratedAt"] = "soon"
    first, second = rows_of(tmp_path, record)
    assert first["time_basis"] == second["time_basis"] == "folder"
    assert first["min_end_time"] is first["start_time"] is None
    events = json.loads(second["extra"])["payload"]["data"]["SPAT"]["intersections"]
    event = events["IntersectionState"]["states"]["MovementState"]["state-time-speed"]
    assert event["MovementEvent"]["timing"] == {"minEndTime": "17999"}


@pytest.mark.parametrize(
    ("stamp", "minute", "expected"),
    [
        # Stale by 22 hours over the new year, and a controller's clock that is ahead of it.
        ("2020-01-01 00:30:00.000 [ET]", 365 * 1440 - 1020, "2019-12-31 07:00"),
        ("2019-12-31 18:59:59.900 [ET]", 0, "2020-01-01 00:00"),
        ("2019-12-31 18:59:59.900 [ET]", 365 * 1440 - 1, "2019-12-31 23:59"),
        ("2019-06-01 00:00:00.000 [ET]", 0, "2019-01-01 00:00"),
    ],
)
def test_the_minute_of_the_year_has_a_year(
    stamp: str, minute: int, expected: str, tmp_path: Path
) -> None:
    record = copy.deepcopy(SAMPLES[1])
    record["metadata"]["recordGeneratedAt"] = stamp
    intersection(record)["moy"] = str(minute)
    row = rows_of(tmp_path, record)[0]
    assert f"{row['intersection_time']:%Y-%m-%d %H:%M}" == expected


def test_a_message_minute_that_nothing_tells_is_kept(tmp_path: Path) -> None:
    own, lost = copy.deepcopy(SAMPLES[1]), copy.deepcopy(SAMPLES[1])
    intersection(own)["moy"] = "439000"
    for record in (own, lost):
        record["payload"]["data"]["SPAT"]["timeStamp"] = "440000"
    intersection(lost)["timeStamp"] = "65535"
    for row in rows_of(tmp_path, own, lost):
        assert json.loads(row["extra"]) == {"payload": {"data": {"SPAT": {"timeStamp": "440000"}}}}
        assert (row["intersection_time"] is None) == (row["line"] == 2)


@given(st.integers(0, 35999), st.integers(0, 24 * 3600 * 1000 - 1))
@settings(deadline=None, max_examples=60)
def test_a_mark_is_the_nearest_instant_that_has_it(mark: int, millis: int) -> None:
    record = copy.deepcopy(SAMPLES[1])
    moment = dt.datetime(2019, 7, 1) + dt.timedelta(milliseconds=millis)
    stamp = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
    record["metadata"]["recordGeneratedAt"] = f"{stamp} [ET]"
    states = intersection(record)["states"]["MovementState"]
    states[0]["state-time-speed"]["MovementEvent"]["timing"] = {"likelyTime": str(mark)}
    with TemporaryDirectory() as folder:
        row = rows_of(Path(folder), record)[0]
    found, sent = row["likely_time"], row["event_time"]
    assert abs(found - sent) <= dt.timedelta(minutes=30)
    assert (found.minute * 60 + found.second) * 10 + found.microsecond // 100_000 == mark


def test_the_real_record(bucket: Path, tmp_path: Path) -> None:
    frame = cv.open_pandas(
        "thea", "SPAT", "2019-01-14", "2019-01-14", archive=str(bucket), cache_dir=tmp_path
    )
    assert list(frame["signal_group"]) == [10, 9, 4, 2]
    ends = [f"{moment:%H:%M:%S.%f}" for moment in frame["min_end_time"]]
    assert ends == ["05:00:20.900000", "05:00:00.000000", "05:00:20.900000", "05:00:14.900000"]
    assert set(frame["intersection_id"]) == {3150}
    assert {f"{moment:%d %H:%M:%S.%f}" for moment in frame["intersection_time"]} == {
        "14 05:00:00.034000"
    }
    assert frame["extra"].isna().all()
