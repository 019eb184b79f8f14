"""Many processes, frozen ones, interrupted ones, and locks that do nothing."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta

import pytest
import world
from fault_server import BUCKET, FaultServer
from sweep import points

from intake_cvpilot.cache import locks
from intake_cvpilot.errors import LockTimeoutError

pytestmark = pytest.mark.needs("gcc")

PROCESSES, PARTITIONS = 16, 30


def bucket_objects() -> dict[str, bytes]:
    """Two objects a day, values that differ."""
    days = [str(date(2021, 4, 1) + timedelta(n)) for n in range(PARTITIONS)]
    return {
        f"wydot/BSM/{day.replace('-', '/')}/{hour}/object": "\n".join(
            world.record(day, hour, number, number % 100) for number in range(5)
        ).encode()
        for day, hour in itertools.product(days, ("04", "05"))
    }


def crowd(driver, place, *, locked: bool, processes: int = PROCESSES):
    objects = bucket_objects()
    with FaultServer(objects) as server:
        asked = {"url": server.url, "processes": processes, "days": PARTITIONS, "seed": 1}
        said = driver("crowd", place, **{"with": asked, "locks": locked})
        reads = [request.key for request in server.log if not request.is_list]
    assert said["error"] is None, said
    saw = said["value"]
    assert all(isinstance(one, dict) for one in saw), [one for one in saw if isinstance(one, str)]
    assert len(saw[0]) == PARTITIONS
    for one in saw:
        assert one == {day: saw[0][day] for day in one}  # equal rows, whoever read them
    return objects, reads


def test_sixteen_processes_read_each_object_once_and_see_the_same_rows(driver, tmp_path, figure):
    objects, reads = crowd(driver, tmp_path, locked=True)
    assert sorted(reads) == sorted(objects)
    figure(
        "objects fetched once, processes x partitions",
        f"{len(objects)} of {len(objects)}, {PROCESSES} x {PARTITIONS}",
    )


def test_with_locks_that_do_nothing_the_rows_are_right_all_the_same(driver, tmp_path, figure):
    objects, reads = crowd(driver, tmp_path, locked=False, processes=8)
    assert set(reads) == set(objects)
    figure("tables right with locks that do nothing, processes x partitions", f"8 x {PARTITIONS}")


def test_a_writer_frozen_at_any_call_is_safe_from_what_tidies_up(driver, stage, stride, figure):
    with stage.at("changed") as root:
        calls = driver("refresh", root, mode="COUNT")["calls"]
    tried = 0
    for at in points(calls, stride(90)):
        with stage.at("changed") as root:
            frozen = driver("refresh", root, mode="STOP", at=at)
            if frozen["status"] == "stopped":
                seen = driver("inspect", root)["value"]
                assert seen["wrong"] == [], at
                assert driver("tidy", root)["error"] is None, at
                assert driver("inspect", root)["value"]["seen"] == seen["seen"], at
                ended = driver("continue")
                # Its staging may have been swept: it says so, and nothing is committed by halves.
                assert ended["error"] is None or ended["error"][2] != 1, (at, ended)
            check_finished(driver, root, at)
        tried += 1
    figure("frozen writer safe from tidying, refresh", f"{tried} of {tried}")


def check_finished(driver, root, at):
    first, again = driver("finish", root)["value"]
    assert first["wrong"] == again["wrong"] == [], (at, first, again)
    assert all(1 in seen for seen in again["seen"].values()), (at, again)


def test_a_writer_frozen_at_any_call_while_another_commits(driver, stage, stride, figure):
    """Locks that do nothing: the second goes the whole way while the first stands still."""
    with stage.at("changed") as root:
        calls = driver("refresh", root, mode="COUNT")["calls"]
    tried = 0
    for at in points(calls, stride(90)):
        with stage.at("changed") as root:
            frozen = driver("refresh", root, mode="STOP", at=at, locks=False)
            if frozen["status"] == "stopped":
                other = driver("refresh", root, locks=False)
                assert other["error"] is None or other["error"][2] != 1, (at, other)
                seen = driver("inspect", root)["value"]
                assert seen["wrong"] == [], (at, seen)
                ended = driver("continue")
                assert ended["error"] is None or ended["error"][2] != 1, (at, ended)
            check_finished(driver, root, at)
        tried += 1
    figure("two writers without locks, one frozen at any call", f"{tried} of {tried}")


@pytest.mark.parametrize(("name", "ends"), [("SIGINT", 0), ("SIGTERM", -15)])
def test_a_signal_at_any_call_publishes_nothing_by_halves(
    driver, stage, stride, figure, name, ends
):
    code = getattr(signal, name)
    with stage.at("changed") as root:
        calls = driver("refresh", root, mode="COUNT")["calls"]
    tried = 0
    for at in points(calls, stride(90)):
        with stage.at("changed") as root:
            said = driver("refresh", root, mode="SEND", at=at, code=code)
            assert said["status"] == ends, (at, said)
            if name == "SIGINT":
                assert said["error"] is not None, (at, said)
                assert said["error"][0] == "KeyboardInterrupt", (at, said)
            assert not list((root / "cache").rglob("*.holder")) or name == "SIGTERM"
            check_finished(driver, root, at)
        tried += 1
    figure(f"{name} survived at any call, refresh", f"{tried} of {tried}")


def test_the_wait_for_a_lock_says_who_and_has_its_own_error(driver, stage):
    with stage.at("changed") as root:
        frozen = driver("refresh", root, mode="STOP", at=150)
        assert frozen["status"] == "stopped"
        told = []
        held = next(
            k for k in world.KEYS if world.layout(root).lock(k).with_suffix(".holder").exists()
        )
        with (
            pytest.raises(LockTimeoutError) as failure,
            locks.hold(world.layout(root), held, timeout=0.2, on_wait=told.append),
        ):
            pass
        assert told[0].pid == frozen["pid"]
        assert told[0].host == os.uname().nodename
        assert f"process {frozen['pid']} on " in str(failure.value)
        assert told[0].since in str(failure.value)
        # A holder that dies blocks no one.
        driver("continue", code=int(signal.SIGKILL))
        with locks.hold(world.layout(root), held, timeout=0):
            pass


CLI = [sys.executable, "-m", "intake_cvpilot.cache"]


def test_an_interrupted_command_ends_with_130_and_resumes(tmp_path):
    objects = bucket_objects()
    with FaultServer(objects) as server:
        options = json.dumps({"endpoint_url": server.url})
        words = ["fetch", "wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-30"]
        words += ["--archive", f"s3://{BUCKET}", "--cache-dir", str(tmp_path / "cache")]
        environment = {**os.environ, "CVPILOT_STORAGE_OPTIONS": options, "CVPILOT_RATE": "60"}
        running = subprocess.Popen([*CLI, *words], env=environment, stderr=subprocess.PIPE)
        while sum(not request.is_list for request in server.log) < 10:
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 130, said
        before = sum(not request.is_list for request in server.log)
        assert before < len(objects)
        done = subprocess.run(
            [*CLI, *words],
            env={**environment, "CVPILOT_RATE": "none"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        read = [request.key for request in server.log if not request.is_list]
        assert set(read) == set(objects)
        assert len(read) <= len(objects) + 8  # those that were under way are read again
