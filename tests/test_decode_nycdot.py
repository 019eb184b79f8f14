"""New York's events: every cell, odd records, repeats, and the real ones."""

from __future__ import annotations

import hashlib
import json
import math
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from golden_compare import Bound, bounds, build, check, check_bound, put, sample
from hypothesis import given
from hypothesis import strategies as st

from intake_cvpilot.tables import table

SAMPLES = sorted(path.stem for path in (Path(__file__).parent / "samples").glob("nycdot-*.json"))


@pytest.mark.parametrize("stem", SAMPLES)
def test_cells_are_those_derived_by_hand(stem: str, tmp_path: Path) -> None:
    check(stem, tmp_path)


@pytest.mark.parametrize("bound", bounds("nycdot", "EVENT"), ids=str)
def test_both_sides_of_every_bound(bound: Bound, tmp_path: Path) -> None:
    check_bound(bound, tmp_path)


def built(data: bytes, folder: Path, hour: str = "2021/05/TUE/PM"):
    return build("nycdot", "EVENT", data, folder, hour=hour)


def changed(path: str, value: Any, stem: str = "nycdot-event-1") -> bytes:
    record = json.loads(sample(stem))
    put(record, path, value)
    return json.dumps(record).encode()


def nulls_balance(rows, result) -> None:
    """Null cells of every column are as many as the reasons counted for it."""
    for name in ("events", "bsms"):
        made = rows.get(name, [])
        for column in table(name).names:
            counted = sum(result.nulls[name].get(column, {}).values())
            if column not in ("extra", "is_repeat"):
                assert counted == sum(row[column] is None for row in made), (name, column)
        points = [point for row in made for point in row.get("path_history") or []]
        for field in "xyzt":
            counted = sum(result.nulls[name].get(f"path_history.{field}", {}).values())
            assert counted == sum(point[field] is None for point in points), field


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, -1, 127, 255, 16384, 32767, 65535, "", "N/A", "NA", "M", "T", "00", "zz"]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from([[], {}, [{}], [[]], [None], [1, 2], {"a": 1}, {"value": "2000", "length": 9}]),
).map(deepcopy)


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a record."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        found
        for key, inner in pairs
        for found in (
            (*before, key),
            *(paths(inner, (*before, key)) if isinstance(inner, (dict, list)) else ()),
        )
    ]


@given(st.sampled_from(SAMPLES), st.data())
def test_whatever_a_record_holds_the_counts_balance(stem: str, data) -> None:
    record = json.loads(sample(stem))
    for _ in range(data.draw(st.integers(1, 3))):
        places = paths(record)
        *steps, last = data.draw(st.sampled_from(places))
        holder = record
        for step in steps:
            holder = holder[step]
        holder[last] = data.draw(ODD)
    with TemporaryDirectory() as folder:
        rows, result = built(json.dumps(record).encode(), Path(folder))
        (unit,) = result.units
        assert (unit.lines, unit.blank) == (1, 0)
        assert unit.records + unit.quarantined == 1
        assert (result.inside, result.outside) == (unit.records, 0)
        nulls_balance(rows, result)
        if unit.records:
            (event,) = rows["events"]
            assert event["bsm_count"] == len(rows.get("bsms", []))


@given(st.sampled_from(SAMPLES), st.data())
def test_nothing_is_dropped_silently(stem: str, data) -> None:
    """A value that stands nowhere else is found in a cell or in ``extra``."""
    record = json.loads(sample(stem))
    *steps, last = data.draw(st.sampled_from([place for place in paths(record) if place]))
    holder = record
    for step in steps:
        holder = holder[step]
    if isinstance(holder, list) or data.draw(st.booleans()):
        holder[last] = "quince"
    else:
        holder["quince"] = "quince"
    with TemporaryDirectory() as folder:
        rows, result = built(json.dumps(record).encode(), Path(folder))
    assert "quince" in repr(rows) or result.quarantined


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", "missing_core"),
        (b'{"eventHeader": {}, "bsmList": []}', "missing_core"),
        (b'{"eventHeader": "fcw"}', "missing_core"),
        (b'{"metadata": {"dataType": "bsm"}, "payload": {"data": {}}}', "wrong_type"),
        (b'{"eventHeader": {"grpId": NaN}}', "not_finite"),
        (b'{"eventHeader": {"grpId": 1, "grpId": 1}}', "duplicate_key"),
        (b"[1, 2]", "not_object"),
        (b'{"eventHeader": {"grpId": 1}', "not_json"),
    ],
)
def test_what_is_no_event_is_quarantined(data: bytes, reason: str, tmp_path: Path) -> None:
    rows, result = built(data, tmp_path)
    assert rows == {}
    assert result.quarantined == {reason: 1}


def test_a_header_is_enough(tmp_path: Path) -> None:
    rows, result = built(b'{"eventHeader": [{"eventType": "new-app"}]}', tmp_path)
    (event,) = rows["events"]
    assert event["event_type"] == "new-app"
    assert (event["bsm_count"], event["map_count"]) == (0, 0)
    assert "bsms" not in rows
    nulls_balance(rows, result)


def test_an_event_with_a_schema_version_is_noted(tmp_path: Path) -> None:
    _, result = built(changed("schemaVersion", 2), tmp_path)
    assert result.versions == {"2": 1}
    assert list(result.unknown) == ["2"]


def test_items_that_are_no_bsm_stay_with_the_event(tmp_path: Path) -> None:
    record = json.loads(sample("nycdot-event-1"))
    record["bsmList"][1:3] = ["torn", {}]
    rows, result = built(json.dumps(record).encode(), tmp_path)
    assert [row["sequence"] for row in rows["bsms"]] == [1, None, 4]
    (event,) = rows["events"]
    assert event["bsm_count"] == 3
    assert json.loads(event["extra"]) == {"bsmList": [None, "torn"]}
    nulls_balance(rows, result)


def test_path_points_without_a_place_to_start_from_are_null(tmp_path: Path) -> None:
    """x and y need the last BSM's place, z and t the BSM's own."""
    last = "bsmList[3].bsmRecord.bsmMsg.coreData"
    rows, result = built(changed(f"{last}.X_m", "near"), tmp_path)
    point = rows["bsms"][0]["path_history"][0]
    assert (point["x"], point["y"], point["z"]) == (None, -38.5, -0.7)
    kept = ["X_m" in (row["extra"] or "") for row in rows["bsms"]]
    assert kept == [False, False, False, True]
    nulls_balance(rows, result)


@pytest.mark.parametrize(
    ("bin_", "folder", "notes"),
    [
        ("2021-05-TUE-PM", "2021/05/TUE/PM", 0),
        ("21-05-tue-pm", "2021/05/TUE/PM", 0),
        ("2021-05-N/A-N/A", "2021/05/NA/NA", 0),
        ("2021-05-TUE-AM", "2021/05/TUE/PM", 1),
        ("2021-05-WED-PM", "2021/05/TUE/PM", 1),
        ("2021-06-TUE-PM", "2021/05/TUE/PM", 1),
        ("2020-05-TUE-PM", "2021/05/TUE/PM", 1),
        ("2021-05-TUE-??", "2021/05/TUE/PM", 0),
        ("2021-05-TUE-PM", "2021/05/TUE", 0),
        (None, "2021/05/TUE/PM", 0),
    ],
)
def test_a_bin_unlike_its_folder_is_noted(bin_, folder, notes, tmp_path: Path) -> None:
    data = changed("eventHeader.eventTimeBin", bin_)
    _, result = built(data, tmp_path, folder)
    assert result.notes.get("bin_unlike_folder", 0) == notes


def test_parameters_are_text_whatever_they_were(tmp_path: Path) -> None:
    odd = {"a": "x", "b": 1, "c": 1.5, "d": None, "e": True, "f": {"g": [1]}}
    rows, _ = built(changed("eventHeader.parameters", odd), tmp_path)
    assert rows["events"][0]["parameters"] == {
        "a": "x",
        "b": "1",
        "c": "1.5",
        "d": "null",
        "e": "true",
        "f": '{"g": [1]}',
    }


def test_passwords_are_replaced_in_parameters_lists_and_extra(tmp_path: Path) -> None:
    record = json.loads(sample("nycdot-event-1"))
    record["eventHeader"]["parameters"] |= {"apiKey": "hunter2", "user": {"a": "hunter2"}}
    record["eventHeader"]["parameters"] |= {"a": {"password": "hunter2"}}
    record["timList"][0]["rsuPassword"] = record["rsuPassword"] = "hunter2"
    rows, _ = built(json.dumps(record).encode(), tmp_path)
    assert "hunter2" not in repr(rows)


def test_the_same_event_published_again_is_a_repeat_and_so_are_its_bsms(tmp_path: Path) -> None:
    one, two = sample("nycdot-event-1"), sample("nycdot-event-2")
    rows, result = built(b"\n".join((one.strip(), two.strip(), one.strip())), tmp_path)
    assert result.inside == 3
    repeated = {
        name: {(row["event_id"], row["line"]): row["is_repeat"] for row in made}
        for name, made in rows.items()
    }
    assert repeated["events"] == repeated["bsms"]
    assert sorted(repeated["events"].values()) == [False, False, True]
    assert {line for (_, line), again in repeated["events"].items() if again} == {
        max(line for _, line in repeated["events"])
    }
    assert sum(row["is_repeat"] for row in rows["bsms"]) == 4


def test_events_that_share_a_line_are_told_apart_by_their_id(tmp_path: Path) -> None:
    one = json.dumps(json.loads(sample("nycdot-event-1"))).encode()
    two = json.dumps(json.loads(sample("nycdot-event-2"))).encode()
    rows, result = built(one + two, tmp_path)
    assert (result.units[0].lines, result.inside) == (2, 2)
    assert [row["line"] for row in rows["events"]] == [1, 1]
    assert {row["event_id"] for row in rows["bsms"]} == {
        hashlib.sha256(raw).hexdigest()[:16] for raw in (one, two)
    }


def test_bsms_stay_as_listed(tmp_path: Path) -> None:
    """Also where sequence numbers, times or vehicles are in no order."""
    record = json.loads(sample("nycdot-event-1"))
    record["bsmList"].reverse()
    rows, _ = built(json.dumps(record).encode(), tmp_path)
    assert [row["sequence"] for row in rows["bsms"]] == [4, 3, 2, 1]


def test_the_real_events(bucket: Path, tmp_path: Path) -> None:
    """Path points lie on the vehicle's own track, as found for the publisher's formula."""
    apart = []
    for number, path in enumerate(sorted((bucket / "nycdot").rglob("*.txt"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows, result = built(path.read_bytes(), folder, "2021/04/FRI/AM")
        nulls_balance(rows, result)
        assert result.notes == {}
        assert all(row["extra"] is None for made in rows.values() for row in made)
        track = [(row["t"], row["x"], row["y"]) for row in rows["bsms"]]
        assert all(row["is_host"] == (row["rf_level"] is None) for row in rows["bsms"])
        for row in rows["bsms"]:
            for point in row["path_history"]:
                for before, after in pairwise(track):
                    if before[0] <= point["t"] <= after[0]:
                        share = (point["t"] - before[0]) / (after[0] - before[0])
                        x, y = (
                            b + share * (a - b) for b, a in zip(before[1:], after[1:], strict=True)
                        )
                        apart.append(math.hypot(point["x"] - x, point["y"] - y))
    assert len(apart) > 50
    assert sorted(apart)[len(apart) // 2] < 0.5
