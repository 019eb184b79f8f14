"""Processes that decode do not outlive the one that started them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CALLER = """
import os, time
from intake_cvpilot.workers import new_executor
crew = new_executor(2)
pids = {crew.submit(os.getpid).result() for _ in range(20)}
busy = [crew.submit(time.sleep, 300) for _ in range(4)]
print(*pids, flush=True)
busy[0].result()
"""


EARLY = """
import os, time
from pathlib import Path
from intake_cvpilot.workers import POOL_THRESHOLD, workers

def started():
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = (status.parent / "cmdline").read_bytes()
            yield parent == os.getpid() and b"popen_loky" in command
        except OSError:
            pass

with workers(2, POOL_THRESHOLD):
    deadline = time.monotonic() + 60
    while sum(started()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    print(sum(started()))
print(sum(started()))
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_is_left(end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CALLER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as caller:
        assert caller.stdout is not None
        pids = [int(word) for word in caller.stdout.readline().split()]
        assert pids
        assert all(map(alive, pids))
        os.kill(caller.pid, end)
        caller.wait(60)
    deadline = time.monotonic() + 60
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_processes_start_before_the_first_block_is_there() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY], capture_output=True, text=True, check=True, timeout=200
    )
    assert done.stdout.split() == ["2", "0"]
