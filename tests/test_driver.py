"""The Intake driver: what a source is, what it opens, and that it shows no secret."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import intake
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from dask.base import tokenize
from hypothesis import given
from hypothesis import strategies as st

from intake_cvpilot import AccessDeniedError, InvalidRequestError, PartitionsFailedError
from intake_cvpilot.catalog import catalog_file
from intake_cvpilot.driver import CVPilotSource
from intake_cvpilot.synthetic import Summary, write_archive

SECRET = "wJalrXUtnFEMI-K7MDENG"
DAY = {"start": "2021-04-01", "end": "2021-04-01"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled by the first test that reads; the others read what is there."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def catalog() -> intake.catalog.Catalog:
    return intake.open_catalog(str(catalog_file()))


@pytest.fixture
def both_days(catalog, archive: Summary, cache: Path) -> CVPilotSource:
    return catalog.wydot_bsm(
        start="2021-04-01", end="2021-04-02", archive=archive.folder, cache_dir=cache
    )


# What is asked for


def test_an_entry_is_made_with_its_defaults_and_says_what_it_lacks_when_it_is_used(catalog) -> None:
    source = catalog.wydot_bsm
    assert source.request is None
    for use in (source.to_dask, source.read, source.plan, source.files):
        with pytest.raises(InvalidRequestError, match="start and end must be given"):
            use()
    with pytest.raises(InvalidRequestError, match=r"^end must be given"):
        source(start="2021-04-01").read()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"start": "2021-04-31", "end": "2021-05-01"}, "start: '2021-04-31' is not a time"),
        ({"start": "2021-04-02", "end": "2021-04-01"}, "start"),
        ({"start": "1.4.2021"}, "start: '1.4.2021' is not a time"),
        ({"end": "tomorrow"}, "end: 'tomorrow' is not a time"),
        ({"timezone": "Wyoming"}, "no time zone 'Wyoming'"),
        ({"strat": "2021-04-01"}, "strat"),
        ({"storage_options": SECRET}, "storage_options is a mapping"),
        ({"archive": "https://data.example"}, "archive over http has no listing"),
        ({"archive": f"s3://me:{SECRET}@bucket"}, "credentials go into storage_options"),
        ({**DAY, "weekday": "MON"}, "weekday narrows nycdot only"),
    ],
)
def test_a_wrong_request_is_refused_when_the_entry_is_called(catalog, wrong, message) -> None:
    with pytest.raises(InvalidRequestError, match=message) as refused:
        catalog.wydot_bsm(**wrong)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no source is given; there are wydot: BSM, TIM"),
        (("wydot",), "no message_type is given"),
        (("wyoming", "BSM"), "there is no source 'wyoming'"),
        (("wydot", "SPAT"), "message types of wydot: BSM, TIM"),
        (("nycdot", "EVENT", "2021-04-02", "2021-04-03"), "whole months"),
    ],
)
def test_a_source_or_type_that_does_not_exist_is_refused(names, message) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        CVPilotSource(*names)


def test_columns_and_filters_are_checked_before_any_fetch(catalog, tmp_path: Path) -> None:
    source = catalog.wydot_bsm(**DAY, archive=tmp_path / "none", cache_dir=tmp_path / "cache")
    with pytest.raises(InvalidRequestError, match="did you mean speed"):
        source(columns=["sped"]).to_dask()
    with pytest.raises(InvalidRequestError, match="filters"):
        source(filters=[("speed", "about", 3)]).read()
    with pytest.raises(InvalidRequestError, match="no table 'frames'"):
        source(table="frames").files()
    with pytest.raises(InvalidRequestError, match="index is 'event_time' or None"):
        source(index="speed").to_dask()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "entry", ["wydot_tim", "thea_bsm", "thea_tim", "thea_spat", "nycdot_event", "nycdot_event_bsms"]
)
def test_types_without_a_decoder_say_so_and_give_no_data(catalog, entry: str, tmp_path) -> None:
    source = catalog[entry](start="2021-04-01", end="2021-04-30", cache_dir=tmp_path / "cache")
    try:
        source.discover()
    except NotImplementedError as error:
        assert source.request.message_type in str(error)  # noqa: PT017 - decoders come one by one
        with pytest.raises(NotImplementedError):
            source.to_dask()
        assert not (tmp_path / "cache").exists()


def test_midnight_as_end_warns_once_that_the_day_is_not_included(catalog) -> None:
    with pytest.warns(UserWarning, match="2021-04-02 is not included") as told:
        source = catalog.wydot_bsm(start="2021-04-01", end="2021-04-02T00:00")
    assert len([each for each in told if "not included" in str(each.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pickle.loads(pickle.dumps(source)) == source


# Spellings

SPELLINGS = [
    {"start": "2021-04-01", "end": "2021-04-02"},
    {"start": dt.date(2021, 4, 1), "end": dt.date(2021, 4, 2)},
    {"start": np.datetime64("2021-04-01"), "end": np.datetime64("2021-04-02")},
    {"start": dt.datetime(2021, 4, 1), "end": dt.datetime(2021, 4, 3, tzinfo=dt.UTC)},
    {"start": pd.Timestamp("2021-04-01"), "end": pd.Timestamp("2021-04-03", tz="UTC")},
    {"start": "2021-03-31T18:00-06:00", "end": "2021-04-03 00:00:00Z"},
    {"start": "2021-03-31T18:00", "end": "2021-04-02T18:00", "timezone": "America/Denver"},
    {"start": "2021-04-01", "end": "2021-04-02", "timezone": "UTC", "outside": "drop"},
    {"start": "2021-04-01", "end": "2021-04-02", "repeats": "keep"},
    {"start": "2021-04-01", "end": "2021-04-02", "table": "messages", "refresh": False},
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_equal_requests_are_equal_in_every_spelling(catalog, spelling) -> None:
    plain = CVPilotSource("wydot", "BSM", "2021-04-01", "2021-04-02")
    for source in (
        CVPilotSource("WYDOT", "bsm", **spelling),
        catalog.wydot_bsm(**spelling),
        catalog.wydot_bsm(**spelling)(columns=None),
    ):
        assert source == plain
        assert hash(source) == hash(plain)
        assert tokenize(source) == tokenize(plain)
        assert source.yaml().count("2021-04-03T00:00:00Z") == 1
        assert yaml.safe_load(source.yaml())["sources"][source.name]["args"] == {
            "source": "wydot",
            "message_type": "BSM",
            "start": "2021-04-01T00:00:00Z",
            "end": "2021-04-03T00:00:00Z",
        }


@pytest.mark.parametrize(
    "other",
    [
        {"end": "2021-04-02"},
        {"start": "2021-04-01T00:00:01"},
        {"columns": ["speed"]},
        {"filters": [("speed", ">", 20.0)]},
        {"filters": pc.field("speed") > 20.0},
        {"outside": "keep"},
        {"repeats": "drop"},
        {"index": "event_time"},
        {"archive": "s3://another"},
        {"cache_dir": "elsewhere"},
        {"rate": None},
        {"max_bytes": None},
        {"storage_options": {"profile": "work"}},
        {"storage_options": {"client_kwargs": {"endpoint_url": "https://minio.example"}}},
        {"archive": "sftp:///data", "storage_options": {"host": "a.example"}},
    ],
    ids=str,
)
def test_other_requests_are_other_sources(other) -> None:
    base = CVPilotSource("wydot", "BSM", **DAY)
    changed = base(**other)
    assert changed != base
    assert tokenize(changed) != tokenize(base)
    assert changed == CVPilotSource("wydot", "BSM", **{**DAY, **other})
    assert base != "wydot"


@given(
    start=st.datetimes(dt.datetime(2017, 1, 2), dt.datetime(2021, 1, 1)),
    length=st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=400)),
    offset=st.integers(-14, 14),
)
def test_a_request_survives_its_yaml_and_its_pickle(start, length, offset) -> None:
    zone = dt.timezone(dt.timedelta(hours=offset))
    source = CVPilotSource(
        "wydot", "tim", start.replace(tzinfo=zone), (start + length).replace(tzinfo=zone)
    )
    again = CVPilotSource(**yaml.safe_load(source.yaml())["sources"]["cvpilot"]["args"])
    assert again == source == pickle.loads(pickle.dumps(source))
    assert again.request == source.request
    assert again.yaml() == source.yaml()


def test_weekdays_and_periods_are_one_request_however_they_are_written(catalog) -> None:
    month = {"start": "2021-04-01", "end": "2021-04-30"}
    text = catalog.nycdot_event(**month, weekday="tue,MON", period=("AM",))
    assert text == CVPilotSource("nycdot", "EVENT", **month, weekday=["MON", "TUE"], period="am")
    assert text.request.weekdays == ("MON", "TUE")
    assert text(weekday=None).request.weekdays == ()
    assert text(weekday=["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", "NA"]) == text(
        weekday=None
    )
    assert catalog.nycdot_event(**month) == CVPilotSource("nycdot", "EVENT", **month)
    assert catalog.nycdot_event_bsms(**month) != catalog.nycdot_event(**month)


def test_places_mean_the_same_after_a_change_of_folder(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    spelled = [
        CVPilotSource("wydot", "BSM", archive=place, cache_dir="c")
        for place in ("bu et", tmp_path / "bu et", f"file://{tmp_path}/bu%20et/", "here/../bu et")
    ]
    monkeypatch.chdir("here")
    assert {source(**DAY).yaml() for source in spelled} == {spelled[0](**DAY).yaml()}
    assert len(set(spelled)) == 1
    entry = next(iter(yaml.safe_load(spelled[0].yaml())["sources"].values()))
    assert entry["args"]["archive"] == f"{tmp_path}/bu et"
    assert "archive: s3://bucket/folder\n" in spelled[0](archive="s3://bucket/folder/").yaml()


# Chaining


def test_chaining_alters_one_argument_and_keeps_the_others_as_spelled(catalog) -> None:
    for entry in (catalog.wydot_bsm, CVPilotSource("wydot", "BSM")):
        first = entry(start="2021-04-01", end="2021-04-01", timezone="America/Denver")
        longer = first(end="2021-04-02")
        assert longer.request.end == dt.datetime(2021, 4, 3, 6, tzinfo=dt.UTC)
        assert longer.request.start == first.request.start
        assert first(timezone="UTC") == entry(**DAY)
        assert first(timezone=None) == entry(**DAY)
        assert entry(start="2021-04-01")(timezone="America/Denver")(end="2021-04-01") == first
        assert first.configure_new(columns=["speed"]).get(columns=None) == first
        assert first(end=None).request is None
        assert first.name == longer.name
        assert first.description == longer.description


def test_a_pickled_source_still_chains_as_it_was_spelled(catalog) -> None:
    denver = catalog.wydot_bsm(**DAY, timezone="America/Denver", columns=("speed", "heading"))
    again = pickle.loads(pickle.dumps(denver))
    assert again == denver
    assert tokenize(again) == tokenize(denver)
    assert (again.name, again.description) == ("wydot_bsm", denver.description)
    assert again.metadata == denver.metadata
    assert again(end="2021-04-02") == denver(end="2021-04-02")
    assert again(end="2021-04-02").name == "wydot_bsm"


def test_options_that_name_another_archive_make_another_source() -> None:
    first, second = (
        CVPilotSource("wydot", "BSM", archive="sftp:///data", storage_options={"host": host})
        for host in ("a.example", "b.example")
    )
    assert first != second
    assert tokenize(first) != tokenize(second)


def test_filters_keep_their_tuples_through_yaml_and_pickle() -> None:
    condition = [("speed", ">", np.float64(20)), ("event_time", "<", dt.datetime(2021, 4, 1, 12))]
    either = [[("speed", ">", 20.0)], [("heading", "in", (1, 2))]]
    for filters in (condition, either):
        source = CVPilotSource("wydot", "BSM", **DAY, filters=filters)
        args = yaml.safe_load(source.yaml())["sources"]["cvpilot"]["args"]
        assert CVPilotSource(**args) == source == pickle.loads(pickle.dumps(source))
        read = CVPilotSource(**args)._asked.plain["filters"]
        assert read == source._asked.plain["filters"]
    assert read == [[("speed", ">", 20.0)], [("heading", "in", [1, 2])]]


def test_an_expression_is_pickled_but_left_out_of_yaml() -> None:
    source = CVPilotSource("wydot", "BSM", **DAY, filters=pc.field("speed") > 20.0)
    spec = yaml.safe_load(source.yaml())["sources"]["cvpilot"]
    assert "filters" not in spec["args"]
    assert "filters (a pyarrow expression)" in spec["metadata"]["left_out"]
    again = pickle.loads(pickle.dumps(source))
    assert again == source
    assert again._asked.plain["filters"].equals(source._asked.plain["filters"])
    assert again.yaml() == source.yaml()


# Secrets


def secret_sources() -> Iterator[CVPilotSource]:
    options = {
        "key": "AKIA" + SECRET,
        "secret": SECRET,
        "token": SECRET,
        "endpoint_url": "https://minio.example",
        "client_kwargs": {"region_name": "us-east-1"},
        "requester_pays": True,
    }
    yield CVPilotSource("wydot", "BSM", **DAY, storage_options=options)
    catalog = intake.open_catalog(str(catalog_file()))
    yield catalog.wydot_bsm(**DAY, storage_options=options)
    yield CVPilotSource("wydot", "BSM", **DAY, archive=f"sftp://me:{SECRET}@data.example/bucket")
    url = f"zip://data::dav://me:{SECRET}@h.example/a.zip?sig={SECRET}"
    other = {
        "host": "h.example",
        "port": 22,
        "proxy": f"http://me:{SECRET}@proxy.example",
        "client_options": {"username": SECRET, "sas_token": SECRET, "headers": {"X": SECRET}},
        "connection_string": f"AccountName=data;AccountKey={SECRET}",
        "session": Opaque(),
    }
    yield catalog.wydot_bsm(**DAY, archive=url)
    yield catalog.wydot_bsm(**DAY, archive="sftp:///data", storage_options=other)


class Opaque:
    def __repr__(self) -> str:
        return SECRET


def test_no_secret_is_shown_or_written() -> None:
    for source in secret_sources():
        shown = [repr(source), str(source), source.yaml(), str(vars(source)), f"{source._asked!r}"]
        shown += [str(source.describe()), str(source.__getstate__()), str(tokenize(source))]
        shown += [str(source.__dask_tokenize__()), str(source.metadata)]
        assert not [text for text in shown if SECRET in text]
        assert SECRET.encode() not in pickle.dumps(source)
        again = pickle.loads(pickle.dumps(source))
        assert again.request == source.request
        assert again.metadata == source.metadata
        assert again.yaml() == source.yaml() == pickle.loads(pickle.dumps(again)).yaml()


def test_yaml_names_what_it_leaves_out() -> None:
    signed, _, _, _, other = secret_sources()
    spec = yaml.safe_load(signed.yaml())["sources"]["cvpilot"]
    assert spec["args"]["storage_options"] == {
        "anon": False,
        "client_kwargs": {"region_name": "us-east-1"},
        "endpoint_url": "https://minio.example",
        "requester_pays": True,
    }
    assert spec["metadata"]["left_out"] == (
        "storage_options.key, storage_options.secret, storage_options.token: give them when opening"
    )
    spec = yaml.safe_load(other.yaml())["sources"]["wydot_bsm"]
    assert spec["args"]["storage_options"] == {
        "host": "h.example",
        "port": 22,
        "proxy": "http://proxy.example",
    }
    for name in (
        "connection_string",
        "session",
        "client_options.headers",
        "client_options.username",
    ):
        assert f"storage_options.{name}" in spec["metadata"]["left_out"]
    assert "login of storage_options.proxy" in spec["metadata"]["left_out"]


def test_a_source_from_yaml_or_a_pickle_asks_the_same_archive() -> None:
    signed, _, login, *_ = secret_sources()
    sftp = CVPilotSource(
        "wydot", "BSM", archive="sftp:///data", storage_options={"host": "h", "password": SECRET}
    )
    for source in (signed, login, sftp):
        again = pickle.loads(pickle.dumps(source))
        args = yaml.safe_load(source.yaml())["sources"]["cvpilot"]["args"]
        assert again._asked.archive == source._asked.archive
        assert CVPilotSource(**args)._asked.archive == source._asked.archive
        assert again == source == CVPilotSource(**args)


def test_secrets_reach_the_archive_and_survive_chaining_and_copies() -> None:
    for source in list(secret_sources())[:2]:
        for made in (source, source(end="2021-04-02"), copy.copy(source), copy.deepcopy(source)):
            options = made._asked.options()["storage_options"]
            assert (options["secret"], options["token"]) == (SECRET, SECRET)


def test_a_denial_says_that_a_pickle_holds_no_secret() -> None:
    again = pickle.loads(pickle.dumps(next(secret_sources())))
    with pytest.raises(AccessDeniedError) as denied, again._asked.explained():
        raise AccessDeniedError("403")
    assert "storage_options.secret" in denied.value.__notes__[0]
    with pytest.raises(AccessDeniedError) as denied, next(secret_sources())._asked.explained():
        raise AccessDeniedError("403")
    assert not hasattr(denied.value, "__notes__")


# What Intake shows


def test_describe_is_the_entry_and_works_without_one(catalog) -> None:
    described = catalog.wydot_bsm(**DAY).describe()
    assert described["name"] == "wydot_bsm"
    assert [p["name"] for p in described["user_parameters"]][:2] == ["start", "end"]
    alone = CVPilotSource("wydot", "BSM", **DAY).describe()
    assert alone.keys() == described.keys()
    assert alone["args"]["start"] == "2021-04-01T00:00:00Z"
    assert pickle.loads(pickle.dumps(catalog.wydot_bsm(**DAY))).describe()["name"] == "wydot_bsm"


def test_the_signature_shows_what_can_be_asked_for() -> None:
    import inspect

    shown = inspect.signature(CVPilotSource).parameters
    assert list(shown)[:4] == ["source", "message_type", "start", "end"]
    assert {"timezone", "columns", "filters", "archive", "cache_dir", "index"} <= set(shown)


def test_only_intakes_own_shell_warning_is_silenced() -> None:
    code = (
        "import warnings, intake\n"
        f"catalog = intake.open_catalog({str(catalog_file())!r})\n"
        "catalog.wydot_bsm(start='2021-04-01', end='2021-04-01')\n"
        "warnings.warn('Shell command not executed due to getshell=False, says another')\n"
    )
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "says another" in done.stderr.splitlines()[-1]


# What it opens


def test_discover_reads_nothing_and_tells_what_will_come(catalog, tmp_path: Path) -> None:
    places = {"archive": tmp_path / "none", "cache_dir": tmp_path / "cache"}
    found = catalog.wydot_bsm(**places).discover()
    assert found["npartitions"] is None
    assert found["shape"] == (None, len(found["dtype"]))
    assert found["dtype"]["speed"] == np.dtype("float64")
    assert found["metadata"]["agency"] == "Wyoming Department of Transportation"
    assert list(tmp_path.iterdir()) == []
    narrow = catalog.wydot_bsm(columns=["heading", "speed"], index="event_time").discover()
    assert list(narrow["dtype"]) == ["heading", "speed"]


def test_to_dask_gives_the_range_with_the_dtypes_of_discover(both_days, archive: Summary) -> None:
    frame = both_days.to_dask()
    assert dict(frame.dtypes) == both_days.discover()["dtype"]
    rows = frame.compute()
    assert dict(rows.dtypes) == both_days.discover()["dtype"]
    assert len(rows) == archive.records - archive.outside
    assert rows.event_time.is_monotonic_increasing
    assert both_days.report.counts.lines == archive.lines
    assert both_days.npartitions == frame.npartitions == both_days.discover()["npartitions"]


def test_a_second_call_touches_no_archive(catalog, tmp_path: Path) -> None:
    folder = write_archive(tmp_path / "archive", records_per_hour=1).folder
    asked = {**DAY, "archive": folder, "cache_dir": tmp_path / "cache"}
    rows = catalog.wydot_bsm(**asked).read()
    folder.rename(tmp_path / "gone")
    second = catalog.wydot_bsm(**asked)
    pd.testing.assert_frame_equal(second.to_dask().compute().reset_index(drop=True), rows)
    assert second.report.requests == 0
    assert catalog.wydot_bsm(**asked, offline=True).to_dask().compute().shape == rows.shape


def test_every_way_of_reading_gives_the_same_rows(both_days) -> None:
    whole = both_days.read()
    frame = both_days.to_dask()
    parts = [both_days.read_partition(i) for i in range(frame.npartitions)]
    chunks = list(both_days.read_chunked())
    for pieces in (parts, chunks, [frame.compute()]):
        joined = pd.concat(pieces, ignore_index=True).sort_values("event_time", kind="stable")
        pd.testing.assert_frame_equal(joined.reset_index(drop=True), whole)
    for number in (-1, frame.npartitions):
        with pytest.raises(IndexError, match=f"{number} is not among the partitions 0 to"):
            both_days.read_partition(number)


def test_read_partition_opens_by_itself_and_with_closes(both_days) -> None:
    with both_days(columns=["speed"]) as source:
        assert list(source.read_partition(0)) == ["speed"]
        assert source._frame is not None
    assert source._frame is None


def test_a_partition_of_the_frame_may_be_a_day(both_days) -> None:
    source = both_days(partition="day", columns=["speed"])
    assert source.to_dask().npartitions == source.npartitions == 2
    assert both_days(partition="auto").to_dask().npartitions == 1


def test_columns_filters_index_and_instants_reach_the_rows(both_days) -> None:
    narrow = both_days(
        start="2021-04-01T06:00",
        end="2021-04-01T12:00",
        columns=["vehicle_id", "speed"],
        filters=[("speed", ">", 20.0)],
        index="event_time",
    )
    rows = narrow.read()
    assert list(rows) == ["vehicle_id", "speed"]
    assert (rows.speed > 20).all()
    assert rows.index.min() >= pd.Timestamp("2021-04-01T06:00Z")
    assert rows.index.max() < pd.Timestamp("2021-04-01T12:00Z")
    frame = narrow.to_dask()
    assert frame.known_divisions
    pd.testing.assert_frame_equal(frame.compute(), rows)
    expression = narrow(filters=pc.field("speed") > 20.0)
    pd.testing.assert_frame_equal(expression.read(), rows)


def test_files_are_the_committed_parts_and_ask_no_archive(both_days, tmp_path: Path) -> None:
    both_days.to_dask()
    files = both_days(archive=both_days._asked.plain["archive"], offline=True).files()
    assert len(files) == len(set(files)) == both_days.npartitions
    assert {Path(name).suffix for name in files} == {".parquet"}
    assert sum(pq.read_metadata(name).num_rows for name in files) == len(both_days.read())
    one = both_days(end="2021-04-01").files()
    assert set(one) < set(files)
    assert both_days(cache_dir=tmp_path / "empty").files() == []
    assert both_days(archive=tmp_path / "another").files() == []


def test_a_plan_reads_nothing(catalog, archive: Summary, tmp_path: Path) -> None:
    source = catalog.wydot_bsm(
        start="2021-04-01", end="2021-04-02", archive=archive.folder, cache_dir=tmp_path / "cache"
    )
    plan = source(columns=["speed"]).plan()
    assert [part.state for part in plan.partitions] == ["missing", "missing"]
    assert plan.bytes == archive.bytes
    assert source.report is None
    assert source.files() == []


def test_an_empty_range_is_a_typed_frame_of_no_rows(both_days) -> None:
    empty = both_days(start="2021-04-01T00:00", end="2021-04-01T00:00:00.000001")
    frame = empty.to_dask()
    assert dict(frame.dtypes) == empty.discover()["dtype"]
    assert len(frame) == len(empty.read()) == 0


def test_the_report_is_there_when_partitions_failed(catalog, tmp_path: Path) -> None:
    folder = write_archive(tmp_path / "archive", records_per_hour=1).folder
    (folder / "wydot/BSM/2021/04/02").rename(tmp_path / "day")
    (folder / "wydot/BSM/2021/04/02").write_text("no folder")
    source = catalog.wydot_bsm(
        start="2021-04-01", end="2021-04-02", archive=folder, cache_dir=tmp_path / "cache"
    )
    with pytest.raises(PartitionsFailedError):
        source.to_dask()
    assert source.report.actions == {"fetched": 1, "failed": 1}


def test_sources_are_known_to_dask_and_open_cvpilot(archive: Summary, cache: Path) -> None:
    source = intake.open_cvpilot("WYDOT", "bsm", **DAY, archive=archive.folder, cache_dir=cache)
    assert type(source) is CVPilotSource
    assert tokenize(source.to_dask()) == tokenize(source.to_dask())


def test_the_real_day_has_its_40_records(catalog, bucket: Path, tmp_path: Path) -> None:
    day = {"start": "2019-02-06", "end": "2019-02-06"}
    source = catalog.wydot_bsm(**day, archive=bucket, cache_dir=tmp_path / "cache")
    rows = source.to_dask().compute()
    assert len(rows) == 40
    assert rows.event_time.is_monotonic_increasing
    assert str(rows.event_time.dtype) == "timestamp[us, tz=UTC][pyarrow]"
    again = catalog.wydot_bsm(**day, archive=bucket, cache_dir=tmp_path / "cache", offline=True)
    assert len(again.read()) == 40
    assert again.report.requests == 0
