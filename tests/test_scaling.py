"""The page on scaling says what its script computes, from figures that the other pages have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scaling
from intake_cvpilot.settings import SETTINGS
from intake_cvpilot.workers import MOST_JOBS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
MEASURED = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", scaling.tables())
def test_the_page_has_the_table_that_the_script_computes(place: str) -> None:
    found = re.findall(f"<!-- {place} -->\n(.*?)\n?<!-- {place} -->", PAGE, re.DOTALL)
    assert found == [scaling.tables()[place]]


def near(figure: float, measured: str | float) -> bool:
    """Measured again on a busy machine it differs; beyond that it has to be put in anew."""
    return float(measured) / 1.3 <= figure <= float(measured) * 1.3


def test_measured_inputs_are_those_of_the_pages_that_measure() -> None:
    value = {name: each.value for name, each in scaling.INPUTS.items()}
    decode = re.search(r"\| \*\*strict, many records at a time\*\* \|[^|]*\| (\d+) \|", MEASURED)
    assert near(value["decode"], decode[1])
    day = re.search(r"\((\d+) MB of raw JSON, [\d,]+ records\) is ([\d.]+) MB", MEASURED)
    assert near(value["parquet"] * float(day[1]), day[2])
    largest = re.search(r"\| 990 MB, 696 objects \| (\d+) \|", MEASURED)[1]
    assert near(value["block"], float(largest) / 1000)
    line = next(line for line in README.splitlines() if line.startswith("| access-large"))
    objects, size = re.search(r"(\d+) objects of ([\d,]+) bytes", line).groups()
    seconds = float(line.split("|")[4].removesuffix(" s "))
    assert near(value["read"], int(objects) * int(size.replace(",", "")) / 1e6 / seconds)
    assert near(value["rate"], next(each.default for each in SETTINGS if each.name == "rate"))
    assert scaling.MACHINES[0].processes == MOST_JOBS


@given(st.integers(1, 3000), st.sampled_from(scaling.MACHINES), st.booleans())
def test_a_fetch_is_never_faster_than_its_bounds(days, machine, limited) -> None:
    work = scaling.Work(days)
    total = work.total(machine, limited=limited)
    assert total >= work.raw / machine.network
    assert total >= work.raw / (machine.processes * 129)
    assert not limited or total >= work.requests / 10
    assert work.objects * 1.625 >= work.raw
