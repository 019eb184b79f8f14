"""What fuzzing has found stays mended: each object is checked again as the fuzzer checks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle import FOLDERS, check

FOUND = sorted(Path(__file__).with_name("fuzz").joinpath("found").iterdir())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_nothing_is_found_again(path: Path) -> None:
    source, message_type, _ = path.name.split("-")
    assert (source, message_type) in FOLDERS
    outcome = check(source, message_type, path.read_bytes(), again=True)
    assert outcome.records + outcome.quarantined > 0
