"""Readers take no lock and see one generation, whatever is refreshed or removed meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import world
from sweep import plain_environment

import intake_cvpilot as cv
from intake_cvpilot.cache.layout import MANIFEST
from intake_cvpilot.errors import OfflineError, PartitionChangedError

DAY, KEY = world.DAYS[0], world.KEYS[0]


def write_generation(root: Path, generation: int) -> None:
    """Each object of both days anew, in one rename each, every record of this generation."""
    for day in world.DAYS:
        for hour in ("04", "05"):
            path = root / "archive/wydot/BSM" / day.replace("-", "/") / hour / "object"
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = root / "beside"
            lines = (world.record(day, hour, n, generation % 100) for n in range(10))
            beside.write_text("\n".join(lines))
            beside.replace(path)


def seen(root: Path) -> set[tuple[str, frozenset[int]]]:
    """Day by day the generations that one read over both days gave."""
    table = cv.open_arrow(
        "wydot", "bsm", *world.DAYS, offline=True, columns=["event_time", "msg_count"],
        **world.where(root),
    ).to_table()  # fmt: skip
    found: dict[str, set[int]] = {}
    for row in table.to_pylist():
        found.setdefault(str(row["event_time"].date()), set()).add(row["msg_count"])
    assert len(table) == 40
    return {(day, frozenset(values)) for day, values in found.items()}


def read_for_ever(root: Path, number: int) -> None:
    """Read until told to stop; keep the tally of reads, mixed ones and errors in a file."""
    tally: Counter[str] = Counter()
    while not (root / "stop").exists():
        try:
            days = seen(root)
        except PartitionChangedError:
            tally["changed"] += 1  # a dataset of a generation that has gone: open it again
        except Exception as error:  # noqa: BLE001 -- told to the test
            tally[f"{type(error).__name__}: {error}"] += 1
        else:
            tally["reads"] += 1
            tally["mixed"] += any(len(generations) > 1 for _, generations in days)
        beside = root / f"beside-{number}"
        beside.write_text(json.dumps(tally))
        beside.replace(root / f"tally-{number}")


def tallied(root: Path) -> Counter[str]:
    """What all readers have counted so far."""
    return sum((Counter(json.loads(p.read_text())) for p in root.glob("tally-*")), Counter())


READER = "import sys, test_readers as t; t.read_for_ever(t.Path(sys.argv[1]), int(sys.argv[2]))"


def test_reads_during_refreshes_never_mix_generations(tmp_path, figure, reads):
    write_generation(tmp_path, 0)
    world.fetch(tmp_path)
    assert {generations for _, generations in seen(tmp_path)} == {frozenset({0})}
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(tmp_path), str(number)],
            env={**plain_environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for number in range(2)
    ]
    generation, deadline = 0, time.monotonic() + 540
    while generation < 10 or tallied(tmp_path)["reads"] < reads:
        assert time.monotonic() < deadline, tallied(tmp_path)
        assert all(reader.poll() is None for reader in readers)
        generation += 1
        write_generation(tmp_path, generation)
        world.fetch(tmp_path, refresh=True)
    (tmp_path / "stop").touch()
    assert [reader.wait(60) for reader in readers] == [0, 0]
    total = tallied(tmp_path)
    assert set(total) <= {"reads", "mixed", "changed"}, total
    assert total["mixed"] == 0
    figure(
        "reads during refresh with mixed generations",
        f"{total['mixed']} of {total['reads']:,}, over {generation} refreshes",
    )


@pytest.fixture
def opened(tmp_path):
    """A fetched edition and a lazy frame of its first day, not computed yet."""
    world.write_edition(tmp_path / "archive", 0)
    world.fetch(tmp_path)
    frame = cv.open_dask("wydot", "bsm", DAY, DAY, columns=["msg_count"], **world.where(tmp_path))
    return tmp_path, frame


def evict(root: Path) -> None:
    """As whoever evicts: the manifest first, then the parts."""
    folder = world.layout(root).folder(KEY)
    (folder / MANIFEST).unlink()
    shutil.rmtree(folder)


def test_a_frame_survives_an_eviction_that_is_fetched_again(opened):
    root, frame = opened
    evict(root)
    with pytest.raises(PartitionChangedError, match="open it again"):
        frame.compute(scheduler="synchronous")
    with pytest.raises(OfflineError):
        cv.open_pandas("wydot", "bsm", DAY, DAY, offline=True, **world.where(root))
    world.fetch(root)  # the same archive gives the same bytes, so the same hash
    assert set(frame.compute(scheduler="synchronous")["msg_count"]) == {0}


def test_a_frame_of_a_partition_that_came_back_with_other_rows_says_to_open_again(opened):
    root, frame = opened
    evict(root)
    write_generation(root, 7)
    world.fetch(root)
    with pytest.raises(PartitionChangedError, match="open it again"):
        frame.compute(scheduler="synchronous")


def test_a_frame_opened_before_a_refresh_is_computed_as_it_was(opened):
    root, frame = opened
    write_generation(root, 7)
    world.fetch(root, refresh=True)
    assert set(frame.compute(scheduler="synchronous")["msg_count"]) == {0}


def test_a_frame_is_computed_in_a_fork_and_the_parent_goes_on(opened):
    root, frame = opened
    assert len(frame.compute(scheduler="synchronous")) == 24
    if (pid := os.fork()) == 0:
        code = 1
        try:
            fine = len(frame.compute(scheduler="synchronous")) == 24
            world.fetch(root, refresh=True)
            code = 0 if fine else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(frame.compute(scheduler="synchronous")) == 24


def kill_once(rows, mark: str):
    """Kill the process that computes this, the first time."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rows


def test_a_killed_dask_worker_loses_no_row(opened, tmp_path):
    """The task names part and hash, so whichever process does it again reads the same."""
    distributed = pytest.importorskip("distributed", reason="needs distributed")
    _, frame = opened
    whole = sorted(frame.compute(scheduler="synchronous")["msg_count"])
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address=None, worker_dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        mark = str(tmp_path / "killed")
        killed = frame.map_partitions(kill_once, mark, meta=frame._meta)
        assert sorted(client.compute(killed).result(timeout=60)["msg_count"]) == whole
        assert Path(mark).exists()
