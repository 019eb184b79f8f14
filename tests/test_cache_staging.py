"""Staging: what is there is used only when it is what its name says."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cachekit import KEY, manifest, stage, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake_cvpilot.cache import arrived, staging
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.leftovers import sweep
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.errors import CacheError

UNIT = "wydot/BSM/2021/04/01/07/invented-object"


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "cache", PUBLIC)


def receive(
    layout: Layout, data: bytes, unit: str = UNIT, etag: str | None = "e1", kind: str = "sha256"
) -> Path:
    received = staging.incoming(layout, KEY) / f"some-name-{time.monotonic_ns()}"
    received.write_bytes(data)
    digest = hashlib.new(kind, data).hexdigest()
    return arrived.adopt(layout, KEY, received, unit, len(data), etag, digest)


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_unit_is_held_against_the_hash_in_its_name(layout, kind):
    path = receive(layout, b"one line\n", kind=kind)
    assert staging.find(layout, KEY, UNIT, 9, "e1") == path
    path.write_bytes(b"one lime\n")
    assert staging.find(layout, KEY, UNIT, 9, "e1") is None
    assert not path.exists()


def test_an_adopted_unit_is_found_by_what_the_listing_says(layout):
    path = receive(layout, b"one line\n")
    assert staging.find(layout, KEY, UNIT, 9, "e1") == path
    assert path.read_bytes() == b"one line\n"
    assert list(staging.incoming(layout, KEY).iterdir()) == []


@pytest.mark.parametrize(("size", "etag"), [(9, "e2"), (9, None), (10, "e1")])
def test_a_unit_that_changed_in_the_archive_is_another_unit(layout, size, etag):
    receive(layout, b"one line\n")
    assert staging.find(layout, KEY, UNIT, size, etag) is None


def test_another_process_finds_it(layout):
    path = receive(layout, b"one line\n")
    code = """
        import sys; from pathlib import Path; import cachekit
        from intake_cvpilot.cache import staging; from intake_cvpilot.cache.layout import *
        print(staging.find(Layout(Path(sys.argv[1]), PUBLIC), cachekit.KEY, sys.argv[2], 9, "e1"))
    """
    here = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(layout.root), UNIT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(path)


def test_all_units_are_found_in_one_go(layout):
    units = [(f"{UNIT}-{n}", 3, None) for n in range(20)]
    paths = {
        key: receive(layout, f"{n:03}".encode(), key, None) for n, (key, *_) in enumerate(units)
    }
    assert staging.find_all(layout, KEY, units) == paths
    assert staging.find_all(layout, KEY, units[:3]) == dict(list(paths.items())[:3])
    assert staging.find_all(layout, "wydot/BSM/2021/04/02", units) == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(min_size=1, max_size=200), draw=st.data())
def test_a_staged_unit_that_changed_is_thrown_away(layout, data, draw):
    path = receive(layout, data)
    place = draw.draw(st.integers(0, len(data) - 1))
    bit = draw.draw(st.integers(0, 7))
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    path.write_bytes(changed)
    assert staging.find(layout, KEY, UNIT, len(data), "e1") is None
    assert not path.exists()


def test_a_staged_unit_that_was_cut_short_is_thrown_away(layout):
    path = receive(layout, b"one line\n")
    path.write_bytes(b"one li")
    assert staging.find(layout, KEY, UNIT, 9, "e1") is None


def test_keys_never_become_paths(layout):
    for unit in ("../../../etc/passwd", "/abs", "a//b", "a\nb", "x" * 1024, "\u202e.txt"):
        path = receive(layout, b"data", unit)
        assert path.parent == layout.staging(KEY) / "units"
        assert staging.find(layout, KEY, unit, 4, "e1") == path


def test_a_unit_from_another_file_system_is_copied(layout, tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    received = shm / f"cvpilot-{os.getpid()}-{time.monotonic_ns()}"
    received.write_bytes(b"one line\n")
    sha256 = hashlib.sha256(b"one line\n").hexdigest()
    path = arrived.adopt(layout, KEY, received, UNIT, 9, "e1", sha256)
    assert staging.find(layout, KEY, UNIT, 9, "e1") == path
    assert not received.exists()


def test_a_unit_that_cannot_be_moved_is_an_error_of_ours(layout, tmp_path):
    with pytest.raises(CacheError, match="could not be stored"):
        arrived.adopt(layout, KEY, tmp_path / "absent", UNIT, 9, "e1", "0" * 64)


# -- blocks ----------------------------------------------------------------------------------------


def build(layout: Layout, block: str = "b1") -> tuple[dict, Path]:
    file, path = stage(staging.block_folder(layout, KEY, block), "messages", table())
    result = {"rows": {"messages": 200}, "notes": [1, None, "x"]}
    staging.save_result(layout, KEY, block, result, {file.name: (file.bytes, file.sha256)})
    return result, path


def test_a_built_block_is_found_again(layout):
    result, path = build(layout)
    assert staging.load_result(layout, KEY, "b1") == result
    assert staging.load_result(layout, KEY, "b2") is None
    assert path.exists()


def test_a_block_without_files_is_found_again(layout):
    staging.save_result(layout, KEY, "b1", {"rows": {}}, {})
    assert staging.load_result(layout, KEY, "b1") == {"rows": {}}


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "link"])
def test_a_block_with_a_file_that_is_not_right_is_built_again(layout, tmp_path, harm):
    _, path = build(layout)
    data = path.read_bytes()
    if harm == "flip":
        path.write_bytes(data[:-1] + b"?")
    elif harm == "cut":
        path.write_bytes(data[:-1])
    elif harm == "gone":
        path.unlink()
    else:
        path.symlink_to(path.rename(tmp_path / "elsewhere"))
    assert staging.load_result(layout, KEY, "b1") is None


@pytest.mark.parametrize("length", range(0, 400, 7))
def test_a_result_that_was_cut_short_is_built_again(layout, length):
    build(layout)
    path = staging.block_folder(layout, KEY, "b1") / "result.json"
    data = path.read_bytes()
    path.write_bytes(data[: min(length, len(data) - 2)])
    assert staging.load_result(layout, KEY, "b1") is None


def test_a_result_cannot_name_files_elsewhere(layout, tmp_path):
    target = tmp_path / "precious"
    target.write_bytes(b"mine")
    wrong = {str(target): (9, "0" * 64), "../../precious": (9, "0" * 64)}
    for name, value in wrong.items():
        staging.save_result(layout, KEY, "b1", {}, {name: value})
        assert staging.load_result(layout, KEY, "b1") is None
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("block", ["", "..", "a/b", "a\0", ".hidden", "x" * 200])
def test_a_block_has_a_plain_name(layout, block):
    with pytest.raises(ValueError, match="cannot name a block"):
        staging.block_folder(layout, KEY, block)


def test_a_block_whose_files_a_killed_commit_had_placed_is_not_built_again(layout):
    file, path = stage(staging.block_folder(layout, KEY, "b1"), "messages", table())
    staging.save_result(layout, KEY, "b1", {"x": 1}, {file.name: (file.bytes, file.sha256)})
    layout.folder(KEY).mkdir(parents=True)
    path.rename(layout.folder(KEY) / file.name)
    assert staging.load_result(layout, KEY, "b1") == {"x": 1}
    commit(layout, manifest((file,)), {file.name: path})
    assert load(layout, KEY).files == (file,)


# -- tidying ---------------------------------------------------------------------------------------


def test_clear_removes_one_partition_and_no_other(layout):
    other = "wydot/BSM/2021/04/02"
    receive(layout, b"one line\n")
    build(layout)
    staging.incoming(layout, other)
    staging.clear(layout, KEY)
    assert not layout.staging(KEY).exists()
    assert layout.staging(other).exists()
    staging.clear(layout, KEY)


def test_clear_does_not_follow_links(layout, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    (staging.incoming(layout, KEY) / "link").symlink_to(precious)
    staging.clear(layout, KEY)
    assert (precious / "file").exists()
    layout.staging(KEY).symlink_to(precious)
    staging.clear(layout, KEY)
    assert (precious / "file").exists()
    shutil.rmtree(layout.root / ".staging" / "v1")
    (layout.root / ".staging" / "v1").symlink_to(precious)
    staging.clear(layout, KEY)
    with pytest.raises(CacheError, match="is a link"):
        staging.incoming(layout, KEY)
    assert (precious / "file").exists()


def test_sweep_removes_what_nobody_went_on_with(layout):
    other = Layout(layout.root, "file:///a/copy")
    receive(layout, b"one line\n")
    old = staging.incoming(other, "wydot/BSM/2021/04/02")
    for path in (old.parent, *old.parent.rglob("*")):
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    assert sweep(layout.root) == (f"{other.tree}/wydot/BSM/2021/04/02",)
    assert not old.exists()
    assert staging.find(layout, KEY, UNIT, 9, "e1") is not None
    assert sweep(layout.root, older_than=timedelta(0)) == (f"v1/{KEY}",)
    assert sweep(layout.root.parent / "no such cache") == ()
