"""Every engine gives the same rows, whatever is asked for, and from damage none gives others."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_publish import bucket_of

import intake_cvpilot as cv
from intake_cvpilot.frames import OPENERS, polars
from intake_cvpilot.frames import duckdb as frames_duckdb
from intake_cvpilot.frames.where import Term, render
from intake_cvpilot.synthetic import write_archive

pl = pytest.importorskip("polars", reason="needs the extra polars")
duckdb = pytest.importorskip("duckdb", reason="needs the extra duckdb")

TABLES = {
    "messages": ("wydot", "BSM", "2019-02-06", "2019-02-06"),
    "messages (thea)": ("thea", "BSM", "2019-01-14", "2019-01-14"),
    "frames": ("wydot", "TIM", "2019-01-22", "2019-01-22"),
    "frames (thea)": ("thea", "TIM", "2021-03-03", "2021-03-03"),
    "movements": ("thea", "SPAT", "2019-01-14", "2019-01-14"),
    "events": ("nycdot", "EVENT", "2021-04-01", "2021-04-30"),
    "bsms": ("nycdot", "EVENT", "2021-04-01", "2021-04-30"),
}


@pytest.fixture(scope="session")
def spark():
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    sql = pytest.importorskip("pyspark.sql", reason="needs the extra spark")
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    session = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        # Small data: starting up is what takes time.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "America/Denver")  # no zone but UTC may matter
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def real(bucket, tmp_path_factory):
    return {"archive": bucket, "cache_dir": tmp_path_factory.mktemp("cache")}


def as_arrow(engine: str, opened) -> pa.Table:
    """What an engine gave, as an Arrow table; the engine does the reading."""
    if engine == "arrow":
        return opened.to_table()
    if engine == "dask":
        opened = opened.compute()
    if isinstance(opened, pd.DataFrame):
        return pa.Table.from_pandas(opened, preserve_index=False)
    if engine == "polars":
        return opened.collect().to_arrow()
    if engine == "duckdb":
        return opened.to_arrow_table()
    return opened.toArrow()


def plain(value):
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return sorted(value)  # a map
    if isinstance(value, list) and value and isinstance(value[0], dict) and "key" in value[0]:
        return sorted((entry["key"], entry["value"]) for entry in value)  # Polars has no maps
    return value


def rows(data: pa.Table, columns=None) -> list:
    names = columns or data.column_names
    found = [[plain(row[name]) for name in names] for row in data.to_pylist()]
    return sorted(found, key=repr)


def asked(name: str) -> tuple[tuple, dict]:
    table = name.split(" ", maxsplit=1)[0]
    return TABLES[name], {"table": table}


NARROWED = {
    "all": {},
    "everything": {
        "repeats": "drop",
        "outside": "keep",
        "filters": [[("line", "<=", 3)], [("line", "not in", [4, 5, None])]],
    },
    "an expression": {"filters": pc.field("line") != 2},
}


@pytest.mark.parametrize("narrowed", NARROWED)
@pytest.mark.parametrize("name", TABLES)
def test_engines_give_the_rows_of_the_arrow_dataset(name, narrowed, real, spark):
    request, options = asked(name)
    options |= NARROWED[narrowed] | real
    whole = cv.open_arrow(*request, **options).to_table()
    expected = rows(whole)
    assert expected
    for engine, opener in OPENERS.items():
        more = {"session": spark} if engine == "spark" else {}
        found = as_arrow(engine, opener(*request, **options, **more))
        assert found.column_names == whole.column_names, engine
        assert rows(found) == expected, engine


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=4)
    (made.folder / "nycdot/EVENT").mkdir(parents=True)  # a table without a row in the range
    return {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("cache")}


DAYS = ("wydot", "BSM", "2021-04-01", "2021-04-02")
ENGINES = [name for name in OPENERS if name != "spark"]  # a session for each case would cost more


@pytest.mark.parametrize("engine", OPENERS)
def test_columns_ranges_and_no_rows(engine, where, request):
    more = {"session": request.getfixturevalue("spark")} if engine == "spark" else {}
    opener = OPENERS[engine]
    asked = {"columns": ["speed", "vehicle_id", "generated_by"], **where, **more}
    hour = ("wydot", "BSM", "2021-04-01T10:00", "2021-04-01T11:30")
    expected = cv.open_pandas(*hour, **where)[["speed", "vehicle_id", "generated_by"]]
    found = as_arrow(engine, opener(*hour, **asked)).select(asked["columns"])
    assert rows(found) == rows(pa.Table.from_pandas(expected, preserve_index=False))
    empty = as_arrow(engine, opener("wydot", "BSM", "2019-01-01", "2019-01-01", **asked))
    assert len(empty) == 0
    assert empty.select(asked["columns"]).schema.types == found.schema.types


@pytest.mark.parametrize("engine", OPENERS)
def test_the_portals_names_in_every_engine(engine, where, request):
    more = {"session": request.getfixturevalue("spark")} if engine == "spark" else {}
    wanted = ["coreData_position", "metadata_generatedAt", "coredata_speed", "part2_vse_events"]
    names = ["coreData_position", "metadata_generatedAt", "coreData_speed", "part2_vse_events"]
    asked = {"names": "portal", "columns": wanted, "filters": [("speed", ">", 20.0)], **where}
    expected = cv.open_pandas(*DAYS, **asked)
    assert list(expected.columns) == names
    assert len(expected) > 5
    assert (expected["coreData_speed"] > 20).all()
    assert expected["coreData_position"].str.match(r"POINT \(-1\d\d\.\d+ 4\d\.\d+\)").all()
    found = as_arrow(engine, OPENERS[engine](*DAYS, **asked, **more))
    assert rows(found) == rows(pa.Table.from_pandas(expected, preserve_index=False))


def test_a_lazy_polars_frame_narrows_what_it_is_given(where):
    frame = cv.open_polars(*DAYS, names="portal", **where)
    fast = frame.filter(pl.col("coreData_speed") > 20).select("coreData_id").head(3).collect()
    assert fast.shape == (3, 1)
    with pytest.raises(cv.InvalidRequestError, match="did you mean coreData_speed"):
        cv.open_polars(*DAYS, names="portal", columns=["coreData_sped"], **where)


def test_a_duckdb_relation_can_be_asked_again_and_on_a_connection_of_ones_own(where):
    connection = duckdb.connect()
    rides = cv.open_duckdb(*DAYS, names="portal", connection=connection, **where)
    first, again = (rides.aggregate("count(*)").fetchall() for _ in range(2))
    assert first == again
    plain = cv.open_duckdb(*DAYS, connection=connection, **where)  # noqa: F841 -- named in SQL
    assert connection.sql("SELECT count(*) FROM plain").fetchall() == first


@pytest.mark.parametrize("engine", ENGINES)
def test_a_part_that_is_not_what_the_manifest_says_is_no_rows(engine, where, tmp_path):
    cache = tmp_path / "cache"
    cv.fetch(*DAYS, **where)  # other tests share the cache, and may not have come yet
    shutil.copytree(where["cache_dir"], cache)
    here = {**where, "cache_dir": cache}
    part = max(Path(cache).rglob("messages-*.parquet"), key=lambda path: path.stat().st_size)
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 4
    part.write_bytes(data)
    with pytest.raises(cv.DamagedError, match="cvpilot repair"):
        as_arrow(engine, OPENERS[engine](*DAYS, **here))


def test_a_missing_engine_is_told_with_its_extra(where, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(cv.MissingExtraError, match=r'pip install "\.\[polars\]" in a checkout'):
        cv.open_polars(*DAYS, **where)


def test_what_no_engine_can_give_costs_no_fetch(where, tmp_path, monkeypatch):
    here = {"archive": where["archive"], "cache_dir": tmp_path / "cache"}
    source = cv.open_catalog().wydot_bsm(start=DAYS[2], end=DAYS[3], **here)
    for module, opener in (("polars", source.to_polars), ("duckdb", source.to_duckdb)):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(cv.MissingExtraError, match=rf'the extra "{module}"'):
            opener()
    with pytest.raises(cv.InvalidRequestError, match="no positions on earth"):
        cv.open_geopandas("nycdot", "EVENT", "2021-04-01", "2021-04-30", **here)
    assert not here["cache_dir"].exists()


def test_spark_without_java_is_told_before_anything_is_fetched(where, tmp_path):
    pytest.importorskip("pyspark", reason="needs the extra spark")
    code = (
        "import sys, intake_cvpilot as cv\n"
        "try:\n    cv.open_spark(*sys.argv[1:5], archive=sys.argv[5], cache_dir=sys.argv[6])\n"
        "except cv.MissingExtraError as error:\n    print(error)\n"
    )
    words = [*DAYS, str(where["archive"]), str(tmp_path / "cache")]
    bare = {k: v for k, v in os.environ.items() if k not in ("JAVA_HOME", "PATH")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**bare, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "It needs Java 17 or later" in done.stdout
    assert not (tmp_path / "cache").exists()


@given(
    st.lists(st.sampled_from([None, 0, 1, 2, 3]), max_size=4),
    st.sampled_from(["in", "not in", "==", "!=", "<", ">="]),
    st.sampled_from([0, 1, 2, 3]),
)
def test_conditions_are_those_of_arrow(some, op, one):
    data = pa.table({"line": pa.array([None, 0, 1, 2, 3], pa.int32())})
    value = some if "in" in op else one
    if value == []:
        return  # Arrow refuses it
    expected = data.filter(pq.filters_to_expression([("line", op, value)]))["line"].to_pylist()
    wanted = [((Term("line", op, tuple(some) if "in" in op else one),),)]
    frame = pl.from_arrow(data).filter(render(wanted, polars.dialect()))
    assert frame["line"].to_list() == expected
    relation = duckdb.from_arrow(data).filter(render(wanted, frames_duckdb.dialect()))
    assert sorted(relation.fetchall(), key=repr) == sorted([(v,) for v in expected], key=repr)


def test_later_choices_reach_the_files(where, spark, capsys):
    """What each engine says that it will read of columns and rows chosen after opening."""
    lazy = cv.open_polars(*DAYS, **where).filter(pl.col("speed") > 20).select("line").explain()
    assert re.search(r"PROJECT 3/\d+ COLUMNS\s+SELECTION: .*speed", lazy)
    relation = cv.open_duckdb(*DAYS, **where).filter("speed > 20").select("line").explain()
    scan = relation.partition("PARQUET_SCAN")[2]
    assert re.search(r"Projections: line\b", scan)
    assert re.search(r"Filters: speed\s*>\s*20", scan)
    cv.open_spark(*DAYS, session=spark, **where).where("speed > 20").select("line").explain()
    plan = capsys.readouterr().out
    assert re.search(r"FileScan parquet \[event_time#\d+,speed#\d+,line#\d+\]", plan)
    assert re.search(r"PushedFilters: \[IsNotNull\(event_time\), IsNotNull\(speed\), Gr", plan)
    frame = cv.open_dask(*DAYS, **where)
    frame[frame["speed"] > 20]["line"].optimize().pprint()
    assert "columns=['speed', 'line']" in capsys.readouterr().out


@pytest.fixture(scope="module")
def published(where, moto):
    """The two days in a bucket, with the options to read them there."""
    place = bucket_of(moto, "engines")
    cv.publish(*DAYS, place.url, place.options, **where)
    return place.reading(where)


@pytest.mark.parametrize("engine", OPENERS)
@pytest.mark.parametrize("names", ["tables", "portal"])
def test_every_engine_reads_a_bucket_where_a_range_was_published(
    engine, names, where, published, request
):
    more = {"session": request.getfixturevalue("spark")} if engine == "spark" else {}
    asked = {"names": names, "filters": [("speed", ">", 20.0)]}
    expected = cv.open_arrow(*DAYS, **asked, **where).to_table()
    found = as_arrow(engine, OPENERS[engine](*DAYS, **asked, **published, **more))
    assert found.column_names == expected.column_names
    assert rows(found) == rows(expected) != []


def test_a_source_hands_over_to_every_engine(where, spark):
    source = cv.open_catalog().wydot_bsm(start=DAYS[2], end=DAYS[3], **where)
    rows_ = len(source.read())
    assert source.to_polars().collect().height == rows_
    assert source.to_duckdb().aggregate("count(*)").fetchall() == [(rows_,)]
    assert source.to_spark(spark).count() == rows_
    assert source.report is not None


def test_plain_files_have_the_portals_names_too(where, tmp_path):
    source = cv.open_catalog().wydot_bsm(start=DAYS[2], end=DAYS[3], names="portal", **where)
    source.write_parquet(tmp_path / "files")
    written = pq.read_table(tmp_path / "files")
    assert written.column_names == list(source.read().columns)
    assert rows(written, ["coreData_position"]) == rows(
        pa.Table.from_pandas(source.read(), preserve_index=False), ["coreData_position"]
    )


def test_the_examples_of_the_page_run(where, spark, tmp_path, monkeypatch):
    monkeypatch.setenv("CVPILOT_ARCHIVE", str(where["archive"]))
    monkeypatch.setenv("CVPILOT_CACHE_DIR", str(where["cache_dir"]))
    monkeypatch.chdir(tmp_path)
    for name in ("Gatherer", "Gatherer.S3DataGatherer"):  # what install() registers
        monkeypatch.setitem(sys.modules, name, None)
    text = (Path(__file__).parents[1] / "docs" / "engines.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 8
    names = {}
    for block in blocks:
        exec(compile(block, "docs/engines.md", "exec"), names)
    assert len(names["flat"]) > 0
    assert (tmp_path / "day.ndjson").exists()


def inner(text: str) -> str:
    """A type without what a nested object consists of."""
    return re.sub(r"(?i)(struct[<(])[^)>]*([)>])", r"\1…\2", text)


def types(engine: str, opened) -> dict[str, str]:
    if engine == "arrow":
        found = {field.name: field.type for field in opened.schema}
    elif engine == "polars":
        found = opened.collect_schema()
    elif engine == "duckdb":
        found = dict(zip(opened.columns, opened.types, strict=True))
    elif engine == "spark":
        found = {field.name: field.dataType.simpleString() for field in opened.schema}
    else:
        found = opened.dtypes
    return {name: inner(str(kind)) for name, kind in found.items()}


@pytest.mark.parametrize("engine", OPENERS)
def test_the_page_says_what_a_column_is_in_each_engine(engine, where, request):
    more = {"session": request.getfixturevalue("spark")} if engine == "spark" else {}
    text = (Path(__file__).parents[1] / "docs" / "engines.md").read_text(encoding="utf-8")
    head, _, *lines = text.partition("\n| column ")[2].partition("\n\n")[0].splitlines()
    place = next(n for n, cell in enumerate(head.split("|")) if engine in cell.lower())
    said = {}
    for line in lines:
        named, given = (re.findall("`([^`]+)`", line.strip("|").split("|")[n]) for n in (0, place))
        said |= zip(named, given, strict=True)
    found = {}
    for asked in (DAYS, ("nycdot", "EVENT", "2021-04-01", "2021-04-30")):
        found |= types(engine, OPENERS[engine](*asked, **where, **more))
    if engine == "polars" and pl.__version__ < "2":
        said["parameters"] = "List(Struct(…))"
    assert said == {name: found[name] for name in said}
    assert set(found.values()) <= set(said.values()), "a kind of column that the page lacks"
