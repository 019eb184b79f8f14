"""Looking after the cache: what it holds, whether it is whole, what goes and what stays."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
from cachekit import KEY, write
from test_cli import run

import intake_cvpilot as cv
from intake_cvpilot.cache import locks
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.removal import remove
from intake_cvpilot.cache.room import make_room, total
from intake_cvpilot.cache.usage import touch
from intake_cvpilot.exits import Exit
from intake_cvpilot.synthetic import write_archive

RANGE = ("--start", "2021-04-01", "--end", "2021-04-02")
NEXT = "wydot/BSM/2021/04/02"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=2)


@pytest.fixture(scope="module")
def warm(made, tmp_path_factory):
    """A cache with two days of the synthetic archive; nobody writes to it."""
    cache = tmp_path_factory.mktemp("warm") / "cache"
    cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-02", archive=made.folder, cache_dir=cache)
    return cache


@pytest.fixture
def own(made, warm, tmp_path):
    """The same cache, for a test to change."""
    shutil.copytree(warm, tmp_path / "cache")
    return {"archive": made.folder, "cache_dir": tmp_path / "cache"}


def words(own) -> tuple[str, ...]:
    return ("--archive", str(own["archive"]), "--cache-dir", str(own["cache_dir"]))


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink()
    }


def part_of(cache: Path, day: str, role: str = "messages") -> Path:
    return next(cache.glob(f"v1*/wydot/BSM/2021/04/{day}/{role}-*"))


def aged(layout: Layout, key: str, hours: float) -> None:
    """Say that a partition was used so long ago."""
    touch(layout, key)
    then = time.time() - hours * 3600
    os.utime(layout.used(key), (then, then))


# Status


def test_the_calendar_shows_each_day(own):
    part_of(own["cache_dir"], "01").with_name("manifest.json").write_bytes(b"{}")
    found = cv.status("wydot", "bsm", **own)
    (held,) = found.holdings
    assert held.calendar == {"2021-04": "!#" + "." * 28}
    assert "2021-04  !#.." in str(found)
    assert list(found.damaged) == [KEY]
    assert cv.status("thea", **own).holdings == ()


# Verify


def test_a_whole_cache_is_good_and_only_notes_are_written(own):
    before = tree(own["cache_dir"])
    found = cv.verify(deep=True, **own)
    assert found.is_good
    assert [(one.key, one.state) for one in found.checked] == [(KEY, "good"), (NEXT, "good")]
    after = tree(own["cache_dir"])
    assert {name for name in after if after.get(name) != before.get(name)} == {
        name for name in after if name.startswith(".verified")
    }


def test_verify_finds_what_quick_cannot_and_names_the_command(own):
    part = part_of(own["cache_dir"], "02")
    part.chmod(0o644)
    data = bytearray(part.read_bytes())
    data[40] ^= 1
    part.write_bytes(data)
    assert cv.verify(**own).is_good
    deep = cv.verify(deep=True, **own)
    assert [one.key for one in deep.damaged] == [NEXT]
    command = deep.damaged[0].repair
    assert f"--cache-dir {own['cache_dir']}" in command
    assert f"--archive file://{own['archive']}" in command
    done = run("verify", "wydot", "--deep", *words(own))
    assert done.returncode == Exit.PROBLEMS
    assert command in done.stdout
    with pytest.raises(cv.DamagedError) as caught:
        cv.open_pandas("wydot", "bsm", "2021-04-02", "2021-04-02", **own)
    assert command in str(caught.value)


def test_a_second_verify_goes_on_where_the_first_stopped(own):
    cv.verify("wydot", "bsm", "2021-04-01", "2021-04-01", deep=True, **own)
    again = cv.verify(resume=True, **own)
    assert [one.key for one in again.checked] == [NEXT]
    assert again.passed_over == 1
    # A quick look does not count as a deep one, and another generation counts as unseen.
    assert cv.verify(deep=True, resume=True, **own).passed_over == 1
    cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-02", refresh=True, **own)
    assert cv.verify(deep=True, resume=True, **own).passed_over == 0


def test_verify_remote_tells_what_the_archive_has_anew(own, tmp_path):
    archive = tmp_path / "archive"
    shutil.copytree(own["archive"], archive)
    changing = {"archive": archive, "cache_dir": tmp_path / "other"}
    cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-02", **changing)
    assert cv.verify(remote=True, **changing).is_good
    first, second, *_ = sorted((archive / KEY).rglob("*.*")) or sorted(
        path for path in (archive / KEY).rglob("*") if path.is_file()
    )
    first.unlink()
    second.write_bytes(second.read_bytes() + b"\n")
    (first.parent / "late").write_bytes(b"{}\n")
    found = cv.verify(remote=True, **changing)
    assert list(found.remote) == [KEY]
    said = found.remote[KEY]
    assert (len(said.added), len(said.changed), len(said.deleted)) == (1, 1, 1)
    assert said.added[0].endswith("/late")
    assert "1 object added, 1 changed, 1 deleted" in str(found)
    assert not found.is_good


# Clear


def test_clear_removes_what_is_named_and_nothing_else(own, tmp_path):
    stranger = own["cache_dir"] / "notes.txt"
    stranger.write_text("mine")
    before = tree(own["cache_dir"])
    would = cv.clear("wydot", "bsm", "2021-04-01", "2021-04-01", dry_run=True, **own)
    assert (would.partitions, would.dry_run) == ((KEY,), True)
    assert tree(own["cache_dir"]) == before
    done = cv.clear("wydot", "bsm", "2021-04-01", "2021-04-01", **own)
    assert done.partitions == (KEY,)
    assert done.freed == would.freed > 0
    left = tree(own["cache_dir"])
    gone = {name for name in before if name not in left}
    assert gone
    assert all("2021/04/01" in name for name in gone)
    assert cv.verify(deep=True, **own).checked[0].key == NEXT
    assert cv.clear(**own).partitions == (NEXT,)
    assert not list(own["cache_dir"].glob("v1*/*/*/*/*/*"))
    assert stranger.read_text() == "mine"


def test_clear_asks_on_a_terminal_and_needs_yes_elsewhere(own):
    silent = run("clear", *words(own))
    assert silent.returncode == Exit.USAGE
    assert "--yes" in silent.stderr
    assert on_terminal(own, b"n\n") == 0
    assert len(cv.verify(**own).checked) == 2
    assert on_terminal(own, b"y\n") == 0
    assert cv.verify(**own).checked == ()
    assert run("clear", "--yes", *words(own)).returncode == Exit.OK


def on_terminal(own, answer: bytes) -> int:
    ours, theirs = pty.openpty()
    start = [sys.executable, "-m", "intake_cvpilot.cache", "clear", *words(own)]
    child = subprocess.Popen(start, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer)
    code = child.wait(60)
    os.close(ours)
    return code


def test_a_folder_that_is_no_cache_is_refused(tmp_path):
    home = tmp_path / "home"
    (home / "v1" / KEY).mkdir(parents=True)
    (home / "v1" / KEY / "manifest.json").write_text("{}")
    before = tree(home)
    for call in (cv.clear, cv.evict):
        with pytest.raises(cv.CacheError, match="no cache of this library"):
            call(cache_dir=home, **({"max_size": 0} if call is cv.evict else {}))
    assert tree(home) == before
    with pytest.raises(cv.CacheError, match="there is no folder"):
        cv.clear(cache_dir=tmp_path / "none")


def test_nothing_of_one_archive_is_not_told_as_an_empty_cache(own):
    with pytest.warns(
        UserWarning, match=f"but from file://.*{own['archive'].name}: name the archive"
    ):
        assert cv.status(cache_dir=own["cache_dir"]).holdings == ()
    with pytest.warns(UserWarning, match="name the archive"):
        assert cv.verify("wydot", cache_dir=own["cache_dir"]).checked == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cv.status("thea", cache_dir=own["cache_dir"])
        cv.status(**own)


def test_links_are_not_followed_and_a_newer_format_stays(own, tmp_path):
    cache = own["cache_dir"]
    elsewhere = tmp_path / "elsewhere"
    day = part_of(cache, "01").parent
    shutil.move(day, elsewhere)
    day.symlink_to(elsewhere)
    manifest = part_of(cache, "02").with_name("manifest.json")
    manifest.chmod(0o644)
    newer = manifest.read_bytes().replace(b'"format":1', b'"format":7')
    manifest.write_bytes(newer[:13] + b"0" * 64 + newer[77:])
    before, kept = tree(elsewhere), manifest.read_bytes()
    done = cv.clear(**own)
    assert done.partitions == ()
    assert [key for key, _ in done.failed] == [KEY, NEXT]
    assert "is a link" in done.failed[0][1]
    assert "newer version" in done.failed[1][1]
    os.utime(elsewhere / "manifest.json", (0, 0))
    cv.evict(older_than=0, cache_dir=cache)
    assert tree(elsewhere) == before
    assert manifest.read_bytes() == kept
    with pytest.raises(cv.CacheError, match="link"):
        remove(Layout(cache, "", known_tree=day.relative_to(cache).parts[0]), KEY)
    assert tree(elsewhere) == before


def test_a_link_in_a_partition_is_removed_and_its_target_stays(own, tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    part = part_of(own["cache_dir"], "01")
    part.unlink()
    part.symlink_to(target)
    cv.clear("wydot", "bsm", "2021-04-01", "2021-04-01", **own)
    assert not part.parent.exists()
    assert target.read_text() == "mine"


# Room


def three(tmp_path) -> tuple[Layout, Layout, list[str]]:
    """Three partitions of two archives, used 30, 3 and 2 hours ago."""
    one, two = (Layout(tmp_path / "cache", name) for name in (PUBLIC, "s3://another"))
    keys = [f"wydot/BSM/2021/04/0{n}" for n in (1, 2, 3)]
    for layout, key, hours in zip((one, two, one), keys, (3, 30, 2), strict=True):
        write(layout, key=key)
        aged(layout, key, hours)
    return one, two, keys


def test_staging_goes_first_then_what_was_used_least_recently(tmp_path):
    one, two, keys = three(tmp_path)
    parts = total(one.root)
    left = one.staging(KEY) / "units"
    left.mkdir(parents=True)
    (left / "raw").write_bytes(b"x" * 5000)
    assert make_room(one.root, most=parts).staged == (f"v1/{KEY}",)
    assert total(one.root) == parts
    freed = make_room(one.root, most=parts - 1)
    assert freed.removed == (f"{two.tree}/{keys[1]}",)
    assert freed.left == total(one.root)
    assert make_room(one.root, most=freed.left - 1).removed == (f"v1/{keys[0]}",)
    assert load(one, keys[2]) is not None


def test_what_was_used_within_the_hour_is_kept_or_held_stays(tmp_path):
    one, two, keys = three(tmp_path)
    aged(one, keys[0], 0.9)
    with locks.hold(two, keys[1]):
        freed = make_room(one.root, most=0, keep={f"v1/{keys[2]}"})
    assert freed.removed == ()
    assert [name for name, _ in freed.failed] == [f"{two.tree}/{keys[1]}"]
    done = cv.evict(max_size=0, cache_dir=one.root)
    assert done.is_short
    size = sum(p.stat().st_size for p in one.folder(keys[0]).iterdir())
    assert f"used within the last hour stays: {size:,} bytes, of which 0 are superseded" in str(
        done
    )
    assert load(one, keys[0]) is not None


def test_older_than_goes_whatever_the_size(tmp_path):
    one, two, keys = three(tmp_path)
    would = cv.evict(older_than=1, dry_run=True, cache_dir=one.root)
    assert would.partitions == (f"{two.tree}/{keys[1]}",)
    assert load(two, keys[1]) is not None
    assert cv.evict(older_than=timedelta(days=1), cache_dir=one.root).partitions == would.partitions
    assert load(two, keys[1]) is None


def test_evict_wants_a_bound_and_takes_the_setting(tmp_path, monkeypatch):
    one, _, keys = three(tmp_path)
    with pytest.raises(cv.InvalidRequestError, match="max_size"):
        cv.evict(cache_dir=one.root)
    for bad in ({"max_size": "many"}, {"older_than": -1}):
        with pytest.raises(cv.InvalidRequestError):
            cv.evict(cache_dir=one.root, **bad)
    monkeypatch.setenv("CVPILOT_CACHE_LIMIT", str(total(one.root) - 1))
    done = run("evict", "--cache-dir", str(one.root), "--json")
    assert done.returncode == Exit.OK
    assert len(json.loads(done.stdout)["partitions"]) == 1
    assert run("evict", "--max-size", "0", "--cache-dir", str(one.root)).returncode == Exit.OK
    aged(one, keys[0], 0)


# Removal and others


def test_a_removal_killed_after_the_manifest_leaves_nothing_to_read(tmp_path):
    layout = Layout(tmp_path / "cache", PUBLIC)
    write(layout, parts=2)
    layout.manifest(KEY).unlink()  # where a kill may stop it
    assert cv.verify(cache_dir=layout.root).checked == ()
    assert cv.status(cache_dir=layout.root).holdings == ()
    cv.clear(cache_dir=layout.root)
    assert not layout.folder(KEY).exists()
    write(layout)
    assert load(layout, KEY) is not None


def test_a_reader_of_a_removed_partition_is_told_to_open_again(own):
    frame = cv.open_dask("wydot", "bsm", "2021-04-01", "2021-04-02", **own)
    cv.clear("wydot", "bsm", "2021-04-01", "2021-04-01", **own)
    with pytest.raises(cv.PartitionChangedError, match="open it again"):
        frame.compute(scheduler="sync")


FROZEN = """
import sys, os, signal
from pathlib import Path
from cachekit import KEY, write
from intake_cvpilot.cache import locks
from intake_cvpilot.cache.layout import Layout, PUBLIC
layout = Layout(Path(sys.argv[1]), PUBLIC)
with locks.hold(layout, KEY):
    print("holding", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    write(layout, 2)
"""


def test_a_frozen_writer_is_waited_for_and_commits_afterwards(tmp_path, monkeypatch):
    layout = Layout(tmp_path / "cache", PUBLIC)
    write(layout)
    aged(layout, KEY, 48)
    start = [sys.executable, "-c", FROZEN, str(layout.root)]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    child = subprocess.Popen(start, stdout=subprocess.PIPE, env=path)
    assert child.stdout.readline() == b"holding\n"
    os.waitpid(child.pid, os.WUNTRACED)
    monkeypatch.setenv("CVPILOT_LOCK_TIMEOUT", "0")
    evicted = cv.evict(older_than=1, cache_dir=layout.root)
    cleared = cv.clear(cache_dir=layout.root)
    for done in (evicted, cleared):
        assert done.partitions == ()
        assert f"process {child.pid}" in done.failed[0][1]
    assert load(layout, KEY).generation == 1
    child.send_signal(signal.SIGCONT)
    assert child.wait(60) == 0
    assert load(layout, KEY).generation == 2
    assert cv.verify(deep=True, cache_dir=layout.root).is_good


# Doctor


def test_doctor_tries_the_cache_and_the_archive(own, monkeypatch):
    for name in [name for name in os.environ if name.startswith("CVPILOT_")]:
        monkeypatch.delenv(name)  # those of the tests are no settings
    found = cv.doctor(**own)
    assert found.is_good
    states = {one.name: one.state for one in found.tried}
    assert states == dict.fromkeys(states, "good")
    assert {"cache", "space", "rename", "locks", "archive", "credentials"} <= set(states)
    assert "intake-cvpilot" in found.versions
    assert not [path for path in own["cache_dir"].iterdir() if path.suffix == ".tmp"]


def test_doctor_names_credentials_and_shows_none(own, tmp_path):
    secret = {"key": "AKIACANARY", "secret": "CANARY-SECRET", "anon": False}
    found = cv.doctor(storage_options=secret, offline=True, cache_dir=own["cache_dir"])
    assert "anon, key, secret" in str(found)
    assert "CANARY" not in str(found) + json.dumps(found.to_dict()) + repr(found)
    gone = run("doctor", "--archive", str(tmp_path / "no"), "--cache-dir", str(tmp_path / "new"))
    assert gone.returncode == Exit.PROBLEMS
    assert "BAD   archive" in gone.stdout
    assert not (tmp_path / "new").exists()


def test_doctor_says_that_a_cache_cannot_be_written(own):
    if os.geteuid():
        pytest.skip("mounting needs root")
    cache = own["cache_dir"]
    subprocess.run(["mount", "--bind", cache, cache], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", cache], check=True)
        found = cv.doctor(offline=True, **own)
        assert "cannot be written" in str(found)
        # Complete partitions are read, and nothing is written, not even notes.
        frame = cv.open_pandas("wydot", "bsm", "2021-04-01", "2021-04-02", **own)
        assert len(frame)
        assert cv.verify(deep=True, **own).is_good
        with pytest.raises(cv.CacheError):
            cv.fetch("wydot", "bsm", "2021-04-03", "2021-04-03", **own)
        assert cv.clear(**own).failed
        assert len(cv.verify(**own).checked) == 2
    finally:
        subprocess.run(["umount", cache], check=True)
