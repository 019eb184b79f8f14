"""A reader sees one committed generation, whatever refreshes and kills happen meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import intake_cvpilot as cv

TODAY = datetime.now(UTC).date() - timedelta(days=3)
SPAN = {"start": TODAY, "end": TODAY}

FETCH = """
import sys, intake_cvpilot as cv
archive, cache, day = sys.argv[1:]
cv.fetch("wydot", "bsm", day, day, archive=archive, cache_dir=cache, refresh=True)
"""


def line(generation: int, number: int) -> str:
    return (
        f'{{"metadata":{{"schemaVersion":6,"recordGeneratedAt":"{TODAY}T05:00:{number:02}.000Z"}},'
        f'"payload":{{"data":{{"coreData":{{"msgCnt":{generation},"id":"A1B2C3D4"}}}}}}}}'
    )


def write(archive, generation: int) -> None:
    """Every record of an archive's generation carries its number."""
    for hour in ("04", "05"):
        path = archive / f"wydot/BSM/{TODAY:%Y/%m/%d}/{hour}/object"
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text("\n".join(line(generation, n) for n in range(20)))
        beside.replace(archive / f"{hour}.moved")
    for hour in ("04", "05"):
        (archive / f"{hour}.moved").replace(archive / f"wydot/BSM/{TODAY:%Y/%m/%d}/{hour}/object")


def generations(where) -> set[int]:
    frame = cv.open_pandas("wydot", "bsm", offline=True, columns=["msg_count"], **SPAN, **where)
    assert len(frame) == 40
    return set(frame["msg_count"])


def start(where) -> subprocess.Popen[bytes]:
    words = [str(where["archive"]), str(where["cache_dir"]), str(TODAY)]
    return subprocess.Popen([sys.executable, "-c", FETCH, *words], stderr=subprocess.DEVNULL)


def test_reads_during_refreshes_see_one_generation(tmp_path):
    where = {"archive": tmp_path / "archive", "cache_dir": tmp_path / "cache"}
    write(where["archive"], 0)
    cv.fetch("wydot", "bsm", **SPAN, **where)
    reads = 0
    for generation in range(1, 4):
        write(where["archive"], generation)
        refresh = start(where)
        while refresh.poll() is None:
            assert generations(where) in ({generation - 1}, {generation})
            reads += 1
        assert refresh.returncode == 0
        assert generations(where) == {generation}
    assert reads > 20


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_generation(tmp_path):
    where = {"archive": tmp_path / "archive", "cache_dir": tmp_path / "cache"}
    write(where["archive"], 0)
    cv.fetch("wydot", "bsm", **SPAN, **where)
    begun = time.monotonic()
    started = start(where)
    started.wait(60)
    took = time.monotonic() - begun
    last = 0
    for generation in range(1, 6):
        write(where["archive"], generation)
        refresh = start(where)
        time.sleep(took * random.Random(generation).uniform(0.5, 1.1))
        os.kill(refresh.pid, signal.SIGKILL)
        refresh.wait(60)
        (seen,) = generations(where)
        assert seen in (last, generation)
        last = seen
    cv.fetch("wydot", "bsm", refresh=True, **SPAN, **where)
    assert generations(where) == {5}
