"""Small units in one file: found again whole, and never believed where they are damaged."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cachekit import KEY
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot.cache import staging
from intake_cvpilot.cache.arrived import Arrived
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.pack import SMALL, Pack, packed
from intake_cvpilot.errors import CacheError

if TYPE_CHECKING:
    from intake_cvpilot.extent import Extent

CONTENTS = st.lists(
    st.one_of(st.binary(max_size=60), st.sampled_from([b"\n", b"x" * 300, b"0" * (SMALL - 1)])),
    min_size=1,
    max_size=8,
)


def name(number: int, content: bytes, kind: str) -> str:
    return f"{number:032x}-{hashlib.new(kind, content).hexdigest()}"


def written(folder: Path, contents: list[bytes], kind: str = "md5") -> tuple[Path, list[Extent]]:
    with closing(Pack(folder)) as pack:
        places = [pack.add(name(n, body, kind), body) for n, body in enumerate(contents)]
    return pack.path, places


def read(path: Path) -> dict[int, bytes]:
    wanted = [f"{number:032x}" for number in range(8)]
    return {int(identity, 16): place.open().read() for identity, place in packed(path, wanted)}


@given(CONTENTS, st.sampled_from(["md5", "sha256"]))
@settings(max_examples=40, deadline=None)
def test_what_was_put_in_is_found_where_it_was_said(tmp_path_factory, contents, kind):
    path, places = written(tmp_path_factory.mktemp("pack"), contents, kind)
    assert [place.open().read() for place in places] == contents
    assert read(path) == dict(enumerate(contents))


def test_nothing_that_is_cut_or_changed_is_believed(tmp_path):
    contents = [b"one\n", b"", b'{"a": 1}\n{"b": 2}\n', b"0123456789"]
    path, _ = written(tmp_path, contents)
    whole = path.read_bytes()
    before = dict(enumerate(contents))
    for at in range(len(whole)):
        path.write_bytes(whole[:at])
        assert read(path).items() <= before.items()
        for bit in (1, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            # A name that was changed is another unit's: only content is vouched for.
            assert set(read(path).values()) <= set(contents)
    path.write_bytes(whole)
    assert [place.open().read() for _, place in packed(path, [f"{2:032x}"])] == contents[2:3]
    path.write_bytes(whole + whole[:20])
    assert read(path) == before


def test_an_extent_whose_file_has_shrunk_is_an_error(tmp_path):
    path, places = written(tmp_path, [b"0123456789"])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match="ends before"):
        places[0].open()


def test_small_units_that_arrived_are_found_by_another_run(tmp_path):
    layout = Layout(tmp_path, PUBLIC)
    told = [(f"{KEY}/07/{n}", 5 + n % 3, f"e{n}") for n in range(40)]
    bodies = [b"x" * (5 + n % 3) for n in range(40)]
    with closing(Arrived(layout, KEY)) as arrived:
        for unit, body in zip(told, bodies, strict=True):
            arrived.take(body, *unit, hashlib.md5(body).hexdigest())
    assert len(list((layout.staging(KEY) / "units").iterdir())) == 1
    found = staging.find_all(layout, KEY, told)
    assert [found[unit[0]].open("rb").read() for unit in told] == bodies
    assert staging.find(layout, KEY, told[0][0], 5, "another etag") is None
    staging.clear(layout, KEY)
    assert staging.find_all(layout, KEY, told) == {}


def test_what_a_killed_run_had_taken_is_found(tmp_path):
    code = """
import hashlib, os, signal, sys
from pathlib import Path
from intake_cvpilot.cache import staging
from intake_cvpilot.cache.arrived import Arrived
from intake_cvpilot.cache.layout import PUBLIC, Layout
arrived = Arrived(Layout(Path(sys.argv[1]), sys.argv[3]), sys.argv[2])
for n in range(100):
    body = b"%05d" % n * 1000
    arrived.take(body, str(n), 5000, "e", hashlib.sha256(body).hexdigest())
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), KEY, PUBLIC], check=False)
    assert done.returncode == -9
    layout = Layout(tmp_path, PUBLIC)
    found = staging.find_all(layout, KEY, [(str(n), 5000, "e") for n in range(100)])
    assert len(found) == 100
    assert all(place.open("rb").read() == b"%05d" % int(n) * 1000 for n, place in found.items())


def test_a_disk_that_takes_no_unit_says_so(tmp_path):
    layout = Layout(tmp_path, PUBLIC)
    with closing(Arrived(layout, KEY)) as arrived:
        (layout.staging(KEY) / "units").rmdir()
        with pytest.raises(CacheError, match="a unit of"):
            arrived.take(b"x", "a", 1, "e", hashlib.md5(b"x").hexdigest())
