"""Archives in folders, in memory and in other places that fsspec reads."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import tarfile
from datetime import UTC, datetime
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from intake_cvpilot.archive import identity, open_archive
from intake_cvpilot.archive.base import Unit
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.errors import (
    AccessDeniedError,
    ArchiveError,
    ChangedError,
    InvalidRequestError,
)

DAY = "wydot/BSM/2021/04/01/"
OBJECTS = {
    f"{DAY}07/a": b"a" * 3_000_000,
    f"{DAY}07/empty": b"",
    f"{DAY}23/caf\u00e9 +%41": b"b\n",
}
FAST = Policy(attempts=3, first_wait=0.01, longest_wait=0.02)


@pytest.fixture
def archive_dir(tmp_path):
    for key, body in OBJECTS.items():
        path = tmp_path / "archive" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return tmp_path / "archive"


@pytest.fixture
def memory():
    """A name in memory of one's own, with the objects."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    for key, body in OBJECTS.items():
        files.pipe(f"/lab/{key}", body)
    yield files
    files.store.clear()


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def fetched(archive, folder):
    found = {}
    for received in archive.read(archive.snapshot(DAY).units, folder):
        body = received.path.read_bytes()
        assert received.digest == hashlib.sha256(body).hexdigest()
        found[received.unit.key] = body
    return found


def test_a_folder_is_an_archive(archive_dir, into):
    archive = open_archive(archive_dir)
    assert fetched(archive, into) == OBJECTS
    assert len(list(into.iterdir())) == 3
    snapshot = archive.snapshot(DAY)
    assert [u.key for u in snapshot.units] == sorted(OBJECTS)
    assert snapshot.authoritative
    assert snapshot.listed_at <= datetime.now(UTC)
    traffic = archive.traffic
    assert (traffic.lists, traffic.reads, traffic.bytes) == (2, 3, 3_000_002)
    archive.close()


def test_a_copy_is_independent_of_the_archive(archive_dir, into):
    archive = open_archive(archive_dir)
    received = list(archive.read(archive.snapshot(DAY).units, into))
    for key in OBJECTS:
        (archive_dir / key).write_bytes(b"other")
    assert {r.unit.key: r.path.read_bytes() for r in received} == OBJECTS


@pytest.mark.parametrize("spelling", ["{}", "{}/", "file://{}", "{}/../archive", "local://{}"])
def test_a_folder_has_one_identity_in_all_spellings(archive_dir, spelling):
    assert identity(spelling.format(archive_dir)) == archive_dir.as_uri()
    assert open_archive(spelling.format(archive_dir)).identity == archive_dir.as_uri()


def test_a_relative_path_and_a_link_are_the_folder_they_lead_to(archive_dir, monkeypatch):
    monkeypatch.chdir(archive_dir.parent)
    assert identity("archive") == archive_dir.as_uri()
    (archive_dir.parent / "link").symlink_to(archive_dir)
    assert identity("link") == archive_dir.as_uri()


def test_an_empty_prefix_proves_nothing(archive_dir):
    snapshot = open_archive(archive_dir).snapshot("wydot/BSM/2021/04/02/")
    assert snapshot.units == ()
    assert not snapshot.authoritative
    (archive_dir / "wydot/BSM/2021/04/03").mkdir()
    assert not open_archive(archive_dir).snapshot("wydot/BSM/2021/04/03/").authoritative


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ArchiveError, match=r"not there.*mounted"):
        open_archive(tmp_path / "none").snapshot(DAY)


def test_a_file_where_a_folder_should_be_is_an_error(archive_dir):
    (archive_dir / "wydot/BSM/2021/04/02").write_bytes(b"")
    with pytest.raises(ArchiveError, match="listing"):
        open_archive(archive_dir).snapshot("wydot/BSM/2021/04/02/")


def test_what_desktops_and_sync_tools_leave_is_no_object(archive_dir):
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".a.partial", "._a"):
        (archive_dir / DAY / "07" / name).write_bytes(b"x")
    (archive_dir / DAY / ".git").mkdir()
    (archive_dir / DAY / ".git" / "config").write_bytes(b"x")
    assert [u.key for u in open_archive(archive_dir).snapshot(DAY).units] == sorted(OBJECTS)


def test_a_link_within_the_archive_is_followed(archive_dir, into):
    (archive_dir / DAY / "08").symlink_to(archive_dir / DAY / "23")
    (archive_dir / DAY / "07" / "z").symlink_to("a")
    assert {key.removeprefix(DAY) for key in fetched(open_archive(archive_dir), into)} == {
        "07/a", "07/empty", "07/z", "08/caf\u00e9 +%41", "23/caf\u00e9 +%41"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("07/out", "/etc/passwd", "out of the archive"),
        ("09", "/etc", "out of the archive"),
        ("07/gone", "nowhere", "leads nowhere"),
        ("07/self", "self", "leads nowhere"),
        ("07/round", "../../01", "circle"),
    ],
)
def test_other_links_are_errors(archive_dir, name, target, words):
    (archive_dir / DAY / name).symlink_to(target)
    with pytest.raises(ArchiveError, match=words):
        open_archive(archive_dir).snapshot(DAY)


def test_links_that_lead_to_each_other_end(archive_dir):
    (archive_dir / DAY / "07" / "x").symlink_to(archive_dir / DAY / "23")
    (archive_dir / DAY / "23" / "y").symlink_to(archive_dir / DAY / "07")
    with pytest.raises(ArchiveError, match="circle"):
        open_archive(archive_dir).snapshot(DAY)


def test_a_day_that_is_a_link_out_of_the_archive_is_an_error(archive_dir, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (archive_dir / "wydot/BSM/2021/04/02").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError, match="out of the archive"):
        open_archive(archive_dir).snapshot("wydot/BSM/2021/04/02/")


def test_what_is_neither_file_nor_folder_is_an_error(archive_dir):
    os.mkfifo(archive_dir / DAY / "07" / "pipe")
    with pytest.raises(ArchiveError, match="neither a file nor a folder"):
        open_archive(archive_dir).snapshot(DAY)


def test_a_name_that_is_no_text_is_an_error(archive_dir):
    (archive_dir / DAY / "07" / os.fsdecode(b"\xff")).write_bytes(b"")
    with pytest.raises(ArchiveError, match="UTF-8"):
        open_archive(archive_dir).snapshot(DAY)


@pytest.mark.parametrize("prefix", ["/etc/", "../x/", "wydot/../../x/", "wydot", "", "/"])
def test_a_prefix_stays_within_the_archive(archive_dir, memory, prefix):
    for archive in (open_archive(archive_dir), open_archive("memory://lab")):
        with pytest.raises(InvalidRequestError, match="prefix"):
            archive.snapshot(prefix)


def test_a_folder_that_may_not_be_read_is_a_refusal(archive_dir, tmp_path):
    closed = archive_dir / DAY / "07"
    closed.chmod(0)
    try:
        if os.access(closed, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(AccessDeniedError, match="permissions"):
            open_archive(archive_dir).snapshot(DAY)
    finally:
        closed.chmod(0o700)


CHANGES = {
    "other bytes": lambda path: path.write_bytes(b"c" * 3_000_000),
    "shorter": lambda path: path.write_bytes(b"c"),
    "longer": lambda path: path.write_bytes(b"c" * 3_000_001),
    "gone": lambda path: path.unlink(),
    "touched": lambda path: os.utime(path, ns=(1, 1)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_changed_after_the_listing_is_a_change(archive_dir, into, change):
    archive = open_archive(archive_dir)
    before = archive.snapshot(DAY)
    change(archive_dir / DAY / "07" / "a")
    with pytest.raises(ChangedError, match="07/a"):
        list(archive.read(before.units[:1], into))
    assert list(into.iterdir()) == []
    assert archive.snapshot(DAY).fingerprint != before.fingerprint


def test_a_folder_takes_no_options(archive_dir):
    with pytest.raises(InvalidRequestError, match="this one is a folder"):
        open_archive(archive_dir, storage_options={"anon": True})


# Other places


def test_memory_is_an_archive(memory, into):
    archive = open_archive("memory://lab/")
    assert archive.identity == "memory://lab"
    assert fetched(archive, into) == OBJECTS
    assert (archive.traffic.lists, archive.traffic.reads) == (1, 3)
    assert not archive.snapshot("wydot/BSM/2021/04/02/").authoritative
    archive.close()


def test_a_place_in_memory_that_is_not_there_is_an_error(memory):
    with pytest.raises(ArchiveError, match="not there"):
        open_archive("memory://none").snapshot(DAY)


@pytest.mark.parametrize("body", [b"c" * 3_000_000, b"c", None])
def test_a_file_in_memory_that_changed_is_a_change(memory, into, body):
    archive = open_archive("memory://lab", policy=FAST)
    units = archive.snapshot(DAY).units[:1]
    if body is None:
        memory.rm(f"/lab/{DAY}07/a")
    else:
        memory.pipe(f"/lab/{DAY}07/a", body)
    with pytest.raises(ChangedError, match="07/a"):
        list(archive.read(units, into))
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("url", ["tar://::{}", "tar://::file://{}"])
def test_a_tar_of_a_copy_is_an_archive(archive_dir, into, tmp_path, url):
    with tarfile.open(tmp_path / "copy.tar", "w") as tar:
        tar.add(archive_dir / "wydot", "wydot")
    archive = open_archive(url.format(tmp_path / "copy.tar"))
    assert archive.identity == f"tar://::{(tmp_path / 'copy.tar').as_uri()}"
    assert fetched(archive, into) == OBJECTS


@pytest.mark.parametrize("top", [".", "./wydot"])
def test_a_tar_of_the_folder_itself_is_an_archive_too(archive_dir, into, tmp_path, top):
    """As ``tar -C copy -cf copy.tar .`` packs it: every name begins with a dot and a slash."""
    packed = ["tar", "-C", str(archive_dir), "-cf", str(tmp_path / "copy.tar"), top]
    subprocess.run(packed, check=True)
    archive = open_archive(f"tar://::{tmp_path / 'copy.tar'}")
    assert archive.identity == f"tar://::{(tmp_path / 'copy.tar').as_uri()}"
    assert fetched(archive, into) == OBJECTS


def test_what_this_computer_answers_is_not_throttled(memory, into):
    for n in range(30):
        memory.pipe(f"/lab/{DAY}08/{n}", b"x")
    archive = open_archive("memory://lab", rate=0.1)
    assert len(fetched(archive, into)) == 33


def test_files_of_a_tar_do_not_get_mixed_up(into, tmp_path):
    objects = {f"{DAY}07/{n:02}": bytes([n]) * 3_000_001 for n in range(12)}
    with tarfile.open(tmp_path / "copy.tar", "w") as tar:
        for key, body in objects.items():
            member = tarfile.TarInfo(key)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    assert fetched(open_archive(f"tar://::{tmp_path}/copy.tar"), into) == objects


def test_a_tar_that_was_replaced_is_read_anew(archive_dir, into, tmp_path):
    for names in (["07"], ["07", "23"]):
        with tarfile.open(tmp_path / "copy.tar", "w") as tar:
            for name in names:
                tar.add(archive_dir / DAY / name, DAY + name)
        archive = open_archive(f"tar://::{tmp_path}/copy.tar")
        assert len(fetched(archive, into)) == len(names) + 1


def test_a_tar_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ArchiveError, match="cannot be opened"):
        open_archive(f"tar://::{tmp_path}/none.tar")


def test_secrets_in_urls_and_options_are_no_part_of_an_identity():
    plain = identity("sftp://host/data")
    assert identity("sftp://me:hunter2@host/data/") == plain == "sftp://host/data"
    assert identity("sftp://host/data", {"password": "hunter2", "username": "me"}) == plain
    url = "webhdfs://host/data?token=hunter2&zone=b"
    assert identity(url) == "webhdfs://host/data?zone=b"
    assert identity("simplecache::sftp://me:hunter2@host/x") == "simplecache::sftp://host/x"


def test_options_that_name_another_place_tell_archives_apart():
    first = identity("tar://", {"fo": "one.tar"})
    second = identity("tar://", {"fo": "two.tar", "target_options": {"password": "x"}})
    assert len({first, second, identity("tar://")}) == 3


class Checked(MemoryFileSystem):
    """Memory that gives checksums as object stores do, and breaks as a test says."""

    protocol = "checked"
    cachable = False
    broken: ClassVar[list[BaseException]] = []
    tags: ClassVar[dict[str, str]] = {}

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("checked://"))

    def find(self, path, **kwargs):
        return {name: self._tagged(info) for name, info in super().find(path, **kwargs).items()}

    def info(self, path, **kwargs):
        return self._tagged(super().info(path, **kwargs))

    def open(self, path, mode="rb", **kwargs):
        if self.broken:
            raise self.broken.pop()
        return super().open(path, mode, **kwargs)

    def _tagged(self, info):
        return {**info, **self.tags}


@pytest.fixture
def checked(memory):
    fsspec.register_implementation("checked", Checked, clobber=True)
    Checked.broken, Checked.tags = [], {}
    for key in list(OBJECTS)[1:]:
        memory.rm(f"/lab/{key}")
    return Checked


MD5 = hashlib.md5(OBJECTS[f"{DAY}07/a"])


@pytest.mark.parametrize(
    "tags",
    [
        {"ETag": f'"{MD5.hexdigest()}"'},
        {"md5": MD5.hexdigest()},
        {"md5Hash": base64.b64encode(MD5.digest()).decode()},
    ],
)
def test_a_checksum_is_checked_where_the_place_has_one(checked, into, tags):
    Checked.tags = tags
    archive = open_archive("checked://lab", policy=FAST)
    unit = archive.snapshot(DAY).units[0]
    assert unit.etag == MD5.hexdigest()
    assert len(list(archive.read([unit], into))) == 1


def test_a_wrong_checksum_is_an_error_after_all_attempts(checked, into):
    Checked.tags = {"ETag": "0" * 32}
    archive = open_archive("checked://lab", policy=FAST)
    with pytest.raises(ArchiveError, match=r"07/a.*MD5"):
        list(archive.read(archive.snapshot(DAY).units, into))
    assert list(into.iterdir()) == []
    assert archive.traffic.retries == 2
    assert archive.traffic.bytes_again == 3 * 3_000_000


def test_passing_trouble_passes_and_other_trouble_is_told_without_its_text(checked, into):
    archive = open_archive("checked://lab", policy=FAST, rate=None)
    units = archive.snapshot(DAY).units
    Checked.broken = [OSError("token=hunter2"), TimeoutError("token=hunter2")]
    assert len(list(archive.read(units, into))) == 1
    assert archive.traffic.retries == 2
    for broken, kind in [
        (RuntimeError("token=hunter2"), ArchiveError),
        (PermissionError("token=hunter2"), AccessDeniedError),
    ]:
        Checked.broken = [broken]
        with pytest.raises(kind) as raised:
            list(archive.read(units, into))
        assert "hunter2" not in str(raised.value)


def test_a_place_that_does_not_say_sizes_is_an_error(checked):
    Checked.tags = {"size": None}
    with pytest.raises(ArchiveError, match="how large"):
        open_archive("checked://lab", policy=FAST).snapshot(DAY)


@pytest.mark.parametrize(
    "tags", [{"mtime": 1.5}, {"LastModified": "2021-04-01T00:00:00"}, {"mtime": "odd"}, {}]
)
def test_times_of_all_kinds_are_read(checked, tags):
    Checked.tags = {"created": None, **tags}
    unit = open_archive("checked://lab", policy=FAST).snapshot(DAY).units[0]
    assert isinstance(unit, Unit)
    assert unit.last_modified is None or unit.last_modified.tzinfo is UTC


def test_what_fsspec_lacks_is_told():
    with pytest.raises(InvalidRequestError, match="package"):
        open_archive("gs://some")


def test_the_real_records_are_an_archive(bucket, into):
    archive = open_archive(bucket)
    snapshot = archive.snapshot("wydot/BSM/2019/02/06/")
    assert len(snapshot.units) == 3
    assert len(list(archive.read(snapshot.units, into))) == 3
