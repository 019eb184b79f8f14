"""Lineage: every row leads to its object and raw line, and nothing else is passed off for it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from calendar import monthrange
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import intake_cvpilot as cv
from intake_cvpilot.archive import identity
from intake_cvpilot.cli import cli
from intake_cvpilot.decode import decoded
from intake_cvpilot.exits import Exit
from intake_cvpilot.frames import open_pandas
from intake_cvpilot.origin import Trace
from intake_cvpilot.synthetic import write_archive

RANGE = ("wydot", "BSM", "2021-04-01", "2021-04-02")
KIND = {"source": "wydot", "message_type": "BSM"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=3)


@pytest.fixture(scope="module")
def where(made, tmp_path_factory):
    options = {"archive": made.folder, "cache_dir": tmp_path_factory.mktemp("cache")}
    cv.fetch(*RANGE, **options)
    return options


@pytest.fixture(scope="module")
def frame(where):
    """Every row, those that were filed a day late among them."""
    return cv.open_pandas("wydot", "BSM", "2021-03-31", "2021-04-02", outside="keep", **where)


@pytest.fixture
def own(made, where, tmp_path):
    """An archive and a cache of it that a test may change."""
    shutil.copytree(made.folder, tmp_path / "archive")
    options = {"archive": tmp_path / "archive", "cache_dir": tmp_path / "cache"}
    cv.fetch(*RANGE, **options)
    return options


# Objects


def test_objects_are_those_of_the_archive(made, where):
    found = cv.objects(*RANGE, **where)
    files = {str(p.relative_to(made.folder)): p for p in made.folder.rglob("*") if p.is_file()}
    assert set(found["key"]) == set(files)
    sizes = [files[key].stat().st_size for key in found["key"]]
    assert list(found["size"]) == sizes
    assert set(found["archive"]) == {made.folder.as_uri()}
    for name in ("lines", "records", "blank"):
        assert found[name].sum() == getattr(made, name)
    assert found["quarantined"].sum() == made.bad
    assert (found["lines"] == found["records"] + found["blank"] + found["quarantined"]).all()
    assert found["object_id"].is_unique
    assert all(k.startswith(p) for k, p in zip(found["key"], found["partition"], strict=True))


def test_objects_join_with_the_rows(where, frame):
    found = cv.objects(*RANGE, **where)
    joined = frame.merge(found, on="object_id", how="left", validate="many_to_one")
    assert joined["key"].notna().all()
    counted = joined.groupby("key").size().to_dict()
    assert counted == {k: n for k, n in zip(found["key"], found["records"], strict=True) if n}


def test_what_is_not_fetched_is_warned_of(where, tmp_path):
    with pytest.warns(UserWarning, match=r"1 partition is not in the cache.*2021/04/03") as told:
        found = cv.objects("wydot", "BSM", "2021-04-02", "2021-04-03", **where)
    assert set(found["partition"]) == {"wydot/BSM/2021/04/02"}
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="2 partitions"):
        none = cv.objects(*RANGE, archive=where["archive"], cache_dir=tmp_path / "empty")
    assert len(none) == 0
    assert none.dtypes.equals(found.dtypes)
    assert not (tmp_path / "empty").exists()


def test_a_damaged_partition_has_no_objects(own):
    next(own["cache_dir"].rglob("manifest.json")).write_bytes(b"{}")
    with pytest.raises(cv.DamagedError, match="cvpilot repair"):
        cv.objects(*RANGE, **own)


# Traces


def check_bsm(row, raw: bytes) -> None:
    """A raw line is the row's: it holds the row's vehicle, count and second mark."""
    core = json.loads(raw)["payload"]["data"]["coreData"]
    assert str(core["id"]) == row.vehicle_id
    assert int(core["msgCnt"]) == row.msg_count
    assert int(core["secMark"]) == row.sec_mark


def test_every_row_leads_to_its_raw_line(made, where, frame):
    for row in frame.itertuples():
        found = cv.trace(row, **KIND, **where)
        check_bsm(row, found.raw)
        assert found.note is None
        path = made.folder / found.key
        assert path.read_bytes()[found.offset :].startswith(found.raw)
        assert path.read_bytes().split(b"\n")[found.line - 1] == found.raw
        assert found.url == path.as_uri()


def test_rows_are_given_in_many_forms(where, frame):
    row = frame.iloc[7]
    numbers = int(row["object_id"]), int(row["line"])
    first = cv.trace(row, **KIND, **where)
    for form in (row.to_dict(), next(frame.iloc[7:8].itertuples()), row[["object_id", "line"]]):
        assert cv.trace(form, **KIND, **where) == first
    assert cv.trace(*numbers, **KIND, **where) == first
    assert cv.trace(row["object_id"], row["line"], **KIND, **where) == first
    day = f"{row['event_time']:%Y-%m-%d}"
    assert cv.trace(*numbers, **KIND, start=day, end=day, **where) == first


@pytest.mark.parametrize("row", [{}, {"object_id": 5}, {"object_id": 5.0, "line": 1}, "row", None])
def test_what_is_no_row_is_refused(row, where):
    with pytest.raises(cv.InvalidRequestError, match=r"frame\.iloc\[0\]"):
        cv.trace(row, **KIND, **where)


def test_a_row_that_is_nowhere_is_told(where, frame):
    row = frame.iloc[0]
    with pytest.raises(cv.InvalidRequestError, match="3 cached of 3 partitions"):
        cv.trace(5, 1, **KIND, **where)
    with pytest.raises(cv.InvalidRequestError, match="0 cached of 1 partitions"):
        cv.trace(row, **KIND, start="2021-04-05", end="2021-04-05", **where)
    with pytest.raises(cv.InvalidRequestError, match="there is no 99"):
        cv.trace(row["object_id"], 99, **KIND, **where)
    with pytest.raises(cv.InvalidRequestError, match="both start and end"):
        cv.trace(row, **KIND, start="2021-04-01", **where)


def test_a_blank_line_is_no_record(where, made):
    found = cv.objects(*RANGE, **where)
    one = found[found["blank"] > 0].iloc[0]
    lines = (made.folder / one["key"]).read_bytes().split(b"\n")
    with pytest.raises(cv.InvalidRequestError, match="no record of"):
        cv.trace(one["object_id"], lines.index(b"") + 1, **KIND, **where)


def test_quarantined_lines_are_traced_too(where, made):
    found = cv.objects(*RANGE, **where)
    one = found[found["quarantined"] > 0].iloc[0]
    lines = (made.folder / one["key"]).read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        assert cv.trace(one["object_id"], number, **KIND, **where).raw == line


def test_offline_and_without_an_archive_all_but_the_raw_line_is_there(own):
    row = cv.open_pandas(*RANGE, **own).iloc[0]
    whole = cv.trace(row, **KIND, **own)
    offline = cv.trace(row, **KIND, offline=True, **own)
    shutil.rmtree(own["archive"])
    gone = cv.trace(row, **KIND, **own)
    for part, why in ((offline, "offline"), (gone, "changed since it was fetched")):
        assert part.raw is part.text is part.offset is None
        assert why in part.note
        assert (part.key, part.line, part.counts) == (whole.key, whole.line, whole.counts)
        assert why in str(part)


def test_another_object_under_the_key_is_not_passed_off_for_it(own):
    row = cv.open_pandas(*RANGE, **own).iloc[0]
    path = own["archive"] / cv.trace(row, **KIND, **own).key
    kept = path.stat()
    path.write_bytes(path.read_bytes().replace(b"0", b"1"))
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1_000_000_000))
    found = cv.trace(row, **KIND, **own)
    assert found.raw is None
    assert "the object has changed since it was fetched" in found.note


def test_damage_elsewhere_does_not_hide_a_row(own):
    row = cv.open_pandas(*RANGE, **own).iloc[0]
    other = next(own["cache_dir"].rglob("2021/04/02/manifest.json"))
    other.write_bytes(b"{}")
    check_bsm(row, cv.trace(row["object_id"], row["line"], **KIND, **own).raw)
    with pytest.raises(cv.InvalidRequestError, match="cvpilot repair"):
        cv.trace(5, 1, **KIND, **own)


def test_names_and_passwords_are_masked_in_the_text():
    plain = dict.fromkeys(("etag", "last_modified"))
    found = Trace(
        **plain, archive="s3://b", key="k", line=1, partition="p", object_id=1, size=1, counts={},
        raw=b'{"rsuUsername": "v3user", "rsuPassword": "hunter2", "speed": 1}',
    )  # fmt: skip
    for shown in (found.text, str(found), json.dumps(found.to_dict()), repr(found)):
        assert "hunter2" not in shown
        assert "v3user" not in shown
    assert '"speed": 1' in found.text
    assert b"hunter2" in found.raw


@pytest.mark.parametrize(
    ("archive", "options", "url"),
    [
        ("s3://bucket", {"key": "AKIA", "secret": "shh"}, "s3://bucket/a/b c"),
        ("s3://bucket/lab/", {"profile": "x"}, "s3://bucket/lab/a/b c"),
        (
            "s3://bucket",
            {"endpoint_url": "https://s3.example.org"},
            "s3://bucket/a/b c?endpoint=https://s3.example.org",
        ),
        ("/data/my copy", None, "file:///data/my%20copy/a/b%20c"),
        ("sftp://me:shh@host/data", None, "sftp://host/data/a/b c"),
        ("zip://::file:///data/x.zip", None, "zip://a/b c::file:///data/x.zip"),
        ("simplecache::s3://bucket", None, "simplecache::s3://bucket/a/b c"),
    ],
)  # fmt: skip
def test_urls_lead_to_the_object_and_hold_no_credentials(archive, options, url):
    plain = dict.fromkeys(("etag", "last_modified"))
    found = Trace(
        **plain, archive=identity(archive, options), key="a/b c", line=1, partition="p",
        object_id=1, size=1, counts={},
    )  # fmt: skip
    assert found.url == url
    assert "shh" not in str(found)


# Any bytes


RECORD = st.builds(
    lambda vehicle, count, second: json.dumps(
        {
            "metadata": {
                "schemaVersion": 6,
                "recordGeneratedAt": f"2021-04-01T05:00:{second:02}.000Z",
            },
            "payload": {
                "data": {"coreData": {"id": vehicle, "msgCnt": count, "secMark": second * 1000}}
            },
        }
    ).encode(),
    st.text("0123456789ABCDEF", min_size=8, max_size=8),
    st.integers(0, 127),
    st.integers(0, 59),
)
NOISE = st.one_of(
    st.sampled_from([b"", b" ", b"\r", b"{}", b"\xff", b'{"metadata":', "\u2028".encode()]),
    st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")),
)
ENDS = st.sampled_from([b"\n", b"\r\n"])
BODIES = st.lists(st.tuples(st.one_of(RECORD, NOISE), ENDS), max_size=8).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@settings(max_examples=30)
@given(st.lists(BODIES, min_size=1, max_size=3))
def test_rows_of_any_object_lead_to_lines_that_hold_them(bodies):
    with TemporaryDirectory() as tmp:
        options = {"archive": Path(tmp) / "a", "cache_dir": Path(tmp) / "c"}
        for number, body in enumerate(bodies):
            path = options["archive"] / f"wydot/BSM/2021/04/01/05/{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        frame = cv.open_pandas("wydot", "BSM", "2021-04-01", "2021-04-01", **options)
        for row in frame.itertuples():
            check_bsm(row, cv.trace(row, **KIND, **options).raw)


# Real records


def spans(folder: Path) -> list[tuple[str, str]]:
    """The days of a type's folder as ranges; for New York its months."""
    parts = {p.relative_to(folder).parts[:3] for p in folder.rglob("*") if p.is_file()}
    if all(day.isdigit() for _, _, day in parts):
        return [("-".join(each), "-".join(each)) for each in sorted(parts)]
    months = {(int(year), int(month)) for year, month, _ in parts}
    return [(f"{y}-{m:02}-01", f"{y}-{m:02}-{monthrange(y, m)[1]}") for y, m in sorted(months)]


@pytest.mark.parametrize(("source", "message_type"), decoded())
def test_real_rows_lead_to_their_lines(source, message_type, bucket, tmp_path):
    where = {"archive": bucket, "cache_dir": tmp_path}
    rows = 0
    for start, end in spans(bucket / source / message_type):
        frame = open_pandas(source, message_type, start, end, outside="keep", **where)
        listed = cv.objects(source, message_type, start, end, **where)
        keys = dict(zip(listed["object_id"], listed["key"], strict=True))
        for row in frame.drop_duplicates(["object_id", "line"]).itertuples():
            found = cv.trace(row, source=source, message_type=message_type, **where)
            assert found.key == keys[row.object_id]
            line = (bucket / found.key).read_bytes().split(b"\n")[row.line - 1]
            assert found.raw.splitlines()[0] in line
            record = json.loads(found.raw)
            if "odeReceivedAt" in record.get("metadata", ()):
                stamp = pd.Timestamp(record["metadata"]["odeReceivedAt"].removesuffix("[UTC]"))
                assert row.received_time == stamp.floor("us")
            if "eventHeader" in record:
                assert row.event_id == hashlib.sha256(found.raw).hexdigest()[:16]
            rows += 1
    assert rows


# The commands


def test_the_commands_print_what_the_functions_give(where, frame):
    places = ["--archive", str(where["archive"]), "--cache-dir", str(where["cache_dir"])]
    row = frame[frame["object_id"] < 0].iloc[0]
    words = ["trace", str(row["object_id"]), str(row["line"]), "--source", "wydot", "--type", "bsm"]
    shown = CliRunner().invoke(cli, [*words, *places])
    found = cv.trace(row, **KIND, **where)
    assert shown.exit_code == Exit.OK, shown.output
    assert shown.output == f"{found}\n"
    assert found.raw.decode() in shown.output
    told = json.loads(CliRunner().invoke(cli, [*words, *places, "--json"]).output)
    assert told["raw"] == found.text
    assert told["url"] == found.url
    offline = json.loads(CliRunner().invoke(cli, [*words, *places, "--offline", "--json"]).output)
    assert offline["raw"] is None
    wrong = CliRunner().invoke(cli, ["trace", "5", "1", *words[3:], *places])
    assert wrong.exit_code == Exit.USAGE
    words = ["objects", "wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-02", *places]
    assert len(CliRunner().invoke(cli, words).output.splitlines()) == len(
        cv.objects(*RANGE, **where)
    )
    listed = json.loads(CliRunner().invoke(cli, [*words, "--json"]).output)
    assert {one["key"] for one in listed} == set(cv.objects(*RANGE, **where)["key"])
