"""Full, broken, read-only and vanishing disks, and disks that lose their power."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from datetime import date
from functools import partial
from pathlib import Path

import pytest
import world
from mounts import Disk, mounted, run, tmpfs
from sweep import plain_environment, points

import intake_cvpilot as cv
from intake_cvpilot.synthetic import write_archive

pytestmark = pytest.mark.needs("gcc", "root")


@pytest.fixture
def disk(request, tmp_path):
    made = Disk(tmp_path, request.param)
    yield made
    made.close()


@pytest.fixture
def root(stage):
    """The stage, with nothing where the cache would be: tests mount something there."""
    shutil.rmtree(stage.root)
    shutil.copytree(stage.place / "changed", stage.root)
    shutil.rmtree(stage.root / "cache")
    return stage.root


def finish(driver, root, before=None, after=1):
    said = driver("finish", root)
    assert said["error"] is None, said
    first, again = said["value"]
    assert first["wrong"] == again["wrong"] == [], said
    for seen in first["seen"].values():
        assert {before, after} & ({None} if seen is None else set(seen)), said
    assert all(after in seen for seen in again["seen"].values()), said


@pytest.mark.needs("ext4", "xfs")
@pytest.mark.parametrize("command", ["fetch", "refresh"])
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_power_lost_at_any_call_leaves_the_old_or_the_new_generation(
    driver, stage, stride, figure, disk, command
):
    """A kill at the N-th call, then the loss of all that was not synced."""
    state, before, after = {"fetch": ("empty", None, 0), "refresh": ("changed", 0, 1)}[command]
    with stage.at(state) as root:
        calls = driver(command, root, mode="COUNT")["calls"]
    tried = 0
    # One more than there are calls: the process ends well, and then the power goes.
    for at in (*points(calls, stride(100)), calls + 1):
        with stage.at(state) as root:
            shutil.rmtree(root / "cache", ignore_errors=True)
            disk.fill(stage.place / state / "cache")
            with mounted(root / "cache", "--bind", disk.place / "cache"):
                said = driver(command, root, mode="KILL", at=at)
                assert said["status"] == (0 if at > calls else -9), (at, said)
                disk.shut_down()
            disk.come_back()
            with mounted(root / "cache", "--bind", disk.place / "cache"):
                if at > calls:
                    found = driver("inspect", root)["value"]
                    assert found["wrong"] == []
                    assert all(after in (seen or ()) for seen in found["seen"].values()), found
                finish(driver, root, before, after)
        tried += 1
    figure(f"power-loss points on {disk.kind}, {command}", f"{tried} of {tried} ({calls} calls)")


def test_no_room_for_an_export_or_a_lock_is_told_and_nothing_is_left(tmp_path):
    day = ("wydot", "BSM", "2021-04-01", "2021-04-01")
    made = write_archive(tmp_path / "archive", days=[date(2021, 4, 1)], records_per_hour=1)
    where = {"archive": made.folder, "cache_dir": tmp_path / "whole"}
    lock, export = cv.lock(*day, **where), partial(cv.export, *day, **where)
    ways = {"a.parquet": export, "a.csv": export, "a.ndjson": export, "lock": lock.write}
    with tmpfs(tmp_path / "small", "size=16k") as small:
        (small / "full").write_bytes(bytes(16 * 1024))
        for name, write in ways.items():
            with pytest.raises(cv.SpaceError, match=f"no room for .*{name}"):
                write(small / name)
            assert [path.name for path in small.iterdir()] == ["full"]
    (tmp_path / "file").touch()
    for name, write in ways.items():
        with pytest.raises(cv.InvalidRequestError, match="cannot be written"):
            write(tmp_path / "file" / name)


def test_disks_that_are_full_at_any_size(driver, root, figure):
    sizes = ["40k", "80k", "120k", "160k", "200k", "240k", "320k"]
    refused = 0
    for size in sizes:
        with tmpfs(root / "cache", f"size={size}"):
            said = driver("fetch", root)
            if said["error"] is not None:
                kind, message, code = said["error"]
                assert (kind, code) == ("SpaceError", 7), said
                assert "bytes are needed" in message
                assert "cache_dir" in message
                refused += 1
            assert driver("inspect", root)["value"]["wrong"] == []
            run("mount", "-o", "remount,size=20m", root / "cache")
            finish(driver, root)
    assert refused > 0
    figure("disk faults survived, full tmpfs of some sizes", f"{len(sizes)} of {len(sizes)}")


def test_a_full_disk_can_be_cleared(driver, root):
    with tmpfs(root / "cache", "size=2m"):
        assert driver("fetch", root)["error"] is None
        with suppress(OSError), (root / "cache/filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"0" * 4096)
        assert driver("refresh", root)["error"][0] == "SpaceError"
        assert driver("clear", root)["error"] is None
        assert driver("inspect", root)["value"]["seen"] == dict.fromkeys(world.KEYS)
        (root / "cache/filler").unlink()
        finish(driver, root)


def test_disks_without_file_entries(driver, root, figure):
    counts = [2, 8, 15, 25, 35, 45, 55]
    refused = 0
    for inodes in counts:
        with tmpfs(root / "cache", f"size=20m,nr_inodes={inodes}"):
            said = driver("fetch", root)
            if said["error"] is not None:
                assert said["error"][0] == "SpaceError", said
                assert "file entries" in said["error"][1]
                refused += 1
            assert driver("inspect", root)["value"]["wrong"] == []
            run("mount", "-o", "remount,nr_inodes=100000", root / "cache")
            finish(driver, root)
    assert refused > 0
    figure("disk faults survived, no file entries left", f"{len(counts)} of {len(counts)}")


def test_files_that_may_not_grow(driver, root, figure):
    for size in (64, 1000, 4000, 8000, 12000):
        said = driver("fetch", root, file_size=size)
        assert said["status"] == 0, said
        assert said["error"] is None or said["error"][2] in (3, 7), said
        finish(driver, root)
        shutil.rmtree(root / "cache")
    figure("disk faults survived, limited file size (EFBIG)", "5 of 5")


def test_a_read_only_cache_is_read_whole_and_never_written(driver, stage, figure):
    with stage.at("fetched") as root, ExitStack() as stack:
        cache = root / "cache"
        stack.enter_context(mounted(cache, "--bind", cache))
        run("mount", "-o", "remount,ro,bind", cache)
        read = driver("read", root, mode="COUNT")
        assert read["error"] is None, read
        assert read["value"] == [24, 12]
        assert driver("inspect", root)["value"]["wrong"] == []
        world.write_edition(root / "archive", 1)
        said = driver("refresh", root)
        assert said["error"] is not None
        assert said["error"][2] == 3, said
        assert "Read-only file system" in said["error"][1]
    figure("disk faults survived, read-only cache", "1 of 1")


def test_a_missing_day_of_a_read_only_cache_fails_before_anything_is_read(driver, root):
    (root / "cache").mkdir()
    with mounted(root / "cache", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        said = driver("fetch", root)
        assert said["error"] is not None
        assert "Read-only file system" in said["error"][1]
        assert said["error"][2] == 3


@pytest.mark.needs("setpriv")
def test_a_cache_that_may_not_be_written_is_read_and_the_error_says_so(driver, stage, figure):
    with stage.at("fetched") as root:
        stage.place.chmod(0o755)
        root.chmod(0o755)
        world.write_edition(root / "archive", 1)
        for user, refused in ((65534, "Permission denied"), (0, None)):
            said = driver("read", root, user=user)
            assert said["error"] is None, said
            assert said["value"] == [24, 12]
            said = driver("refresh", root, user=user)
            assert (said["error"] is None) == (refused is None), said
            if refused:
                assert refused in said["error"][1]
                assert said["error"][2] == 3, said
        for path in (root / "cache").rglob("manifest.json"):
            path.chmod(0)
        said = driver("read", root, user=65534)
        assert said["error"][0] == "CacheError", said
        assert "Permission denied" in said["error"][1]
        assert "left alone" in said["error"][1]
    figure("disk faults survived, permission denied to another user", "1 of 1")


def test_a_temp_folder_on_another_file_system_is_not_in_the_way(driver, root, tmp_path):
    with tmpfs(root / "cache", "size=20m"), tmpfs(tmp_path / "temp", "size=4k,nr_inodes=2"):
        said = driver("fetch", root, environment={"TMPDIR": str(tmp_path / "temp")})
        assert said["error"] is None, said
        finish(driver, root)


def test_a_cache_that_is_removed_in_mid_run(driver, stage, stride, figure):
    with stage.at("changed") as root:
        calls = driver("refresh", root, mode="COUNT")["calls"]
    tried = 0
    for at in points(calls, stride(80)):
        with stage.at("changed") as root:
            if driver("refresh", root, mode="STOP", at=at)["status"] == "stopped":
                shutil.rmtree(root / "cache")
                ended = driver("continue")
                assert ended["status"] == 0, ended
                assert ended["error"] is None or ended["error"][2] != 1, (at, ended)
            said = driver("inspect", root)
            assert said["value"]["wrong"] == [], (at, said)
            finish(driver, root)
        tried += 1
    figure("disk faults survived, cache folder removed at any call", f"{tried} of {tried}")


@pytest.mark.needs("nbdkit", "ext4")
def test_a_disk_that_cannot_write_tells_so_and_is_used_again_when_it_can(
    driver, root, tmp_path, figure
):
    trigger = tmp_path / "eio"
    nbd = tmp_path / "nbd"
    nbd.mkdir()
    words = ["nbdfuse", str(nbd / "disk.img"), "--command", "nbdkit", "-s", "--exit-with-parent"]
    words += ["--filter=error", "memory", "64M", "error-pwrite=EIO", "error-pwrite-rate=100%"]
    (nbd / "disk.img").touch()
    server = subprocess.Popen(
        [*words, f"error-pwrite-file={trigger}"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while (nbd / "disk.img").stat().st_size == 0:
            assert server.poll() is None
            assert time.monotonic() < deadline, "nbdfuse did not come up"
            time.sleep(0.05)
        run("mkfs.ext4", "-qF", "-O", "^has_journal", nbd / "disk.img")
        with mounted(root / "cache", "-o", "loop", nbd / "disk.img"):
            trigger.touch()
            said = driver("fetch", root)
            assert said["error"] is not None
            assert said["error"][2] == 3, said
            assert "Input/output error" in said["error"][1], said
            trigger.unlink()
            finish(driver, root)
    finally:
        trigger.unlink(missing_ok=True)
        subprocess.run(["fusermount3", "-u", str(nbd / "disk.img")], check=False)
        server.terminate()
        server.wait(20)
    figure("disk faults survived, EIO from the block device", "1 of 1")


def test_a_process_out_of_memory_ends_alone(driver, root, figure):
    """The kernel kills a fetch that takes too much; what was committed stays, the rest goes on."""
    group = Path("/sys/fs/cgroup/memory")
    if not (group / "memory.limit_in_bytes").exists():
        pytest.skip("needs memory cgroups (v1) at /sys/fs/cgroup/memory")
    mine = Path(tempfile.mkdtemp(dir=group, prefix="cvpilot-"))
    try:
        world.write_edition(root / "archive", 0, records=4000)
        (mine / "memory.limit_in_bytes").write_text(str(2 * 2**20))
        said = driver("fetch", root, group=str(mine / "cgroup.procs"))
        assert said["status"] == -9 or said["error"] is not None, said
    finally:
        for _ in range(50):
            try:
                mine.rmdir()
                break
            except OSError:
                time.sleep(0.1)
    world.write_edition(root / "archive", 0)
    assert driver("inspect", root)["value"]["wrong"] == []
    finish(driver, root, after=0)
    figure("killed by the kernel for want of memory", "1 of 1")


@pytest.mark.needs("faketime")
@pytest.mark.parametrize("clock", ["2021-04-01 12:00:00", "2031-01-01 00:00:00"])
def test_a_clock_that_is_wrong_hides_nothing(root, clock):
    """Fetched under a clock of another year, read and refreshed under the right one."""
    code = (
        "import sys, intake_cvpilot as cv\n"
        "archive, cache = sys.argv[1:]\n"
        "cv.fetch('wydot', 'bsm', '2021-04-01', '2021-04-01', archive=archive, cache_dir=cache,"
        " rate=None)\n"
    )
    words = ["faketime", "-f", f"@{clock}", sys.executable, "-c", code]
    subprocess.run(
        [*words, str(root / "archive"), str(root / "cache")],
        check=True,
        env=plain_environment(),
        timeout=120,
    )
    seen = world.rows(root, world.DAYS[0])
    assert seen == world.golden(1)[world.KEYS[0]]
    world.write_edition(root / "archive", 2)
    world.fetch(root, refresh=True)
    assert world.rows(root, world.DAYS[0]) == world.golden(2)[world.KEYS[0]]
