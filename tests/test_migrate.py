"""A stored cache of an earlier minor table version, and a later release of the library.

The release is a copy of this one whose table has columns more (`later_release`): it reads what
this one wrote, and rewrites it to exactly what it would have built from the archive.
"""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import later_release
import msgspec
import pytest
from test_cli import run

import intake_cvpilot as cv
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.exits import Exit
from intake_cvpilot.job import prepare
from intake_cvpilot.state import age_of
from intake_cvpilot.tables import table
from intake_cvpilot.tables.column import Column

SAMPLES = Path(__file__).with_name("samples")
KEY = "wydot/BSM/2021/04/01"
DAY = ("wydot", "bsm", "2021-04-01", "2021-04-01")
NEW = ("jerk", "road", "hazards", "remark", "seen", "score")
ABSENT = object()

#: What a record may carry where the later release has a column; ordinary, odd and hostile.
JERKS = (
    ABSENT,
    0.5,
    "0.50",
    1,
    -0.0,
    1e300,
    10**30,
    "fast",
    True,
    [0.5],
    [0.5, 1],
    {"x": 1},
    20.01,
)
ROADS = (ABSENT, {"kind": "gravel"}, [{"kind": "Paved"}], {"kind": "mud"}, "gravel",
         {"kind": {"paved": None}}, {"kind": "gravel", "wet": 0})  # fmt: skip
HAZARDS = (ABSENT, [{"kind": "dog", "distance": 2}], {"kind": "cow"}, [], [1, {"kind": "elk"}],
           [{"kind": "dog", "age": 3}, {"distance": "near"}], "none")  # fmt: skip
REMARKS = (ABSENT, "slow", "***", 7, "ice\u00fcr \U0001f600", {"said": "x"})
SEEN = (ABSENT, "2021-04-01T05:00:00Z", "2021-04-01T24:00:00Z", "noon", 0)


def records() -> list[str]:
    """Records of every schema version that carry these, alone and together."""
    found = []
    samples = [json.loads(path.read_text()) for path in sorted(SAMPLES.glob("wydot-bsm-*.json"))]
    together = [(j, r, h, m, s) for (j, r), (h, m, s) in zip(
        product(JERKS, ROADS), [*product(HAZARDS, REMARKS, SEEN)][::3], strict=False
    )]  # fmt: skip
    for number, values in enumerate(together):
        record = json.loads(json.dumps(samples[number % len(samples)]))
        metadata, core = record["metadata"], record["payload"]["data"]["coreData"]
        day = "2021-03-01" if number % 10 == 9 else "2021-04-01"
        for name in ("recordGeneratedAt", "generatedAt"):
            if name in metadata:
                metadata[name] = f"{day}T05:{number // 60:02}:{number % 60:02}.000Z"
        core["msgCnt"] = number % 3
        for holder, key, value in zip(
            (core, core, core, metadata, metadata),
            ("jerk", "road", "hazards", "remark", "seenAt"),
            values,
            strict=True,
        ):
            if value is not ABSENT:
                holder[key] = value
        found.append(json.dumps(record))
    # Equal to this release but for their spelling, and so repeats to the later one.
    return [*found, found[1], found[1].replace('"jerk": 0.5', '"jerk": "0.50"'), "{broken"]


pytestmark = pytest.mark.filterwarnings("ignore:.*(window|schema version)")


@pytest.fixture(scope="module")
def later(tmp_path_factory):
    return later_release.release(tmp_path_factory.mktemp("later"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive, and a cache that this release wrote; nobody writes to them."""
    place = tmp_path_factory.mktemp("made")
    lines = records()
    for hour, some in (("05", lines[::2]), ("06", lines[1::2])):
        path = place / "archive" / KEY / hour / "object"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(some))
    (place / "archive/wydot/BSM/2021/04/02").mkdir(parents=True)
    shutil.copytree(place / "archive" / KEY / "05", place / "archive/wydot/BSM/2021/04/02/05")
    fetch(place / "archive", place / "cache")
    return place


def fetch(archive: Path, cache: Path) -> None:
    cv.fetch(*DAY[:3], "2021-04-02", archive=archive, cache_dir=cache)


@pytest.fixture
def own(made, tmp_path):
    """The same cache for a test to change; its archive is away."""
    shutil.copytree(made / "cache", tmp_path / "cache")
    return {"archive": made / "archive", "cache_dir": tmp_path / "cache"}


def words(own) -> tuple[str, ...]:
    return ("--archive", str(own["archive"]), "--cache-dir", str(own["cache_dir"]))


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "v1" in path.relative_to(folder).parts[0]
    }


def spoil(part: Path) -> bytes:
    """Flip a bit; give what is there now."""
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.chmod(0o644)
    part.write_bytes(data)
    return bytes(data)


def test_a_stored_cache_is_upgraded_to_what_the_later_release_would_build(
    later, made, own, tmp_path
):
    """Byte for byte, manifest included, with every socket forbidden and no archive."""
    old = tree(own["cache_dir"])
    away = made / "away"
    (made / "archive").rename(away)
    try:
        would = later_release.command(later, "migrate", "--dry-run", "--json", *words(own))
        assert would.returncode == Exit.OK, would.stderr
        assert json.loads(would.stdout)["partitions"] == [KEY, "wydot/BSM/2021/04/02"]
        assert tree(own["cache_dir"]) == old
        done = later_release.command(later, "migrate", "--json", *words(own))
        assert done.returncode == Exit.OK, done.stderr
    finally:
        away.rename(made / "archive")
    told = json.loads(done.stdout)
    assert told["partitions"] == [KEY, "wydot/BSM/2021/04/02"]
    assert min(told["filled"][f"messages.{name}"] for name in NEW[:-1]) > 5, told
    assert told["filled"]["messages.score"] == 0  # a rule would compute it
    assert all(told["nulls"][f"messages.{name}"] for name in NEW)
    fresh = tmp_path / "fresh"
    again = {**own, "cache_dir": fresh}
    span = ("--start", DAY[2], "--end", "2021-04-02")
    built = later_release.command(later, "fetch", "wydot", "bsm", *span, *words(again))
    assert built.returncode == Exit.OK, built.stderr
    migrated, rebuilt = tree(own["cache_dir"]), tree(fresh)
    files = {name: data for name, data in rebuilt.items() if "manifest" not in name}
    assert len(files) > 6
    for name, data in files.items():
        assert migrated[name] == data, name
    for name in (name for name in rebuilt if "manifest" in name):
        ours, theirs = json.loads(migrated[name]), json.loads(rebuilt[name])
        assert ours.pop("generation") == theirs.pop("generation") + 1
        for one in (ours, theirs):
            del one["checksum"], one["listed_at"]
        assert ours == theirs
    # Nothing is left to do, and a refresh with the archive finds every block as it would be.
    none = later_release.command(later, "migrate", *words(own))
    assert "rewrote 0 partitions" in none.stdout
    assert "2 are of this version" in none.stdout
    kept = later_release.command(later, "refresh", "--json", *words(own))
    (report,) = json.loads(kept.stdout)["reports"]
    assert {one["action"] for one in report["partitions"]} == {"relisted"}
    assert cv.verify(deep=True, **own).is_good


READ = """
import sys, json, warnings
warnings.simplefilter("ignore")
import intake_cvpilot as cv
archive, cache = sys.argv[1:]
where = {"archive": archive, "cache_dir": cache, "offline": True, "outside": "keep"}
asked = ("wydot", "bsm", "2021-04-01", "2021-04-01")
new = ["jerk", "road", "hazards", "remark", "seen", "score"]
said = {}
arrow = cv.open_arrow(*asked, **where).to_table()
said["arrow"] = [len(arrow), {name: arrow[name].null_count for name in new}]
pandas = cv.open_pandas(*asked, **where)
said["pandas"] = [len(pandas), {name: int(pandas[name].isna().sum()) for name in new}]
dask = cv.open_dask(*asked, **where).compute()
said["dask"] = [len(dask), {name: int(dask[name].isna().sum()) for name in new}]
assert (dask.dtypes == pandas.dtypes).all()
polars = cv.open_polars(*asked, **where).collect()
said["polars"] = [len(polars), {name: polars[name].null_count() for name in new}]
duck = cv.open_duckdb(*asked, **where).fetch_arrow_table()
said["duckdb"] = [len(duck), {name: duck[name].null_count for name in new}]
said["none"] = len(cv.open_arrow(*asked, filters=[("jerk", ">", 0)], **where).to_table())
print(json.dumps(said))
"""


def test_until_then_the_later_release_reads_it_with_the_new_columns_null(later, own):
    before = later_release.run(later, READ, *map(str, own.values()))
    assert before.returncode == 0, before.stderr
    said = json.loads(before.stdout)
    ours = cv.open_arrow(*DAY, outside="keep", **own).to_table()
    for engine in ("arrow", "pandas", "dask", "polars", "duckdb"):
        assert said[engine] == [len(ours), dict.fromkeys(NEW, len(ours))], engine
    assert said["none"] == 0
    status = later_release.command(later, "status", "--json", *words(own))
    assert json.loads(status.stdout)["holdings"][0]["states"] == {"current": 2}


def test_this_release_leaves_what_a_later_one_wrote_alone(later, own):
    assert later_release.command(later, "migrate", *words(own)).returncode == Exit.OK
    theirs = tree(own["cache_dir"])
    for call in (
        lambda: cv.open_pandas(*DAY, **own),
        lambda: cv.fetch(*DAY, refresh=True, **own),
        lambda: cv.open_dask(*DAY, offline=True, **own),
    ):
        with pytest.raises(cv.CVPilotError, match=r"messages 1\.1; this library has messages 1\.0"):
            call()
    assert cv.plan(*DAY, **own).partitions[0].state == "newer"
    done = cv.migrate(**own)
    assert list(done.failures) == [KEY, "wydot/BSM/2021/04/02"]
    assert "update the library" in str(done)
    assert cv.status(**own).holdings[0].states == {"newer": 2}
    layout = prepare(*DAY, own).layout
    part = layout.folder(KEY) / load(layout, KEY).files[0].name
    spoil(part)
    repaired = cv.repair(**own)
    assert not repaired.reports
    assert "update the library" in next(iter(repaired.failures.values()))
    for name, data in theirs.items():
        assert Path(name).name == part.name or tree(own["cache_dir"])[name] == data


def replaced_by(command: str) -> int:
    """Run the command that an error names; its exit code."""
    name, *asked = shlex.split(command)
    assert name == "cvpilot"
    return run(*asked).returncode


@pytest.mark.parametrize("newer", ["its tables", "its manifest"])
def test_a_partition_of_a_later_release_fails_alone_and_can_be_replaced(later, own, newer):
    """The rest of the range is read; who cannot update fetches anew, and only if that is said."""
    only = ("wydot", "bsm", "--start", "2021-04-02", "--end", "2021-04-02")
    if newer == "its tables":
        done = later_release.command(later, "migrate", *only, *words(own))
        assert done.returncode == Exit.OK, done.stderr
    else:
        manifest = prepare(*DAY, own).layout.folder("wydot/BSM/2021/04/02") / "manifest.json"
        text = manifest.read_bytes().replace(b'"format":1', b'"format":7')
        manifest.write_bytes(text[:13] + b"0" * 64 + text[77:])
    theirs = {name: data for name, data in tree(own["cache_dir"]).items() if "04/02" in name}
    span = (*DAY[:3], "2021-04-02")
    for again in ({}, {"refresh": True}, {"offline": True}):
        with pytest.raises(cv.PartitionsFailedError) as caught:
            cv.fetch(*span, **again, **own)
        (error,) = caught.value.failures.values()
        assert isinstance(error, cv.NewerError)
    with pytest.warns(UserWarning, match="2021/04/02"):
        rows = cv.open_dask(*span, on_error="skip", **own)
    assert len(rows) == len(cv.open_pandas(*DAY, **own)) > 0
    assert [one.state for one in cv.plan(*span, **own).partitions] == ["current", "newer"]
    status = cv.status(**own)
    assert status.holdings[0].states == {"current": 1, "newer": 1}
    assert list(status.newer) == ["wydot/BSM/2021/04/02"]
    assert "newer: wydot/BSM/2021/04/02" in str(status)
    told = cv.refresh(**own)
    assert list(told.failures) == ["wydot/BSM/2021/04/02"]
    assert told.reports[0].actions == {"relisted": 1, "failed": 1}
    assert not cv.repair(**own).reports
    assert theirs.items() <= tree(own["cache_dir"]).items()
    command = str(error).splitlines()[-1].strip()
    assert replaced_by(command) == Exit.OK
    assert cv.status(**own).holdings[0].states == {"current": 2}
    assert cv.verify(deep=True, **own).is_good
    assert len(cv.open_pandas(*span, **own)) > len(rows)


def test_an_older_major_version_has_to_be_fetched_again_and_migrate_says_how(tmp_path, own):
    major = later_release.release(tmp_path, "2.0")
    before = tree(own["cache_dir"])
    done = later_release.command(major, "migrate", *words(own))
    assert done.returncode == Exit.PARTIAL
    assert "older major version (messages 1.0)" in done.stdout
    assert "cvpilot refresh wydot BSM --start 2021-04-01 --end 2021-04-01" in done.stdout
    assert tree(own["cache_dir"]) == before
    fetched = later_release.command(
        major, "fetch", "wydot", "bsm", "--start", DAY[2], "--end", DAY[3], *words(own), "--json"
    )
    assert json.loads(fetched.stdout)["partitions"][0]["action"] == "fetched"


def test_what_cannot_be_migrated_stays_and_the_rest_is_done(later, own):
    (part, *_) = (own["cache_dir"]).rglob("2021/04/02/messages-*.parquet")
    damaged = spoil(part)
    done = later_release.command(later, "migrate", "--json", *words(own))
    assert done.returncode == Exit.PARTIAL
    told = json.loads(done.stdout)
    assert told["partitions"] == [KEY]
    (why,) = told["failures"].values()
    assert "cvpilot repair" in why
    assert part.read_bytes() == damaged
    limited = later_release.run(
        later,
        "import os, intake_cvpilot as cv\nos.environ['CVPILOT_CACHE_LIMIT'] = '10kB'\n"
        "cv.migrate(archive=sys.argv[1], cache_dir=sys.argv[2])",
        *map(str, own.values()),
    )
    assert "SpaceError" in limited.stderr


def test_nothing_is_to_migrate(own):
    done = cv.migrate(**own)
    assert (done.partitions, done.current, done.failures) == ((), 2, {})
    assert run("migrate", "--dry-run", *words(own)).returncode == Exit.OK
    assert cv.migrate("wydot", "tim", **own).current == 0


def test_versions_are_compared_by_number(own):
    ours = {"events": "2.10", "bsms": "1.0"}
    for stored, age in (
        ({}, "major"),
        ({"events": "2.10", "bsms": "1.0"}, "same"),
        ({"events": "2.9", "bsms": "1.0"}, "minor"),
        ({"events": "1.12", "bsms": "1.0"}, "major"),
        ({"events": "2.9"}, "major"),
        ({"events": "2.11", "bsms": "1.0"}, "newer"),
        ({"events": "2.9", "bsms": "1.1"}, "newer"),
        ({"events": "2.10", "bsms": "1.0", "stops": "1.0"}, "newer"),
    ):
        assert age_of(ours, stored) == age, stored
    # The meaning of a value that a newer library changed is not guessed either.
    layout = prepare(*DAY, own).layout
    manifest = load(layout, KEY)
    commit(layout, msgspec.structs.replace(manifest, table_versions={"messages": "2.0"}), {})
    with pytest.raises(cv.CacheError, match="newer version"):
        cv.open_pandas(*DAY, allow_stale=True, **own)


@pytest.mark.parametrize(
    "change",
    [{"since": "1.2"}, {"since": "1.0"}, {"since": "2.1"}, {"since": "1.1", "nullable": False}],
)
def test_a_column_that_no_minor_version_can_add_is_refused(change):
    plain = table("messages")
    column = Column("jerk", plain.column("speed").type, "Change of acceleration.", **change)
    with pytest.raises(ValueError, match="cannot be added"):
        replace(plain, version="1.1", columns=(*plain.columns, column))
