"""Promises too narrow for a sweep to hit by chance, and the list of mutants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import cachekit
import pytest
from mutants import MUTANTS, PROJECT

from intake_cvpilot.cache import locks
from intake_cvpilot.cache.commit import tidied
from intake_cvpilot.cache.folders import open_folder
from intake_cvpilot.cache.layout import PUBLIC, Layout


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "cache", PUBLIC)


def test_parts_in_place_and_not_yet_named_are_safe_while_the_lock_is_held(layout):
    """As a writer leaves them that is frozen between its last part and its manifest."""
    cachekit.write(layout)
    placed = layout.folder(cachekit.KEY) / f"messages-{'0' * 16}.parquet"
    placed.write_bytes(b"PAR1")
    later = datetime.now(UTC) + timedelta(days=30)
    with locks.hold(layout, cachekit.KEY):
        for _ in range(2):
            assert tidied(layout, cachekit.KEY, later, grace=timedelta(0)) == ()
        assert placed.exists()
    assert tidied(layout, cachekit.KEY, later) == ()  # marked
    assert tidied(layout, cachekit.KEY, later, grace=timedelta(0)) == (placed.name,)


def test_a_partition_that_needs_no_tidying_takes_no_lock(layout):
    cachekit.write(layout)
    assert tidied(layout, cachekit.KEY, datetime.now(UTC)) == ()
    assert not (layout.root / ".locks").exists()


def test_what_the_disk_gives_back_is_compared_with_what_was_written(tmp_path):
    (tmp_path / "name").write_bytes(b"what the disk kept")
    with open_folder(tmp_path, ()) as folder, pytest.raises(OSError, match="not what was written"):
        folder.check_and_sync("name", b"what was written to")


def test_each_mutant_still_fits_the_code_once():
    assert len(MUTANTS) >= 15
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        text = Path(PROJECT, "intake_cvpilot", mutant.file).read_text()
        assert text.count(mutant.old) == 1, mutant.name
        file, _, test = mutant.test.partition("::")
        assert f"def {test.partition('[')[0]}(" in Path(PROJECT, file).read_text(), mutant.name
