"""The commands: output for people and machines, exit codes, messages apart from results."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from intake_cvpilot.cli import cli
from intake_cvpilot.exits import CODES, Exit
from intake_cvpilot.synthetic import write_archive

RANGE = ("--start", "2021-04-01", "--end", "2021-04-02")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=2)


@pytest.fixture
def where(archive, tmp_path):
    return ("--archive", str(archive.folder), "--cache-dir", str(tmp_path / "cache"))


def run(*words: str, module: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "intake_cvpilot.cache"]
    if not module:
        start = [sys.executable, "-c", "from intake_cvpilot.cli import main; main()"]
    return subprocess.run(
        [*start, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=120,
    )


@pytest.mark.parametrize("module", [False, True])
def test_fetch_plan_status_and_path_as_json(archive, where, tmp_path, module):
    plan = run("plan", "wydot", "bsm", *RANGE, *where, "--json", module=module)
    assert plan.returncode == Exit.OK, plan.stderr
    assert json.loads(plan.stdout)["bytes"] == archive.bytes
    fetched = run("fetch", "wydot", "bsm", *RANGE, *where, "--json", module=module)
    assert fetched.returncode == Exit.OK, fetched.stderr
    report = json.loads(fetched.stdout)
    assert report["counts"]["records"] == archive.records
    assert "2 partitions" in fetched.stderr  # the summary line
    assert "\nwarning: 2 records do not lie" in f"\n{fetched.stderr}"
    status = json.loads(run("status", *where, "--json", module=module).stdout)
    assert [h["partitions"] for h in status["holdings"]] == [2]
    assert status["holdings"][0]["rows"] == report["counts"]["rows"]
    path = json.loads(run("path", *where, "--json", module=module).stdout)
    assert path["cache"] == str(tmp_path / "cache")


def test_the_codec_is_that_of_new_parts_and_changes_nothing_that_is_cached(where, tmp_path):
    fetched = run("fetch", "wydot", "bsm", *RANGE, *where, "--codec", "zstd")
    assert fetched.returncode == Exit.OK, fetched.stderr
    parts = sorted((tmp_path / "cache").rglob("messages-*.parquet"))
    codecs = {pq.ParquetFile(part).metadata.row_group(0).column(0).compression for part in parts}
    assert codecs == {"ZSTD"}
    again = run("fetch", "wydot", "bsm", *RANGE, *where, "--json")
    assert json.loads(again.stdout)["actions"].keys().isdisjoint({"fetched", "failed"})
    refreshed = run("fetch", "wydot", "bsm", *RANGE, *where, "--refresh", "--codec", "snappy")
    assert refreshed.returncode == Exit.OK, refreshed.stderr
    assert sorted((tmp_path / "cache").rglob("messages-*.parquet")) == parts
    refused = run("fetch", "wydot", "bsm", *RANGE, *where, "--codec", "gzip")
    assert refused.returncode == Exit.USAGE


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"XDG_CACHE_HOME": "/some/where"},
        {"XDG_CACHE_HOME": " "},
        {"XDG_CACHE_HOME": "relative"},
        {"HOME": "/home/of/someone"},
    ],
)
def test_the_short_way_to_the_folder_gives_what_the_long_one_gives(more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CVPILOT_", "XDG_"))} | more

    def said(*arguments):
        code = "import sys; from intake_cvpilot.command import main; main(); " + (
            "print('click' in sys.modules)" if arguments == ("path",) else ""
        )
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=env, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    folder = json.loads(said("path", "--json"))["cache"]
    assert said("path").splitlines()[0] == folder
    if "relative" not in more.values():
        assert said("path").splitlines()[1:] == ["False"]
    set_by_hand = {**env, "CVPILOT_CACHE_DIR": "/a/cache", "CVPILOT_RATE": "3"}
    done = subprocess.run(
        [sys.executable, "-c", "from intake_cvpilot.command import main; main()", "path"],
        env=set_by_hand, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "/a/cache\n"
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["cache_dir", "rate"]


def test_people_get_text_and_no_bars_in_a_pipe(where):
    fetched = run("fetch", "wydot", "bsm", *RANGE, *where)
    assert fetched.returncode == Exit.OK
    assert "rows" in fetched.stdout
    assert "\r" not in fetched.stderr
    assert run("path", *where).stdout.strip().endswith("cache")
    assert "wydot BSM: 2 partitions" in run("status", *where).stdout


def test_wrong_requests_end_with_the_usage_code(where):
    done = run("fetch", "wydot", "spat", *RANGE, *where)
    assert done.returncode == Exit.USAGE
    assert "BSM" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert run("fetch", "wydot").returncode == Exit.USAGE
    assert run("nothing").returncode == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "wydot_bsm", *RANGE), "entry of the catalog: as arguments these are wydot bsm"),
        (("plan", "wyoming", "bsm", *RANGE), "did you mean wydot?"),
        (("plan", "Tampa", "bsm", *RANGE), "did you mean thea?"),
        (("catalog", "wydot_bms", *RANGE, "--folder", "x"), "did you mean wydot_bsm?"),
        (("columns", "bsm"), "BSM has messages"),
        (("columns", "event"), "EVENT has bsms, events"),
        (("columns", "mesages"), "did you mean messages?"),
        (("plan", "nycdot", "event", *RANGE, "--weekday", "Monday"), "did you mean MON?"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(words, said):
    done = run(*words)
    assert done.returncode == Exit.USAGE
    assert said in done.stderr


def test_a_packed_copy_is_told_how_it_is_opened(archive, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "copy"), "tar", archive.folder)
    cache = ("--cache-dir", str(tmp_path / "cache"))
    wrong = run("fetch", "wydot", "bsm", *RANGE, "--archive", packed, *cache)
    (right,) = re.findall(r"a tar of a copy is archive='([^']+)'", wrong.stderr)
    done = run("fetch", "wydot", "bsm", *RANGE, "--archive", right, *cache, "--json")
    assert json.loads(done.stdout)["bytes_read"] == archive.bytes


@pytest.mark.parametrize("folder", ["/proc/cvpilot", "/dev/null/cvpilot"])
def test_a_folder_in_which_nothing_can_be_made_is_told_of(archive, folder):
    where = ("--archive", str(archive.folder), "--cache-dir", folder)
    done = run("doctor", *where)
    assert f"BAD   cache: {folder} is not there yet, and cannot be made" in done.stdout
    done = run("fetch", "wydot", "bsm", *RANGE, *where)
    assert "choose another" in done.stderr
    assert "Call again" not in done.stderr


def test_offline_and_missing_archives_have_codes_of_their_own(where, tmp_path):
    assert run("fetch", "wydot", "bsm", *RANGE, *where, "--offline").returncode == Exit.OFFLINE
    gone = ("--archive", str(tmp_path / "gone"), "--cache-dir", str(tmp_path / "cache"))
    done = run("fetch", "wydot", "bsm", *RANGE, *gone)
    assert done.returncode == Exit.PARTIAL
    assert "gone" in done.stderr


def test_too_large_a_request_names_the_command(where):
    done = run("fetch", "wydot", "bsm", *RANGE, *where, "--max-bytes", "1kB")
    assert done.returncode == Exit.USAGE
    assert "--max-bytes" in done.stderr


def test_a_damaged_manifest_is_a_problem_found(where, tmp_path):
    run("fetch", "wydot", "bsm", *RANGE, *where)
    manifest = min((tmp_path / "cache").rglob("manifest.json"))
    manifest.write_bytes(b"{}")
    status = run("status", *where)
    assert status.returncode == Exit.PROBLEMS
    assert "damaged" in status.stdout


def test_every_command_has_help_with_an_example_and_the_group_documents_the_codes():
    text = run("--help").stdout
    for code in Exit:
        assert f"{code.value} " in text
    for name in cli.commands:
        assert "Example" in run(name, "--help").stdout, name


def test_every_error_of_the_library_has_an_exit_code():
    from intake_cvpilot import errors

    for name in errors.__all__:
        kind = getattr(errors, name)
        assert any(issubclass(kind, known) for known, _ in CODES), name


def test_environment_variables_are_read(archive, tmp_path):
    settings = {"CVPILOT_ARCHIVE": str(archive.folder), "CVPILOT_CACHE_DIR": str(tmp_path / "c")}
    done = run("fetch", "wydot", "bsm", *RANGE, "--json", **settings)
    assert done.returncode == Exit.OK, done.stderr
    assert json.loads(done.stdout)["cache"] == str(tmp_path / "c")
    bad = run("fetch", "wydot", "bsm", *RANGE, CVPILOT_RATE="fast", **settings)
    assert bad.returncode == Exit.USAGE
    assert "CVPILOT_RATE" in bad.stderr


def test_repair_is_the_command_that_damage_names(where, tmp_path):
    run("fetch", "wydot", "bsm", *RANGE, *where)
    min((tmp_path / "cache").rglob("messages-*.parquet")).write_bytes(b"PAR1")
    done = run("repair", "wydot", "bsm", *RANGE, *where)
    assert done.returncode == Exit.OK, done.stderr
    assert "1 fetched" in done.stdout


def test_a_plain_catalog_opens_without_this_library(where, tmp_path):
    done = run("catalog", "wydot_bsm", *RANGE, *where, "--folder", str(tmp_path / "plain"))
    assert done.returncode == Exit.OK, done.stderr
    code = (
        f"import intake, sys; entries = intake.open_catalog({done.stdout.strip()!r});"
        "print(len(entries[list(entries)[0]].to_dask()), 'intake_cvpilot' in sys.modules)"
    )
    opened = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert opened.returncode == 0, opened.stderr
    rows, loaded = opened.stdout.split()
    assert int(rows) > 0
    assert loaded == "False"
    wrong = run("catalog", "wydot_bsn", *RANGE, *where, "--folder", str(tmp_path / "no"))
    assert wrong.returncode == Exit.USAGE
    assert "wydot_bsm" in wrong.stderr


def test_a_terminal_gets_a_bar_and_the_summary_once(where):
    words = ["-m", "intake_cvpilot.cache", "fetch", "wydot", "bsm", *RANGE, *where]
    command = f"stty rows 30 cols 100; exec {shlex.join([sys.executable, *words])}"
    code = f"import pty; pty.spawn(['sh', '-c', {command!r}])"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert b"%|" in shown.stdout
    assert shown.stdout.count(b"2 partitions (2 fetched)") == 1
