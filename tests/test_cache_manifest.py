"""The manifest: written one way only, and refused in every other form."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cachekit import KEY, manifest, write
from hypothesis import given
from hypothesis import strategies as st

from intake_cvpilot.cache.layout import PUBLIC, Layout, check_key, repair_command
from intake_cvpilot.cache.manifest import (
    File,
    Manifest,
    Tally,
    as_quality,
    dumps,
    instant_text,
    load,
    loads,
)
from intake_cvpilot.cache.schema import check, schema
from intake_cvpilot.errors import CacheError, DamagedError, InvalidRequestError

HASH = "0123456789abcdef" * 4


def part(role: str = "messages", rows: int = 3, **changes) -> File:
    suffix = "ndjson" if role == "quarantine" else "parquet"
    values = {"role": role, "name": f"{role}-{HASH[:16]}.{suffix}", "bytes": 100, "rows": rows}
    return File(**{**values, "sha256": HASH, "footer_sha256": HASH, **changes})


def sign(text: bytes) -> bytes:
    """Give a manifest that was changed by hand the checksum that it should have."""
    head, rest = text[: len('{"checksum":"')], text[len('{"checksum":"') + 64 + len('",') :]
    checksum = hashlib.sha256(b"{" + rest.rstrip(b"\n")).hexdigest()
    return head + checksum.encode() + b'",' + rest


def change(text: bytes, old: str, new: str) -> bytes:
    assert old.encode() in text
    return sign(text.replace(old.encode(), new.encode(), 1))


@pytest.fixture
def text() -> bytes:
    return dumps(manifest((part(),)))


def test_what_is_written_is_what_is_read(text):
    read = loads(text, key=KEY, identity=PUBLIC)
    assert dumps(read) == text
    assert msgspec.structs.replace(read, checksum="") == manifest((part(),))
    assert read.quality == {"nulls": {"messages": {"speed": {"unavailable": 29}}}}


def test_it_is_one_line_of_sorted_json_with_the_checksum_of_the_rest(text):
    document = json.loads(text)
    assert (
        text
        == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        + b"\n"
    )
    checksum = document.pop("checksum")
    rest = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(rest.encode()).hexdigest() == checksum


def test_every_flipped_bit_is_found(text):
    for place in range(len(text)):
        for bit in range(8):
            flipped = bytearray(text)
            flipped[place] ^= 1 << bit
            with pytest.raises(DamagedError, match="cvpilot repair wydot BSM"):
                loads(bytes(flipped), key=KEY, identity=PUBLIC)


def test_every_cut_is_found(text):
    for length in range(len(text)):
        with pytest.raises(DamagedError):
            loads(text[:length], key=KEY, identity=PUBLIC)


@given(st.binary(max_size=200))
def test_no_other_bytes_are_a_manifest(data):
    with pytest.raises(CacheError):
        loads(data, key=KEY)


@given(st.data())
def test_any_exchange_of_bytes_is_found(data):
    text = dumps(manifest((part(),)))
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, len(text)))
    other = data.draw(st.binary(max_size=20))
    if text[:start] + other + text[stop:] != text:
        with pytest.raises(CacheError):
            loads(text[:start] + other + text[stop:], key=KEY, identity=PUBLIC)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"3", b'"complete"', b"{}", b"[" * 100_000, b'{"format":1}', b"\xff\xfe"],
)
def test_json_of_another_kind_is_refused(data):
    with pytest.raises(DamagedError):
        loads(data, key=KEY)


NAMES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "../../../etc/passwd",
            "/etc/passwd",
            "..",
            ".",
            "",
            "manifest.json",
            f"../messages-{HASH[:16]}.parquet",
            f"messages-{HASH[:16]}.parquet/..",
            f"messages-{HASH[:16]}.parquet\n",
            f"messages-{HASH[:16]}.parquet\0",
            f"messages-{HASH[:16]}.exe",
            f"Messages-{HASH[:16]}.parquet",
            "messages-٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥.parquet",
        ]
    ),
)


def by_hand(file: File) -> bytes:
    """Write a manifest as `dumps` would if it did not look."""
    empty = msgspec.structs.replace(manifest((file,)), checksum="0" * 64)
    return sign(msgspec.json.encode(empty, order="sorted") + b"\n")


@given(NAMES)
def test_names_lead_nowhere_but_into_the_partition(name):
    with pytest.raises(DamagedError, match="is none of a partition"):
        loads(by_hand(part(name=name)), key=KEY)


@given(role=NAMES, digits=NAMES)
def test_roles_and_hashes_cannot_smuggle_a_path_either(role, digits):
    if role == "messages" and digits[:16] == HASH[:16]:
        return
    suffix = "ndjson" if role == "quarantine" else "parquet"
    file = part(role=role, sha256=digits, name=f"{role}-{digits[:16]}.{suffix}")
    if not all(c in "0123456789abcdef" for c in digits[:16]) or len(digits) < 16:
        with pytest.raises(DamagedError):
            loads(by_hand(file), key=KEY)


def test_names_as_they_are_made_are_read_when_signed_by_hand():
    assert loads(by_hand(part()), key=KEY).files == (part(),)


def test_a_key_that_occurs_twice_is_refused(text):
    twice = change(text, '"status":"complete"', '"status":"no_data","status":"complete"')
    with pytest.raises(DamagedError):
        loads(twice, key=KEY)


def test_a_key_that_occurs_twice_in_the_quality_figures_is_found_when_they_are_asked_for(text):
    twice = change(text, '{"unavailable":29}', '{"unavailable":1,"unavailable":29}')
    with pytest.raises(DamagedError, match="quality"):
        _ = loads(twice, key=KEY).quality


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"closed":true', '"closed":true,"more":1'),
        ('"closed":true', '"closed":1'),
        ('"closed":true', '"closed": true'),
        ('"generation":1', '"generation":0'),
        ('"generation":1', '"generation":"1"'),
        ('"generation":1', '"generation":1.0'),
        ('"rows":3,"sha', '"rows":-3,"sha'),
        ('"status":"complete"', '"status":"partial"'),
        ('"listed_at":"2021-06-30T12:00:00Z"', '"listed_at":"2021-06-30T12:00:00"'),
        ('"format":1', '"format":0'),
    ],
)
def test_changes_by_hand_with_a_right_checksum_are_still_checked(text, old, new):
    with pytest.raises(DamagedError):
        loads(change(text, old, new), key=KEY, identity=PUBLIC)


def test_a_manifest_of_another_place_is_refused(text):
    with pytest.raises(DamagedError, match="another partition"):
        loads(text, key="wydot/BSM/2021/04/02")
    with pytest.raises(DamagedError, match="another archive"):
        loads(text, identity="s3://another")


@pytest.mark.parametrize("more", ["", ',"zone":{"new":[1,2]}'])
def test_a_newer_format_is_refused_in_words_of_its_own(text, more):
    newer = change(text, '"format":1', '"format":2' + more)
    with pytest.raises(CacheError, match="newer version of the library") as caught:
        loads(newer, key=KEY)
    assert not isinstance(caught.value, DamagedError)


def test_the_schema_names_every_field_and_no_other():
    document = schema()
    for properties, required, kind in (
        (document["properties"], document["required"], Manifest),
        (document["$defs"]["file"]["properties"], document["$defs"]["file"]["required"], File),
        (
            document["properties"]["counts"]["properties"],
            document["properties"]["counts"]["required"],
            Tally,
        ),
    ):
        names = [field.encode_name for field in msgspec.structs.fields(kind)]
        assert sorted(properties) == sorted(required) == sorted(names)


def test_the_schema_is_a_schema():
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_schema_accepts_what_is_written_and_refuses_what_is_not(text):
    check(json.loads(text))
    for name, value in (
        ("key", "../../etc"),
        ("format", 2),
        ("listed_at", "2021-06-30"),
        ("status", "partial"),
        ("generation", 0),
        ("table_versions", {"messages": "one"}),
    ):
        with pytest.raises(ValueError, match=name):
            check({**json.loads(text), name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": Tally(lines=3, records=2, inside=2, rows={"messages": 3})},
        {"counts": Tally(lines=3, records=3, inside=1, outside=1, rows={"messages": 3})},
        {"counts": Tally(lines=3, records=3, inside=3, rows={"messages": 2})},
        {"counts": Tally(lines=3, records=3, inside=3)},
        {"files": (part("objects", 2), part())},
        {"files": (part("quarantine", 2), part())},
        {
            "files": (part(), part()),
            "counts": Tally(lines=6, records=6, inside=6, rows={"messages": 6}),
        },
        {"status": "no_data"},
        {"files": (part(start="2021-04-01"),)},
        {"key": "../../../.."},
        {"identity": ""},
    ],
)
def test_a_manifest_that_contradicts_itself_is_not_written(changes):
    with pytest.raises(ValueError, match="manifest"):
        dumps(manifest(**{"files": (part(),), **changes}))


def test_a_misnamed_file_is_not_written():
    with pytest.raises(ValueError, match="none of a partition"):
        dumps(manifest((part(name=f"messages-{'f' * 16}.parquet"),)))


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.timezones()
    )
)
def test_instants_are_written_in_utc_and_sort_as_text(instant):
    instant = instant.astimezone(UTC)
    text = instant_text(instant.astimezone())
    assert datetime.fromisoformat(text) == instant
    assert len(text) == 27
    later = instant_text(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
    assert text <= later


def test_quality_figures_are_canonical():
    assert bytes(as_quality({"b": 1, "a": {"d": 2, "c": 3}})) == b'{"a":{"c":3,"d":2},"b":1}'


def test_nothing_committed_is_none_and_makes_nothing(tmp_path):
    layout = Layout(tmp_path / "cache", PUBLIC)
    assert load(layout, KEY) is None
    assert not layout.root.exists()
    layout.folder(KEY).parent.mkdir(parents=True)
    layout.folder(KEY).symlink_to(tmp_path)
    with pytest.raises(CacheError, match="is a link"):
        load(layout, KEY)


def test_a_partition_behind_a_link_is_refused_and_not_touched(tmp_path):
    elsewhere = Layout(tmp_path / "elsewhere", PUBLIC)
    write(elsewhere)
    for levels in range(1, 6):
        layout = Layout(tmp_path / f"cache-{levels}", PUBLIC)
        parts = layout.parts(KEY)
        link = layout.root.joinpath(*parts[:levels])
        link.parent.mkdir(parents=True)
        link.symlink_to(elsewhere.root.joinpath(*parts[:levels]))
        with pytest.raises(CacheError, match="is a link"):
            load(layout, KEY)


def test_a_manifest_that_is_a_link_or_a_pipe_or_a_folder_is_refused(tmp_path):
    import os

    layout = Layout(tmp_path / "cache", PUBLIC)
    write(layout)
    path = layout.manifest(KEY)
    copy = path.rename(tmp_path / "copy")
    path.symlink_to(copy)
    with pytest.raises(CacheError, match="left alone"):
        load(layout, KEY)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DamagedError):
        load(layout, KEY)
    path.unlink()
    path.mkdir()
    with pytest.raises(DamagedError):
        load(layout, KEY)


@given(st.text(max_size=40))
def test_only_keys_of_partitions_become_paths(key):
    if key != "a/B/2021/01/01":
        with pytest.raises(InvalidRequestError, match="is not a partition key"):
            Layout(Path("cache"), PUBLIC).folder(key)


@pytest.mark.parametrize(
    "key",
    [
        "wydot/BSM/2021/04/01\n",
        "wydot/BSM/2021/04/01/",
        "/wydot/BSM/2021/04/01",
        "wydot/BSM/2021/04/..",
        "wydot/../2021/04/01",
        "../BSM/2021/04/01",
        "wydot/BSM/2021/13/01",
        "wydot/BSM/2021/04/32",
        "wydot/BSM/٢٠٢١/04/01",
    ],
)
def test_keys_that_look_almost_right_are_refused(key):
    with pytest.raises(InvalidRequestError):
        check_key(key)


def test_two_archives_share_no_path(tmp_path):
    public, other = Layout(tmp_path, PUBLIC), Layout(tmp_path, "file:///data/copy")
    assert public.tree == "v1"
    assert other.tree.startswith("v1@")
    for place in ("folder", "manifest", "staging", "lock", "used"):
        first, second = getattr(public, place)(KEY), getattr(other, place)(KEY)
        assert first != second
        assert first.is_relative_to(tmp_path)
        assert second.is_relative_to(tmp_path)


def test_the_repair_command_names_the_day_or_the_month_and_its_bin():
    assert repair_command(KEY) == ("cvpilot repair wydot BSM --start 2021-04-01 --end 2021-04-01")
    assert repair_command("nycdot/EVENT/2020/02/MON") == (
        "cvpilot repair nycdot EVENT --start 2020-02-01 --end 2020-02-29 --weekday MON"
    )
