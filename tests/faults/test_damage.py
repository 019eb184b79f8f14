"""Damage of any kind is found by every engine, and touches nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import msgspec
import pytest
import world

import intake_cvpilot as cv
from intake_cvpilot.cache.manifest import dumps, load
from intake_cvpilot.cache.verify import verify
from intake_cvpilot.errors import CacheError, DamagedError

DAY, KEY = world.DAYS[0], world.KEYS[0]
OTHER = world.KEYS[1]

#: Engine -> how it opens a range and reads it whole.  A new engine is one line.
ENGINES = {
    "arrow": lambda **how: cv.open_arrow("wydot", "bsm", DAY, DAY, **how).to_table(),
    "pandas": lambda **how: cv.open_pandas("wydot", "bsm", DAY, DAY, **how),
    "dask": lambda **how: cv.open_dask("wydot", "bsm", DAY, DAY, **how).compute(
        scheduler="synchronous"
    ),
    "polars": lambda **how: cv.open_polars("wydot", "bsm", DAY, DAY, **how).collect(),
    "duckdb": lambda **how: cv.open_duckdb("wydot", "bsm", DAY, DAY, **how).fetchall(),
}
THERE = [
    name for name in ENGINES if name in ("arrow", "pandas", "dask") or hasattr(cv, f"open_{name}")
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cache with two days, each of one part with many pages' worth of rows."""
    root = tmp_path_factory.mktemp("damage")
    world.write_edition(root / "archive", 0, records=50)
    cv.fetch("wydot", "bsm", *world.DAYS, **world.where(root))
    shutil.copytree(root / "cache", root / "kept")
    return root


@pytest.fixture
def root(made):
    shutil.rmtree(made / "cache")
    shutil.copytree(made / "kept", made / "cache")
    return made


def folder(root: Path, key: str = KEY) -> Path:
    return world.layout(root).folder(key)


def part(root: Path, key: str = KEY) -> Path:
    (found,) = folder(root, key).glob("messages-*.parquet")
    return found


def regions(data: bytes) -> dict[str, range]:
    """Where the pages with their headers, and the footer with the statistics, lie."""
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return {
        "magic": range(4),
        "pages": range(4, footer),
        "footer": range(footer, len(data) - 8),
        "tail": range(len(data) - 8, len(data)),
    }


def test_every_flipped_bit_is_found_in_every_engine(root, figure, flips):
    path = part(root)
    whole = path.read_bytes()
    path.chmod(0o644)
    where = regions(whole)
    chosen = random.Random(20211)
    filters = [None, [("msg_count", "==", 0)], [("msg_count", ">", 200)]]
    tried = dict.fromkeys(THERE, 0)
    for number in range(flips):
        name = THERE[number % len(THERE)]
        area = chosen.choice([*where])
        at, bit = chosen.choice(where[area]), chosen.randrange(8)
        harmed = bytearray(whole)
        harmed[at] ^= 1 << bit
        path.write_bytes(harmed)
        how = {"columns": ["msg_count"]} if number // len(THERE) % 2 else {}
        rows = filters[number // len(THERE) % 3]
        with pytest.raises(DamagedError, match="cvpilot repair wydot BSM"):
            ENGINES[name](offline=True, filters=rows, **how, **world.where(root))
        tried[name] += 1
    path.write_bytes(whole)
    for name in THERE:  # and what is whole again is read again
        assert len(ENGINES[name](offline=True, **world.where(root))) == 100
    figure(
        "bit flips found", f"{flips} of {flips} ({', '.join(f'{k} {v}' for k, v in tried.items())})"
    )


@pytest.mark.parametrize("engine", THERE)
@pytest.mark.parametrize("length", [0, 1, 4, 8, 12, -9, -1, "half"])
def test_a_part_cut_short_is_found_in_every_engine(root, engine, length):
    path = part(root)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 if length == "half" else length])
    with pytest.raises(DamagedError, match="cvpilot repair"):
        ENGINES[engine](offline=True, **world.where(root))


@pytest.mark.parametrize("engine", THERE)
def test_two_parts_that_changed_places_are_found(root, engine):
    shutil.copyfile(part(root, OTHER), part(root))
    with pytest.raises(DamagedError):
        ENGINES[engine](offline=True, **world.where(root))


def signed(root: Path, **changes) -> bytes:
    """The manifest with other values and a right checksum, as a clever hand would make it."""
    return dumps(msgspec.structs.replace(load(world.layout(root), KEY), **changes))


def raw(root: Path, change) -> bytes:
    """The manifest's JSON changed by hand, checksum and all made right."""
    document = json.loads((folder(root) / "manifest.json").read_bytes())
    change(document)
    document["checksum"] = ""
    rest = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    rest = rest[len('{"checksum":"",') :] + b"\n"
    checksum = hashlib.sha256(b"{" + rest[:-1]).hexdigest().encode()
    return b'{"checksum":"%s",%s' % (checksum, rest)


def lead_outside(document):
    document["files"][0]["name"] = "../../../../../../outside.parquet"


def newer(document):
    document["format"] = 99
    document["news"] = True


MANIFESTS = {
    "empty": lambda root, text: b"",
    "cut": lambda root, text: text[:-40],
    "one bit": lambda root, text: text[:200] + bytes([text[200] ^ 4]) + text[201:],
    "a list": lambda root, text: b"[]\n",
    "null": lambda root, text: b"null\n",
    "a number": lambda root, text: b"5\n",
    "a key twice": lambda root, text: text.replace(b'"format":1', b'"format":1,"format":1'),
    "spaces": lambda root, text: json.dumps(json.loads(text), indent=1).encode(),
    "deep": lambda root, text: b"[" * 100_000,
    "not utf-8": lambda root, text: b"\xff\xfe" + text,
    "of another day": lambda root, text: (folder(root, OTHER) / "manifest.json").read_bytes(),
    "of another archive": lambda root, text: signed(root, identity="file:///elsewhere"),
    "leading outside": lambda root, text: raw(root, lead_outside),
    "newer": lambda root, text: raw(root, newer),
}


def digest(*folders: Path) -> str:
    """Everything below some folders: names, kinds, contents and times of change."""
    seen = hashlib.sha256()
    for top in folders:
        for path in sorted(top.rglob("*")):
            status = os.lstat(path)
            seen.update(repr((str(path), status.st_mode, status.st_mtime_ns)).encode())
            if path.is_file() and not path.is_symlink():
                seen.update(path.read_bytes())
    return seen.hexdigest()


@pytest.mark.parametrize("engine", THERE)
@pytest.mark.parametrize("harm", MANIFESTS)
def test_a_manifest_that_cannot_be_trusted_is_refused_and_nothing_is_touched(
    root, tmp_path, harm, engine
):
    path = folder(root) / "manifest.json"
    path.write_bytes(MANIFESTS[harm](root, path.read_bytes()))
    (tmp_path / "outside.parquet").write_bytes(b"precious")
    before = digest(root / "cache", tmp_path)
    with pytest.raises(CacheError) as failure:
        ENGINES[engine](offline=True, **world.where(root))
    if harm == "newer":
        assert "newer version of the library" in str(failure.value)
    else:
        assert "cvpilot repair wydot BSM --start 2021-04-01" in str(failure.value)
    assert verify(world.layout(root), KEY).state == ("newer" if harm == "newer" else "damaged")
    assert digest(root / "cache", tmp_path) == before
    assert len(
        cv.open_pandas("wydot", "bsm", *world.DAYS[1:] * 2, offline=True, **world.where(root))
    )


@pytest.mark.parametrize("what", ["messages", "objects"])
def test_a_part_that_is_missing_is_found(root, what):
    next(folder(root).glob(f"{what}-*.parquet")).unlink()
    assert verify(world.layout(root), KEY).state == "damaged"
    if what == "messages":
        for engine in THERE:
            with pytest.raises(DamagedError, match="cvpilot repair"):
                ENGINES[engine](offline=True, **world.where(root))


@pytest.mark.parametrize("level", range(6))
@pytest.mark.parametrize("what", ["fetch", "read"])
def test_behind_a_link_nothing_is_read_written_or_removed(root, tmp_path, level, what):
    """A link at the manifest, the day's folder, or any folder above it below the cache."""
    target = [folder(root) / "manifest.json", folder(root), *folder(root).parents][level]
    moved = tmp_path / "moved"
    target.rename(moved)
    target.symlink_to(moved)
    before = digest(tmp_path)
    how = {"offline": True} if what == "read" else {"refresh": True}
    with pytest.raises(CacheError):
        ENGINES["arrow"](**how, **world.where(root))
    assert digest(tmp_path) == before


def test_a_refresh_rebuilds_what_is_damaged_and_only_that(root):
    other = digest(folder(root, OTHER))
    harmed = part(root)
    harmed.write_bytes(b"\0" * harmed.stat().st_size)
    cv.fetch("wydot", "bsm", DAY, DAY, refresh=True, **world.where(root))
    assert verify(world.layout(root), KEY, deep=True).state == "good"
    assert len(ENGINES["arrow"](offline=True, **world.where(root))) == 100
    assert digest(folder(root, OTHER)) == other


def test_a_fetch_does_not_take_damage_for_nothing(root):
    (folder(root) / "manifest.json").write_bytes(b"{}")
    with pytest.raises(DamagedError, match="cvpilot repair"):
        cv.fetch("wydot", "bsm", DAY, DAY, **world.where(root))
