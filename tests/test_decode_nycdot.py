"""New York's events: every cell, both files forms, odd records."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_compare import Bound, bounds, check, check_bound

SAMPLES = sorted(path.stem for path in (Path(__file__).parent / "samples").glob("nycdot-*.json"))


@pytest.mark.parametrize("stem", SAMPLES)
def test_cells_are_those_derived_by_hand(stem: str, tmp_path: Path) -> None:
    check(stem, tmp_path)


@pytest.mark.parametrize("bound", bounds("nycdot", "EVENT"), ids=str)
def test_both_sides_of_every_bound(bound: Bound, tmp_path: Path) -> None:
    check_bound(bound, tmp_path)
