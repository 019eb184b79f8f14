"""A block from raw objects to parts: every frame is counted once, every value is somewhere."""

from __future__ import annotations

import copy
import datetime as dt
import gzip
import hashlib
import json
import pickle
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot.build import (
    BlockResult,
    BlockTask,
    StagedUnit,
    build_block,
    table_versions,
)
from intake_cvpilot.decode import decoded, shapes_for
from intake_cvpilot.decode.framing import MAX_LINE
from intake_cvpilot.tables import table, tables_for
from intake_cvpilot.tables.encoding import encodings, lean

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "samples").glob("wydot-bsm-*.json"))
}
DAY = dt.datetime(2020, 3, 1, tzinfo=dt.UTC)
KEY = "wydot/BSM/2020/03/01/12/object-{}"


def compact(record: object) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def build(
    folder: Path, *objects: bytes, start: dt.datetime | None = DAY, message_type: str = "BSM",
    keys: list[str] | None = None, **options: object,
) -> BlockResult:  # fmt: skip
    units = []
    for number, content in enumerate(objects):
        path = folder / f"raw-{number}"
        path.write_bytes(content)
        key = keys[number] if keys else KEY.format(number)
        units.append(StagedUnit(key, number, path))
    end = start + dt.timedelta(days=1) if start else None
    return build_block(
        BlockTask(
            "wydot",
            message_type,
            "wydot/BSM/2020/03/01",
            start,
            end,
            tuple(units),
            folder,
            **options,
        )
    )


def parts(result: BlockResult, folder: Path) -> dict[str, pa.Table]:
    return {
        file.role: pq.read_table(folder / file.name, page_checksum_verification=True)
        for file in result.files
        if file.role != "quarantine"
    }


def quarantined(result: BlockResult, folder: Path) -> list[dict[str, object]]:
    for file in result.files:
        if file.role == "quarantine":
            text = (folder / file.name).read_bytes()
            assert text.count(b"\n") == file.rows
            return [json.loads(line) for line in text.split(b"\n")[:-1]]
    return []


def check(result: BlockResult, folder: Path, objects: list[bytes]) -> None:
    """What holds for any bytes."""
    for unit, content in zip(result.units, objects, strict=True):
        content = content.removeprefix(b"\xef\xbb\xbf")
        assert unit.lines == content.count(b"\n") + bool(content.rpartition(b"\n")[2])
        assert unit.lines == unit.records + unit.blank + unit.quarantined
    records = sum(unit.records for unit in result.units)
    assert records == result.inside + result.outside == sum(result.versions.values())
    assert result.rows == {"messages": records}
    entries = quarantined(result, folder)
    assert Counter(entry["reason"] for entry in entries) == Counter(result.quarantined)
    assert len(entries) == sum(unit.quarantined for unit in result.units)
    for entry in entries:
        number = int(str(entry["object"]).rsplit("-", 1)[1])
        raw = objects[number][entry["offset"] : entry["offset"] + entry["length"]]
        assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
    nulls: Counter[str] = Counter()
    found = parts(result, folder)
    for role, rows in found.items():
        assert rows.schema.remove_metadata().equals(table("messages").schema.remove_metadata())
        times = pc.min_max(rows.column("event_time")).as_py()
        (file,) = [file for file in result.files if file.role == role]
        assert (file.start, file.end, file.rows) == (times["min"], times["max"], len(rows))
        assert len(rows) > 0
        inside = times["min"] >= DAY and times["max"] < DAY + dt.timedelta(days=1)
        assert inside or role == "messages.outside"
        for name in rows.column_names:
            # A record without a leftover lacks nothing.
            nulls[name] += rows.column(name).null_count if name != "extra" else 0
    reasons = {name: sum(why.values()) for name, why in result.nulls["messages"].items()}
    assert {n: c for n, c in nulls.items() if c} == {
        n: c for n, c in reasons.items() if c and "." not in n
    }
    assert {path.name for path in folder.iterdir() if not path.name.startswith("raw-")} == {
        file.name for file in result.files
    }


ODD_TEXT = ["NA", "2020-03-01T12:00:00.5Z", "2020-03-01 12:00:00", "41.5", "1e3", "NEUTRAL"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.sampled_from(ODD_TEXT),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    found = [path] if path else []
    listed = enumerate(value) if isinstance(value, list) else ()
    for step, inner in value.items() if isinstance(value, dict) else listed:
        found += places(inner, (*path, step))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, object]:
    record = copy.deepcopy(draw(st.sampled_from(list(SAMPLES.values()))))
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(places(record) or [("metadata",)]))
        holder = record
        for step in path[:-1]:
            holder = holder[step]
        action = draw(st.sampled_from(["replace", "remove", "wrap", "add"]))
        if action == "remove":
            del holder[path[-1]]
        elif action == "wrap":
            holder[path[-1]] = [holder[path[-1]]]
        elif action == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=4))] = draw(JSON)
        else:
            holder[path[-1]] = draw(JSON)
        if not isinstance(record, dict) or not record:
            break
    return record


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    line = st.one_of(
        mutated().map(compact),
        mutated().map(compact).flatmap(
            lambda raw: st.integers(0, len(raw)).map(lambda cut: raw[:cut])
        ),
        st.tuples(mutated().map(compact), st.integers(0), st.binary(min_size=1, max_size=2)).map(
            lambda drawn: drawn[0][: drawn[1] % (len(drawn[0]) or 1)] + drawn[2]
            + drawn[0][drawn[1] % (len(drawn[0]) or 1) + 1 :]
        ),
        st.binary(max_size=20),
        st.sampled_from([b"", b" \t", b"{}", b"[]", b"\xef\xbb\xbf", b'{"a":NaN}', b"\x00"]),
    )  # fmt: skip
    lines = draw(st.lists(line, max_size=6))
    return (
        draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
        + draw(st.sampled_from([b"\n", b"\r\n"])).join(lines)
        + draw(st.sampled_from([b"", b"\n"]))
    )


@settings(deadline=None, max_examples=150)
@given(st.lists(contents().filter(lambda c: c[:2] != b"\x1f\x8b"), max_size=3))
def test_every_frame_is_counted_once_whatever_the_bytes(objects: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        result = build(Path(one), *objects)
        check(result, Path(one), objects)
        assert build(Path(other), *objects) == result
        for file in result.files:
            assert (Path(one) / file.name).read_bytes() == (Path(other) / file.name).read_bytes()


LEAVES = [(name, path) for name, record in SAMPLES.items() for path in places(record)]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(LEAVES), st.booleans())
def test_nothing_is_dropped_silently(place: tuple[str, tuple[object, ...]], beside: bool) -> None:
    name, path = place
    record = copy.deepcopy(SAMPLES[name])
    holder = record
    for step in path[:-1]:
        holder = holder[step]
    if beside and isinstance(holder, dict):
        holder["zz-key"] = "zz-mark"
    else:
        holder[path[-1]] = "zz-mark"
    with tempfile.TemporaryDirectory() as folder:
        result = build(Path(folder), compact(record), start=None)
        shown = json.dumps(
            [rows.to_pylist() for rows in parts(result, Path(folder)).values()], default=str
        ) + json.dumps(quarantined(result, Path(folder)))
    assert (
        "zz-mark" in shown
        or any(isinstance(s, str) and "assword" in s for s in path)
        or ("***" in shown)
    )


def test_records_outside_the_window_have_a_part_of_their_own(tmp_path: Path) -> None:
    record = copy.deepcopy(SAMPLES["wydot-bsm-6"])
    stamps = ["2020-02-29T23:59:59.999999Z", "2020-03-01T00:00:00Z", "2020-03-01T23:59:59.999999Z",
              "2020-03-02T00:00:00Z"]  # fmt: skip
    lines = []
    for stamp in stamps:
        record["metadata"]["recordGeneratedAt"] = stamp
        lines.append(compact(record))
    result = build(tmp_path, b"\n".join(lines))
    check(result, tmp_path, [b"\n".join(lines)])
    assert (result.inside, result.outside) == (2, 2)
    found = parts(result, tmp_path)
    assert found["messages"].column("line").to_pylist() == [2, 3]
    assert found["messages.outside"].column("line").to_pylist() == [1, 4]
    whole = build(tmp_path, b"\n".join(lines), start=None)
    assert (whole.inside, whole.outside) == (4, 0)


def test_rows_are_sorted_across_objects_and_repeats_marked(tmp_path: Path) -> None:
    first = copy.deepcopy(SAMPLES["wydot-bsm-6"])
    second = copy.deepcopy(first)
    second["metadata"]["serialId"]["recordId"] = 1
    second["metadata"]["odeReceivedAt"] = "2020-03-01T12:04:00Z"
    third = copy.deepcopy(first)
    third["payload"]["data"]["coreData"]["speed"] = 1.0
    early = copy.deepcopy(first)
    early["metadata"]["recordGeneratedAt"] = "2020-03-01T11:00:00Z"
    result = build(
        tmp_path, compact(first) + b"\n" + compact(third), compact(second) + b"\n" + compact(early)
    )
    rows = parts(result, tmp_path)["messages"]
    assert rows.select(["object_id", "line", "is_repeat"]).to_pylist() == [
        {"object_id": 1, "line": 2, "is_repeat": False},
        {"object_id": 1, "line": 1, "is_repeat": False},
        {"object_id": 0, "line": 1, "is_repeat": True},
        {"object_id": 0, "line": 2, "is_repeat": False},
    ]


def test_chunks_do_not_show(tmp_path: Path) -> None:
    """More rows than a chunk or a row group holds, over many small objects."""
    record = copy.deepcopy(SAMPLES["wydot-bsm-6"])
    lines = []
    for number in range(17_000):
        record["metadata"]["serialId"]["recordId"] = number
        record["metadata"]["recordGeneratedAt"] = f"2020-03-01T12:{number % 60:02}:00.250Z"
        lines.append(compact(record))
    objects = [b"\n".join(lines[at : at + 50]) for at in range(0, len(lines), 50)]
    result = build(tmp_path, *objects)
    assert (result.inside, result.quarantined) == (17_000, {})
    (file,) = result.files
    part = pq.ParquetFile(tmp_path / file.name)
    assert part.metadata.num_row_groups == 2
    rows = part.read()
    assert rows.column("event_time").to_pylist() == sorted(rows.column("event_time").to_pylist())
    assert set(rows.column("record_id").to_pylist()) == set(range(17_000))
    statistics = part.metadata.row_group(0).column(0).statistics
    assert statistics.has_min_max
    assert result.nulls["messages"]["log_direction"] == {"missing": 17_000}


def metadata(**values: object):
    return lambda record: record["metadata"].update(values)


def payload(**values: object):
    return lambda record: record["payload"].update(values)


def data(**values: object):
    return lambda record: record["payload"]["data"].update(values)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([lambda record: record.pop("payload")], "missing_core"),
        ([data(coreData=None)], "missing_core"),
        ([data(coreData={})], "missing_core"),
        ([data(coreData=[1, 2])], "missing_core"),
        ([payload(dataType="TravelerInformation", data={"x": 1})], "wrong_type"),
        ([payload(data={"MessageFrame": {}})], "wrong_type"),
        ([metadata(recordGeneratedAt="2020-03-01T12:00:00.25")], "no_zone"),
        ([metadata(recordGeneratedAt="", odeReceivedAt="2020-03-01T12:00")], "no_zone"),
        ([metadata(recordGeneratedAt="2020-03-01 12:00:00 [ET]")], "no_zone"),
        ([metadata(schemaVersion=9), data(coreData={"msgCnt": 1})], "unknown_version"),
        ([metadata(schemaVersion=7, recordGeneratedAt=5)], "unknown_version"),
        ([metadata(schemaVersion={"a": 1}, recordGeneratedAt=5)], "unknown_version"),
        ([lambda record: record.pop("metadata")], "unknown_version"),
        ([metadata(schemaVersion=9), payload(data=None)], "unknown_version"),
    ],
)
def test_what_is_no_record_is_quarantined(tmp_path: Path, changes, reason: str) -> None:
    record = copy.deepcopy(SAMPLES["wydot-bsm-6"])
    for change in changes:
        change(record)
    raw = compact(record)
    result = build(tmp_path, b"\r\n" + raw + b"\r\n" + compact(SAMPLES["wydot-bsm-3"]))
    assert result.quarantined == {reason: 1}
    assert result.units[0].records == 1
    (entry,) = quarantined(result, tmp_path)
    assert entry["object"] == KEY.format(0)
    assert (entry["object_id"], entry["line"], entry["offset"]) == (0, 2, 2)
    assert (entry["raw"], entry["encoding"], entry["cut"]) == (raw.decode(), "utf-8", False)
    assert entry["detail"]


def test_an_unknown_version_is_tried_with_the_newest_shape(tmp_path: Path) -> None:
    line = compact(SAMPLES["wydot-bsm-9"])
    six = compact(SAMPLES["wydot-bsm-6"])
    result = build(tmp_path, six + b"\n" + line, line)
    assert result.versions == {"6": 1, "9": 2}
    assert result.unknown == {"9": (KEY.format(0), 2)}
    assert parts(result, tmp_path)["messages"].column("schema_version").to_pylist() == [6, 9, 9]


def test_an_absent_version_is_counted_as_none(tmp_path: Path) -> None:
    record = copy.deepcopy(SAMPLES["wydot-bsm-6"])
    del record["metadata"]["schemaVersion"]
    result = build(tmp_path, compact(record))
    assert result.versions == {"none": 1}


def test_raw_lines_in_the_quarantine_are_lossless_or_cut(tmp_path: Path) -> None:
    lines = [b'{"a":"\xff"', b"x" * 70_000, b"y" * (MAX_LINE + 1), b'{"rsuPassword":"hunter2"']
    result = build(tmp_path, b"\n".join(lines))
    first, second, third, fourth = quarantined(result, tmp_path)
    assert (first["encoding"], first["raw"]) == ("base64", "eyJhIjoi/yI=")
    assert (second["length"], second["cut"], len(second["raw"])) == (70_000, True, 65_536)
    assert (third["length"], third["cut"], third["reason"]) == (MAX_LINE + 1, True, "too_long")
    assert third["sha256"] == hashlib.sha256(lines[2]).hexdigest()
    assert (fourth["raw"], fourth["redacted"]) == ('{"rsuPassword":"***"', 1)
    check(result, tmp_path, [b"\n".join(lines)])


def test_no_secret_survives(tmp_path: Path) -> None:
    record = copy.deepcopy(SAMPLES["wydot-bsm-6-leftover"])
    raw = compact(record)
    result = build(tmp_path, raw + b"\n" + raw[:-1] + b"\n" + raw.replace(b"{", b"[", 1))
    assert result.inside == 1
    for file in result.files:
        content = (tmp_path / file.name).read_bytes()
        assert b"hunter2" not in content
        assert b"operator" not in content


def test_gzip_is_read_and_damaged_gzip_quarantined_as_a_whole(tmp_path: Path) -> None:
    content = compact(SAMPLES["wydot-bsm-6"]) + b"\n"
    packed = gzip.compress(content * 3, mtime=0)
    result = build(tmp_path, packed, packed[:-5], content)
    assert [(u.lines, u.records, u.quarantined) for u in result.units] == [
        (3, 3, 0), (1, 0, 1), (1, 1, 0)
    ]  # fmt: skip
    (entry,) = quarantined(result, tmp_path)
    assert (entry["reason"], entry["line"], entry["length"]) == ("bad_gzip", 0, len(packed) - 5)
    assert entry["sha256"] == hashlib.sha256(packed[:-5]).hexdigest()


def test_nothing_gives_no_files(tmp_path: Path) -> None:
    result = build(tmp_path, b"", b"\xef\xbb\xbf", b"\n \n")
    assert result.files == ()
    assert [(u.lines, u.blank) for u in result.units] == [(0, 0), (0, 0), (2, 2)]
    assert (result.inside, result.outside, result.rows) == (0, 0, {"messages": 0})
    assert build(tmp_path).units == ()


def test_a_failed_build_leaves_no_file(tmp_path: Path) -> None:
    raw = tmp_path / "raw-0"
    raw.write_bytes(b"junk\n" + compact(SAMPLES["wydot-bsm-6"]))
    good = StagedUnit(KEY.format(0), 0, raw)
    gone = StagedUnit(KEY.format(1), 1, tmp_path / "raw-1")
    with pytest.raises(FileNotFoundError):
        build_block(BlockTask("wydot", "BSM", "p", None, None, (good, gone), tmp_path))
    with pytest.raises(Exception, match=r"[Cc]odec|compression"):
        build_block(
            BlockTask("wydot", "BSM", "p", None, None, (good,), tmp_path, codec="none-such")
        )
    assert [path.name for path in tmp_path.iterdir()] == ["raw-0"]


def test_the_codec_changes_the_bytes_and_nothing_else(tmp_path: Path) -> None:
    content = compact(SAMPLES["wydot-bsm-6"])
    snappy = build(tmp_path, content)
    zstd = build(tmp_path, content, codec="zstd", level=3)
    assert snappy.files[0].name != zstd.files[0].name
    assert parts(snappy, tmp_path)["messages"].equals(parts(zstd, tmp_path)["messages"])
    codecs = {
        pq.ParquetFile(tmp_path / file.name).metadata.row_group(0).column(0).compression
        for file in (*snappy.files, *zstd.files)
    }
    assert codecs == {"SNAPPY", "ZSTD"}


def test_each_leaf_has_a_dictionary_or_an_encoding_and_fields_carry_their_unit_only() -> None:
    for name in {made.name for pair in decoded() for made in tables_for(*pair)}:
        schema = table(name).schema
        dictionaries, others = encodings(schema)
        sink = pa.BufferOutputStream()
        pq.write_table(schema.empty_table(), sink)
        written = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
        paths = [written.column(number).path for number in range(len(written))]
        assert sorted([*dictionaries, *others]) == sorted(paths)
        kept = lean(schema)
        assert kept.remove_metadata().equals(schema.remove_metadata())
        for before, after in zip(schema, kept, strict=True):
            unit = (before.metadata or {}).get(b"unit")
            assert after.metadata == ({b"unit": unit} if unit else None)


def test_a_part_of_one_row_is_small(tmp_path: Path) -> None:
    result = build(tmp_path, compact(SAMPLES["wydot-bsm-6"]))
    (file,) = result.files
    assert file.bytes < 40_000  # 55,000 with descriptions and paths in the footer


def test_a_block_is_the_same_in_another_process(tmp_path: Path) -> None:
    content = b"\n".join(compact(record) for record in SAMPLES.values()) + b"\nbad"
    result = build(tmp_path, content)
    other = tmp_path / "other"
    other.mkdir()
    unit = StagedUnit(KEY.format(0), 0, tmp_path / "raw-0")
    end = DAY + dt.timedelta(days=1)
    task = BlockTask("wydot", "BSM", "wydot/BSM/2020/03/01", DAY, end, (unit,), other)
    script = (
        "import pickle, sys; from intake_cvpilot.build import build_block;"
        "sys.stdout.buffer.write(pickle.dumps(build_block(pickle.load(sys.stdin.buffer))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(task), capture_output=True, check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert pickle.loads(done.stdout) == result
    assert {path.name for path in other.iterdir()} == {file.name for file in result.files}


def test_what_is_not_decoded_says_what_is() -> None:
    for pair in decoded():
        assert shapes_for(*pair).tables == tuple(made.name for made in tables_for(*pair))
    with pytest.raises(NotImplementedError, match="decoded today: wydot BSM"):
        tables_for("wydot", "MAP")
    with pytest.raises(NotImplementedError, match="messages"):
        table("none_such")
    assert table_versions("wydot_backup", "BSM") == {"messages": "1.0"}


def test_columns_carry_unit_meaning_and_raw_path() -> None:
    made = table("messages")
    speed = made.schema.field("speed").metadata
    assert speed[b"unit"] == b"m/s"
    assert speed[b"standard"] == b"DE_Speed"
    assert speed[b"portal_name"] == b"coreData_speed"
    assert json.loads(speed[b"path"])["wydot"] == "payload.data.coreData.speed"
    assert json.loads(made.schema.field("event_time").metadata[b"path"])["wydot"] == (
        "metadata.recordGeneratedAt, payload.data.timeStamp, metadata.generatedAt"
    )
    for column in made.columns:
        assert column.description, column.name
        numeric = pa.types.is_floating(column.type)
        assert bool(column.unit) or not numeric, column.name
    assert made.column("abs").categories == ("off", "on", "engaged")
    with pytest.raises(KeyError):
        made.column("none_such")


def test_the_real_records(bucket: Path, tmp_path: Path) -> None:
    counted = {}
    for day in ("2017/11/20", "2017/12/05", "2018/05/01", "2019/02/06", "2020/02/01"):
        prefix = f"wydot/BSM/{day}"
        keys = sorted(
            str(path.relative_to(bucket)) for path in (bucket / prefix).rglob("*") if path.is_file()
        )
        units = tuple(StagedUnit(key, at, bucket / key) for at, key in enumerate(keys))
        start = dt.datetime.strptime(day, "%Y/%m/%d").replace(tzinfo=dt.UTC)
        end = start + dt.timedelta(days=1)
        result = build_block(BlockTask("wydot", "BSM", prefix, start, end, units, tmp_path))
        rows = parts(result, tmp_path)["messages"]
        counted[day] = (result.inside, result.outside, sum(result.quarantined.values()))
        extras = set(rows.column("extra").to_pylist())
        # Only version 3 carries a value that no column holds.
        expected = {None} if day > "2018" else {'{"metadata":{"validSignature":true}}'}
        assert extras == expected
        assert set(rows.column("time_basis").to_pylist()) == {"generated"}
        assert rows.column("latitude").null_count == 0
        # Only the decoder's artefact and sentinels are null where the records hold a value.
        loud = {
            name: set(why) - {"missing", "unavailable", "artefact"}
            for name, why in result.nulls["messages"].items()
        }
        assert not any(loud.values())
    assert counted == {
        "2017/11/20": (1, 0, 0),
        "2017/12/05": (1, 0, 0),
        "2018/05/01": (16, 0, 0),
        "2019/02/06": (40, 0, 0),
        "2020/02/01": (1, 0, 0),
    }
