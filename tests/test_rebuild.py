"""Repair and refresh, the cache's limit, and tables of another version."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
import pytest
from test_cli import run
from test_keep import KEY, NEXT, aged, part_of, tree, words

import intake_cvpilot as cv
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.room import total
from intake_cvpilot.exits import Exit
from intake_cvpilot.job import prepare
from intake_cvpilot.synthetic import write_archive

SPAN = ("wydot", "bsm", "2021-04-01", "2021-04-02")


@pytest.fixture
def own(tmp_path):
    """An archive and a cache of two of its days, both for a test to change."""
    made = write_archive(tmp_path / "archive", records_per_hour=2)
    where = {"archive": made.folder, "cache_dir": tmp_path / "cache"}
    cv.fetch(*SPAN, **where)
    return where


def flip(path) -> bytes:
    """Flip a bit; give what is there now."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    return bytes(data)


def partitions(cache) -> dict[str, bytes]:
    """Everything but notes, locks and marks."""
    return {name: data for name, data in tree(cache).items() if name.startswith("v1") and data}


# Repair


def test_repair_reads_only_what_is_damaged(own):
    whole = partitions(own["cache_dir"])
    flip(part_of(own["cache_dir"], "01"))
    shutil.rmtree(own["archive"] / NEXT)  # a whole partition is not asked for
    done = cv.repair(**own)
    assert [one.key for one in done.damaged] == [KEY]
    (report,) = done.reports
    assert [(p.key, p.action) for p in report.partitions] == [(KEY, "fetched")]
    after = partitions(own["cache_dir"])
    assert {n: d for n, d in after.items() if "manifest" not in n} == {
        n: d for n, d in whole.items() if "manifest" not in n
    }
    assert cv.verify(deep=True, **own).is_good
    assert "repaired" in str(done)
    nothing = cv.repair(**own)
    assert (nothing.damaged, nothing.reports) == ((), ())
    assert "nothing to do" in str(nothing)


@pytest.mark.parametrize("what", ["manifest.json", "objects-*", "missing"])
def test_repair_of_a_manifest_the_objects_and_a_missing_part(own, what):
    folder = part_of(own["cache_dir"], "01").parent
    if what == "missing":
        part_of(own["cache_dir"], "01").unlink()
    else:
        flip(next(folder.glob(what)))
    assert len(cv.repair(*SPAN, **own).damaged) == 1
    assert cv.verify(deep=True, **own).is_good


def test_repair_offline_keeps_the_damaged_file_and_says_so(own):
    part = part_of(own["cache_dir"], "01")
    damaged = flip(part)
    with pytest.raises(cv.OfflineError, match="kept as they are") as caught:
        cv.repair(offline=True, **own)
    command = "cvpilot repair wydot BSM --start 2021-04-01 --end 2021-04-01"
    assert f"{command} --cache-dir {own['cache_dir']}" in str(caught.value)
    assert part.read_bytes() == damaged
    assert run("repair", "--offline", *words(own)).returncode == Exit.OFFLINE
    # An archive that is away, too.
    own["archive"].rename(own["archive"].with_name("away"))
    with pytest.raises(cv.CVPilotError):
        cv.repair(**own)
    assert part.read_bytes() == damaged
    own["archive"].with_name("away").rename(own["archive"])
    assert run("repair", "--json", *words(own)).returncode == Exit.OK
    assert cv.verify(deep=True, **own).is_good


def test_what_may_not_be_touched_does_not_keep_the_rest_from_repair(own, tmp_path):
    manifest = part_of(own["cache_dir"], "02").with_name("manifest.json")
    newer = manifest.read_bytes().replace(b'"format":1', b'"format":7')
    manifest.write_bytes(newer[:13] + b"0" * 64 + newer[77:])
    kept = manifest.read_bytes()
    flip(part_of(own["cache_dir"], "01"))
    done = cv.repair(**own)
    assert list(done.failures) == [NEXT]
    assert manifest.read_bytes() == kept
    assert cv.verify(*SPAN[:2], "2021-04-01", "2021-04-01", **own).is_good


# Refresh


def test_refresh_tells_added_changed_and_deleted_objects_apart(own):
    folder = own["archive"] / KEY
    first, second, *_ = sorted(path for path in folder.rglob("*") if path.is_file())
    late = first.with_name("late")
    late.write_bytes(second.read_bytes())
    second.write_bytes(second.read_bytes() + b"\n")
    first.unlink()
    done = cv.refresh(*SPAN, **own)
    by_key = {p.key: p for p in done.reports[0].partitions}
    assert by_key[NEXT].action == "relisted"
    assert not by_key[NEXT].changes
    said = by_key[KEY].changes
    assert [len(said.added), len(said.changed), len(said.deleted)] == [1, 1, 1]
    assert said.added[0].endswith("/late")
    assert f"{KEY}: 1 object added, 1 changed, 1 deleted" in str(done)
    assert json.loads(json.dumps(done.to_dict()))["reports"][0]["partitions"][0]["changes"]
    assert not any(p.changes for p in cv.refresh(**own).reports[0].partitions)
    with pytest.raises(cv.OfflineError):
        cv.refresh(offline=True, **own)


# The limit


def test_a_request_that_cannot_fit_fails_before_the_first_read(own):
    with pytest.raises(cv.SpaceError, match="nothing was read") as caught:
        cv.fetch(*SPAN[:2], "2021-04-01", "2021-04-03", cache_limit=1000, **own)
    assert "--max-size" in str(caught.value)
    assert "cache_limit=" in str(caught.value)
    assert cv.verify(deep=True, **own).is_good
    more = run(
        "fetch",
        "wydot",
        "bsm",
        "--start",
        "2021-04-03",
        "--end",
        "2021-04-03",
        *words(own),
        "--max-size",
        "1kB",
    )
    assert more.returncode == Exit.SPACE


def test_a_fetch_makes_room_by_what_was_used_least_recently(own, monkeypatch):
    layout = prepare(*SPAN, own).layout
    aged(layout, KEY, 5)
    aged(layout, NEXT, 4)
    both = total(layout.root)
    monkeypatch.setenv("CVPILOT_CACHE_LIMIT", str(both + 100_000))
    day = ("wydot", "bsm", "2021-04-03", "2021-04-03")
    (own["archive"] / "wydot/BSM/2021/04/03/00").mkdir(parents=True)
    source = next(path for path in (own["archive"] / KEY).rglob("*") if path.is_file())
    text = source.read_text().replace("2021-04-01", "2021-04-03")
    (own["archive"] / "wydot/BSM/2021/04/03/00/object").write_text(text)
    cv.fetch(*day, **own)
    held = [one.key for one in cv.verify(**own).checked]
    assert held == [NEXT, "wydot/BSM/2021/04/03"]
    assert total(layout.root) <= both + 100_000
    # What was used within the hour stays, and the fetch says so.
    cv.clear(*day, **own)
    cv.fetch(*SPAN, cache_limit=None, **own)
    with pytest.raises(cv.SpaceError, match="used within the last hour"):
        cv.fetch(*day, **own)
    assert [one.key for one in cv.verify(**own).checked] == [KEY, NEXT]


def dense(archive: Path, days: range, seed: int = 7, records: int = 100) -> None:
    """Days of 4 kB a record that hardly compress: text that no column holds."""
    source = next(path for path in (archive / KEY).rglob("*") if path.is_file())
    record = json.loads(source.read_text().splitlines()[0].replace("2021-04-01", "2021-04-DD"))
    random = Random(seed)
    for day in days:
        folder = archive / f"wydot/BSM/2021/04/{day:02}/00"
        folder.mkdir(parents=True)
        lines = []
        for _ in range(records):
            record["metadata"]["noise"] = b64encode(random.randbytes(3000)).decode()
            lines.append(json.dumps(record).replace("DD", f"{day:02}", 3))
        (folder / "object").write_text("\n".join(lines))


def test_an_estimate_that_was_too_low_stops_the_fetch_and_evicts_nothing_in_use(own):
    """Parts are as large as their raw objects here; a quarter is what is expected."""
    dense(own["archive"], range(3, 13))
    span = (*SPAN[:2], "2021-04-03", "2021-04-12")
    with pytest.raises(cv.SpaceError, match="nothing was read") as caught:
        cv.fetch(*span, cache_limit=1, **own)
    limit = int(re.search(r"cache_limit=(\d+)", str(caught.value))[1])
    root = own["cache_dir"]
    before = partitions(root)
    limit += total(root)
    with pytest.raises(cv.SpaceError, match="more than was estimated") as caught:
        cv.fetch(*span, cache_limit=limit, jobs=1, **own)
    assert "--max-size" in str(caught.value)
    held = cv.verify(deep=True, **own)
    assert held.is_good
    assert 2 + 3 < len(held.checked) < 2 + 10  # some were committed, and none of the others went
    assert {name: data for name, data in partitions(root).items() if name in before} == before
    assert total(root) < limit + 1_000_000
    words_of = ["fetch", "wydot", "bsm", "--start", span[2], "--end", span[3], *words(own)]
    assert run(*words_of, "--max-size", str(limit)).returncode == Exit.SPACE
    # What nobody has used for hours goes for it, and then all of it fits.
    layout = prepare(*SPAN, own).layout
    cv.clear(*span, **own)
    dense(own["archive"], range(13, 21))
    cv.fetch(*SPAN[:2], "2021-04-13", "2021-04-20", **own)
    for day in range(13, 21):
        aged(layout, f"wydot/BSM/2021/04/{day:02}", 5)
    limit = total(root) + 3_500_000
    done = cv.fetch(*span, cache_limit=limit, **own)
    assert done.actions == {"fetched": 10}
    kept = [one.key for one in cv.verify(**own).checked]
    assert {KEY, NEXT} < set(kept)
    assert 12 <= len(kept) < 20
    assert total(root) <= limit


# Table versions


def older(own, major: str) -> None:
    """Make the committed partitions ones of another version of the table."""
    layout = prepare(*SPAN, own).layout
    for key in (KEY, NEXT):
        manifest = load(layout, key)
        commit(layout, msgspec.structs.replace(manifest, table_versions={"messages": major}), {})


def test_stale_partitions_are_refused_offline_unless_allowed(own):
    rows = len(cv.open_pandas(*SPAN, **own))
    older(own, "0.9")
    with pytest.raises(cv.OfflineError, match="allow_stale=True"):
        cv.open_pandas(*SPAN, offline=True, **own)
    with pytest.warns(UserWarning, match="older major version"):
        stale = cv.open_pandas(*SPAN, offline=True, allow_stale=True, **own)
    assert len(stale) == rows
    assert cv.status(**own).holdings[0].states == {"stale": 2}
    # The old generation stays until the new one is committed.
    own["archive"].rename(own["archive"].with_name("away"))
    with pytest.raises(cv.CVPilotError) as caught:
        cv.fetch(*SPAN, **own)
    assert "allow_stale=True" in "".join(getattr(caught.value, "__notes__", [str(caught.value)]))
    with pytest.warns(UserWarning, match="older major version"):
        assert len(cv.open_pandas(*SPAN, allow_stale=True, **own)) == rows
    own["archive"].with_name("away").rename(own["archive"])
    assert cv.fetch(*SPAN, **own).actions == {"fetched": 2}
    assert cv.status(**own).holdings[0].states == {"current": 2}


# Ctrl-C


def test_ctrl_c_leaves_a_cache_that_the_same_command_goes_on_with(own):
    for day in range(3, 13):
        folder = own["archive"] / f"wydot/BSM/2021/04/{day:02}/00"
        folder.mkdir(parents=True)
        source = next(path for path in (own["archive"] / KEY).rglob("*") if path.is_file())
        (folder / "object").write_text(
            source.read_text().replace("2021-04-01", f"2021-04-{day:02}")
        )
    asked = ["fetch", "wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-12", "--rate", "8"]
    child = subprocess.Popen(
        [sys.executable, "-m", "intake_cvpilot.cache", *asked, "--refresh", *words(own)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )
    deadline = time.monotonic() + 60
    while len(list(own["cache_dir"].glob("v1*/wydot/BSM/2021/04/*/manifest.json"))) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    try:
        _, told = child.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGABRT)  # it says where each of its threads stands
        _, told = child.communicate(timeout=60)
    assert child.returncode == Exit.INTERRUPTED, told
    assert "goes on where this one stopped" in told
    assert cv.verify(deep=True, **own).is_good
    assert run(*asked[:-2], *words(own)).returncode == Exit.OK
    assert len(cv.verify(deep=True, **own).checked) == 12


# Sharing a folder


SHARED = """
import os, sys
os.umask(int(sys.argv[1], 8))
import intake_cvpilot as cv
day = sys.argv[4]
cv.fetch("wydot", "bsm", day, day, archive=sys.argv[2], cache_dir=sys.argv[3], jobs=1)
cv.verify(cache_dir=sys.argv[3], archive=sys.argv[2], deep=True)
"""


# The interpreter itself may lie where only root reads, so everything is imported first.
AS_USER = """
import os, sys
import intake_cvpilot as cv
where = {"archive": sys.argv[2], "cache_dir": sys.argv[5]}
cv.fetch("wydot", "bsm", sys.argv[4], sys.argv[4], jobs=1, **where)
cv.verify(deep=True, **where)
os.setgroups([])
os.setresgid(13000, 13000, 13000)
os.setresuid(*[int(sys.argv[6])] * 3)
"""


def modes(cache) -> set[tuple[bool, str]]:
    return {(path.is_dir(), f"{path.stat().st_mode & 0o777:o}") for path in cache.rglob("*")}


@pytest.mark.parametrize(
    ("umask", "folders", "files"), [("002", "775", "664"), ("077", "700", "600")]
)
def test_modes_follow_the_umask(own, tmp_path, umask, folders, files):
    cache = tmp_path / "shared"
    call = [sys.executable, "-c", SHARED, umask, str(own["archive"]), str(cache), "2021-04-01"]
    subprocess.run(call, check=True, stderr=subprocess.DEVNULL)
    assert modes(cache) == {(True, folders), (False, files)}


def test_two_users_share_a_folder(own, tmp_path):
    if os.geteuid():
        pytest.skip("changing the user needs root")
    with TemporaryDirectory() as open_to_all:  # pytest's own folder is for its user alone
        place = Path(open_to_all)
        place.chmod(0o755)
        archive, cache = place / "archive", place / "cache"
        shutil.copytree(own["archive"], archive)
        cache.mkdir()
        shutil.chown(cache, 12001, 13000)
        cache.chmod(0o2775)
        for user, day in ((12001, "2021-04-01"), (12002, "2021-04-02"), (12001, "2021-04-02")):
            warm = tmp_path / f"warm-{user}-{day}"
            words = [str(archive), str(cache), day, str(warm), str(user)]
            call = [sys.executable, "-c", AS_USER + SHARED, "002", *words]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        assert {path.stat().st_gid for path in cache.rglob("*")} == {13000}
        found = cv.verify(cache_dir=cache, archive=archive, deep=True)
        assert [one.key for one in found.checked] == [KEY, NEXT]
        assert found.is_good
