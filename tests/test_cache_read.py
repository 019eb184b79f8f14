"""Reading: what the manifest promised, or an error that names the way out."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cachekit import KEY, SCHEMA, START, manifest, stage, table, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.manifest import File, load
from intake_cvpilot.cache.read import file_sha256, footer_sha256, read_part
from intake_cvpilot.errors import CacheError, DamagedError, PartitionChangedError

REPAIR = "cvpilot repair wydot BSM --start 2021-04-01 --end 2021-04-01"


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "cache", PUBLIC)


@pytest.fixture
def part(layout) -> tuple[Path, File]:
    file = write(layout).files[0]
    return layout.folder(KEY) / file.name, file


def test_all_of_a_part(part):
    assert read_part(*part).equals(table())
    assert read_part(*part, schema=SCHEMA).schema.equals(SCHEMA)


def test_columns_in_the_order_that_was_asked_for(part):
    read = read_part(*part, columns=["vehicle", "speed"])
    assert read.equals(table().select(["vehicle", "speed"]))
    assert read_part(*part, columns=[]).num_rows == 200


@given(st.floats(-1, 31), st.floats(-1, 31))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_filters_give_what_filtering_afterwards_gives(part, low, high):
    rows = (pc.field("speed") >= low) & (pc.field("speed") < high)
    assert read_part(*part, filter=rows).equals(table().filter(rows))
    narrow = read_part(*part, filter=rows, columns=["vehicle"])
    assert narrow.equals(table().filter(rows).select(["vehicle"]))


def test_columns_that_an_older_table_lacks_are_null(part):
    newer = SCHEMA.append(pa.field("heading", pa.float64()))
    read = read_part(*part, schema=newer)
    assert read.schema.equals(newer)
    assert read["heading"].null_count == 200
    assert read_part(*part, schema=newer, filter=pc.field("heading") > 1).num_rows == 0
    assert read_part(*part, schema=newer, columns=["heading"]).num_rows == 200


def test_row_groups_that_a_filter_excludes_are_not_read(layout):
    file = write(layout).files[0]
    path = layout.folder(KEY) / file.name
    code = """
        import datetime, sys; from pathlib import Path
        import pyarrow.compute as pc
        import cachekit
        from intake_cvpilot.cache.layout import *; from intake_cvpilot.cache.manifest import load
        from intake_cvpilot.cache.read import read_part
        layout = Layout(Path(sys.argv[1]), PUBLIC)
        file = load(layout, cachekit.KEY).files[0]
        path = layout.folder(cachekit.KEY) / file.name
        read_part(path, file)  # hashed, and remembered once it is old enough
        print(read_part(path, file, filter=pc.field("event_time") < cachekit.START).num_rows)
    """
    here = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(layout.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"
    # A damaged page of a row group that the filter excludes: without the whole-file check it is
    # not looked at, which shows that it is not read.
    damage_page(path, row_group=3)
    early = pc.field("event_time") < START.replace(second=2)
    assert read_part(path, file, filter=early, verify="never").num_rows == 20
    with pytest.raises(DamagedError):
        read_part(path, file, filter=early)


def damage_page(path: Path, row_group: int) -> None:
    data = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(row_group).column(1)
    data[column.data_page_offset + column.total_compressed_size - 3] ^= 4
    path.write_bytes(data)


COLUMNS = st.sampled_from([None, ["event_time"], ["speed", "vehicle"], ["generation"]])
FILTERS = st.sampled_from([None, pc.field("speed") > 29, pc.field("generation") == 2])


@given(st.data(), COLUMNS, FILTERS)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
def test_any_flipped_bit_is_found_whatever_is_asked_for(part, data, columns, rows):
    path, file = part
    place = data.draw(st.integers(0, file.bytes - 1))
    flip(path, place, data.draw(st.integers(0, 7)))
    try:
        with pytest.raises(DamagedError, match=REPAIR):
            read_part(path, file, columns=columns, filter=rows)
    finally:
        # The same bit again, in place: the inode stays, as when a disk errs for a while.
        path.write_bytes(ORIGINAL[file.sha256])
    assert read_part(path, file, columns=columns, filter=rows) is not None


ORIGINAL: dict[str, bytes] = {}


def flip(path: Path, place: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    ORIGINAL.setdefault(file_sha256(path), bytes(data))
    data[place] ^= 1 << bit
    path.write_bytes(data)


def test_a_flip_is_found_even_when_size_and_mtime_are_put_back(part):
    path, file = part
    before = path.stat()
    assert read_part(path, file).num_rows == 200
    flip(path, 100, 3)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DamagedError):
        read_part(path, file)


def test_without_the_whole_hash_the_footer_and_the_pages_are_still_checked(part):
    """A bit in every third byte of the footer, and in the pages' data, is found."""
    path, file = part
    original = path.read_bytes()
    length = int.from_bytes(original[-8:-4], "little")
    for place in range(file.bytes - 8 - length, file.bytes, 3):
        path.write_bytes(original)
        flip(path, place, place % 8)
        with pytest.raises(DamagedError):
            read_part(path, file, verify="never")
    metadata = pq.ParquetFile(pa.BufferReader(original)).metadata
    for group in range(metadata.num_row_groups):
        path.write_bytes(original)
        damage_page(path, group)
        with pytest.raises(DamagedError, match=REPAIR):
            read_part(path, file, verify="never")


@pytest.mark.parametrize("verify", ["once", "never"])
def test_a_part_cut_at_any_place_is_damaged(part, verify):
    path, file = part
    original = path.read_bytes()
    places = random.Random(1).sample(range(file.bytes), 40)
    cuts = {0, 1, 4, 8, 11, 12, file.bytes // 2, file.bytes - 1, *places}
    for cut in cuts:
        path.write_bytes(original[:cut])
        with pytest.raises(DamagedError):
            read_part(path, file, verify=verify)


def test_a_part_swapped_with_a_valid_one_is_damaged(layout):
    first = write(layout).files[0]
    other = write(layout, 5, key="wydot/BSM/2021/04/02").files[0]
    path = layout.folder(KEY) / first.name
    path.write_bytes((layout.folder("wydot/BSM/2021/04/02") / other.name).read_bytes())
    with pytest.raises(DamagedError):
        read_part(path, first)
    with pytest.raises(DamagedError):
        read_part(path, first, verify="never")


def test_faults_of_the_caller_are_not_blamed_on_the_file(part):
    with pytest.raises(pa.ArrowInvalid):
        read_part(*part, columns=["no such column"])
    with pytest.raises(pa.ArrowException):
        read_part(*part, filter=pc.field("speed") > "fast")


def test_a_file_that_is_no_parquet_is_not_read(tmp_path):
    path = tmp_path / "quarantine-0123456789abcdef.ndjson"
    path.write_bytes(b"{}\n")
    file = File(role="quarantine", name=path.name, bytes=3, rows=1, sha256=file_sha256(path))
    with pytest.raises(ValueError, match="no Parquet"):
        read_part(path, file)


# -- parts that go ---------------------------------------------------------------------------------


def test_a_part_that_was_replaced_says_to_open_again(layout, part):
    path, file = part
    write(layout, 2)
    assert read_part(path, file).equals(table()), "still there in its grace"
    path.unlink()
    with pytest.raises(PartitionChangedError, match="open it again"):
        read_part(path, file)


def test_a_partition_that_was_removed_says_to_open_again(layout, part):
    import shutil

    shutil.rmtree(layout.folder(KEY))
    with pytest.raises(PartitionChangedError, match=KEY):
        read_part(*part)


def test_a_part_that_the_manifest_names_and_is_not_there_is_damage(part):
    path, file = part
    path.unlink()
    with pytest.raises(DamagedError, match=REPAIR):
        read_part(path, file)


def test_a_part_that_came_back_with_the_same_content_is_read(layout, part):
    import shutil

    path, file = part
    shutil.rmtree(layout.folder(KEY))
    staged = stage(layout.root / ".staging", "messages", table())
    commit(layout, manifest((staged[0],)), {staged[0].name: staged[1]})
    assert read_part(path, file).equals(table())


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_part_that_is_no_file_is_damage_and_not_followed(part, tmp_path, kind):
    path, file = part
    moved = path.rename(tmp_path / "elsewhere")
    if kind == "link":
        path.symlink_to(moved)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(DamagedError):
        read_part(path, file)


def test_a_part_behind_a_link_is_refused(layout, part, tmp_path):
    folder = layout.folder(KEY)
    moved = folder.rename(tmp_path / "moved")
    folder.symlink_to(moved)
    with pytest.raises(CacheError, match="is a link"):
        read_part(*part)


# -- readers beside writers ------------------------------------------------------------------------


def test_a_reader_sees_whole_generations_during_refreshes(layout):
    code = """
        import sys; from pathlib import Path; import cachekit
        from datetime import *
        from intake_cvpilot.cache.commit import superseded
        from intake_cvpilot.cache.layout import *
        layout = Layout(Path(sys.argv[1]), PUBLIC)
        for generation in range(2, 52):
            cachekit.write(layout, generation, parts=3)
            if generation % 2:  # without any grace: parts go under the reader's feet
                superseded(layout, cachekit.KEY, datetime.now(UTC), grace=timedelta(0))
    """
    write(layout, 1, parts=3)
    here = Path(__file__).resolve().parent
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(layout.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
    )
    seen, gone, last = 0, 0, 0
    while writer.poll() is None:
        found = load(layout, KEY)
        try:
            parts = [read_part(layout.folder(KEY) / file.name, file) for file in found.files]
        except PartitionChangedError:
            gone += 1
            continue
        values = set(pa.concat_tables(parts)["generation"].to_pylist())
        assert values == {found.generation}
        assert found.generation >= last
        last = found.generation
        seen += 1
    assert writer.returncode == 0
    assert seen > 0
    assert load(layout, KEY).generation == 51


def test_a_part_may_be_unlinked_while_it_is_read(layout, part):
    from intake_cvpilot.cache.checksums import open_plain

    path, file = part
    with open_plain(path) as opened:
        path.unlink()
        assert len(opened.read()) == file.bytes


def test_hashes_are_those_of_the_bytes(part):
    import hashlib

    path, file = part
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    assert file_sha256(path) == hashlib.sha256(data).hexdigest() == file.sha256
    assert footer_sha256(path) == hashlib.sha256(data[-8 - length :]).hexdigest()
    assert footer_sha256(path) == file.footer_sha256


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\xff\xff\xff\xffPAR1", b"x" * 100])
def test_what_does_not_end_as_parquet_has_no_footer(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="Parquet"):
        footer_sha256(path)
