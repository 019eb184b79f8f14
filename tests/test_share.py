"""A warm cache handed on, hostile bundles, and the stored caches of earlier formats."""

from __future__ import annotations

import io
import json
import shutil
import socket
import tarfile
from pathlib import Path

import pytest
from cachekit import KEY, write
from stored_cache import ARCHIVE, WHEN
from test_cli import run
from test_keep import part_of, tree
from test_rebuild import flip

import intake_cvpilot as cv
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.exits import Exit

STORED = sorted((Path(__file__).parent / "stored").glob("*.tar"))


@pytest.fixture
def warm(tmp_path):
    layout = Layout(tmp_path / "warm", PUBLIC)
    write(layout, parts=2)
    write(layout, key="wydot/BSM/2021/04/02")
    return layout


def committed(cache: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(cache).items() if name.startswith("v1") and data}


# There and back


def test_what_is_exported_is_imported_byte_for_byte(warm, tmp_path):
    bundle, other = tmp_path / "b.tar", tmp_path / "other"
    done = cv.export_cache(bundle, cache_dir=warm.root)
    assert done.partitions == (f"v1/{KEY}", "v1/wydot/BSM/2021/04/02")
    again = tmp_path / "again.tar"
    cv.export_cache(again, cache_dir=warm.root)
    assert again.read_bytes() == bundle.read_bytes()
    assert cv.import_cache(bundle, cache_dir=other).partitions == done.partitions
    assert committed(other) == committed(warm.root)
    assert cv.verify(deep=True, cache_dir=other).is_good
    kept = cv.import_cache(bundle, cache_dir=other)
    assert (kept.partitions, kept.kept) == ((), done.partitions)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_a_range_is_exported_and_the_commands_do_the_same(warm, tmp_path):
    bundle, other = tmp_path / "b.tar", tmp_path / "other"
    day = ("--start", "2021-04-02", "--end", "2021-04-02", "--cache-dir", str(warm.root))
    told = run("export-cache", str(bundle), "wydot", "bsm", *day, "--json")
    assert json.loads(told.stdout)["partitions"] == ["v1/wydot/BSM/2021/04/02"]
    assert run("import-cache", str(bundle), "--cache-dir", str(other)).returncode == Exit.OK
    assert [one.key for one in cv.verify(cache_dir=other).checked] == ["wydot/BSM/2021/04/02"]


def test_what_is_damaged_is_left_out_and_mended_by_an_import(warm, tmp_path):
    bundle = tmp_path / "b.tar"
    cv.export_cache(bundle, cache_dir=warm.root)
    whole = committed(warm.root)
    flip(part_of(warm.root, "01"))
    done = cv.export_cache(tmp_path / "c.tar", cache_dir=warm.root)
    assert done.partitions == ("v1/wydot/BSM/2021/04/02",)
    assert "cvpilot repair" in done.left_out[0]
    part_of(warm.root, "01").with_name("manifest.json").write_bytes(b"")
    assert cv.import_cache(bundle, cache_dir=warm.root).partitions == (f"v1/{KEY}",)
    assert committed(warm.root) == whole


# Hostile


def members(bundle: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(bundle) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]


def written(path: Path, content) -> Path:
    with tarfile.open(path, "w") as tar:
        for member, data in content:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def renamed(content, old: str, new: str):
    for member, _ in content:
        member.name = member.name.replace(old, new)
    return content


def linked(content, kind: bytes, target: str):
    """The first part as a link to somewhere else."""
    content[1][0].type, content[1][0].linkname = kind, target
    return [(member, data if member is not content[1][0] else b"") for member, data in content]


def first_part(content, change):
    member, data = content[1]
    return [content[0], (member, change(data)), *content[2:]]


HOSTILE = {
    "cut": lambda c: c[:2],
    "no index": lambda c: c[:-1],
    "another index": lambda c: [*c[:-1], (c[-1][0], b'{"format":1,"partitions":{}}')],
    "a newer index": lambda c: [*c[:-1], (c[-1][0], b'{"format":2,"partitions":{}}')],
    "index of nesting": lambda c: [*c[:-1], (c[-1][0], b"[" * 100_000)],
    "up": lambda c: renamed(c, "v1/wydot", "v1/../../wydot"),
    "absolute": lambda c: renamed(c, "v1/", "/v1/"),
    "another tree": lambda c: renamed(c, "v1/", "v1@0123456789abcdef/"),
    "another day": lambda c: renamed(c, "2021/04/01", "2021/04/03"),
    "a flipped bit": lambda c: first_part(c, lambda data: data[:-9] + b"x" + data[-8:]),
    "a symbolic link": lambda c: linked(c, tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": lambda c: linked(c, tarfile.LNKTYPE, "../../cache.json"),
    "twice": lambda c: [*c[:-1], *c[:-1], c[-1]],
    "a file that no manifest names": lambda c: [c[1], *c],
    "longer than it says": lambda c: first_part(c, lambda data: data + b"x"),
    "a manifest changed by hand": lambda c: [
        (c[0][0], c[0][1].replace(b'"rows":200', b'"rows":999')),
        *c[1:],
    ],
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_bundle_is_refused_and_touches_nothing_else(tmp_path, how):
    source = Layout(tmp_path / "source", PUBLIC)
    write(source)
    bundle, cache = tmp_path / "b.tar", tmp_path / "a/b/cache"
    cv.export_cache(bundle, cache_dir=source.root)
    hostile = written(tmp_path / "hostile.tar", HOSTILE[how](members(bundle)))
    outside = tree(tmp_path)
    with pytest.raises(cv.CacheError):
        cv.import_cache(hostile, cache_dir=cache)
    assert {
        name: data for name, data in tree(tmp_path).items() if not name.startswith("a")
    } == outside
    named = {name.split("/")[0] for name in tree(cache)}
    assert named <= {"v1", ".staging", ".locks", "cache.json", "CACHEDIR.TAG"}
    # What was whole may have been taken; a damaged partition is not.
    assert cv.verify(deep=True, cache_dir=cache).is_good


def test_what_is_no_tar_is_refused(tmp_path):
    path = tmp_path / "b.tar"
    for content in (b"", b"hello", b"\0" * 20_000):
        path.write_bytes(content)
        with pytest.raises(cv.DamagedError, match="no whole bundle"):
            cv.import_cache(path, cache_dir=tmp_path / "cache")
    told = run("import-cache", str(path), "--cache-dir", str(tmp_path / "cache"))
    assert told.returncode == Exit.PROBLEMS


# Earlier formats


def test_the_current_format_is_among_the_stored_ones():
    assert STORED


@pytest.mark.parametrize("stored", STORED, ids=lambda path: path.stem)
def test_a_stored_cache_is_read_without_any_socket(stored, tmp_path, monkeypatch):
    def forbidden(*_given, **_named):
        raise AssertionError("a socket")

    cache = tmp_path / "cache"
    cv.import_cache(stored, cache_dir=cache)
    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    where = {"archive": ARCHIVE, "cache_dir": cache, "offline": True}
    for kind, day in WHEN.values():
        frame = cv.open_pandas("wydot", kind, day, day, **where)
        assert len(frame) == 1
        assert str(frame["event_time"].iloc[0].date()) == day
        assert frame["object_id"].notna().all()
        report = cv.fetch("wydot", kind, day, day, **where)
        assert report.actions == {"cached": 1}
    assert cv.verify(deep=True, archive=ARCHIVE, cache_dir=cache).is_good
    # What nobody has in the cache is asked of nobody.
    with pytest.raises(cv.OfflineError):
        cv.open_pandas("wydot", "bsm", "2020-03-02", "2020-03-02", **where)


def test_import_keeps_the_later_listing(warm, tmp_path):
    bundle = tmp_path / "b.tar"
    cv.export_cache(bundle, cache_dir=warm.root)
    newer = load(warm, KEY)
    assert cv.import_cache(bundle, cache_dir=warm.root).partitions == ()
    assert load(warm, KEY) == newer
    shutil.rmtree(warm.folder(KEY))
    assert cv.import_cache(bundle, cache_dir=warm.root).partitions == (f"v1/{KEY}",)
