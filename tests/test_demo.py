"""The demo: the main call on the synthetic archive, told in a text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import intake_cvpilot
from intake_cvpilot.demo import run
from intake_cvpilot.synthetic import write_archive


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo") / "new"
    return folder, run(folder)


def test_the_text_shows_frame_report_and_places(shown: tuple[Path, str]) -> None:
    folder, text = shown
    for word in ("event_time", "vehicle_id", "speed", "std", "quarantined", "sent 0 requests"):
        assert word in text
    for place in ("archive", "cache"):
        assert f" {folder / place}\n" in f"{text}\n"
        assert any((folder / place).iterdir())


def test_the_command_warns_once_though_it_opens_twice(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "intake_cvpilot.cache", "demo", "--folder", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr.count("do not lie in the window") == 1


def test_the_users_cache_is_not_touched(shown: tuple[Path, str]) -> None:
    assert not Path(os.environ["CVPILOT_CACHE_DIR"]).exists()


def test_the_report_counts_what_was_written(shown: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = shown
    written = write_archive(tmp_path)
    found = intake_cvpilot.fetch(
        "wydot", "BSM", *written.days, archive=folder / "archive", cache_dir=folder / "cache"
    )
    assert found.actions == {"cached": 2}
    assert found.counts.objects == written.objects
    assert found.counts.bytes == written.bytes
    assert found.counts.lines == written.lines
    assert found.counts.records == written.records
    assert found.counts.outside == written.outside
    assert found.counts.blank == written.blank
    assert found.counts.quarantined == written.bad


def test_a_demo_folder_is_written_anew(tmp_path: Path) -> None:
    run(tmp_path / "demo")
    stray = tmp_path / "demo" / "archive" / "stray"
    stray.touch()
    assert "(2 fetched)" in run(tmp_path / "demo")
    assert not stray.exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "archive" / "theirs"
    theirs.parent.mkdir()
    theirs.write_text("precious")
    with pytest.raises(intake_cvpilot.InvalidRequestError, match="no demo wrote"):
        run(tmp_path)
    assert theirs.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [theirs.parent]
