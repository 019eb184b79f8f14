"""From a request to committed partitions: the counts, the states, the bounds, the failures."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import cloudpickle
import fsspec
import msgspec
import pytest

import intake_cvpilot as cv
from intake_cvpilot.archive import open_archive
from intake_cvpilot.assemble import Assembly
from intake_cvpilot.build import build_block
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.folders import vanished
from intake_cvpilot.cache.locks import hold
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.errors import LockTimeoutError
from intake_cvpilot.fetch import run
from intake_cvpilot.job import look, prepare
from intake_cvpilot.listing import closing_archive
from intake_cvpilot.partition import partitions
from intake_cvpilot.progress import silent
from intake_cvpilot.relay import Relay
from intake_cvpilot.synthetic import write_archive
from intake_cvpilot.workers import Pool

if TYPE_CHECKING:
    from intake_cvpilot.progress import Event

DAY = date(2021, 4, 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=4)


@pytest.fixture
def where(made, tmp_path):
    return {"archive": made.folder, "cache_dir": tmp_path / "cache"}


@pytest.fixture
def own(made, tmp_path):
    """A copy of the archive that a test may change, with a cache of its own."""
    folder = tmp_path / "archive"
    shutil.copytree(made.folder, folder)
    return {"archive": folder, "cache_dir": tmp_path / "cache"}


def days(**options):
    return cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-02", **options)


def files(cache: Path) -> dict[str, bytes]:
    """Every committed file but the manifests, which say when the archive was listed."""
    trees = [tree for tree in cache.iterdir() if tree.name.startswith("v1")]
    return {
        f"{path.relative_to(tree)}": path.read_bytes()
        for tree in trees
        for path in tree.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def objects(archive: Path, day: str = "2021/04/01") -> list[Path]:
    return sorted(p for p in (archive / "wydot/BSM" / day).rglob("*") if p.is_file())


def test_the_report_adds_up_to_what_the_archive_holds(made, where):
    report = days(**where)
    assert report.counts.objects == made.objects
    assert report.counts.bytes == report.bytes_read == made.bytes
    assert report.counts.lines == made.lines
    assert report.counts.records == made.records
    assert report.counts.blank == made.blank
    assert report.counts.quarantined == made.bad
    assert report.counts.outside == made.outside
    assert report.counts.rows == report.counts.inside == made.records - made.outside
    assert report.actions == {"fetched": 2}
    assert sum(report.quality["quarantined"].values()) == made.bad


def test_a_second_call_makes_no_request(where):
    days(**where)
    again = days(**where)
    assert again.requests == 0
    assert again.bytes_read == 0
    assert again.actions == {"cached": 2}


def test_a_request_that_needs_nothing_does_not_look_at_the_archive(own):
    first = days(**own)
    shutil.rmtree(own["archive"])
    again = days(**own)
    assert again.counts == first.counts
    assert again.requests == 0


def test_a_plan_lists_and_reads_nothing(made, where):
    plan = cv.plan("wydot", "bsm", "2021-04-01", "2021-04-02", **where)
    assert plan.bytes == made.bytes
    assert plan.objects == made.objects
    assert plan.states == {"missing": 2}
    assert not where["cache_dir"].exists()
    days(**where)
    after = cv.plan("wydot", "bsm", "2021-04-01", "2021-04-02", **where)
    assert after.states == {"current": 2}
    assert after.bytes == 0
    assert all(p.rows for p in after.partitions)


def test_a_plan_that_could_not_list_does_not_say_that_there_is_nothing_to_read(tmp_path):
    where = {"archive": tmp_path / "no", "cache_dir": tmp_path / "cache"}
    plan = str(cv.plan("wydot", "bsm", "2021-04-01", "2021-04-02", **where))
    assert plan.endswith("to read: unknown, as 2 could not be listed")


def test_days_that_an_archive_lacks_are_warned_of_by_name(where):
    days(**where)
    with pytest.warns(UserWarning, match=r"\(2, wydot/BSM/2021/04/03 to wydot/BSM/2021/04/04\)"):
        cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-04", **where)


def test_the_same_archive_gives_the_same_bytes_whatever_the_history(made, tmp_path):
    once, twice, split = (tmp_path / name for name in ("once", "twice", "split"))
    days(archive=made.folder, cache_dir=once, jobs=1)
    for end in ("2021-04-01", "2021-04-02"):
        cv.fetch("wydot", "bsm", "2021-04-01", end, archive=made.folder, cache_dir=twice)
    shutil.copytree(made.folder, tmp_path / "grown")
    hidden = objects(tmp_path / "grown")[-1]
    kept = hidden.read_bytes(), hidden.stat()
    hidden.unlink()
    days(archive=tmp_path / "grown", cache_dir=split)
    hidden.write_bytes(kept[0])
    os.utime(hidden, ns=(kept[1].st_atime_ns, kept[1].st_mtime_ns))
    days(archive=tmp_path / "grown", cache_dir=split, refresh=True)
    assert files(once) == files(twice)
    committed = {name for name in files(split) if "objects-" not in name}
    assert {name for name in files(once) if "objects-" not in name} <= committed


def test_more_bytes_than_allowed_are_refused_before_the_first_read(where, made):
    with pytest.raises(cv.RequestTooLargeError, match="max_bytes") as caught:
        days(**where, max_bytes=made.bytes - 1)
    assert caught.value.plan.bytes == made.bytes
    assert f"--max-bytes {made.bytes}" in str(caught.value)
    assert not where["cache_dir"].exists()
    assert days(**where, max_bytes=made.bytes).actions == {"fetched": 2}


def test_offline_names_what_is_missing_and_how_to_get_it(where):
    with pytest.raises(cv.OfflineError, match=r"wydot/BSM/2021/04/02") as caught:
        days(**where, offline=True)
    assert "cvpilot fetch wydot bsm --start 2021-04-01" in str(caught.value)
    days(**where)
    assert days(**where, offline=True).actions == {"cached": 2}


def test_offline_opens_no_socket(where):
    days(**where)
    code = textwrap.dedent(
        f"""
        import sys
        def forbid(event, args):
            if event.startswith("socket."):
                raise SystemExit(f"a socket was used: {{event}}")
        sys.addaudithook(forbid)
        import intake_cvpilot as cv
        where = {{"archive": {str(where["archive"])!r}, "cache_dir": {str(where["cache_dir"])!r}}}
        frame = cv.open_dask("wydot", "bsm", "2021-04-01", "2021-04-02", offline=True, **where)
        print(len(frame.compute(scheduler="synchronous")))
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert int(done.stdout) > 0


def test_a_late_object_rebuilds_only_its_block(own, tmp_path):
    days(**own)
    before = files(own["cache_dir"])
    first = objects(own["archive"])[0]
    late = first.with_name(first.name + "-late")
    late.write_bytes(first.read_bytes())
    assert days(**own).requests == 0  # the day is closed
    report = days(**own, refresh=True)
    assert report.actions == {"fetched": 1, "relisted": 1}
    assert report.bytes_read >= late.stat().st_size
    assert report.counts.objects == len(objects(own["archive"])) + len(
        objects(own["archive"], "2021/04/02")
    )
    assert set(before) - set(files(own["cache_dir"])) == set()  # a grace for readers


def test_an_open_day_is_listed_again_and_a_closed_one_is_not(own):
    today = datetime.now(UTC).date() - timedelta(days=3)
    folder = own["archive"] / f"wydot/BSM/{today:%Y/%m/%d}/05"
    folder.mkdir(parents=True)
    shutil.copy(objects(own["archive"])[0], folder / "one")
    span = {"start": today, "end": today}
    assert cv.fetch("wydot", "bsm", **span, **own).actions == {"fetched": 1}
    assert cv.fetch("wydot", "bsm", **span, **own).actions == {"cached": 1}
    os.environ["CVPILOT_RECHECK"] = "0"
    relisted = cv.fetch("wydot", "bsm", **span, **own)
    assert relisted.actions == {"relisted": 1}
    assert relisted.bytes_read == 0
    shutil.copy(objects(own["archive"])[1], folder / "two")
    assert cv.fetch("wydot", "bsm", **span, **own).actions == {"fetched": 1}
    os.environ.pop("CVPILOT_RECHECK")


def test_an_empty_day_is_no_data_that_stays_open(own):
    report = cv.fetch("wydot", "bsm", "2020-01-01", "2020-01-01", **own)
    assert [p.status for p in report.partitions] == ["no_data"]
    manifest = next(own["cache_dir"].rglob("manifest.json"))
    assert json.loads(manifest.read_bytes())["closed"] is False
    frame = cv.open_pandas("wydot", "bsm", "2020-01-01", "2020-01-01", **own)
    assert len(frame) == 0
    assert frame.dtypes.equals(cv.open_pandas("wydot", "bsm", DAY, DAY, **own).dtypes)


def test_a_missing_archive_is_an_error_and_never_an_empty_day(tmp_path):
    where = {"archive": tmp_path / "nothing", "cache_dir": tmp_path / "cache"}
    with pytest.raises(cv.ArchiveError, match="nothing"):
        days(**where)
    assert not list((tmp_path / "cache").rglob("manifest.json"))


def test_two_archives_never_share_an_entry(own, made, tmp_path):
    days(**own)
    other = cv.plan("wydot", "bsm", DAY, DAY, archive=made.folder, cache_dir=own["cache_dir"])
    assert other.states == {"missing": 1}


def test_progress_is_told_as_events(where, made):
    seen: list[Event] = []
    days(**where, progress=seen.append)
    assert sum(event.done for event in seen if event.kind == "read") == made.bytes
    assert [event.partition for event in seen if event.kind == "commit"] == [
        "wydot/BSM/2021/04/01",
        "wydot/BSM/2021/04/02",
    ]


def test_a_damaged_manifest_fails_alone_and_refresh_rebuilds_it(where):
    days(**where)
    manifest = min(where["cache_dir"].rglob("manifest.json"))
    manifest.write_bytes(manifest.read_bytes()[:-40])
    with pytest.raises(cv.PartitionsFailedError, match="wydot/BSM/2021/04/01") as caught:
        days(**where)
    assert isinstance(caught.value.failures["wydot/BSM/2021/04/01"], cv.DamagedError)
    with pytest.warns(UserWarning, match="1 of 2 partitions failed"):
        report = days(**where, on_error="skip")
    assert report.actions == {"failed": 1, "cached": 1}
    assert days(**where, refresh=True).actions == {"fetched": 1, "relisted": 1}
    assert days(**where).actions == {"cached": 2}


def test_processes_that_ask_for_the_same_days_read_each_object_once(own, made):
    code = textwrap.dedent(
        f"""
        import json, intake_cvpilot as cv
        report = cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-02",
                          archive={str(own["archive"])!r}, cache_dir={str(own["cache_dir"])!r})
        print(json.dumps([report.bytes_read, report.counts.rows]))
        """
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in started]
    assert sum(read for read, _ in told) == made.bytes
    assert {rows for _, rows in told} == {made.records - made.outside}


def test_rows_outside_their_day_are_warned_of_once_a_call(where, made):
    with pytest.warns(
        UserWarning, match=f"{made.outside} records do not lie in the window"
    ) as told:
        days(**where)
    assert len([w for w in told if "window" in str(w.message)]) == 1


def test_an_unknown_schema_version_is_read_as_the_newest_and_named(own):
    first = objects(own["archive"])[1]
    text = first.read_text().splitlines()
    text[0] = re.sub(r'"schemaVersion":\s*6', '"schemaVersion": 12', text[0])
    first.write_text("\n".join(text))
    with pytest.warns(UserWarning, match=r"schema version 12 .* line 1.*wydot"):
        report = days(**own)
    assert report.quality["versions"]["12"] == 1
    frame = cv.open_pandas("wydot", "bsm", "2021-04-01", "2021-04-02", **own)
    assert (frame["schema_version"] == 12).sum() == 1


def test_staging_is_empty_after_a_commit(where):
    days(**where)
    left = [p for p in (where["cache_dir"] / ".staging").rglob("*") if p.is_file()]
    assert left == []


def test_repair_finds_a_flipped_bit_and_rebuilds_only_what_is_damaged(where):
    days(**where)
    whole = files(where["cache_dir"])
    part = max(where["cache_dir"].glob("v1@*/wydot/BSM/2021/04/01/messages-*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    with pytest.raises(cv.DamagedError, match="cvpilot repair wydot BSM --start 2021-04-01"):
        cv.open_pandas("wydot", "bsm", "2021-04-01", "2021-04-01", **where)
    report = days(**where, refresh=True)
    assert report.actions == {"fetched": 1, "relisted": 1}
    assert files(where["cache_dir"]) == whole


def small_blocks(**options):
    """A job whose days are several blocks each."""
    job = prepare("wydot", "bsm", "2021-04-01", "2021-04-02", options)
    return replace(job, block_bytes=20_000)


def test_deleted_and_moved_objects_leave_the_other_blocks_alone(own, tmp_path):
    run(small_blocks(**own))
    before = files(own["cache_dir"])
    assert sum("/01/messages-" in name for name in before) > 3
    first, second = objects(own["archive"])[-2:]
    first.unlink()
    second.rename(second.with_name("renamed"))
    report = run(small_blocks(refresh=True, **own)).report
    assert report.counts.objects == len(objects(own["archive"])) + len(
        objects(own["archive"], "2021/04/02")
    )
    fresh = {**own, "cache_dir": tmp_path / "fresh"}
    assert run(small_blocks(**fresh)).report.counts == report.counts
    after = files(own["cache_dir"])
    assert files(fresh["cache_dir"]).items() <= after.items()
    rebuilt = {n for n in after.keys() - before.keys() if fnmatch(n, "*/messages-*.parquet")}
    assert 0 < len(rebuilt) <= 2


def test_processes_and_one_process_give_the_same_files(own, tmp_path):
    run(small_blocks(jobs=1, **own))
    other = {**own, "cache_dir": tmp_path / "pool"}
    job = small_blocks(**other)
    views = [look(job, p, datetime.now(UTC)) for p in partitions(job.request)]
    with closing_archive(job) as archive, Pool(3) as crew:
        for view in views:
            snapshot = archive.snapshot(view.partition.prefix)
            Assembly(job, view.partition, None, archive, crew, silent).run(snapshot)
    assert files(own["cache_dir"]) == files(other["cache_dir"])


def test_a_killed_worker_fails_its_partition_and_the_next_call_goes_on(own):
    job = small_blocks(**own)
    (first, second) = partitions(job.request)
    with closing_archive(job) as archive, Pool(1) as crew:
        snapshot = archive.snapshot(first.prefix)

        def kill(event: Event) -> None:
            if event.kind == "read" and crew._executor._processes:
                for pid in list(crew._executor._processes):
                    with suppress(ProcessLookupError):  # dead by an earlier event
                        os.kill(pid, signal.SIGKILL)

        with pytest.raises(cv.CacheError, match="jobs=1"):
            Assembly(job, first, None, archive, crew, kill).run(snapshot)
        Assembly(job, first, None, archive, crew, silent).run(snapshot)
        Assembly(job, second, None, archive, crew, silent).run(archive.snapshot(second.prefix))
    assert cv.plan("wydot", "bsm", "2021-04-01", "2021-04-02", **own).states == {"current": 2}


def test_causes_that_lead_back_to_themselves_are_looked_at_once():
    """As when a pool breaks: its one error is the cause of each block's, one while the other."""
    broken = OSError("a process ended")
    with pytest.raises(OSError, match="a process ended"):  # noqa: PT012 - the cycle itself
        try:
            raise cv.CacheError("a block") from broken
        except cv.CacheError:
            raise broken  # noqa: B904
    block = broken.__context__
    assert block is not None
    assert block.__cause__ is broken
    assert not vanished(block)
    assert vanished(FileNotFoundError())


class Held:
    """Builds blocks in a thread of its own, but none before it is told to."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.in_time = True
        self.threads = ThreadPoolExecutor(1)

    def submit(self, task):
        return self.threads.submit(self.build, task)

    def build(self, task):
        self.in_time &= self.told.wait(30)
        return build_block(task)


def relayed(job, crew, progress=silent):
    fetched, failures = {}, {}
    views = [look(job, p, datetime.now(UTC)) for p in partitions(job.request)]
    with closing_archive(job) as archive:
        listed = [(view, archive.snapshot(view.partition.prefix)) for view in views]
        Relay(job, archive, crew, progress, fetched, failures).bring(listed)
    return fetched, failures


def test_the_next_partition_is_read_while_the_last_is_built(own):
    crew, events = Held(), []

    def watch(event):
        events.append((event.kind, event.partition))
        if event.kind == "read" and event.partition.endswith("/02"):
            crew.told.set()

    fetched, failures = relayed(small_blocks(**own), crew, watch)
    assert crew.in_time, "nothing of the second day was read before the first was built"
    assert (list(fetched), failures) == (["wydot/BSM/2021/04/01", "wydot/BSM/2021/04/02"], {})
    assert events.index(("commit", "wydot/BSM/2021/04/01")) > 0


def test_a_partition_that_waits_for_a_lock_lets_go_of_the_one_before(own):
    job = small_blocks(lock_timeout=0.5, **own)
    crew = Held()
    crew.told.set()
    with hold(job.layout, "wydot/BSM/2021/04/02"):
        fetched, failures = relayed(job, crew)
        assert list(fetched) == ["wydot/BSM/2021/04/01"]
        assert [type(cause) for cause in failures.values()] == [LockTimeoutError]
    with hold(job.layout, "wydot/BSM/2021/04/01", timeout=0):
        pass


def test_a_day_that_changes_while_a_pool_builds_it_is_built_right(own, tmp_path):
    job = small_blocks(**own)
    (day, _) = partitions(job.request)
    last = objects(own["archive"])[-1]
    body = last.read_bytes() + b"\n"
    last.write_bytes(body * (2**20 // len(body) + 1))  # many small ones would be read ahead
    changed = []

    def change(event: Event) -> None:
        if event.kind == "read" and not changed:
            changed.append(last.write_bytes(last.read_bytes() + b"\n"))

    with closing(open_archive(own["archive"], threads=1)) as archive, Pool(2) as crew:
        Assembly(job, day, None, archive, crew, change).run(archive.snapshot(day.prefix))
        assert archive.traffic.lists == 2
    fresh = {**own, "cache_dir": tmp_path / "fresh"}
    run(replace(prepare("wydot", "bsm", DAY, DAY, fresh), block_bytes=20_000))
    assert files(own["cache_dir"]) == files(fresh["cache_dir"])


def test_an_emptied_local_folder_does_not_replace_what_was_read(own):
    days(**own)
    shutil.rmtree(own["archive"] / "wydot/BSM/2021/04/01")
    with pytest.warns(UserWarning, match="proves nothing"):
        report = days(refresh=True, **own)
    assert [p.status for p in report.partitions] == ["complete", "complete"]


def test_a_listing_time_in_the_future_blocks_no_refresh(own):
    days(**own)
    layout = prepare("wydot", "bsm", DAY, DAY, own).layout
    manifest = load(layout, "wydot/BSM/2021/04/01")
    ahead = msgspec.structs.replace(manifest, listed_at=datetime.now(UTC) + timedelta(hours=1))
    commit(layout, ahead, {})
    late = objects(own["archive"])[0]
    late.with_name("late").write_bytes(late.read_bytes())
    assert days(refresh=True, **own).actions == {"fetched": 1, "relisted": 1}


def test_an_unreachable_archive_is_given_up_after_a_few_partitions(tmp_path):
    where = {
        "archive": "s3://pilot",
        "storage_options": {"endpoint_url": "http://127.0.0.1:9"},
        "cache_dir": tmp_path / "cache",
    }
    with pytest.raises(cv.PartitionsFailedError) as caught:
        cv.fetch("wydot", "bsm", "2021-01-01", "2021-04-30", **where)
    causes = [str(cause) for cause in caught.value.failures.values()]
    assert len(causes) == 120
    assert sum("not tried" in cause for cause in causes) == 117
    assert "wydot/BSM/2021/01/08 and 112 more: ArchiveError: not tried" in str(caught.value)


@pytest.mark.parametrize("wrong", ["wydot", "wydot/BSM", "..", "wydot/BSM/2021"])
@pytest.mark.parametrize("kind", ["a folder", "fsspec"])
def test_a_folder_above_or_below_the_archive_is_an_error_and_stores_nothing(own, wrong, kind):
    archive = (own["archive"] / wrong).resolve()
    if kind == "fsspec":
        memory = fsspec.filesystem("memory")
        root = f"/{own['archive'].parent.name}/archive"
        for path in (path for path in own["archive"].rglob("*") if path.is_file()):
            memory.pipe(f"{root}/{path.relative_to(own['archive'])}", path.read_bytes())
        archive = f"memory:/{os.path.normpath(f'{root}/{wrong}')}"
    with pytest.raises(cv.ArchiveError, match=r"no wydot/BSM/ at all.*above wydot/"):
        cv.fetch("wydot", "bsm", DAY, DAY, archive=archive, cache_dir=own["cache_dir"] / "new")
    assert not list((own["cache_dir"] / "new").rglob("manifest.json"))


def test_a_day_that_a_copy_lacks_is_told_and_is_no_error(own):
    with pytest.warns(UserWarning, match="does it cover the range"):
        report = cv.fetch("wydot", "bsm", "2019-02-01", "2019-02-01", **own)
    assert report.partitions[0].status == "no_data"


def test_the_package_survives_cloudpickle():
    assert cloudpickle.loads(cloudpickle.dumps(cv)) is cv


def test_an_option_of_another_word_is_refused(where):
    with pytest.raises(cv.InvalidRequestError, match="'raise' or 'skip'"):
        days(on_error="ignore", **where)
