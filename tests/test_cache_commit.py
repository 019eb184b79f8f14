"""Commits: old or new, whole, at whatever moment the process dies or the disk fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cachekit import KEY, manifest, stage, table, write

from intake_cvpilot.cache.checksums import file_sha256
from intake_cvpilot.cache.commit import commit, superseded
from intake_cvpilot.cache.layout import PUBLIC, Layout
from intake_cvpilot.cache.manifest import File, Tally, as_quality, load
from intake_cvpilot.cache.read import read_part
from intake_cvpilot.cache.verify import verify
from intake_cvpilot.errors import CacheError, DamagedError, SpaceError

STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="needs strace")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "cache", PUBLIC)


def generations(layout: Layout, key: str = KEY) -> set[int]:
    """Read every part of a partition and give the generations that its rows are of."""
    found: set[int] = set()
    for file in load(layout, key).files:
        part = read_part(layout.folder(key) / file.name, file)
        found |= set(part["generation"].to_pylist())
    return found


def python(code: str, *arguments: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    here = Path(__file__).resolve().parent
    return subprocess.run(
        [*under, sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_commit_is_what_readers_see(layout):
    committed = write(layout, parts=3)
    assert load(layout, KEY).files == committed.files
    assert generations(layout) == {1}
    assert verify(layout, KEY, deep=True).state == "good"
    assert (
        (layout.root / "CACHEDIR.TAG")
        .read_bytes()
        .startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    )
    assert (layout.root / "cache.json").read_text() == '{"layout": 1}\n'


def test_a_folder_with_other_things_in_it_gets_no_tag(layout):
    layout.root.mkdir()
    (layout.root / "thesis.tex").write_text("mine")
    write(layout)
    assert not (layout.root / "CACHEDIR.TAG").exists()
    assert generations(layout) == {1}


def test_a_cache_of_a_newer_layout_is_left_alone(layout):
    layout.root.mkdir()
    (layout.root / "cache.json").write_text('{"layout": 2}')
    with pytest.raises(CacheError, match="newer version"):
        write(layout)
    assert not (layout.root / "v1").exists()


def test_a_mark_that_cannot_be_read_is_left_alone(layout):
    layout.root.mkdir()
    (layout.root / "cache.json").write_text("what is this")
    with pytest.raises(CacheError, match=r"cache\.json"):
        write(layout)


def test_an_empty_day_is_committed_without_files(layout):
    commit(layout, manifest(), {})
    assert load(layout, KEY).status == "no_data"
    assert verify(layout, KEY, deep=True).state == "good"


def test_files_of_the_generation_before_are_kept_by_name(layout):
    first = write(layout, parts=2)
    again = msgspec.structs.replace(first, generation=2, checksum="")
    commit(layout, again, {})
    assert load(layout, KEY).generation == 2
    assert generations(layout) == {1}


@pytest.mark.parametrize("harm", ["missing", "damaged", "link"])
def test_a_kept_file_that_is_not_right_is_not_vouched_for(layout, tmp_path, harm):
    first = write(layout)
    path = layout.folder(KEY) / first.files[0].name
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        path.write_bytes(b"x" + path.read_bytes()[1:])
    else:
        path.symlink_to(path.rename(tmp_path / "elsewhere"))
    before = layout.manifest(KEY).read_bytes()
    with pytest.raises(CacheError):
        commit(layout, msgspec.structs.replace(first, generation=2), {})
    assert layout.manifest(KEY).read_bytes() == before


def test_a_staged_file_that_is_not_as_it_was_built_is_discarded(layout):
    write(layout, 1)
    file, path = stage(layout.staging(KEY), "messages", table(2))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CacheError, match="not as it was built"):
        commit(layout, manifest((file,), 2), {file.name: path})
    assert not path.exists()
    assert generations(layout) == {1}


def test_a_staged_file_that_was_cut_short_is_discarded(layout):
    file, path = stage(layout.staging(KEY), "messages", table(2))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CacheError):
        commit(layout, manifest((file,), 2), {file.name: path})
    assert load(layout, KEY) is None


def test_a_staged_file_that_has_gone_is_found_in_its_place(layout):
    committed = write(layout)
    name = committed.files[0].name
    commit(layout, committed, {name: layout.staging(KEY) / name})
    assert generations(layout) == {1}


def test_a_staged_link_is_not_followed(layout, tmp_path):
    file, path = stage(tmp_path, "messages", table())
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(CacheError):
        commit(layout, manifest((file,)), {file.name: link})
    assert path.exists()
    assert load(layout, KEY) is None


def test_faults_of_the_caller_touch_nothing(layout):
    file, path = stage(layout.staging(KEY), "messages", table())
    whole = manifest((file,))
    for wrong, staged in (
        (whole, {file.name: path, "messages-0000000000000000.parquet": path}),
        (msgspec.structs.replace(whole, identity="s3://other"), {file.name: path}),
        (msgspec.structs.replace(whole, counts=Tally()), {file.name: path}),
    ):
        with pytest.raises(ValueError, match="manifest"):
            commit(layout, wrong, staged)
    assert not layout.folder(KEY).exists()


def test_what_a_newer_library_committed_is_not_overwritten(layout):
    from test_cache_manifest import change

    write(layout)
    path = layout.manifest(KEY)
    newer = change(path.read_bytes(), '"format":1', '"format":2')
    path.write_bytes(newer)
    with pytest.raises(CacheError, match="newer version of the library"):
        write(layout, 2)
    assert path.read_bytes() == newer


def test_a_damaged_manifest_is_replaced(layout):
    write(layout)
    layout.manifest(KEY).write_bytes(b"{")
    write(layout, 2)
    assert generations(layout) == {2}


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5, 6])
def test_nothing_is_written_behind_a_link(layout, tmp_path, level):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    parts = layout.parts(KEY)
    file, path = stage(tmp_path / "built", "messages", table())
    link = layout.root.joinpath(*parts[:level])
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(CacheError, match="is a link"):
        commit(layout, manifest((file,)), {file.name: path})
    assert list(elsewhere.iterdir()) == []
    assert path.exists()


def test_the_cache_itself_may_be_reached_through_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    layout = Layout(tmp_path / "cache", PUBLIC)
    write(layout)
    assert generations(layout) == {1}


def test_a_file_in_the_way_of_a_folder_is_an_error_of_ours(layout):
    layout.root.mkdir()
    (layout.root / "v1").write_text("in the way")
    with pytest.raises(CacheError, match="no folder"):
        write(layout)


def test_parts_from_another_file_system_are_copied(layout, tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    folder = shm / f"cvpilot-{os.getpid()}-{time.monotonic_ns()}"
    try:
        file, path = stage(folder, "messages", table())
        commit(layout, manifest((file,)), {file.name: path})
        assert generations(layout) == {1}
        assert not path.exists()
        assert sorted(p.name for p in layout.folder(KEY).iterdir()) == sorted(
            ["manifest.json", file.name]
        )
    finally:
        shutil.rmtree(folder)


def test_modes_follow_the_umask(layout):
    code = """
        import os, sys; os.umask(int(sys.argv[2], 8))
        import cachekit; from pathlib import Path
        from intake_cvpilot.cache import locks, usage; from intake_cvpilot.cache.layout import *
        layout = Layout(Path(sys.argv[1]), PUBLIC)
        with locks.hold(layout, cachekit.KEY): cachekit.write(layout)
        usage.touch(layout, cachekit.KEY)
    """
    for umask, folders, files in (("002", 0o775, 0o664), ("077", 0o700, 0o600)):
        root = layout.root / umask
        done = python(code, root, umask)
        assert done.returncode == 0, done.stderr
        for path in (root, *root.rglob("*")):
            expected = folders if path.is_dir() else files
            assert path.stat().st_mode & 0o777 == expected, path


# -- superseded parts ------------------------------------------------------------------------------


def test_superseded_parts_stay_for_their_grace_and_go_then(layout):
    old = write(layout, 1, parts=2)
    new = write(layout, 2)
    folder = layout.folder(KEY)
    now = datetime.now(UTC)
    assert superseded(layout, KEY, now + timedelta(hours=23)) == ()
    assert all((folder / file.name).exists() for file in old.files)
    gone = superseded(layout, KEY, now + timedelta(hours=25))
    assert sorted(gone) == sorted(file.name for file in old.files)
    assert sorted(p.name for p in folder.iterdir()) == sorted(["manifest.json", new.files[0].name])
    assert verify(layout, KEY, deep=True).unnamed == ()


def test_the_grace_counts_from_when_a_part_was_superseded_not_written(layout):
    old = write(layout, 1)
    path = layout.folder(KEY) / old.files[0].name
    os.utime(path, (0, 0))
    write(layout, 2)
    superseded(layout, KEY, datetime.now(UTC) + timedelta(hours=23))
    assert path.exists()


def test_an_unnamed_part_is_only_marked_when_it_is_first_seen(layout):
    write(layout)
    _, path = stage(layout.folder(KEY), "messages", table(9))
    assert superseded(layout, KEY, datetime.now(UTC) + timedelta(days=900)) == ()
    assert path.exists()


def test_a_part_that_is_named_again_loses_its_mark(layout):
    first = write(layout, 1)
    write(layout, 2)
    commit(layout, msgspec.structs.replace(first, generation=3), {})
    write(layout, 4)
    names = {p.name for p in layout.folder(KEY).iterdir()}
    assert f"{first.files[0].name}.superseded" in names
    commit(layout, msgspec.structs.replace(first, generation=5), {})
    assert f"{first.files[0].name}.superseded" not in {p.name for p in layout.folder(KEY).iterdir()}
    assert generations(layout) == {1}


def test_only_our_own_files_are_swept(layout):
    write(layout)
    folder = layout.folder(KEY)
    kept = [folder / "notes.txt", folder / ".hidden", folder / "messages-1.parquet"]
    for path in kept:
        path.write_text("mine")
    temporary = folder / f".{'a' * 32}.tmp"
    temporary.write_text("of a commit that was killed")
    later = datetime.now(UTC) + timedelta(days=9)
    superseded(layout, KEY, later)
    superseded(layout, KEY, later)
    assert all(path.exists() for path in kept)
    assert not temporary.exists()


@pytest.mark.parametrize("harm", ["nothing", "damaged"])
def test_nothing_is_swept_without_a_manifest_to_go_by(layout, harm):
    if harm == "damaged":
        write(layout)
        layout.manifest(KEY).write_bytes(b"?")
    else:
        layout.folder(KEY).mkdir(parents=True)
    _, path = stage(layout.folder(KEY), "messages", table(9))
    for _ in range(2):
        assert superseded(layout, KEY, datetime.now(UTC) + timedelta(days=9)) == ()
    assert path.exists()


# -- the process dies ------------------------------------------------------------------------------

KILLED_AT_LINE = """
    import os, shutil, signal, sys, time
    from pathlib import Path
    import cachekit
    from intake_cvpilot.cache import commit, folders, schema
    from intake_cvpilot.cache.layout import PUBLIC, Layout
    from intake_cvpilot.cache.manifest import dumps

    traced = {commit.__file__, folders.__file__}

    def child(root, number):
        layout = Layout(root, PUBLIC)
        staged, files = {}, []
        built = root.parent / "built"
        for path in sorted(built.iterdir()):
            shutil.copyfile(path, root / ".staging" / path.name)
        for file in FILES:
            staged[file.name] = root / ".staging" / file.name
        left = [number]

        def lines(frame, event, argument):
            if frame.f_code.co_filename not in traced:
                return None
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return lines

        sys.settrace(lines)
        commit.commit(layout, MANIFEST, staged)
        os._exit(0)

    where, fresh = Path(sys.argv[1]), sys.argv[2] == "fresh"
    (where / "built").mkdir(parents=True)
    FILES = []
    for number in range(2):
        file, path = cachekit.stage(where / "built", "messages", cachekit.table(2, 50 + number))
        FILES.append(file)
    MANIFEST = cachekit.manifest(tuple(FILES), 2)
    dumps(MANIFEST)  # what it imports is there before the first fork
    (where / "before" / ".staging").mkdir(parents=True)
    if not fresh:
        cachekit.write(Layout(where / "before", PUBLIC), 1, parts=2)
    number = 0
    while True:
        number += 1
        root = where / f"{number:05}"
        shutil.copytree(where / "before", root)
        pid = os.fork()
        if pid == 0:
            child(root, number)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            break
    print(number - 1)
"""


@pytest.mark.parametrize("before", ["fresh", "refresh"])
def test_killed_at_any_line_a_partition_is_its_old_or_its_new_generation(tmp_path, before):
    done = python(KILLED_AT_LINE, tmp_path / "work", before)
    assert done.returncode == 0, done.stderr
    tried = int(done.stdout)
    assert tried > 100
    seen = []
    for number in range(1, tried + 1):
        layout = Layout(tmp_path / "work" / f"{number:05}", PUBLIC)
        found = load(layout, KEY)
        seen.append(0 if found is None else found.generation)
        assert found is None or verify(layout, KEY, deep=True).state == "good", number
    old = 0 if before == "fresh" else 1
    assert seen == sorted(seen)
    assert set(seen) == {old, 2}
    assert generations(layout) == {2}
    # And what was left behind is in nobody's way.
    for number in range(1, tried + 1, 7):
        layout = Layout(tmp_path / "work" / f"{number:05}", PUBLIC)
        write(layout, 3)
        assert generations(layout) == {3}


def test_killed_at_random_times_over_and_over(layout):
    code = """
        import sys; from pathlib import Path; import cachekit
        from intake_cvpilot.cache.layout import *
        layout = Layout(Path(sys.argv[1]), PUBLIC)
        print("ready", flush=True)
        for generation in range(1, 10_000):
            cachekit.write(layout, generation, parts=2)
    """
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here), str(here.parent)])
    for attempt in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(layout.root)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
        )
        child.stdout.readline()
        time.sleep(0.05 + 0.037 * attempt)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found = load(layout, KEY)
        if found is not None:
            assert generations(layout) == {found.generation}
            assert verify(layout, KEY, deep=True).state == "good"
    write(layout, 77)
    assert generations(layout) == {77}


# -- the disk fails --------------------------------------------------------------------------------

ONE_COMMIT = """
    import sys; from pathlib import Path; import cachekit
    from intake_cvpilot.cache.layout import *
    from intake_cvpilot.errors import CacheError
    try:
        cachekit.write(Layout(Path(sys.argv[1]), PUBLIC), int(sys.argv[2]), parts=2)
    except CacheError as error:
        print(type(error).__name__, error)
        sys.exit(5)
"""


FAILED_FSYNC = """
    import os, sys; from pathlib import Path; import cachekit
    from intake_cvpilot.cache.layout import *
    from intake_cvpilot.errors import CacheError
    # strace fails the 40th fsync of each process: a child that has done 40 - n of its own before
    # it commits has the n-th of the commit fail.
    root = Path(sys.argv[1])
    for number in range(1, 40):
        layout = Layout(root / str(number), PUBLIC)
        if os.fork() == 0:
            cachekit.write(layout, 1, parts=2)
            os._exit(0)
        os.wait()
        pid = os.fork()
        if pid == 0:
            fd = os.open(root / "anything", os.O_WRONLY | os.O_CREAT)
            for _ in range(40 - number):
                os.fsync(fd)
            try:
                cachekit.write(layout, 2, parts=2)
            except CacheError as error:
                print(number, type(error).__name__, error, flush=True)
                os._exit(5)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            break
"""


@needs_strace
@pytest.mark.parametrize(("error", "kind"), [("EIO", "CacheError"), ("ENOSPC", "SpaceError")])
def test_a_failed_fsync_at_any_place_leaves_a_whole_generation(tmp_path, error, kind):
    log = tmp_path / "strace.log"
    inject = f"inject=fsync:error={error}:when=40"
    under = (STRACE, "-f", "-o", str(log), "-e", "trace=fsync", "-e", inject)
    (tmp_path / "work").mkdir()
    done = python(FAILED_FSYNC, tmp_path / "work", under=under)
    if "ptrace" in done.stderr.lower():
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    failures = done.stdout.splitlines()
    assert len(failures) >= 5
    for number, line in enumerate(failures, 1):
        assert line.startswith(f"{number} {kind} ")
        layout = Layout(tmp_path / "work" / str(number), PUBLIC)
        assert generations(layout) == {load(layout, KEY).generation}
        assert verify(layout, KEY, deep=True).state == "good"
        assert not [p for p in layout.folder(KEY).iterdir() if p.name.endswith(".tmp")]
        write(layout, 3)
        assert generations(layout) == {3}


@needs_strace
def test_the_order_of_the_calls_is_the_promised_one(layout, tmp_path):
    """Every part is synced before it is renamed, the folder before the manifest is, and after."""
    log = tmp_path / "strace.log"
    under = (STRACE, "-f", "-y", "-o", str(log), "-e", "trace=fsync,rename,renameat,renameat2")
    done = python(ONE_COMMIT, layout.root, 1, under=under)
    if done.returncode != 0:
        pytest.skip(f"strace may not trace here: {done.stderr[-200:]}")
    folder = str(layout.folder(KEY))
    calls = []
    for line in log.read_text().splitlines():
        if folder not in line and "/.staging/" not in line:
            continue
        if "fsync(" in line and f"<{folder}>" in line:
            calls.append("sync folder")
        elif "fsync(" in line and ".parquet>" in line:
            calls.append("sync part")
        elif "fsync(" in line and ".tmp>" in line:
            calls.append("sync manifest")
        elif "rename" in line and '"manifest.json"' in line:
            calls.append("rename manifest")
        elif "rename" in line and f"<{folder}>" in line:
            calls.append("rename part")
    assert calls == [
        *["sync part", "rename part"] * 2,
        "sync folder",
        "sync manifest",
        "rename manifest",
        "sync folder",
    ]
    synced = [line for line in log.read_text().splitlines() if "fsync(" in line]
    for parent in layout.folder(KEY).parents[:5]:
        assert any(f"<{parent}>" in line for line in synced), parent


@needs_root
def test_a_full_disk_says_what_is_needed_and_leaves_the_old_generation(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount here")
    try:
        layout = Layout(disk / "cache", PUBLIC)
        write(layout, 1)
        file, path = stage(tmp_path / "built", "messages", table(2, rows=20_000))
        with pytest.raises(SpaceError, match=r"[\d,]+ bytes are needed and [\d,]+ bytes are free"):
            commit(layout, manifest((file,), 2), {file.name: path})
        assert generations(layout) == {1}
        assert not [p for p in layout.folder(KEY).iterdir() if p.name.endswith(".tmp")]
        assert path.exists(), "what was built elsewhere is still there to try again"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


@needs_root
def test_a_read_only_cache_is_read_and_not_written(tmp_path):
    layout = Layout(tmp_path / "cache", PUBLIC)
    write(layout)
    bind = ["mount", "--bind", str(layout.root), str(layout.root)]
    if subprocess.run(bind, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(layout.root)], check=True)
        from intake_cvpilot.cache import locks, usage

        assert generations(layout) == {1}
        assert verify(layout, KEY, deep=True).state == "good"
        usage.touch(layout, KEY)
        assert superseded(layout, KEY, datetime.now(UTC)) == ()
        with pytest.raises(CacheError, match="Read-only"):
            commit(layout, manifest(generation=2), {})
        with pytest.raises(CacheError, match="Read-only"), locks.hold(layout, KEY):
            pass
    finally:
        subprocess.run(["umount", "-l", str(layout.root)], check=False)


# -- verify ----------------------------------------------------------------------------------------


def test_verify_names_what_is_wrong_and_the_command(layout):
    assert verify(layout, KEY).state == "missing"
    committed = write(layout, parts=3)
    folder = layout.folder(KEY)
    first, second, third = (folder / file.name for file in committed.files)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-3])
    third.write_bytes(b"PAR2" + third.read_bytes()[4:])
    quick, deep = verify(layout, KEY), verify(layout, KEY, deep=True)
    assert {problem.file for problem in quick.problems} == {first.name, second.name}
    assert {problem.file for problem in deep.problems} == {p.name for p in (first, second, third)}
    assert deep.state == "damaged"
    assert deep.to_dict()["repair"].startswith("cvpilot repair wydot BSM")


def test_verify_quick_finds_a_changed_footer(layout):
    committed = write(layout)
    path = layout.folder(KEY) / committed.files[0].name
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    assert [p.what for p in verify(layout, KEY).problems] == [
        "has another footer than the manifest says"
    ]


def test_verify_finds_figures_that_cannot_be_true(layout):
    from test_cache_manifest import sign

    committed = write(layout)
    wrong = msgspec.structs.replace(
        committed,
        checksum="0" * 64,
        counts=Tally(lines=9, records=9, inside=9, rows={"messages": 9}),
        quality_json=as_quality({}),
    )
    layout.manifest(KEY).write_bytes(sign(msgspec.json.encode(wrong, order="sorted") + b"\n"))
    assert [p.file for p in verify(layout, KEY).problems] == ["manifest.json"]


def test_verify_gives_damage_as_a_value(layout):
    write(layout)
    layout.manifest(KEY).write_bytes(b"?")
    found = verify(layout, KEY)
    assert found.state == "damaged"
    assert found.problems[0].file == "manifest.json"


def test_verify_reads_files_that_are_not_parquet(layout):
    import hashlib

    line = b'{"line":1}\n'
    sha256 = hashlib.sha256(line).hexdigest()
    name = f"quarantine-{sha256[:16]}.ndjson"
    path = layout.root / ".staging" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(line)
    assert file_sha256(path) == sha256
    file = File(role="quarantine", name=name, bytes=len(line), rows=1, sha256=sha256)
    counts = Tally(lines=1, quarantined=1)
    commit(layout, manifest((file,), counts=counts), {name: path})
    assert verify(layout, KEY, deep=True).state == "good"
    (layout.folder(KEY) / name).write_bytes(b'{"line":2}\n')
    assert verify(layout, KEY).state == "good"
    assert verify(layout, KEY, deep=True).state == "damaged"


def test_damage_says_where_and_how_to_repair(layout):
    committed = write(layout)
    (layout.folder(KEY) / committed.files[0].name).unlink()
    with pytest.raises(DamagedError, match="cvpilot repair wydot BSM --start 2021-04-01"):
        commit(layout, msgspec.structs.replace(committed, generation=2), {})


def test_processes_without_locks_that_build_the_same_all_succeed(layout):
    """Four processes commit the same content from the same staging over and over."""
    code = """
        import sys; from pathlib import Path; import cachekit
        from intake_cvpilot.cache.commit import commit
        from intake_cvpilot.cache.layout import *
        layout = Layout(Path(sys.argv[1]), PUBLIC)
        for generation in range(1, 26):
            table = cachekit.table(generation % 3 + 1)
            file, path = cachekit.stage(layout.staging(cachekit.KEY), "messages", table)
            commit(layout, cachekit.manifest((file,), generation), {file.name: path})
    """
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here), str(here.parent)])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(layout.root)],
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        _, err = child.communicate()
        assert child.returncode == 0, err
    assert generations(layout) == {25 % 3 + 1}
    assert verify(layout, KEY, deep=True).state == "good"
