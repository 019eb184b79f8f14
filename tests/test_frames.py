"""What is opened: dtypes, order, projection, filters, ranges, raw lines."""

from __future__ import annotations

import pickle
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dask.dataframe.dask_expr.io.io import FromMap
from hypothesis import given, settings
from hypothesis import strategies as st

import intake_cvpilot as cv
from intake_cvpilot.cache.layout import Layout
from intake_cvpilot.cache.manifest import File
from intake_cvpilot.frames.dtypes import frame_meta
from intake_cvpilot.frames.groups import IN_MEMORY, TARGET, grouped
from intake_cvpilot.frames.select import Piece
from intake_cvpilot.synthetic import write_archive

DAYS = ("2021-04-01", "2021-04-02")


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=4)
    return {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("cache")}


@pytest.fixture(scope="module")
def whole(where):
    return cv.open_pandas("wydot", "bsm", *DAYS, **where)


def test_the_real_day(bucket, tmp_path):
    frame = cv.open_dask(
        "wydot", "BSM", "2019-02-06", "2019-02-06", archive=bucket, cache_dir=tmp_path
    ).compute()
    assert len(frame) == 40
    assert frame["event_time"].is_monotonic_increasing
    assert str(frame["event_time"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert frame["event_time"].min() >= pd.Timestamp("2019-02-06T16:00Z")
    assert frame["event_time"].max() < pd.Timestamp("2019-02-06T17:00Z")
    assert set(frame["schema_version"]) == {6}
    assert frame["speed"].between(2.2, 35.8).all()  # the privacy filter's limits, m/s
    assert frame["latitude"].between(41.5, 41.7).all()
    assert frame["vehicle_length"].between(7, 8).all()
    assert frame["transmission"].isna().all()  # NEUTRAL says nothing in WYDOT
    assert frame["extra"].isna().all()
    assert frame["path_history"].notna().all()


def test_dtypes_are_those_of_the_design(whole):
    meta = frame_meta("wydot", "BSM")
    assert whole.dtypes.equals(meta.dtypes)
    assert whole["speed"].dtype == np.dtype("float64")
    assert whole["msg_count"].dtype == pd.ArrowDtype(pa.int16())
    assert whole["vehicle_id"].dtype == pd.ArrowDtype(pa.string())
    assert whole["sanitized"].dtype == pd.ArrowDtype(pa.bool_())
    assert isinstance(whole["time_basis"].dtype, pd.CategoricalDtype)
    assert "generated_ambiguous" in whole["time_basis"].cat.categories
    assert pa.types.is_list(whole["path_history"].dtype.pyarrow_dtype)
    assert isinstance(whole.index, pd.RangeIndex)


@pytest.mark.parametrize("columns", [None, ["speed"], ["vehicle_id", "event_time", "events"]])
@pytest.mark.parametrize("index", [None, "event_time"])
def test_the_lazy_meta_is_what_is_computed(where, columns, index):
    frame = cv.open_dask("wydot", "bsm", *DAYS, columns=columns, index=index, **where)
    computed = frame.compute()
    assert computed.dtypes.equals(frame.dtypes)
    assert computed.index.dtype == frame.index.dtype
    empty = cv.open_dask(
        "wydot", "bsm", "2019-01-01", "2019-01-01", columns=columns, index=index, **where
    )
    assert empty.dtypes.equals(frame.dtypes)
    assert len(empty.compute()) == 0
    assert empty.compute().dtypes.equals(frame.dtypes)


def test_every_engine_gives_the_same_rows(where, whole):
    lazy = cv.open_dask("wydot", "bsm", *DAYS, **where).compute()
    data = cv.open_arrow("wydot", "bsm", *DAYS, **where).to_table()
    keys = ["object_id", "line"]
    plain = whole[keys].sort_values(keys).astype("int64").to_numpy()
    assert (lazy[keys].sort_values(keys).astype("int64").to_numpy() == plain).all()
    arrow = data.select(keys).sort_by([(key, "ascending") for key in keys])
    assert (np.column_stack([arrow[key].to_numpy() for key in keys]) == plain).all()
    assert data.schema.names == list(whole.columns)


def test_an_index_sorts_over_all_partitions_with_known_divisions(where, whole):
    frame = cv.open_dask("wydot", "bsm", *DAYS, index="event_time", **where)
    assert frame.known_divisions
    assert isinstance(frame._meta.index, pd.DatetimeIndex)
    computed = frame.compute()
    assert computed.index.is_monotonic_increasing
    assert len(computed) == len(whole)
    noon = frame.loc["2021-04-01T12:00":"2021-04-01T12:59"].compute()
    assert len(noon) == (whole["event_time"].dt.floor("h") == pd.Timestamp("2021-04-01T12Z")).sum()


@pytest.mark.parametrize("index", [None, "event_time"])
def test_a_partition_of_the_frame_is_a_part_a_day_or_about_128_mb(where, whole, index):
    def cut(**option):
        return cv.open_dask("wydot", "bsm", *DAYS, index=index, outside="keep", **option, **where)

    parts, days, auto = cut(), cut(partition="day"), cut(partition="auto")
    assert days.npartitions == 2
    assert auto.npartitions == 1  # two small days
    assert len({parts._name, days._name, auto._name}) == (3 if parts.npartitions > 2 else 2)
    rows = [frame.compute()["line"].tolist() for frame in (parts, days, auto)]
    assert rows[0] == rows[1] == rows[2]
    assert days.known_divisions == auto.known_divisions == (index is not None)


@given(st.lists(st.integers(1, 60_000_000), max_size=30))
def test_neighbouring_parts_are_joined_up_to_the_target_and_none_is_lost(sizes):
    pieces = [
        Piece(
            layout=Layout(Path("cache"), "memory"),
            key=f"wydot/BSM/2021/04/{1 + number // 4:02}",
            file=File(f"messages-{number}", "", size, 1, str(number)),
        )
        for number, size in enumerate(sizes)
    ]
    made = grouped([(piece,) for piece in pieces], "auto")
    assert [piece for group in made for piece in group] == pieces
    memory = [IN_MEMORY * sum(piece.file.bytes for piece in group) for group in made]
    assert all(m <= TARGET or len(g) == 1 for m, g in zip(memory, made, strict=True))
    after = [IN_MEMORY * group[0].file.bytes for group in made[1:]]
    assert all(m + n > TARGET for m, n in zip(memory, after, strict=False))
    days = grouped([(piece,) for piece in pieces], "day")
    assert [{p.key for p in group} for group in days] == [
        {key} for key in dict.fromkeys(piece.key for piece in pieces)
    ]


def test_a_frame_is_named_by_its_parts_and_the_same_parts_give_the_same_name(where):
    names = [
        cv.open_dask("wydot", "bsm", *days, **where)._name
        for days in (DAYS, DAYS, (DAYS[0], DAYS[0]))
    ]
    assert names[0] == names[1] != names[2]


def test_columns_come_in_the_order_asked_for_and_only_they_are_read(where):
    frame = cv.open_dask("wydot", "bsm", *DAYS, columns=["speed", "event_time"], **where)
    assert list(frame.columns) == ["speed", "event_time"]
    one = cv.open_dask("wydot", "bsm", *DAYS, **where)["heading"]
    (reading,) = one.optimize(fuse=False).expr.find_operations(FromMap)
    assert reading.operand("columns") == ["heading"]
    assert one.compute().notna().any()


def test_filters_select_rows(where, whole):
    fast = cv.open_pandas("wydot", "bsm", *DAYS, filters=[("speed", ">", 25.0)], **where)
    assert len(fast) == (whole["speed"] > 25).sum() > 0
    either = cv.open_pandas(
        "wydot",
        "bsm",
        *DAYS,
        filters=(pc.field("speed") > 25) & pc.field("vehicle_id").is_valid(),
        **where,
    )
    assert len(either) == ((whole["speed"] > 25) & whole["vehicle_id"].notna()).sum()


def test_a_dataset_of_some_columns_has_those_and_what_filters_need(where, whole):
    data = cv.open_arrow("wydot", "bsm", *DAYS, columns=["speed", "line"], **where)
    assert data.schema.names == ["speed", "line", "event_time"]
    assert data.count_rows() == len(whole)
    filters = pc.field("heading") > 180
    data = cv.open_arrow("wydot", "bsm", *DAYS, columns=["speed"], filters=filters, **where)
    assert set(data.schema.names) == {"speed", "event_time", "heading"}
    assert data.count_rows() == (whole["heading"] > 180).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["sped"]}, "did you mean speed"),
        ({"columns": "speed"}, r"columns=\['speed'\]"),
        ({"filters": [("sped", ">", 1)]}, "did you mean speed"),
        ({"filters": "speed > 1"}, "list of"),
        ({"filters": [("speed", ">", "30")]}, "columns' types"),
        ({"filters": [("event_time", ">", "2021-04-01T12:00")]}, "event_time is in UTC.*no zone"),
        ({"filters": [("event_time", ">", "noon")]}, "event_time is in UTC"),
        ({"filters": [[("event_time", "<", datetime(2021, 4, 1))]]}, "tzinfo=UTC"),
        ({"filters": [("event_time", "in", [date(2021, 4, 1)])]}, "no zone"),
        (
            {"filters": pc.field("event_time") > datetime(2021, 4, 1)},
            "columns' types",
        ),
        ({"filters": [("transmission", "==", "FORWARD")]}, "forwardGears"),
        ({"filters": pc.field("sped") > 1}, "sped"),
        ({"table": "frames"}, "it has: messages"),
        ({"outside": "maybe"}, "'drop' or 'keep'"),
        ({"index": "speed"}, "event_time"),
        ({"partition": "hour"}, "'part', 'day' or 'auto'"),
        ({"colums": ["speed"]}, r"does not take colums \(did you mean columns\?\);"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_io(tmp_path, options, message):
    with pytest.raises(cv.InvalidRequestError, match=message):
        cv.open_dask("wydot", "bsm", *DAYS, cache_dir=tmp_path, archive=tmp_path / "no", **options)


def test_filters_on_names_and_instants_select_rows(where, whole):
    noon = pd.Timestamp("2021-04-01T12:00Z")
    for filters, wanted in (
        ([("time_basis", "==", "generated")], len(whole)),
        (
            [("record_type", "in", ["bsmTx", "rxMsg"])],
            whole["record_type"].isin(["bsmTx", "rxMsg"]).sum(),
        ),
        ([("event_time", ">=", noon.to_pydatetime())], (whole["event_time"] >= noon).sum()),
        ([[("event_time", ">=", noon.isoformat())]], (whole["event_time"] >= noon).sum()),
        ([("event_time", "<", "2021-04-01T14:00:00+02:00")], (whole["event_time"] < noon).sum()),
        (
            [[("speed", ">", 30.0)], [("speed", "<", 15.0)]],
            ((whole["speed"] > 30) | (whole["speed"] < 15)).sum(),
        ),
    ):
        assert len(cv.open_pandas("wydot", "bsm", *DAYS, filters=filters, **where)) == wanted


def test_rows_outside_their_day_are_kept_apart(where, whole):
    both = cv.open_pandas("wydot", "bsm", "2021-03-31", "2021-04-03", outside="keep", **where)
    strict = cv.open_pandas("wydot", "bsm", "2021-03-31", "2021-04-03", **where)
    assert len(strict) == len(whole)
    assert len(both) == len(whole) + 2  # one a day, seven seconds too early


def test_of_rows_outside_their_day_only_those_left_out_are_warned_of(where, recwarn):
    def said(*days, **options):
        recwarn.clear()
        cv.open_pandas("wydot", "bsm", *days, **options, **where)
        return [str(w.message) for w in recwarn if "partition" in str(w.message)]

    (dropped,) = said(*DAYS)
    assert "2 records do not lie in the window of their partition" in dropped
    assert "outside='keep' (cvpilot export --outside keep)" in dropped
    (beyond,) = said(*DAYS, outside="keep")
    assert "up to 1, with times from 2021-03-31T23:59:53.000000Z" in beyond
    with_neighbours = said("2021-03-31", "2021-04-02", outside="keep")
    assert not [text for text in with_neighbours if "outside" in text]


INSTANT = st.integers(0, 4 * 24 * 60).map(
    lambda minutes: datetime(2021, 3, 31, tzinfo=UTC) + timedelta(minutes=minutes)
)


@settings(max_examples=25, deadline=None)
@given(st.lists(INSTANT, min_size=3, max_size=3, unique=True).map(sorted))
def test_a_range_is_the_disjoint_union_of_its_parts(where, bounds):
    first, middle, last = bounds

    def rows(start, end):
        frame = cv.open_pandas("wydot", "bsm", start, end, columns=["object_id", "line"], **where)
        return list(frame.itertuples(index=False, name=None))

    whole, left, right = rows(first, last), rows(first, middle), rows(middle, last)
    assert sorted(whole) == sorted(left + right)
    assert len(set(whole)) == len(whole)


def test_raw_lines_are_the_archives_own(where):
    lines = list(cv.open_raw("wydot", "bsm", *DAYS, **where))
    report = cv.fetch("wydot", "bsm", *DAYS, **where)
    assert len(lines) == report.counts.lines - report.counts.blank
    first = lines[0]
    text = (where["archive"] / first.object).read_bytes().split(b"\n")
    assert first.bytes == text[first.line - 1]


def test_a_frame_survives_pickling_and_a_second_process_can_compute_it(where, whole):
    frame = pickle.loads(pickle.dumps(cv.open_dask("wydot", "bsm", *DAYS, **where)))
    assert len(frame.compute(scheduler="processes", num_workers=2)) == len(whole)


def test_a_frame_whose_parts_were_replaced_says_so(tmp_path):
    made = write_archive(tmp_path / "archive", days=[date(2021, 4, 1)], records_per_hour=2)
    where = {"archive": made.folder, "cache_dir": tmp_path / "cache"}
    frame = cv.open_dask("wydot", "bsm", DAYS[0], DAYS[0], **where)
    shutil.rmtree(next((tmp_path / "cache").glob("v1@*")))
    with pytest.raises(cv.PartitionChangedError, match="open"):
        frame.compute(scheduler="synchronous")
    cv.fetch("wydot", "bsm", DAYS[0], DAYS[0], **where)
    assert len(frame.compute(scheduler="synchronous")) > 0  # the same content is there again
