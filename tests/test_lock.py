"""A lock gives the same rows again, or says what differs."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date
from pathlib import Path

import later_release
import msgspec
import pandas as pd
import pytest
from test_cli import run

import intake_cvpilot as cv
from intake_cvpilot import account
from intake_cvpilot.cache.layout import Layout
from intake_cvpilot.cache.manifest import as_quality, dumps, load
from intake_cvpilot.exits import Exit
from intake_cvpilot.sources import sources
from intake_cvpilot.synthetic import write_archive

DAYS = ("wydot", "BSM", "2021-04-01", "2021-04-02")
KEY, NEXT = "wydot/BSM/2021/04/01", "wydot/BSM/2021/04/02"

pytestmark = pytest.mark.filterwarnings("ignore:.*do not lie in the window")


@pytest.fixture
def where(tmp_path):
    days = [date(2021, 4, 1), date(2021, 4, 2)]
    made = write_archive(tmp_path / "archive", days=days, records_per_hour=2)
    return {"archive": made.folder, "cache_dir": tmp_path / "cache"}


def manifest_of(where):
    """The first day's manifest."""
    return load(Layout(where["cache_dir"], cv.plan(*DAYS, **where).archive), KEY)


def altered(where, **changes):
    """The first day's manifest with other fields, in the place of what was committed."""
    manifest = manifest_of(where)
    layout = Layout(where["cache_dir"], manifest.identity)
    made = msgspec.structs.replace(manifest, **changes, checksum="")
    layout.manifest(KEY).write_bytes(dumps(made))


def test_a_lock_gives_the_request_and_its_rows_from_another_cache_and_codec(where, tmp_path):
    rows = cv.open_pandas(*DAYS, **where)
    made = cv.lock(*DAYS, **where)
    file = made.write(tmp_path / "april.json")
    other = {"cache_dir": tmp_path / "other", "codec": "zstd"}
    again = cv.open_pandas(lock=file, **other)  # the archive is the lock's
    pd.testing.assert_frame_equal(again, rows)
    assert len(cv.open_dask(lock=file, **other)) == len(rows)
    assert cv.fetch(lock=made, **other).actions == {"cached": 2}
    assert cv.lock(*DAYS, archive=where["archive"], **other).digest == made.digest
    part = cv.open_pandas(*DAYS[:2], "2021-04-02", "2021-04-02", lock=file, **other)
    assert 0 < len(part) < len(rows)
    assert str(tmp_path / "other") not in file.read_text()


def test_another_lock_is_not_overwritten_unless_told_to(where, tmp_path):
    made, other = cv.lock(*DAYS, **where), cv.lock(*DAYS[:3], DAYS[2], **where)
    file = made.write(tmp_path / "april.json")
    before = file.read_bytes()
    with pytest.raises(cv.InvalidRequestError, match=rf"april.json.*{other.digest}.*overwrite"):
        other.write(file)
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(cv.InvalidRequestError, match="is there already"):
        made.write(tmp_path / "notes")
    assert file.read_bytes() == before == made.write(file).read_bytes()
    assert cv.Lock.read(other.write(file, overwrite=True)) == other
    assert (tmp_path / "notes").read_text() == "mine"


def test_the_digest_is_of_the_canonical_text_and_a_changed_lock_is_refused(where, tmp_path):
    made = cv.lock(*DAYS, **where)
    file = made.write(tmp_path / "april.json")
    plain = json.loads(file.read_text())
    assert cv.Lock.read(file) == cv.Lock.read(plain) == made
    file.write_text(json.dumps(plain, indent=7))
    assert cv.Lock.read(file) == made, "white space is nobody's change"
    assert plain["digest"] == made.digest
    for change in (
        {"library": "9"},
        {"partitions": plain["partitions"][:1]},
        {"request": {**plain["request"], "end": "2021-04-03T00:00:01Z"}},
        {"digest": "0" * 64},
        {"more": 1},
    ):
        with pytest.raises(cv.InvalidRequestError, match="digest does not hold"):
            cv.Lock.read({**plain, **change})
    with pytest.raises(cv.InvalidRequestError, match="format 2"):
        cv.Lock.read({**plain, "format": 2})
    for text in ("", "[]", "{}", "[" * 100_000, "\xff"):
        file.write_text(text)
        with pytest.raises(cv.InvalidRequestError, match="is no lock"):
            cv.open_dask(lock=file, **where)
    with pytest.raises(cv.InvalidRequestError, match="cannot be read"):
        cv.open_dask(lock=tmp_path / "none.json", **where)


def test_what_differs_is_said_for_each_partition(where, tmp_path):
    made = cv.lock(*DAYS, **where)
    archive = where["archive"]
    some = next(path for path in sorted(archive.glob(f"{KEY}/*/*")) if path.is_file())
    some.with_name("late").write_bytes(some.read_bytes())
    # What is cached as it was locked is not listed again, so that a late object changes nothing.
    assert cv.fetch(lock=made, **where).requests == 0
    with pytest.raises(cv.LockMismatchError, match="objects are others") as other:
        cv.open_dask(lock=made, **{**where, "cache_dir": tmp_path / "other"})
    assert list(other.value.differences) == [KEY]
    assert re.search(r"has \d+ rows of messages, locked were \d+", other.value.differences[KEY])
    with pytest.raises(cv.LockMismatchError, match="objects are others"):
        cv.fetch(lock=made, refresh=True, **where)


def test_another_table_version_is_named(where):
    made = cv.lock(*DAYS, **where)
    first, *rest = made.partitions
    older = dataclasses.replace(first, tables={"messages": "0.9"})
    locked = dataclasses.replace(made, partitions=(older, *rest))
    with pytest.raises(cv.LockMismatchError) as differs:
        cv.open_dask(lock=locked, offline=True, **where)
    assert list(differs.value.differences) == [KEY]
    assert "messages has version 1.0, locked was 0.9" in differs.value.differences[KEY]


def test_other_content_or_other_figures_are_named(where):
    made = cv.lock(*DAYS, **where)
    before = manifest_of(where)
    blocks = account.blocks_of(before)
    next(iter(blocks.values()))["quality"]["quarantined"]["no_json"] = 1
    figures = as_quality({"blocks": blocks})
    same = {"fingerprint": before.fingerprint, "quality_json": figures}
    for changes, said in (
        ({"fingerprint": "f" * 64}, "objects are others"),
        ({**same, "library": "0.0.9"}, "gave other figures: it was built by version 0.0.9"),
    ):
        altered(where, **changes)
        with pytest.raises(cv.LockMismatchError) as differs:
            cv.open_dask(lock=made, offline=True, **where)
        assert list(differs.value.differences) == [KEY]
        assert said in differs.value.differences[KEY]


def test_a_release_that_reads_the_same_objects_to_other_values_is_told_by_column(where, tmp_path):
    """Rows, counts and table version are the same: only the values tell."""
    file = cv.lock(*DAYS, **where).write(tmp_path / "april.json")
    rounded = [("decode/j2735.py", 'Fraction("9.80665")', 'Fraction("9.81")')]
    release = later_release.edited(tmp_path / "release", rounded)
    asked = ("fetch", "--lock", str(file), "--cache-dir", str(tmp_path / "other"))
    told = later_release.command(release, *asked)
    assert told.returncode == Exit.PROBLEMS, told.stderr
    which = "messages (accel_vert) and messages.outside (accel_vert)"
    for key in (KEY, NEXT):
        assert f"{key}: the same objects gave other values in {which}: it was" in told.stderr
    rows, others = (
        cv.open_pandas(*DAYS, archive=where["archive"], cache_dir=cache, offline=True)
        for cache in (where["cache_dir"], tmp_path / "other")
    )
    differs = [name for name in rows if not rows[name].equals(others[name])]
    assert differs == ["accel_vert"]


def test_what_was_built_before_digests_were_kept_is_read_for_them(where):
    made = cv.lock(*DAYS, **where)
    blocks = account.blocks_of(manifest_of(where))
    for block in blocks.values():
        assert block.pop("values")
    altered(where, quality_json=as_quality({"blocks": blocks}))
    assert cv.lock(*DAYS, **where) == made
    assert len(cv.open_dask(lock=made, offline=True, **where)) > 0


def test_what_is_not_in_the_lock_or_of_another_archive_is_refused(where, tmp_path):
    made = cv.lock(*DAYS[:3], "2021-04-01", **where)
    with pytest.raises(cv.LockMismatchError, match="2021/04/02: it is not in the lock"):
        cv.open_dask(*DAYS, lock=made, **where)
    with pytest.raises(cv.OfflineError, match="2021/04/01"):
        cv.open_dask(lock=made, offline=True, cache_dir=tmp_path / "empty")
    with pytest.raises(cv.InvalidRequestError, match="the lock is of the archive"):
        cv.open_dask(lock=made, archive=tmp_path, cache_dir=where["cache_dir"])
    with pytest.raises(cv.InvalidRequestError, match=r"start, end must be given.*lock="):
        cv.open_dask("wydot", "bsm", **where)


def test_a_published_range_is_held_to_its_lock(where, tmp_path):
    made = cv.lock(*DAYS, **where)
    cv.publish(*DAYS, tmp_path / "public", **where)
    at = {"cache_dir": (tmp_path / "public").as_uri(), "offline": True}
    assert len(cv.open_dask(lock=made, **at)) == len(cv.open_dask(*DAYS, **where))


def test_a_citation_says_what_the_sources_say(where):
    made = cv.lock(*DAYS, **where)
    text = cv.cite(made)
    source = sources()["wydot"]
    for part in (source.agency, source.title, source.licence.name, source.licence.url):
        assert part in text
    for part in (made.digest, made.archive, "2021-04-01T00:00:00Z to 2021-04-03T00:00:00Z"):
        assert part in text
    assert "\n" not in text
    entry = cv.cite(made.to_dict(), form="bibtex")
    assert entry.startswith(f"@misc{{wydot-bsm-{made.digest[:12]},\n")
    assert entry.count("{") == entry.count("}")
    assert made.digest in entry
    with pytest.raises(cv.InvalidRequestError, match="plain"):
        cv.cite(made, form="ris")


def test_the_commands_lock_fetch_and_cite(where, tmp_path):
    file = tmp_path / "april.json"
    asked = ("wydot", "bsm", "--start", "2021-04-01", "--end", "2021-04-02")
    at = ("--archive", str(where["archive"]), "--cache-dir", str(where["cache_dir"]))
    told = run("lock", *asked, *at, "-o", str(file))
    assert told.returncode == Exit.OK, told.stderr
    told = run("fetch", "--lock", str(file), *at[2:], "--json")
    assert told.returncode == Exit.OK, told.stderr
    assert json.loads(told.stdout)["actions"] == {"cached": 2}
    told = run("cite", str(file), "--format", "bibtex")
    assert told.stdout.startswith("@misc{wydot-bsm-")
    for part in where["archive"].glob(f"{KEY}/*/*"):
        part.write_bytes(part.read_bytes() * 2)
    told = run("fetch", "--lock", str(file), "--cache-dir", str(tmp_path / "other"))
    assert told.returncode == Exit.PROBLEMS
    assert f"{KEY}: its objects are others" in told.stderr


def test_the_examples_of_the_page_run(where, tmp_path, monkeypatch):
    monkeypatch.setenv("CVPILOT_ARCHIVE", str(where["archive"]))
    monkeypatch.setenv("CVPILOT_CACHE_DIR", str(where["cache_dir"]))
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "citing.md").read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, "citing.md", "exec"), names)
    assert (tmp_path / "april.json").exists()
    assert names["made"].digest in names["text"]
