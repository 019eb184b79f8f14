"""The benchmarks' frame: archives of the right shape, both sides in the table, goals only shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import intake_cvpilot
from benchmarks.__main__ import found, measure
from benchmarks.archives import day, tiny
from benchmarks.benchmark import Benchmark, Measured, Run, Sizes, SkippedError, turns
from benchmarks.table import MARK, document, markdown, write


def run_of(folder: Path) -> Run:
    return Run(folder, Sizes(mb=0.2, tiny=48), repeat=3)


def test_names_are_unique_and_each_has_two_sides() -> None:
    names = [benchmark.name for benchmark in found()]
    assert len(names) == len(set(names)) > 2
    assert all(benchmark.ours and benchmark.bare for benchmark in found())


def test_sides_take_turns_and_the_first_round_does_not_count(tmp_path: Path) -> None:
    calls: list[str] = []

    def side(name: str, cost: float) -> float:
        calls.append(name)
        return cost * len(calls)

    made = turns(run_of(tmp_path), lambda: side("ours", 1), lambda: side("bare", 2))
    assert calls == ["ours", "bare"] * 4
    assert made.ours == (3, 5, 7)
    assert made.ratio == 5 / 12


@pytest.mark.parametrize(
    ("better", "ratio", "reached"),
    [("less", 1.2, True), ("less", 1.3, False), ("more", 1.3, True), ("more", 1.1, False)],
)
def test_a_goal_is_met_or_shown_as_missed(better: str, ratio: float, *, reached: bool) -> None:
    benchmark = Benchmark("b", "o", "b", lambda _: Measured((ratio,), (1,)), 1.2, better)
    made = document([measure(benchmark, Run(Path()))], Sizes(), 1)
    assert made["rows"][0]["reached"] is reached
    assert ("missed" in markdown(made)) is not reached


def test_what_cannot_be_measured_is_a_row_with_the_reason(tmp_path: Path) -> None:
    def skip(_: Run) -> Measured:
        raise SkippedError("no such engine")

    def fail(_: Run) -> Measured:
        raise OSError

    rows = [measure(Benchmark(x.__name__, "o", "b", x, 1), run_of(tmp_path)) for x in (skip, fail)]
    path = write(document(rows, Sizes(), 3), "some", tmp_path)
    assert "not measured: no such engine" in path.read_text(encoding="utf-8")
    assert "failed: OSError" in path.read_text(encoding="utf-8")
    kept = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert [row["name"] for row in kept["rows"]] == ["skip", "fail"]
    assert kept["machine"]["cores"] > 0


def test_a_day_is_as_large_as_asked_and_decodes_whole(tmp_path: Path) -> None:
    made = day(tmp_path, 0.2)
    assert made.bytes == pytest.approx(0.2e6, rel=0.15)
    assert day(tmp_path, 0.2) == made  # not written again
    report = intake_cvpilot.fetch(
        "wydot", "BSM", "2021-04-01", "2021-04-01", archive=made.root, cache_dir=tmp_path / "c"
    )
    assert report.counts.bytes == made.bytes
    assert report.counts.records == report.counts.inside == report.counts.lines
    assert report.counts.bytes / report.counts.records == pytest.approx(1984, rel=0.05)


def test_bad_lines_are_in_one_object_of_ten(tmp_path: Path) -> None:
    made = day(tmp_path, 0.2, bad="tenth")
    torn = [path for path in made.files if not path.read_text().endswith("}")]
    assert len(torn) * 10 >= made.objects == 24


def test_tiny_objects_have_one_to_five_records(tmp_path: Path) -> None:
    made = tiny(tmp_path, 48)
    lines = [path.read_text().count("\n") + 1 for path in made.files]
    assert len(lines) == 48
    assert {*lines} <= {1, 2, 3, 4, 5}
    assert len({*lines}) > 1


def test_results_that_are_shown_name_no_host_and_have_at_least_three_runs() -> None:
    results = Path(__file__).parents[1] / "benchmarks/results"
    for path in results.glob("*.json"):
        made = json.loads(path.read_text(encoding="utf-8"))
        assert markdown(made) == path.with_suffix(".md").read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|tmp|work)\b", path.read_text(encoding="utf-8"))
        for row in made["rows"]:
            assert min(len(row.get(f"{side}_runs", [0] * 3)) for side in ("ours", "bare")) >= 3


def test_the_readme_shows_the_table_that_was_written_last() -> None:
    root = Path(__file__).parents[1]
    _, shown, _ = (root / "README.md").read_text(encoding="utf-8").split(MARK)
    assert shown == (root / "benchmarks/results/small.md").read_text(encoding="utf-8")
