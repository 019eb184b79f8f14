"""THEA SPaT: messages to the table ``movements``."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_compare import Bound, bounds, check, check_bound


@pytest.mark.parametrize("stem", ["thea-spat-1", "thea-spat-1-autumn"])
def test_cells_are_those_derived_by_hand(stem: str, tmp_path: Path) -> None:
    check(stem, tmp_path)


@pytest.mark.parametrize("bound", bounds("thea", "SPAT"), ids=str)
def test_both_sides_of_every_bound(bound: Bound, tmp_path: Path) -> None:
    check_bound(bound, tmp_path)
