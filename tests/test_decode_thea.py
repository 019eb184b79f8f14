"""THEA BSM: raw J2735 texts to the table ``messages``."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_compare import Bound, bounds, check, check_bound


@pytest.mark.parametrize("stem", ["thea-bsm-1", "thea-bsm-1-sentinels"])
def test_cells_are_those_derived_by_hand(stem: str, tmp_path: Path) -> None:
    check(stem, tmp_path)


@pytest.mark.parametrize("bound", bounds("thea", "BSM"), ids=str)
def test_both_sides_of_every_bound(bound: Bound, tmp_path: Path) -> None:
    check_bound(bound, tmp_path)
