"""Traveler information: golden cells, bounds, every container, mutated records."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import golden_compare
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake_cvpilot.build import BlockTask, StagedUnit, build_block
from intake_cvpilot.tables import table

SOURCES = ("wydot", "wydot_backup", "thea")
STEMS = sorted(
    path.stem
    for path in (golden_compare.HERE / "samples").glob("*-tim-*.json")
    if golden_compare.owner(path.stem)[1] == "TIM"
)
BOUNDS = [bound for source in SOURCES for bound in golden_compare.bounds(source, "TIM")]
ROOT = ("payload", "data", "MessageFrame", "value", "TravelerInformation")


def record(stem: str = "wydot-tim-6") -> dict[str, Any]:
    return json.loads(golden_compare.sample(stem))


def root(of: dict[str, Any]) -> dict[str, Any]:
    for step in ROOT:
        of = of[step]
    return of


def frame(of: dict[str, Any]) -> dict[str, Any]:
    return root(of)["dataFrames"]["TravelerDataFrame"]


def region(of: dict[str, Any]) -> dict[str, Any]:
    return frame(of)["regions"]["GeographicalPath"]


def built(of: Any, source: str = "wydot") -> tuple[list[dict[str, Any]], Any]:
    with TemporaryDirectory() as folder:
        data = of if isinstance(of, bytes) else json.dumps(of).encode()
        rows, result = golden_compare.build(source, "TIM", data, Path(folder))
    return rows.get("frames", []), result


def rows_of(of: Any, source: str = "wydot") -> list[dict[str, Any]]:
    rows, result = built(of, source)
    assert result.units[0].records == 1, result.quarantined
    return rows


def extra(row: dict[str, Any]) -> Any:
    return None if row["extra"] is None else json.loads(row["extra"])


@pytest.mark.parametrize("stem", STEMS)
def test_cells_are_those_derived_by_hand(stem: str, tmp_path: Path) -> None:
    golden_compare.check(stem, tmp_path)


@pytest.mark.parametrize("bound", BOUNDS, ids=str)
def test_bounds_are_those_of_the_standard(bound: golden_compare.Bound, tmp_path: Path) -> None:
    golden_compare.check_bound(bound, tmp_path)


def test_every_column_is_filled_by_a_sample() -> None:
    filled: set[str] = set()
    for stem in STEMS:
        for row in rows_of(golden_compare.sample(stem), golden_compare.owner(stem)[0]):
            filled |= {name for name, value in row.items() if value is not None}
    # A BSM's column that all tables share.
    assert set(table("frames").names) - filled == {"sent_time"}


# Containers: all of these are the same message.


def _list_of_one(of: dict[str, Any]) -> None:
    root(of)["dataFrames"] = {"TravelerDataFrame": [frame(of)]}


def _objects_of_one_key(of: dict[str, Any]) -> None:
    root(of)["dataFrames"] = [{"TravelerDataFrame": frame(of)}]


def _twice_data_frames(of: dict[str, Any]) -> None:
    root(of)["dataFrames"] = {"dataFrames": {"TravelerDataFrame": frame(of)}}


def _bare_list(of: dict[str, Any]) -> None:
    root(of)["dataFrames"] = [frame(of)]


def _bare_frame(of: dict[str, Any]) -> None:
    root(of)["dataFrames"] = frame(of)


def _small_letters(of: dict[str, Any]) -> None:
    root(of)["dataframes"] = root(of).pop("dataFrames")


def _regions_list(of: dict[str, Any]) -> None:
    frame(of)["regions"] = [{"GeographicalPath": region(of)}]


def _regions_bare(of: dict[str, Any]) -> None:
    frame(of)["regions"] = [region(of)]


def _regions_inner(of: dict[str, Any]) -> None:
    frame(of)["regions"] = {"GeographicalPath": [region(of)]}


def _nodes_wrapped(of: dict[str, Any]) -> None:
    nodes = region(of)["description"]["path"]["offset"]["xy"]
    nodes["nodes"] = [{"NodeXY": one} for one in nodes["nodes"]["NodeXY"]]


def _items_bare(of: dict[str, Any]) -> None:
    said = frame(of)["content"]["advisory"]
    said["SEQUENCE"] = [one["item"] for one in said["SEQUENCE"]]


def _lists_all_the_way(of: dict[str, Any]) -> None:
    region(of)["description"] = [region(of)["description"]]
    region(of)["anchor"] = [region(of)["anchor"]]
    of["payload"]["data"]["MessageFrame"] = [of["payload"]["data"]["MessageFrame"]]


def _other_positions(of: dict[str, Any]) -> None:
    for holder in (region(of)["anchor"], frame(of)["msgId"]["roadSignID"]["position"]):
        holder["latitude"] = holder.pop("lat")
        holder["longitude"] = holder.pop("long")


def _other_duration(of: dict[str, Any]) -> None:
    frame(of)["duratonTime"] = frame(of).pop("durationTime")


def _broadcast(of: dict[str, Any]) -> None:
    inner = of["payload"]["data"].pop("MessageFrame")
    of["payload"]["data"]["AdvisorySituationData"] = {
        "a": [{"b": {"MessageFrame": inner["value"]}}]
    }


def _bare_message(of: dict[str, Any]) -> None:
    of["payload"]["data"] = {"TravelerInformation": root(of)}


def _plain_data(of: dict[str, Any]) -> None:
    of["payload"]["data"] = root(of)


@pytest.mark.parametrize(
    "change",
    [
        _list_of_one,
        _objects_of_one_key,
        _twice_data_frames,
        _bare_list,
        _bare_frame,
        _small_letters,
        _regions_list,
        _regions_bare,
        _regions_inner,
        _nodes_wrapped,
        _items_bare,
        _lists_all_the_way,
        _other_positions,
        _other_duration,
        _broadcast,
        _bare_message,
        _plain_data,
    ],
)
def test_every_container_gives_the_same_row(change: Any) -> None:
    expected = rows_of(record())
    changed = record()
    change(changed)
    assert rows_of(changed) == expected


def test_frames_and_regions_are_numbered_in_order() -> None:
    of = record()
    first, second = copy.deepcopy(frame(of)), copy.deepcopy(frame(of))
    second["regions"] = {"GeographicalPath": [region(of), region(of)]}
    third = {**copy.deepcopy(first)}
    del third["regions"]
    root(of)["dataFrames"]["TravelerDataFrame"] = [first, "odd", second, third]
    rows = rows_of(of)
    assert [(row["frame"], row["region"]) for row in rows] == [(0, 0), (1, 0), (1, 1), (2, None)]
    assert not any(row["is_repeat"] for row in rows)
    place = {"TravelerDataFrame": [None, "odd"]}
    inner = extra(rows[0])
    for step in ROOT:
        inner = inner[step]
    assert inner == {"dataFrames": place}
    assert len({row["extra"] for row in rows}) == 1


@pytest.mark.parametrize("nothing", ["", None, [], {}, [{}], {"TravelerDataFrame": ""}])
def test_a_message_without_a_frame_is_a_row(nothing: Any) -> None:
    of = record()
    root(of)["dataFrames"] = nothing
    (row,) = rows_of(of)
    assert (row["frame"], row["region"], row["packet_id"]) == (None, None, "00000000000A6B2C4F")
    assert row["extra"] is None


def test_a_frame_that_cannot_be_read_stays() -> None:
    of = record()
    root(of)["dataFrames"] = "torn"
    (row,) = rows_of(of)
    assert row["frame"] is None
    assert '"dataFrames":"torn"' in row["extra"]


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        ({"coreData": {"id": "1"}}, "us.dot.its.jpo.ode.plugin.j2735.J2735Bsm", "wrong_type"),
        ({"coreData": {"id": "1"}}, None, "wrong_type"),
        ({"SPAT": {"timeStamp": 1}}, None, "wrong_type"),
        ({"alert": "x"}, "us.dot.its.jpo.ode.model.OdeDriverAlertPayload", "wrong_type"),
        ({}, "TravelerInformation", "missing_core"),
        ({"TravelerInformation": {}}, None, "missing_core"),
        (None, None, "missing_core"),
    ],
)
def test_what_is_no_traveler_information_is_quarantined(
    data: Any, kind: str | None, reason: str
) -> None:
    of = record()
    of["payload"] = {"data": data, "dataType": kind}
    _, result = built(of)
    assert result.quarantined == {reason: 1}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"coreData": {"id": "1"}}, "wrong_type"),
        ({"TravelerInformation": ""}, "missing_core"),
    ],
)
def test_the_same_for_tampa(data: Any, reason: str) -> None:
    of = record("thea-tim-1")
    of["payload"]["data"] = data
    assert built(of, "thea")[1].quarantined == {reason: 1}


def test_a_stamp_without_a_zone_is_quarantined_for_wyoming_only() -> None:
    of = record()
    of["metadata"]["recordGeneratedAt"] = "2019-02-11T06:18:44.915"
    assert built(of)[1].quarantined == {"no_zone": 1}
    of = record("thea-tim-1")
    of["metadata"]["recordGeneratedAt"] = "2021-03-03 05:12:32.565"
    (row,) = rows_of(of, "thea")
    assert row["event_time"] == "2021-03-03T10:12:32.565000Z"


def test_an_unknown_version_is_read_as_the_newest() -> None:
    of = record()
    of["metadata"]["schemaVersion"] = 7
    (row,) = rows_of(of)
    assert row["schema_version"] == 7
    assert row["geometry"] == "path"


def test_the_first_versions_name_the_receivers_clock() -> None:
    of = record()
    del of["metadata"]["recordGeneratedAt"], of["metadata"]["odeReceivedAt"]
    of["metadata"] |= {
        "schemaVersion": 1,
        "generatedAt": "2017-09-05T20:23:39.194Z[UTC]",
        "receivedAt": "2017-09-05T20:23:39.194Z[UTC]",
    }
    (row,) = rows_of(of)
    assert (row["time_basis"], row["event_time"]) == ("received", "2017-09-05T20:23:39.194000Z")
    assert row["received_time"] == row["event_time"]


def test_the_repeated_hour_of_tampa_is_marked() -> None:
    of = record("thea-tim-1")
    of["metadata"]["recordGeneratedAt"] = "2020-11-01 01:30:00.000 [ET]"
    (row,) = rows_of(of, "thea")
    found = (row["event_time"], row["time_basis"])
    assert found == ("2020-11-01T05:30:00.000000Z", "generated_ambiguous")


def test_paths_of_the_columns_are_those_of_the_sources() -> None:
    paths = {column.name: dict(column.paths) for column in table("frames").columns}
    plain = "payload.data.TravelerInformation.dataFrames.TravelerDataFrame"
    frames = "payload.data.MessageFrame.value.TravelerInformation.dataFrames.TravelerDataFrame"
    assert paths["priority"] == {"wydot": frames + ".priority", "thea": plain + ".priority"}
    assert paths["duration_minutes"] == {
        "wydot": frames + ".durationTime",
        "thea": plain + ".duratonTime",
    }
    assert paths["path"]["thea"] == plain + ".regions.GeographicalPath.description.path"
    # Computed from others, or of other message types.
    assert {name for name, found in paths.items() if not found} == {
        "sent_time",
        "is_repeat",
        "extra",
        "object_id",
        "line",
    }


# What remains.


def test_odd_values_stand_at_their_raw_path_whatever_the_shape() -> None:
    of = record("wydot-tim-6-broadcast")
    inner = of["payload"]["data"]["AdvisorySituationData"]["asdmDetails"]["advisoryMessage"]
    message = inner["Ieee1609Dot2Data"]["content"]["unsecuredData"]["MessageFrame"]["value"]
    told = message["TravelerInformation"]
    told["msgCnt"] = 128
    told["dataFrames"]["TravelerDataFrame"]["duratonTime"] = "soon"
    told["dataFrames"]["TravelerDataFrame"]["regions"]["GeographicalPath"]["anchor"] = {
        "latitude": "north",
        "long": 1,
    }
    (row,) = rows_of(of)
    found = extra(row)["payload"]["data"]["AdvisorySituationData"]["asdmDetails"]
    found = found["advisoryMessage"]["Ieee1609Dot2Data"]["content"]["unsecuredData"]
    found = found["MessageFrame"]["value"]["TravelerInformation"]
    assert found["msgCnt"] == 128
    found = found["dataFrames"]["TravelerDataFrame"]
    assert found["duratonTime"] == "soon"
    assert found["regions"]["GeographicalPath"]["anchor"] == {"latitude": "north"}
    assert row["path"] is not None
    assert row["msg_count"] is row["duration_minutes"] is row["anchor_latitude"] is None


def test_an_odd_value_of_a_frame_stands_in_its_rows_only() -> None:
    of = record()
    odd = copy.deepcopy(frame(of)) | {"priority": 8, "sspTimRights": 3}
    root(of)["dataFrames"]["TravelerDataFrame"] = [frame(of), odd]
    one, other = rows_of(of)
    assert one["extra"] is None
    inner = extra(other)
    for step in ROOT:
        inner = inner[step]
    assert inner == {
        "dataFrames": {"TravelerDataFrame": [None, {"priority": 8, "sspTimRights": 3}]}
    }


def test_two_directions_that_differ_are_both_kept() -> None:
    of = record()
    geometry = {"direction": 1000000000000001, "circle": {"radius": 1, "units": 3}}
    region(of)["description"] = {"geometry": geometry}
    (row,) = rows_of(of)
    assert row["direction"] == "0001111100000000"
    assert "1000000000000001" in row["extra"]
    region(of)["description"]["geometry"]["direction"] = "0001111100000000"
    assert rows_of(of)[0]["extra"] is None


def test_a_radius_without_a_unit_stays() -> None:
    of = record()
    region(of)["description"] = {"geometry": {"circle": {"radius": 15}}}
    (row,) = rows_of(of)
    assert (row["geometry"], row["circle_radius"]) == ("circle", None)
    assert '"circle":{"radius":15}' in row["extra"]


def test_the_circle_of_an_old_region_is_a_circle() -> None:
    of = record()
    center = {"lat": 410000000, "long": -1050000000}
    circle = {"center": center, "radius": 10, "units": {"meter": None}}
    region(of)["description"] = {"oldRegion": {"area": {"circle": circle}}}
    (row,) = rows_of(of)
    assert row["geometry"] == "circle"
    place = row["circle_latitude"], row["circle_longitude"], row["circle_radius"]
    assert place == (41.0, -105.0, 10.0)
    assert (row["path"], row["extra"]) == (None, None)


def test_nodes_behind_an_unknown_one_stay_and_are_counted() -> None:
    of = record()
    nodes = [
        {"delta": {"node-XY1": {"x": 1, "y": 1}}},
        {"delta": {"node-XY1": {"x": -512, "y": 1}}},
        {"delta": {"node-LatLon": {"lat": 1, "lon": 2}}},
    ]
    region(of)["description"]["path"]["offset"]["xy"]["nodes"]["NodeXY"] = nodes
    rows, result = built(of)
    assert len(rows[0]["path"]) == 1
    assert result.notes == {"path_ended_unknown": 1}
    assert rows[0]["extra"].count("node-") == 2


@pytest.mark.parametrize("scale", [-1, 16, "x", 1.5])
def test_a_scale_that_cannot_be_read_leaves_the_nodes(scale: Any) -> None:
    of = record()
    region(of)["description"]["path"]["scale"] = scale
    rows, result = built(of)
    assert rows[0]["path"] is None
    assert rows[0]["extra"].count("node-LatLon") == 3
    assert sum(result.nulls["frames"]["path"].values()) == 1


@given(
    st.sampled_from(["rsuUsername", "rsuPassword", "password", "userName", "user_name", "pwd"]),
    st.sampled_from(
        [("metadata", "request"), ("metadata",), ("payload",), ("payload", "data"), ROOT]
    ),
    st.integers(0, 10**9),
)
@settings(max_examples=60, deadline=None)
def test_no_user_name_or_password_survives(key: str, where: tuple[str, ...], salt: int) -> None:
    secret = f"secret{salt}x"
    of = record()
    holder = of
    for step in where:
        holder = holder.setdefault(step, {})
    holder["rsus"] = [{key: secret}, {"a": {key: [secret, {"b": secret}]}}]
    holder[key] = secret
    for data in (json.dumps(of).encode(), json.dumps(of).encode()[:-3]):
        with TemporaryDirectory() as name:
            folder = Path(name)
            golden_compare.build("wydot", "TIM", data, folder)
            (folder / "raw").unlink()
            for path in folder.iterdir():
                shown = (
                    json.dumps(pq.read_table(path).to_pylist(), default=str)
                    if path.suffix == ".parquet"
                    else path.read_text()
                )
                assert secret not in shown


# Times.


def test_a_minute_of_the_year_is_in_the_year_before_only_when_a_day_ahead() -> None:
    for event, minute, expected in (
        ("2019-01-22T22:00:00Z", 521096, "2018-12-28T20:56:00.000000Z"),
        ("2019-12-31T23:59:00Z", 0, "2019-01-01T00:00:00.000000Z"),
        ("2019-01-01T12:00:00Z", 2160, "2019-01-02T12:00:00.000000Z"),
        ("2019-01-01T12:00:00Z", 2161, "2018-01-02T12:01:00.000000Z"),
        ("2020-12-31T00:00:00Z", 527039, "2020-12-31T23:59:00.000000Z"),
    ):
        of = record()
        of["metadata"]["recordGeneratedAt"] = event
        root(of)["timeStamp"] = minute
        assert rows_of(of)[0]["message_time"] == expected


def test_a_year_that_cannot_be_read_gives_no_start() -> None:
    of = record()
    frame(of)["startYear"] = 4096
    rows, result = built(of)
    assert rows[0]["start_time"] is None
    assert result.nulls["frames"]["start_time"] == {"out_of_range": 1}
    assert '"startTime":59400' in rows[0]["extra"]
    assert '"startYear":4096' in rows[0]["extra"]


# The ODE's own form.


def human() -> dict[str, Any]:
    position = {"latitude": 41.5, "longitude": -109, "elevation": 917.1432}
    return {
        "metadata": record()["metadata"],
        "payload": {
            "dataType": "us.dot.its.jpo.ode.plugin.j2735.OdeTravelerInformationMessage",
            "data": {
                "msgCnt": 13,
                "timeStamp": "2019-02-10T01:07:11-05:00",
                "packetID": "EC9C236B0000000000",
                "urlB": "null",
                "dataframes": [
                    {
                        "doNotUse1": 0,
                        "frameType": "advisory",
                        "msgId": {"roadSignID": {"position": position, "mutcdCode": 2}},
                        "startDateTime": "2019-02-10T02:47:11-05:00",
                        "durationTime": 22,
                        "priority": 0,
                        "regions": [
                            {
                                "name": "one",
                                "regulatorID": 23,
                                "segmentID": "33",
                                "anchorPosition": position,
                                "laneWidth": "7",
                                "directionality": "3",
                                "closedPath": False,
                                "direction": "1010101010101010",
                                "description": "geometry",
                                "geometry": {
                                    "direction": "1010101010101010",
                                    "circle": {"position": position, "radius": 15, "units": "7"},
                                },
                            },
                            {
                                "anchorPosition": position,
                                "description": "path",
                                "path": {
                                    "scale": 0,
                                    "type": "ll",
                                    "nodes": [
                                        {
                                            "nodeLong": "0.0002047",
                                            "nodeLat": -0.0002047,
                                            "delta": "node-LL1",
                                        },
                                        {
                                            "nodeLong": -109.5,
                                            "nodeLat": 41.25,
                                            "delta": "node-LatLon",
                                        },
                                    ],
                                },
                            },
                        ],
                        "content": "Advisory",
                        "items": ["250", "some text", "'98765"],
                        "url": "null",
                    }
                ],
            },
        },
    }


def test_the_odes_own_form_is_read() -> None:
    one, two = rows_of(human())
    expected = {
        "message_time": "2019-02-10T06:07:11.000000Z",
        "start_time": "2019-02-10T07:47:11.000000Z",
        "end_time": "2019-02-10T08:09:11.000000Z",
        "frame_type": "advisory",
        "content_type": "advisory",
        "itis_codes": [250],
        "texts": ["some text", "98765"],
        "mutcd": "warning",
        "sign_latitude": 41.5,
        "sign_longitude": -109.0,
        "sign_elevation": 917.1432,
        "anchor_longitude": -109.0,
        "lane_width": 7.0,
        "road_id": 33,
        "road_region_id": 23,
        "directionality": "both",
        "closed_path": False,
        "direction": "1010101010101010",
        "geometry": "circle",
        "circle_latitude": 41.5,
        "circle_radius": 24140.16,
        "url": None,
    }
    assert {name: one[name] for name in expected} == expected
    assert two["geometry"] == "path"
    assert two["path"] == [
        {"longitude": -108.9997953, "latitude": 41.4997953, "elevation": 917.1432},
        {"longitude": -109.5, "latitude": 41.25, "elevation": 917.1432},
    ]
    places = {key for key, _ in golden_compare.leaves(extra(two))}
    assert places == {"elevation"} or extra(two) is None


def test_its_stamp_is_the_second_choice_for_the_event_time() -> None:
    of = human()
    del of["metadata"]["recordGeneratedAt"]
    one, _ = rows_of(of)
    assert (one["time_basis"], one["event_time"]) == ("payload", "2019-02-10T06:07:11.000000Z")
    of = record()
    del of["metadata"]["recordGeneratedAt"]
    (row,) = rows_of(of)
    assert (row["time_basis"], row["event_time"]) == ("received", row["received_time"])


def test_its_odd_values_stay_as_published() -> None:
    of = human()
    (told,) = of["payload"]["data"]["dataframes"]
    told["regions"][0]["laneWidth"] = "1000"
    told["regions"][0]["segmentID"] = 70000
    told["items"] = ["70000", "x"]
    one, _ = rows_of(of)
    (found,) = extra(one)["payload"]["data"]["dataframes"]
    assert found["items"] == ["70000"]
    assert found["regions"][0]["laneWidth"] == "1000"
    assert found["regions"][0]["segmentID"] == 70000
    assert one["texts"] == ["x"]


# Properties.


def paths(value: Any, at: tuple = ()) -> list[tuple]:
    found = [at]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths(inner, (*at, index))
    return found


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "0", "-1", "1e400", "NaN", "x", "1111111111111111", "0000-00-00"])
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "TravelerDataFrame",
                    "regions",
                    "lat",
                    "delta",
                    "node-XY1",
                    "x",
                    "",
                    "item",
                    "path",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
MUTATION = st.tuples(
    st.integers(0, 10**6), st.sampled_from(["set", "drop", "wrap", "twice", "text"]), ANY_JSON
)


def mutate(of: Any, mutations: list[tuple[int, str, Any]]) -> Any:
    for pick, how, value in mutations:
        known = [path for path in paths(of) if path]
        if not known:
            return of
        path = known[pick % len(known)]
        holder = of
        for step in path[:-1]:
            holder = holder[step]
        old = holder[path[-1]]
        if how == "drop":
            del holder[path[-1]]
        else:
            new = {
                "set": value,
                "wrap": [old],
                "twice": [old, copy.deepcopy(old)],
                "text": str(old),
            }
            holder[path[-1]] = new[how]
    return of


def balanced(lines: list[bytes], source: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "raw"
        raw.write_bytes(b"\n".join(lines))
        key = f"{source}/TIM/2019/02/11/06/x"
        task = BlockTask(source, "TIM", key, None, None, (StagedUnit(key, 17, raw),), folder)
        result = build_block(task)
        (unit,) = result.units
        assert unit.lines == len(lines) == unit.records + unit.blank + unit.quarantined
        assert result.inside + result.outside == unit.records
        for file in result.files:
            if file.role == "frames":
                made = pq.read_table(folder / file.name)
                assert made.num_rows == result.rows["frames"] >= unit.records
                nulls = result.nulls["frames"]
                for column in set(made.column_names) - {"extra"}:
                    counted = sum(nulls.get(column, {}).values())
                    assert counted == made.column(column).null_count, column


@given(st.sampled_from(STEMS), st.lists(MUTATION, min_size=1, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_records_never_crash_and_counts_balance(
    stem: str, mutations: list[tuple[int, str, Any]]
) -> None:
    of = mutate(json.loads(golden_compare.sample(stem)), mutations)
    balanced([golden_compare.sample(stem), json.dumps(of).encode()], golden_compare.owner(stem)[0])


@given(st.lists(MUTATION, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_odes_form_mutated_does_not_crash_either(
    mutations: list[tuple[int, str, Any]],
) -> None:
    balanced([json.dumps(mutate(human(), mutations)).encode()], "wydot")


@given(
    st.sampled_from([*STEMS, "human"]),
    st.lists(MUTATION, max_size=4),
    st.integers(0, 10**6),
    st.sampled_from(["add", "replace"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_dropped(
    stem: str, mutations: list[tuple[int, str, Any]], pick: int, how: str
) -> None:
    """A value that nobody expects, put anywhere, is found again in a cell or in ``extra``."""
    of = human() if stem == "human" else json.loads(golden_compare.sample(stem))
    of = mutate(of, mutations)
    places = [path for path in paths(of) if path and path[0] == "payload"]
    if not places:
        return
    path = places[pick % len(places)]
    holder, old = _at(of, path[:-1]), _at(of, path)
    if how == "add" and isinstance(old, dict):
        old["unexpected"] = "unexpected mark"
    else:
        holder[path[-1]] = "unexpected mark"
    rows, result = built(of, "wydot" if stem == "human" else golden_compare.owner(stem)[0])
    if result.units[0].records:
        assert "unexpected mark" in json.dumps(rows).lower()


def _at(of: Any, path: tuple) -> Any:
    for step in path:
        of = of[step]
    return of


def test_a_record_of_very_many_frames_stays_bounded_and_whole() -> None:
    of = record()
    small = {"priority": 1}
    root(of)["dataFrames"] = {"TravelerDataFrame": [small] * 3000}
    rows = rows_of(of)
    # 8 MiB / (3,000 times 15 bytes and the rest): more than the standard's 8 times 16.
    kept = len(rows)
    assert 128 <= kept <= 1024
    left = extra(rows[0])
    for step in ROOT:
        left = left[step]
    assert left["dataFrames"]["TravelerDataFrame"][kept:] == [small] * (3000 - kept)


def test_rows_of_a_message_stay_together_and_in_order(tmp_path: Path) -> None:
    of = record("wydot-tim-6-region")
    again = copy.deepcopy(of)
    again["metadata"]["serialId"]["recordId"] += 1
    (tmp_path / "raw").write_bytes(b"\n".join(json.dumps(one).encode() for one in (of, again)))
    rows, _ = golden_compare.build("wydot", "TIM", (tmp_path / "raw").read_bytes(), tmp_path)
    found = [(row["line"], row["frame"], row["region"]) for row in rows["frames"]]
    assert found == sorted(found, key=lambda one: (one[0], one[1], one[2] or 0))
    repeats = [row["is_repeat"] for row in rows["frames"]]
    assert repeats == [False] * 7 + [True] * 7


# Real records.


def test_the_real_day_of_wyoming(bucket: Path, tmp_path: Path) -> None:
    from intake_cvpilot import open_pandas

    frames = open_pandas(
        "wydot", "TIM", "2019-01-22", "2019-01-22", archive=str(bucket), cache_dir=tmp_path
    )
    assert len(frames) == 80
    assert frames["extra"].isna().all()
    assert frames["path"].notna().all()
    assert not frames["is_repeat"].any()
    assert set(frames["direction"].str.len()) == {16}
    assert set(frames["packet_id"].str.len()) == {18}
    for row in frames.itertuples():
        first = row.path[0]
        metres = 111_000 * max(
            abs(first["latitude"] - row.anchor_latitude),
            abs(first["longitude"] - row.anchor_longitude) * 0.75,
        )
        assert 10 < metres < 400
    # The receiver stands at or near the zones that it heard of while the satellite's cover all.
    assert frames["start_time"].min() >= dt.datetime(2018, 12, 1, tzinfo=dt.UTC)


def test_the_real_day_of_tampa(bucket: Path, tmp_path: Path) -> None:
    from intake_cvpilot import open_pandas

    (row,) = open_pandas(
        "thea", "TIM", "2021-03-03", "2021-03-03", archive=str(bucket), cache_dir=tmp_path
    ).to_dict("records")
    assert len(row["path"]) == 38
    last = row["path"][-1]
    # The west end of the Selmon reversible lanes, on Meridian Avenue.
    assert (round(last["latitude"], 4), round(last["longitude"], 3)) == (27.9524, -82.449)
    assert [row["path"][0]["elevation"], last["elevation"]] == [-1.5, -20.0]
    assert re.fullmatch("[01]{16}", row["view_angle"])


@pytest.mark.parametrize("key", ["wydot/TIM/2018/05/01", "wydot/TIM/2018/12/10"])
def test_the_real_bench_records_leave_what_no_column_holds(bucket: Path, key: str) -> None:
    (path,) = (one for one in (bucket / key).rglob("*") if one.is_file())
    (row,) = rows_of(path.read_bytes())
    left = {name for name, _ in golden_compare.leaves(extra(row))}
    assert {"sspTimRights", "sspLocationRights", "sspMsgRights1", "sspMsgRights2"} <= left
    assert (
        not left & {"lat", "itis", "scale", "startTime"} - {"lat"}
        or "AdvisorySituation" in (row["extra"])
    )
