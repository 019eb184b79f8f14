"""New York through every opener: months, weekday bins, periods, both file forms, two tables."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import intake
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import intake_cvpilot as cv
from intake_cvpilot.catalog import catalog_file
from intake_cvpilot.driver import CVPilotSource
from intake_cvpilot.frames.dtypes import frame_meta
from intake_cvpilot.partition import PERIODS, WEEKDAYS

APRIL = ("2021-04-01", "2021-04-30")
BOTH = ("2021-04-01", "2021-05-31")
TABLES = ("events", "bsms")
SAMPLE = json.loads((Path(__file__).parent / "samples" / "nycdot-event-1.json").read_text())


def event(bins: str | None, number: int = 0, bsms: int = 2) -> dict:
    """An event with its number as the firmware's version, so that it can be told apart."""
    header = {**SAMPLE["eventHeader"], "asdFirmwareVersion": str(number), "eventTimeBin": bins}
    return {"eventHeader": header, "bsmList": SAMPLE["bsmList"][:bsms]}


def write(folder: Path, objects: dict[str, list[dict]], form: str = "lines") -> Path:
    """An archive; ``objects`` by the folder below ``nycdot/EVENT`` and the name."""
    forms = {
        "lines": lambda found: "\n".join(map(json.dumps, found)),
        "glued": lambda found: "".join(json.dumps(each, indent=4) for each in found),
    }
    for name, found in objects.items():
        path = folder / "nycdot" / "EVENT" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(forms[form](found), encoding="utf-8")
    return folder


def bins(month: int, weekday: str, period: str) -> str:
    return f"2021-{month:02}-{weekday}-{period}".replace("NA", "N/A")


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """Two months, every weekday and period: one event a file in April, several in May."""
    folder = tmp_path_factory.mktemp("archive")
    number = 0
    for month in (4, 5):
        for weekday in WEEKDAYS:
            for period in PERIODS:
                made = []
                for _ in range(1 if month == 4 else 3):
                    number += 1
                    made.append(event(bins(month, weekday, period), number, bsms=1 + number % 3))
                name = f"2021/{month:02}/{weekday}/{period}/evt_{number}.uper.OBF.txt"
                write(folder, {name: made}, "lines" if number % 2 else "glued")
    return {"archive": folder, "cache_dir": tmp_path_factory.mktemp("cache")}


@pytest.fixture(scope="module")
def whole(where):
    return {name: cv.open_pandas("nycdot", "EVENT", *BOTH, table=name, **where) for name in TABLES}


def test_a_range_of_months_holds_every_event_once(whole, where):
    events, bsms = whole["events"], whole["bsms"]
    assert sorted(map(int, events["firmware"])) == list(range(1, 48 + 3 * 48 + 1))
    assert events["event_id"].is_unique
    sizes = bsms.groupby("event_id").size()
    assert sizes.to_dict() == dict(zip(events["event_id"], events["bsm_count"], strict=True))
    assert set(zip(events["month"], events["weekday"], events["period"], strict=True)) == {
        (month, weekday, period) for month in (4, 5) for weekday in WEEKDAYS for period in PERIODS
    }
    joined = bsms.merge(events, on="event_id", suffixes=("", "_of_event"))
    assert len(joined) == len(bsms)
    for column in ("weekday", "period"):
        assert (joined[column] == joined[f"{column}_of_event"]).all()
    counts = cv.fetch("nycdot", "EVENT", *BOTH, **where).counts
    assert (counts.lines, counts.records, counts.inside) == (192, 192, 192)
    assert (counts.blank, counts.quarantined, counts.outside) == (0, 0, 0)
    assert counts.rows == len(events) + len(bsms)


@pytest.mark.parametrize("table", TABLES)
def test_openers_agree(whole, where, table):
    frame = whole[table]
    lazy = cv.open_dask("nycdot", "EVENT", *BOTH, table=table, **where)
    assert lazy.npartitions == 16
    assert lazy.dtypes.equals(frame.dtypes)
    pd.testing.assert_frame_equal(lazy.compute().reset_index(drop=True), frame)
    rows = cv.open_arrow("nycdot", "EVENT", *BOTH, table=table, **where).to_table()
    assert rows.num_rows == len(frame)
    assert Counter(rows["object_id"].to_pylist()) == Counter(frame["object_id"])


@pytest.mark.parametrize(
    ("entry", "table"), [("nycdot_event", "events"), ("nycdot_event_bsms", "bsms")]
)
def test_catalog_entries_open_their_table(whole, where, entry, table):
    catalog = intake.open_catalog(str(catalog_file()))
    source = getattr(catalog, entry)(start=BOTH[0], end=BOTH[1], **where)
    pd.testing.assert_frame_equal(source.read(), whole[table])
    assert source.to_dask().dtypes.equals(whole[table].dtypes)
    assert source.discover()["dtype"] == dict(whole[table].dtypes)
    narrowed = source(weekday="FRI", period=["AM", "NA"]).read()
    assert set(narrowed["weekday"]) == {"FRI"}
    assert set(narrowed["period"]) == {"AM", "NA"}


def test_map_columns_survive_every_engine(whole, where):
    parameters = SAMPLE["eventHeader"]["parameters"]
    column = whole["events"]["parameters"]
    assert column.dtype == pd.ArrowDtype(pa.map_(pa.string(), pa.string()))
    assert dict(column.iloc[0]) == parameters
    assert column.isna().sum() == 0
    assert (
        whole["events"].set_index("event_id").loc[whole["events"]["event_id"].iloc[5], "year"]
        == 2021
    )
    lazy = cv.open_dask("nycdot", "EVENT", *APRIL, columns=["parameters", "period"], **where)
    assert dict(lazy[lazy["period"] == "AM"].compute()["parameters"].iloc[0]) == parameters


@pytest.mark.parametrize("table", TABLES)
def test_weekdays_and_periods_narrow(whole, where, table):
    frame = whole[table]
    for weekday, period in (("MON", "AM"), ("NA", "NA"), (["SAT", "SUN"], ["NT", "EV"])):
        asked = {"weekday": weekday, "period": period}
        found = cv.open_pandas("nycdot", "EVENT", *BOTH, table=table, **asked, **where)
        days, times = ([each] if isinstance(each, str) else each for each in (weekday, period))
        wanted = frame[frame["weekday"].isin(days) & frame["period"].isin(times)]
        assert len(wanted) > 0
        pd.testing.assert_frame_equal(found, wanted.reset_index(drop=True))
        lazy = cv.open_dask("nycdot", "EVENT", *BOTH, table=table, **asked, **where)
        assert len(lazy) == len(wanted)
        arrow = cv.open_arrow("nycdot", "EVENT", *BOTH, table=table, **asked, **where)
        assert arrow.to_table().num_rows == len(wanted)
    # A narrowed request needs only its weekday's partition.
    only = cv.plan("nycdot", "EVENT", *BOTH, weekday="MON", **where)
    assert len(only.partitions) == 2


def test_columns_and_filters_of_the_caller_come_on_top(where):
    found = cv.open_pandas(
        "nycdot",
        "EVENT",
        *BOTH,
        table="bsms",
        period="PM",
        columns=["t"],
        filters=[("is_host", "==", True)],
        **where,
    )
    assert list(found.columns) == ["t"]
    both = cv.open_pandas("nycdot", "EVENT", *BOTH, table="bsms", period="PM", **where)
    assert 0 < len(found) == both["is_host"].sum() < len(both)


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_range_keeps_the_dtypes(tmp_path, table):
    asked = {"archive": write(tmp_path / "archive", {}), "cache_dir": tmp_path / "cache"}
    (asked["archive"] / "nycdot/EVENT").mkdir(parents=True)
    meta = frame_meta("nycdot", "EVENT", table)
    with pytest.warns(UserWarning, match="no objects for any of these partitions"):
        frame = cv.open_pandas("nycdot", "EVENT", *APRIL, table=table, **asked)
    assert (len(frame), frame.dtypes.equals(meta.dtypes)) == (0, True)
    lazy = cv.open_dask("nycdot", "EVENT", *APRIL, table=table, period="AM", **asked)
    assert (len(lazy), lazy.compute().dtypes.equals(meta.dtypes)) == (0, True)
    rows = cv.open_arrow("nycdot", "EVENT", *APRIL, table=table, **asked)
    assert rows.to_table().num_rows == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_period_without_rows_keeps_the_dtypes(where, whole, tmp_path, table):
    folder = write(tmp_path / "a", {"2021/04/FRI/AM/one": [event("2021-04-FRI-AM")]})
    asked = {"archive": folder, "cache_dir": tmp_path / "c", "table": table}
    frame = cv.open_pandas("nycdot", "EVENT", *APRIL, period="EV", **asked)
    assert (len(frame), frame.dtypes.equals(whole[table].dtypes)) == (0, True)
    assert (
        cv.open_dask("nycdot", "EVENT", *APRIL, period="EV", **asked)
        .compute()
        .dtypes.equals(frame.dtypes)
    )


@pytest.mark.parametrize("table", TABLES)
def test_there_is_no_time_to_index_by(where, table):
    for opener in (cv.open_pandas, cv.open_dask):
        with pytest.raises(cv.InvalidRequestError, match=f"{table} has no event_time"):
            opener("nycdot", "EVENT", *APRIL, table=table, index="event_time", **where)
    source = CVPilotSource("nycdot", "EVENT", *APRIL, table=table, index="event_time", **where)
    with pytest.raises(cv.InvalidRequestError, match="has no event_time"):
        source.read()
    with pytest.raises(cv.InvalidRequestError, match="has no event_time"):
        frame_meta("nycdot", "EVENT", table, index="event_time")


def test_only_whole_months_are_ranges(where):
    with pytest.raises(cv.InvalidRequestError, match=r'"2021-04-01".*"2021-04-30"'):
        cv.open_pandas("nycdot", "EVENT", "2021-04-02", "2021-04-30", **where)
    with pytest.raises(cv.InvalidRequestError, match="no table 'messages'; it has: events, bsms"):
        cv.open_pandas("nycdot", "EVENT", *APRIL, table="messages", **where)


def test_repeats_are_dropped_in_both_tables(tmp_path):
    one, two = event("2021-04-FRI-AM", 1), event("2021-04-FRI-AM", 2)
    folder = write(
        tmp_path / "a", {"2021/04/FRI/AM/a": [one, two], "2021/04/FRI/AM/b": [two, one, one]}
    )
    asked = {"archive": folder, "cache_dir": tmp_path / "c"}
    for table, wanted in (("events", 2), ("bsms", 4)):
        kept = cv.open_pandas("nycdot", "EVENT", *APRIL, table=table, **asked)
        assert (len(kept), kept["is_repeat"].sum()) == (5 * wanted // 2, 3 * wanted // 2)
        dropped = cv.open_pandas("nycdot", "EVENT", *APRIL, table=table, repeats="drop", **asked)
        assert (len(dropped), dropped["is_repeat"].any()) == (wanted, False)
        assert set(dropped["event_id"]) == set(kept["event_id"])


BINS = st.one_of(
    st.sampled_from([None, "", "soon", "2021-04-FRI-??", "2021-04-XX-AM", "2021-13-FRI-PM", 7]),
    st.builds(bins, st.sampled_from([4, 5]), st.sampled_from(WEEKDAYS), st.sampled_from(PERIODS)),
)
FOLDERS = st.builds(
    "2021/04/{}/{}/{}".format,
    st.sampled_from(["MON", "FRI", "NA"]),
    st.sampled_from([*PERIODS, "XX"]),
    st.sampled_from("ab"),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(st.dictionaries(FOLDERS, st.lists(BINS, max_size=4), min_size=1, max_size=4), st.data())
def test_periods_and_weekdays_part_the_rows_of_a_range(objects, data):
    """Whatever the records say: each row lies in one period, and in the weekday of its folder."""
    number = iter(range(1000))
    made = {
        name: [event(said, next(number), bsms=1) for said in found]
        for name, found in objects.items()
    }
    form = data.draw(st.sampled_from(["lines", "glued"]))
    with TemporaryDirectory() as tmp:
        where = {"archive": write(Path(tmp) / "a", made, form), "cache_dir": Path(tmp) / "c"}

        def rows(table, **narrow):
            frame = cv.open_pandas("nycdot", "EVENT", *APRIL, table=table, **narrow, **where)
            return Counter(frame["event_id"])

        for table in TABLES:
            every = rows(table)
            assert every.total() == sum(map(len, objects.values()))
            for name, bins_ in (("period", PERIODS), ("weekday", WEEKDAYS)):
                parts = [rows(table, **{name: each}) for each in bins_]
                assert sum(parts, Counter()) == every
            some = data.draw(st.lists(st.sampled_from(PERIODS), min_size=1, unique=True))
            several = [rows(table, period=each) for each in some]
            assert rows(table, period=some) == sum(several, Counter())


def test_the_real_month(bucket, tmp_path):
    asked = {"archive": bucket, "cache_dir": tmp_path}
    bsms = cv.open_pandas("nycdot", "EVENT", *APRIL, table="bsms", **asked)
    events = cv.open_pandas("nycdot", "EVENT", date(2021, 4, 1), date(2021, 4, 30), **asked)
    assert events["bsm_count"].sum() == len(bsms) == 52
    assert set(events["event_type"]) == {"cspdomp", "spdcomp"}
    assert bsms["is_host"].all()
    assert bsms["speed"].between(0, 30).all()
    for column in ("accel_vert", "steering_angle", "rf_level", "extra"):
        assert bsms[column].isna().all()
    assert len(cv.open_pandas("nycdot", "EVENT", *APRIL, table="bsms", period="PM", **asked)) == 0
