"""THEA BSM: raw J2735 texts to the table ``messages``."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.dataframe as dd
import pandas as pd
import pytest
from golden_compare import Bound, bounds, check, check_bound, sample
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import built, check_balance, compact, holder_of, is_kept, mutated, places

import intake_cvpilot as cv
from intake_cvpilot.decode import thea, thea_spat
from intake_cvpilot.tables.convert import KINDS, convert
from intake_cvpilot.tables.exact import each

if TYPE_CHECKING:
    from intake_cvpilot.decode.readers import Reader


@pytest.mark.parametrize("stem", ["thea-bsm-1", "thea-bsm-1-sentinels"])
def test_cells_are_those_derived_by_hand(stem: str, tmp_path: Path) -> None:
    check(stem, tmp_path)


@pytest.mark.parametrize("bound", bounds("thea", "BSM"), ids=str)
def test_both_sides_of_every_bound(bound: Bound, tmp_path: Path) -> None:
    check_bound(bound, tmp_path)


KEY = "thea/BSM/2019/11/03/01"
SAMPLES = [json.loads(sample(stem)) for stem in ("thea-bsm-1", "thea-bsm-1-sentinels")]
LEAVES = [(n, path) for n, record in enumerate(SAMPLES) for path in places(record)]


@given(st.lists(mutated(SAMPLES), max_size=5))
@settings(deadline=None, max_examples=100)
def test_altered_records_balance(records: list[Any]) -> None:
    check_balance(KEY, [b"\n".join(map(compact, records))], "messages")


@given(st.sampled_from(LEAVES), st.booleans())
@settings(deadline=None, max_examples=100)
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


def test_part_two_may_come_in_any_form(tmp_path: Path) -> None:
    plain = SAMPLES[0]
    parts = plain["payload"]["data"]["partII"]["SEQUENCE"]
    forms = [
        {"SEQUENCE": parts},
        [{"SEQUENCE": parts}],
        parts,
        {"SEQUENCE": list(reversed(parts))},
        {"SEQUENCE": [{**part, "partII-Value": [part["partII-Value"]]} for part in parts]},
        {k: v for part in parts for k, v in part["partII-Value"].items()},
    ]
    records = [copy.deepcopy(plain) for _ in forms]
    for record, form in zip(records, forms, strict=True):
        record["payload"]["data"]["partII"] = copy.deepcopy(form)
    rows = rows_of(tmp_path, *records)
    assert len(rows) == len(forms)
    for row in rows:
        assert {k: v for k, v in row.items() if k not in ("line", "is_repeat")} == {
            k: v for k, v in rows[0].items() if k not in ("line", "is_repeat")
        }
    assert [row["is_repeat"] for row in rows] == [False, True, True, True, True, True]


def test_parts_that_do_not_fit_stay_whole(tmp_path: Path) -> None:
    record = copy.deepcopy(SAMPLES[0])
    parts = record["payload"]["data"]["partII"]["SEQUENCE"]
    again = {"partII-Id": "0", "partII-Value": {"VehicleSafetyExtensions": {"events": "1"}}}
    other = {"partII-Id": "9", "partII-Value": {"Weather": {"isRaining": {"rain": None}}}}
    wrong = {"partII-Id": "2", "partII-Value": {"Odd": "1"}, "note": "x"}
    parts += [again, other, wrong, "text"]
    record["payload"]["data"]["partII"]["other"] = "held"
    (row,) = rows_of(tmp_path, record)
    kept = json.loads(row["extra"])["payload"]["data"]["partII"]
    assert kept["other"] == ["held", again, other, wrong, "text"]


def test_a_record_of_another_type_is_quarantined(tmp_path: Path) -> None:
    spat = json.loads(sample("thea-spat-1"))
    odd = copy.deepcopy(SAMPLES[0])
    odd["metadata"]["dataType"] = ["bsm"]
    odd["payload"]["data"] = {"coreData": {}}
    lines = [compact(record) for record in (spat, odd, {"metadata": {"schemaVersion": 1}})]
    result, rows, _ = built(KEY, [b"\n".join(lines)], tmp_path)
    assert rows == []
    assert result.quarantined == {"missing_core": 2, "wrong_type": 1}


def test_event_time_falls_back_in_the_archives_order(tmp_path: Path) -> None:
    records = [copy.deepcopy(SAMPLES[0]) for _ in range(4)]
    for record in records:
        record["metadata"]["recordGeneratedAt"] = "soon"
    records[0]["payload"]["data"]["timeStamp"] = "2019-11-03 01:30:00"
    records[1]["metadata"]["odeReceivedAt"] = "2019-11-03T07:30:00Z"
    records[3]["metadata"]["recordGeneratedAt"] = "2019-11-03 01:10:00"
    rows = {row["line"]: row for row in rows_of(tmp_path, *records)}
    found = [(f"{rows[n]['event_time']:%H:%M}", rows[n]["time_basis"]) for n in (1, 2, 3, 4)]
    assert found == [
        ("05:30", "payload"),
        ("07:30", "received"),
        ("05:00", "folder"),
        ("05:10", "generated_ambiguous"),
    ]
    assert json.loads(rows[3]["extra"])["metadata"]["recordGeneratedAt"] == "soon"
    assert rows[3]["sent_time"] is None


def test_wyoming_and_tampa_concatenate(tmp_path: Path) -> None:
    """One frame over one UTC range, equal dtypes, in pandas and dask."""
    wyoming, tampa = json.loads(sample("wydot-bsm-6")), copy.deepcopy(SAMPLES[0])
    wyoming["metadata"]["recordGeneratedAt"] = "2019-03-12T21:30:00.000Z"
    for source, record, hour in (("wydot", wyoming, "21"), ("thea", tampa, "17")):
        folder = tmp_path / "archive" / source / "BSM" / "2019" / "03" / "12" / hour
        folder.mkdir(parents=True)
        (folder / "object").write_bytes(compact(record))
    options = {"archive": str(tmp_path / "archive"), "cache_dir": tmp_path / "cache"}
    range_ = ("2019-03-12T21:00Z", "2019-03-12T22:00Z")
    frames = [cv.open_pandas(source, "BSM", *range_, **options) for source in ("wydot", "thea")]
    assert [len(frame) for frame in frames] == [1, 1]
    pd.testing.assert_series_equal(frames[0].dtypes, frames[1].dtypes)
    mixed = pd.concat(frames, ignore_index=True)
    pd.testing.assert_series_equal(mixed.dtypes, frames[0].dtypes)
    lazy = dd.concat([cv.open_dask(s, "BSM", *range_, **options) for s in ("wydot", "thea")])
    pd.testing.assert_series_equal(lazy.dtypes, mixed.dtypes)
    computed = lazy.compute().reset_index(drop=True)
    pd.testing.assert_frame_equal(computed, mixed)
    assert mixed["vehicle_id"].tolist() == [frame["vehicle_id"][0] for frame in frames]


def test_the_real_record(bucket: Path, tmp_path: Path) -> None:
    frame = cv.open_pandas(
        "thea", "BSM", "2019-01-14", "2019-01-14", archive=str(bucket), cache_dir=tmp_path
    )
    (row,) = frame.to_dict("records")
    assert f"{row['event_time']:%Y-%m-%dT%H:%M:%S.%f}" == "2019-01-14T05:20:30.046000"
    assert (row["vehicle_id"], row["speed"], row["heading"]) == ("8290373", 25.82, 68.625)
    assert (row["vehicle_mass"], row["path_radius"], row["hpms_type"]) == (1700.0, -607.8, "car")
    assert pd.isna(row["extra"])
    assert len(row["path_history"]) == 4


READERS = sorted(
    {
        cell.reader: cell.column
        for shape in (*thea.BSM, *thea_spat.SPAT)
        for layout in shape.layouts
        for cell in layout.cells
        if cell.reader.kind
    }.items(),
    key=lambda pair: pair[1],
)
RAW = st.one_of(
    st.integers(-2, 70).map(str),
    st.integers(-(2**20), 2**20).map(str),
    st.sampled_from(["36000", "36001", "65535", "32767", "527040", "255", "00", "-0", " 7", "+7"]),
    st.sampled_from(["0x10", "1e3", "7.0", "nan", "٣", "9" * 30, "", "01010", "10000", "0110"]),
    st.sampled_from(
        [{"off": None}, {"unavailable": None}, {"dark": None}, {"zz": None}, {"": None}]
    ),
    st.sampled_from([{"off": {}}, {"off": 1}, {}, {"a": None, "b": None}, [], ["7"], 7, 7.5, True]),
    st.sampled_from(
        [
            f"{day} {time}{zone}"
            for day in ("2019-11-03", "2019-03-10", "2019-02-29", "2020-02-29", "0001-01-01")
            for time in ("00:00:00", "01:30:00.25", "02:30:00", "23:59:60", "24:00:00")
            for zone in (" [ET]", "", "[ET]", " [EST]", "Z", " [CT]", " [ET]\n")
        ]
    ),
    st.none(),
)


@pytest.mark.parametrize(("reader", "column"), READERS, ids=[pair[1] for pair in READERS])
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_whole_columns_are_read_as_single_values(
    reader: Reader, column: str, data: st.DataObject
) -> None:
    some = data.draw(st.lists(RAW, min_size=1, max_size=4))
    values = data.draw(st.lists(st.sampled_from(some), max_size=9))
    fast, slow = convert(reader, values), each(reader, values, KINDS[reader.kind])
    assert fast.array.type == slow.array.type
    assert fast.array.to_pylist() == slow.array.to_pylist()
    assert fast.array.null_count == sum(fast.reasons.values())
    assert (+fast.reasons, +fast.notes) == (+slow.reasons, +slow.notes)
    assert sorted(fast.odd, key=repr) == sorted(slow.odd, key=repr)
