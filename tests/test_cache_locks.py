"""Locks save work; a dead holder blocks no one, and a cache without locks still works."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cachekit import KEY

from intake_cvpilot.cache import usage
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.locks import hold
from intake_cvpilot.errors import CacheError, LockTimeoutError

STRACE = shutil.which("strace")

HOLDER = """
    import sys; from pathlib import Path; import cachekit
    from intake_cvpilot.cache.layout import *; from intake_cvpilot.cache.locks import hold
    with hold(Layout(Path(sys.argv[1]), PUBLIC), cachekit.KEY, timeout=30):
        print("held", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "cache", PUBLIC)


def start(layout: Layout, *under: str) -> subprocess.Popen:
    here = Path(__file__).resolve().parent
    return subprocess.Popen(
        [*under, sys.executable, "-c", textwrap.dedent(HOLDER), str(layout.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def holder(layout: Layout, *under: str):
    """A real process that holds the lock until it is told to stop."""
    child = start(layout, *under)
    try:
        if child.stdout.readline() != "held\n":
            pytest.fail(child.stderr.read())
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()


def test_the_time_limit_names_the_holder_and_what_to_do(layout):
    waits = []
    with (
        holder(layout) as child,
        pytest.raises(LockTimeoutError, match="lock_timeout=") as caught,
        hold(layout, KEY, timeout=0.2, on_wait=waits.append),
    ):
        pass
    assert f"process {child.pid} on {os.uname().nodename}, since 20" in str(caught.value)
    assert [wait.pid for wait in waits] == [child.pid]


def test_who_need_not_wait_is_not_told_to(layout):
    waits = []
    with hold(layout, KEY, timeout=0, on_wait=waits.append):
        pass
    assert waits == []


def test_a_killed_holder_blocks_no_one(layout):
    with holder(layout) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        with hold(layout, KEY, timeout=30):
            pass


def test_the_lock_is_had_when_the_holder_is_done(layout):
    with holder(layout) as child:
        told = []

        def let_go(_):
            told.append(1)
            child.stdin.close()

        with hold(layout, KEY, on_wait=let_go):
            assert told == [1]
        child.wait()


def test_the_lock_file_stays_and_the_note_goes(layout):
    with hold(layout, KEY):
        inode = layout.lock(KEY).stat().st_ino
        assert layout.lock(KEY).with_suffix(".holder").exists()
    assert not layout.lock(KEY).with_suffix(".holder").exists()
    with hold(layout, KEY):
        assert layout.lock(KEY).stat().st_ino == inode
    assert not layout.folder(KEY).exists(), "a lock makes no partition"


def test_the_lock_is_released_when_the_work_fails(layout):
    with pytest.raises(ZeroDivisionError), hold(layout, KEY):
        _ = 1 / 0
    with hold(layout, KEY, timeout=0):
        pass


def test_partitions_and_archives_have_locks_of_their_own(layout):
    with (
        hold(layout, KEY, timeout=0),
        hold(layout, "wydot/BSM/2021/04/02", timeout=0),
        hold(Layout(layout.root, "file:///a/copy"), KEY, timeout=0),
    ):
        pass


def test_threads_exclude_each_other(layout):
    inside, most = [], []

    def work():
        for _ in range(5):
            with hold(layout, KEY, timeout=60):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"pid": "x"}', b"null", b"\xff"])
def test_a_note_that_cannot_be_read_is_another_process(layout, note):
    with holder(layout):
        path = layout.lock(KEY).with_suffix(".holder")
        path.write_bytes(note)
        with pytest.raises(LockTimeoutError, match="another process"), hold(layout, KEY, timeout=0):
            pass


def test_a_lock_behind_a_link_is_refused(layout, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (layout.root / ".locks").mkdir(parents=True)
    (layout.root / ".locks" / "v1").symlink_to(precious)
    with pytest.raises(CacheError, match="is a link"), hold(layout, KEY):
        pass
    assert list(precious.iterdir()) == []
    (layout.root / ".locks" / "v1").unlink()
    layout.lock(KEY).parent.mkdir(parents=True)
    layout.lock(KEY).symlink_to(precious / "file")
    with pytest.raises(CacheError), hold(layout, KEY):
        pass
    assert list(precious.iterdir()) == []


@pytest.mark.skipif(STRACE is None, reason="needs strace")
@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_worked_on_without(layout, tmp_path, error):
    log = str(tmp_path / "strace.log")
    child = start(
        layout, STRACE, "-f", "-o", log, "-e", "trace=flock", "-e", f"inject=flock:error={error}"
    )
    out, err = child.communicate("", timeout=120)
    if "ptrace" in err.lower():
        pytest.skip("strace may not trace here")
    assert (out, child.returncode) == ("held\n", 0), err
    assert "has no locks" in err


@pytest.mark.skipif(STRACE is None, reason="needs strace")
def test_a_lock_that_does_nothing_lets_both_in(layout, tmp_path):
    under = (STRACE, "-f", "-o", str(tmp_path / "log"), "-e", "inject=flock:retval=0")
    with holder(layout, *under), holder(layout, *under):
        pass


def test_waiting_is_logged(layout, caplog):
    caplog.set_level(logging.INFO, "intake_cvpilot")
    with holder(layout) as child, pytest.raises(LockTimeoutError), hold(layout, KEY, timeout=0):
        pass
    assert f"held by process {child.pid}" in caplog.text


# -- usage -----------------------------------------------------------------------------------------


def test_use_is_the_mtime_of_a_file_outside_the_partition(layout):
    assert usage.last_used(layout, KEY) is None
    usage.touch(layout, KEY)
    assert usage.last_used(layout, KEY) is None, "reading makes no cache"
    layout.root.mkdir()
    usage.touch(layout, KEY)
    os.utime(layout.used(KEY), (0, 0))
    assert usage.last_used(layout, KEY) == datetime(1970, 1, 1, tzinfo=UTC)
    usage.touch(layout, KEY)
    assert datetime.now(UTC) - usage.last_used(layout, KEY) < timedelta(hours=1)
    assert not layout.folder(KEY).exists()


def test_the_use_of_many_is_noted_and_what_is_no_file_stops_no_other(layout):
    layout.root.mkdir()
    keys = [f"wydot/BSM/2021/{month:02}/{day:02}" for month in (4, 5) for day in (1, 2, 3)]
    layout.used(keys[1]).mkdir(parents=True)
    usage.touch_all(layout, keys)
    for key in keys:
        os.utime(layout.used(key), (0, 0))
    usage.touch_all(layout, keys)
    for key in keys:
        assert datetime.now(UTC) - usage.last_used(layout, key) < timedelta(hours=1), key


def test_use_behind_a_link_is_not_noted(layout, tmp_path):
    layout.root.mkdir()
    (layout.root / ".used").symlink_to(tmp_path)
    before = sorted(tmp_path.iterdir())
    usage.touch(layout, KEY)
    assert sorted(tmp_path.iterdir()) == before
