"""The pages of the tables hold every column, and are written again only when they change."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from intake_cvpilot.sources import sources
from intake_cvpilot.tables import table, table_names, tables_for
from intake_cvpilot.tables.describe import describe
from intake_cvpilot.tables.portal_names import portal_columns

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("table_pages", ROOT / "docs/_ext/table_pages.py")
table_pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table_pages)


def shown(cell: str) -> str:
    """The text of a cell: without marks of Markdown and HTML."""
    return re.sub(r"<[^>]+>", "", re.sub(r"\\(.)", r"\1", cell.replace("`", "")))


@pytest.mark.parametrize("name", table_names())
def test_a_page_says_all_that_is_known_of_each_column(name):
    known = table(name)
    rows = [line for line in table_pages.page(known).splitlines() if line.startswith("| <a")]
    assert len(rows) == len(known.columns)
    for row, column in zip(rows, known.columns, strict=True):
        cells = re.split(r" (?<!\\)\| ", row.removeprefix("| ").removesuffix(" |"))
        assert len(cells) == 4, row
        assert shown(cells[0]) == column.name
        assert column.unit in shown(cells[1])
        for word in (column.description, column.standard, column.portal_name):
            assert word in shown(cells[2])
        for category in column.categories or ():
            assert category in shown(cells[2])
        for source, paths in column.paths.items():
            assert f"{source}: {paths}" in shown(cells[3])


@pytest.mark.parametrize("name", table_names())
def test_every_column_is_described(name):
    for column in describe(table(name)):
        assert column["description"].endswith((".", ".)")), column["name"]
        assert column["type"]
        if column["type"] == "double":
            assert column["unit"], column["name"]


def test_pages_are_written_when_they_change_and_old_ones_go(tmp_path):
    (tmp_path / "gone.md").write_text("an old table")
    table_pages.write(tmp_path)
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert set(written) == {f"{name}.md" for name in table_names()}
    table_pages.write(tmp_path)
    assert written == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_the_comparison_of_both_archives_has_every_column_and_every_name(tmp_path):
    place = ROOT / "docs/_ext/portal_page.py"
    made = importlib.util.spec_from_file_location("portal_page", place)
    portal_page = importlib.util.module_from_spec(made)
    made.loader.exec_module(portal_page)
    text = portal_page.page()
    parts = {part.splitlines()[0]: part for part in text.split("\n## ")[1:]}
    pairs = {
        f"{owner.name} {kind}": (owner.of, kind)
        for owner in sources().values()
        if owner.of
        for kind in owner.types
    }
    assert set(parts) == set(pairs)
    for title, (source, kind) in pairs.items():
        known = tables_for(source, kind)[0]
        rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", parts[title], flags=re.MULTILINE)
        assert {name for name, *_ in rows} == set(known.names) - portal_page.LINEAGE
        for name in portal_columns(source, known.name):
            assert f"`{name}`" in parts[title], name
    row = dict(re.findall(r"^\| `(\w+)` .* \| (.+) \|$", parts["wydot_portal BSM"], re.MULTILINE))
    assert row["accel_long"] == row["accuracy_orientation"] == "null"
    assert row["speed"] == "`coreData_speed`"
    portal_page.write(tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == text
