"""A fetch over worker processes: the same rows and files, one rate, and no loss with a worker."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import cloudpickle
import dask
import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin
from fault_server import BUCKET, FaultServer, error
from test_rebuild import dense, partitions

import intake_cvpilot as cv
from intake_cvpilot.cache.room import total
from intake_cvpilot.cli import cli
from intake_cvpilot.synthetic import write_archive

DAYS = ("wydot", "bsm", "2021-04-01", "2021-04-04")
CANARIES = {"key": "AKIACANARYKEY", "secret": "CANARYsecret/+", "token": "CANARYtoken=="}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    days = [date(2021, 4, 1) + timedelta(days=n) for n in range(4)]
    return write_archive(tmp_path_factory.mktemp("archive"), days=days, records_per_hour=2)


@pytest.fixture(scope="module")
def objects(made):
    files = (path for path in made.folder.rglob("*") if path.is_file())
    return {path.relative_to(made.folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def running(objects):
    with FaultServer(objects) as started:
        yield started


@pytest.fixture
def server(running, objects):
    """The server with nothing scripted, logged or gone."""
    running.forget()
    running.log.clear()
    running.objects = dict(objects)
    return running


def reached(server, cache):
    return {
        "archive": f"s3://{BUCKET}",
        "storage_options": {"endpoint_url": server.url},
        "cache_dir": cache,
        "rate": None,
    }


@pytest.fixture
def where(server, tmp_path):
    return reached(server, tmp_path / "cache")


@pytest.fixture(scope="module")
def cluster():
    # Workers that are killed here come back and are killed again: by default the third loss of a
    # task is its last.
    patient = dask.config.set({"distributed.scheduler.allowed-failures": 20})
    with (
        patient,
        LocalCluster(
            n_workers=4,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=50,
        ) as running,
    ):
        yield running


@pytest.fixture
def client(cluster):
    cluster.scale(4)
    with Client(cluster, set_as_default=False) as connected:
        connected.wait_for_workers(4, timeout=240)
        yield connected


@pytest.fixture(scope="module")
def local(running, tmp_path_factory):
    """The same range fetched by this machine alone, and its files."""
    elsewhere = reached(running, tmp_path_factory.mktemp("alone"))
    report = cv.fetch(*DAYS, **elsewhere, client=False)
    return report, stored(elsewhere["cache_dir"])


def stored(cache: Path) -> dict[str, bytes]:
    """Every committed file; of manifests what does not say when."""
    found = {}
    for tree in cache.glob("v1*"):
        for path in sorted(tree.rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                if path.name == "manifest.json":
                    document = json.loads(data)
                    for name in ("listed_at", "checksum", "committed_at"):
                        document.pop(name, None)
                    data = json.dumps(document, sort_keys=True).encode()
                found[str(path.relative_to(tree))] = data
    return found


def at_work(client: Client) -> int:
    """Tasks of any fetch that run on the workers."""

    def count() -> int:
        module = sys.modules.get("intake_cvpilot.cluster.worker")
        return sum(module._RUNNING.values()) if module else 0

    return sum(client.run(count, on_error="ignore").values())


def joined(client: Client) -> int:
    def count() -> int:
        module = sys.modules.get("intake_cvpilot.cluster.worker")
        return len(module._JOINED) if module else 0

    return sum(client.run(count, on_error="ignore").values())


def holders(cache: Path) -> dict[str, int]:
    """Who writes which partition at this moment, as the locks say."""
    found = {}
    # os.walk goes on where a folder is removed meanwhile.
    for folder, _, names in os.walk(cache):
        for path in (Path(folder, name) for name in names if name.endswith(".holder")):
            with suppress(OSError, ValueError):  # it is being written or removed
                found[path.stem] = int(json.loads(path.read_text())["pid"])
    return found


class Seen(SchedulerPlugin):
    """Keeps what the scheduler holds of each task, as bytes."""

    def __init__(self, scheduler) -> None:
        self.bytes: list[bytes] = []
        self.scheduler = scheduler

    def transition(self, key, start, finish, *args, **kwargs) -> None:
        task = self.scheduler.tasks.get(key)
        if task is not None and finish == "processing":
            self.bytes.append(cloudpickle.dumps((key, task.run_spec, task.annotations)))


def same_counts(one: cv.Report, other: cv.Report) -> None:
    assert one.counts == other.counts
    assert one.quality == other.quality
    assert [p.key for p in one.partitions] == [p.key for p in other.partitions]


# The thin whole


def test_a_cluster_gives_what_one_machine_gives(client, where, local, made):
    report = cv.fetch(*DAYS, **where, client=client)
    alone, files = local
    same_counts(report, alone)
    assert stored(where["cache_dir"]) == files
    assert report.actions == {"fetched": 4}
    assert report.requests == alone.requests == made.objects + 4
    assert report.bytes_read == made.bytes
    assert (at_work(client), joined(client)) == (0, 0)
    again = cv.fetch(*DAYS, **where, client=client)
    assert (again.actions, again.requests) == ({"cached": 4}, 0)


def test_partitions_and_blocks_are_tasks_and_no_secret_is_in_them(client, cluster, where, server):
    where["storage_options"] |= CANARIES
    seen = Seen(cluster.scheduler)
    cluster.scheduler.add_plugin(seen, name="seen")
    try:
        cv.fetch(*DAYS, **where, client=client)
    finally:
        cluster.scheduler.remove_plugin("seen")
    kept = b"".join(seen.bytes)
    for day in range(1, 5):
        assert f"wydot/BSM/2021/04/0{day}".encode() in kept
    assert sum(b"build-" in task for task in seen.bytes) == 4
    frame = cv.open_dask(*DAYS, **where, client=client)
    told = pickle.dumps(cluster.scheduler.get_events())
    assert b"cvpilot-" in told
    places = [kept, told, cloudpickle.dumps(frame.__dask_graph__())]
    places += [path.read_bytes() for path in where["cache_dir"].rglob("*") if path.is_file()]
    for text in CANARIES.values():
        assert not any(text.encode() in place for place in places)


def test_progress_is_told_in_the_callers_process(client, where, made):
    events = []
    cv.fetch(*DAYS, **where, client=client, progress=events.append)
    assert sum(e.done for e in events if e.kind == "read") == made.bytes
    assert sum(e.done for e in events if e.kind == "build") == made.bytes
    assert sorted(e.partition for e in events if e.kind == "commit") == [
        f"wydot/BSM/2021/04/0{day}" for day in range(1, 5)
    ]


def test_failures_are_those_of_one_machine(client, where, server, tmp_path):
    denied = {min(k for k in server.objects if f"/04/0{day}/" in k) for day in (2, 3)}
    server.script(lambda r: r.key in denied, error(403, "AccessDenied"), forever=True)
    told = []
    for cache, chosen in (("a", client), ("b", False)):
        with pytest.raises(cv.PartitionsFailedError) as caught:
            cv.fetch(*DAYS, **where | {"cache_dir": tmp_path / cache}, client=chosen)
        told.append(caught.value)
    one, other = told
    assert sorted(one.failures) == sorted(other.failures)
    assert {k: (type(e), str(e)) for k, e in one.failures.items()} == {
        k: (type(e), str(e)) for k, e in other.failures.items()
    }
    assert one.report.actions == other.report.actions == {"fetched": 2, "failed": 2}
    server.forget()
    report = cv.fetch(*DAYS, **where | {"cache_dir": tmp_path / "a"}, client=client)
    assert report.actions == {"cached": 2, "fetched": 2}


def test_a_workers_warning_reaches_the_caller(client, where, server):
    gone = max(server.objects)

    def vanish(event):
        if event.kind == "plan":
            server.objects.pop(gone, None)

    with pytest.warns(UserWarning, match="1 object vanished from the archive") as warned:
        cv.fetch(*DAYS, **where, client=client, progress=vanish)
    assert any(w.filename == __file__ for w in warned)


# Which cluster


def test_the_active_client_is_used_and_false_is_not(cluster, where, tmp_path, monkeypatch):
    writers = set()

    def look(event):
        writers.update(holders(where["cache_dir"]).values())

    with Client(cluster):
        cv.fetch(*DAYS, **where | {"rate": 30}, progress=look)
        assert writers
        assert os.getpid() not in writers
        writers.clear()
        where["cache_dir"] = tmp_path / "other"
        cv.fetch(*DAYS, **where, progress=look, client=False)
        assert writers == {os.getpid()}


@pytest.fixture
def apart(client, tmp_path):
    """A cache whose path is another folder in the workers: each process has its own cwd."""
    before = Path.cwd()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cache").mkdir(parents=True)
    os.chdir(tmp_path)
    client.run(os.chdir, str(elsewhere))
    yield Path("/proc/self/cwd/cache")
    os.chdir(before)
    client.run(os.chdir, str(before))


def test_workers_that_see_another_folder_are_told_before_any_work(client, where, server, apart):
    with pytest.raises(
        cv.CacheError, match=r"4 of 4 workers cannot take part: tcp://.*does not see"
    ):
        cv.fetch(*DAYS, **where | {"cache_dir": apart}, client=client)
    assert server.log == []
    assert joined(client) == 0


def test_an_active_client_without_the_folder_is_let_be(cluster, where, made, apart):
    with Client(cluster), pytest.warns(UserWarning, match="the active dask client is not used"):
        report = cv.fetch(*DAYS, **where | {"cache_dir": apart})
    assert report.counts.records == made.records


def test_what_is_no_client_is_refused_before_anything(where, server, cluster):
    with pytest.raises(cv.InvalidRequestError, match=r"client is a dask.distributed.Client"):
        cv.fetch(*DAYS, **where, client="tcp://127.0.0.1:1")
    closed = Client(cluster, set_as_default=False)
    closed.close()
    with pytest.raises(cv.InvalidRequestError, match="client is closed"):
        cv.fetch(*DAYS, **where, client=closed)
    assert server.log == []


def test_a_missing_extra_is_named(where, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(cv.MissingExtraError, match='"cluster"'):
        cv.fetch(*DAYS, **where, client=object())


# One rate


@pytest.fixture
def times(server):
    """When each object was asked for."""
    found: list[float] = []

    def timed(request, reply):
        found.append(time.monotonic())
        return reply

    server.script("get", timed, forever=True)
    return found


def test_the_whole_cluster_keeps_one_rate(client, where, times, made):
    """A bucket a worker would let four bursts out at once, and four times the rate."""
    cv.fetch(*DAYS, **where | {"rate": 40}, client=client)
    assert len(times) == made.objects
    burst, under_way = 12, 4 * 8
    assert max(times) - min(times) >= (len(times) - burst - under_way) / 40


def test_a_request_to_slow_down_holds_all_workers(client, where, server):
    refused: list[float] = []
    later: list[float] = []

    def busy(request, reply):
        if not refused:
            refused.append(time.monotonic())
            return error(503, "SlowDown", Retry_After="4")
        later.append(time.monotonic())
        return reply

    server.script("get", busy, forever=True)
    cv.fetch(*DAYS, **where | {"rate": 30}, client=client)
    # Workers that knew nothing of it would have read everything by then.
    assert sum(at < refused[0] + 4 for at in later) < len(later) / 2


# The cache's limit


def test_the_caller_holds_the_limit_for_all_workers(client, tmp_path):
    """Parts are as large as their raw objects here; a quarter is what is expected."""
    folder = write_archive(tmp_path / "archive", records_per_hour=2).folder
    cache = tmp_path / "cache"
    where = {"archive": folder, "cache_dir": cache, "client": client}
    cv.fetch(*DAYS[:3], "2021-04-02", **where)
    before, taken = partitions(cache), total(cache)
    dense(folder, range(3, 27), records=200)
    raw = max(p.stat().st_size for p in (folder / "wydot/BSM/2021/04/03").rglob("object"))
    span = ("wydot", "bsm", "2021-04-03", "2021-04-26")
    events = []
    with pytest.raises(cv.SpaceError, match="nothing was read") as caught:
        cv.fetch(*span, cache_limit=1, **where)
    limit = int(re.search(r"cache_limit=(\d+)", str(caught.value))[1])
    with pytest.raises(cv.SpaceError, match="used within the last hour"):
        cv.fetch(*span, cache_limit=limit, progress=events.append, **where)
    assert {event.kind for event in events} <= {"list"}
    assert partitions(cache) == before
    limit += taken
    with pytest.raises(cv.SpaceError, match="more than was estimated"):
        cv.fetch(*span, cache_limit=limit, **where)
    assert (at_work(client), joined(client)) == (0, 0)
    held = cv.verify(deep=True, archive=folder, cache_dir=cache)
    assert held.is_good
    assert 2 < len(held.checked) < 26
    assert before.items() <= partitions(cache).items()
    # A block of each worker, staged and built.
    assert total(cache) <= limit + 4 * 2 * raw


# What ends in mid-run


def killing(pids):
    """Kill, at the first bytes that arrive, those processes."""
    killed: list[int] = []

    def watch(event):
        if event.kind == "read" and not killed:
            for pid in pids():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    return watch, killed


def test_the_work_of_a_lost_worker_is_done_by_another(client, where, local):
    watch, killed = killing(lambda: list(holders(where["cache_dir"]).values())[:1])
    report = cv.fetch(*DAYS, **where | {"rate": 40}, client=client, progress=watch)
    assert len(killed) == 1
    alone, files = local
    same_counts(report, alone)
    assert report.actions == {"fetched": 4}
    assert stored(where["cache_dir"]) == files
    assert (at_work(client), joined(client)) == (0, 0)


def test_an_interrupted_caller_leaves_no_task_and_a_whole_cache(client, where, local, made):
    def interrupt(event):
        if event.kind == "read":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cv.fetch(*DAYS, **where | {"rate": 40}, client=client, progress=interrupt)
    assert (at_work(client), joined(client)) == (0, 0)
    assert client.processing() == dict.fromkeys(client.nthreads(), ())
    assert holders(where["cache_dir"]) == {}
    report = cv.fetch(*DAYS, **where, client=client)
    alone, files = local
    same_counts(report, alone)
    assert stored(where["cache_dir"]) == files


# From a shell


def start(cluster, where, *words: str) -> subprocess.Popen[str]:
    asked = ["fetch", *DAYS[:2], "--start", DAYS[2], "--end", DAYS[3]]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "intake_cvpilot.cache", *asked),
            *("--cluster", cluster.scheduler_address, "--cache-dir", str(where["cache_dir"])),
            *words,
        ],
        env={
            **os.environ,
            "CVPILOT_ARCHIVE": where["archive"],
            "CVPILOT_STORAGE_OPTIONS": json.dumps(where["storage_options"]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def within(seconds: float, holds) -> None:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert holds()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_ends_leaves_no_work_and_goes_on(
    cluster, client, where, server, local, made, end
):
    before = len(server.gets)
    with start(cluster, where, "--rate", "30") as process:
        within(60, lambda: len(server.gets) > before + 20)
        process.send_signal(end)
        _, told = process.communicate(timeout=90)
    assert process.returncode == (130 if end == signal.SIGINT else -end), told
    within(60, lambda: at_work(client) == 0)
    asked = len(server.gets)
    assert asked < before + made.objects
    assert holders(where["cache_dir"]) == {}
    if end == signal.SIGINT:
        with start(cluster, where, "--rate", "none", "--json") as process:
            out, told = process.communicate(timeout=90)
        assert process.returncode == 0, told
        assert told.startswith("plan: ")
        assert json.loads(out)["counts"]["records"] == made.records
    else:
        same_counts(cv.fetch(*DAYS, **where, client=client), local[0])
    assert stored(where["cache_dir"]) == local[1]
    assert len(server.gets) <= before + made.objects + 4 * 18


def test_no_scheduler_is_told():
    words = ["fetch", *DAYS[:2], "--start", DAYS[2], "--end", DAYS[3], "--cluster"]
    told = CliRunner().invoke(cli, [*words, "tcp://127.0.0.1:1"])
    assert told.exit_code == 2
    assert "no dask scheduler answers at 'tcp://127.0.0.1:1'" in told.output


def test_workers_that_come_later_go_on_with_what_all_others_left(cluster, client, where, local):
    cluster.scale(2)  # those that are killed are started anew, which takes its time
    within(60, lambda: len(client.nthreads()) == 2)
    watch, killed = killing(client.run(os.getpid).values)
    told: list[str] = []

    def see(event):
        if not killed:
            watch(event)
            if killed:
                cluster.scale(0)
        elif "no worker left" in event.message and not told:
            told.append(event.message)
            cluster.scale(2)

    report = cv.fetch(*DAYS, **where | {"rate": 40}, client=client, progress=see)
    assert len(killed) == 2
    assert told == ["the cluster has no worker left: waiting for one"]
    assert report.actions == {"fetched": 4}
    assert stored(where["cache_dir"]) == local[1]


# The page


def test_the_example_on_the_page_runs(made, tmp_path):
    """As a script: worker processes import the main module again."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "cluster.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    script = tmp_path / "example.py"
    head, body = code.split("\n\n", 2)[:2], code.split("\n\n", 2)[2]
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    script.write_text("\n".join(head) + f"\nif __name__ == '__main__':\n{indented}")
    env = {**os.environ, "CVPILOT_ARCHIVE": str(made.folder), "CVPILOT_CACHE_DIR": f"{tmp_path}/c"}
    done = subprocess.run(
        [sys.executable, str(script)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 partitions (2 fetched)" in done.stdout
