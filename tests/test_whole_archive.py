"""Every source and type gives a frame through Intake; every column is filled or named as empty."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from zoneinfo import ZoneInfo

import intake
import pandas as pd
import pytest
from mutations import built

from intake_cvpilot.catalog import catalog_file
from intake_cvpilot.decode import shapes_for
from intake_cvpilot.sources import sources
from intake_cvpilot.tables import table, table_names

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "tests" / "samples"
ENTRIES = {
    entry: (source.name, kind.name, name)
    for source in sources().values()
    if source.of is None
    for kind in source.types.values()
    for name, entry in kind.catalog.items()
}
"""Source, message type and table of every entry of the bucket; the portal has tests of its own."""
ZONES = {source.name: source.clock for source in sources().values()}
ZONES["nycdot"] = "UTC"  # whole months, no instants


def place(source: str, kind: str, content: bytes, folder: Path) -> str:
    """The folder of the archive in which a sample would lie, told by its own rows."""
    if source == "nycdot":
        bins = json.loads(content)["eventHeader"]["eventTimeBin"].replace("N/A", "NA").split("-")
        return "/".join((source, kind, f"20{bins[0][-2:]}", *bins[1:]))
    key = f"{source}/{kind}/2020/01/01/00"
    folder.mkdir()
    _, rows, bad = built(key, [content], folder)
    assert not bad
    when = min(row["event_time"] for row in rows).astimezone(ZoneInfo(ZONES[source]))
    return f"{source}/{kind}/{when:%Y/%m/%d/%H}"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the project's samples."""
    archive = tmp_path_factory.mktemp("archive")
    for number, path in enumerate(sorted(SAMPLES.glob("*.json"))):
        source, kind = path.stem.split("-")[:2]
        content = path.read_bytes().strip()
        if shapes_for(source, kind.upper()).framing == "lines":
            content = json.dumps(json.loads(content)).encode()
        scratch = tmp_path_factory.mktemp("scratch") / "block"
        where = archive / place(source, kind.upper(), content, scratch) / f"object-{number}"
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content)
    return archive


def ranges(archive: Path, source: str, kind: str) -> list[tuple[str, str]]:
    """Days of which the archive holds objects; months for New York."""
    below = archive / source / kind
    if source == "nycdot":
        months = {pd.Period("-".join(path.parts[-2:]), "M") for path in below.glob("*/*")}
        return [(str(m.start_time.date()), str(m.end_time.date())) for m in sorted(months)]
    days = ["-".join(path.relative_to(below).parts) for path in below.glob("*/*/*")]
    return [(day, day) for day in sorted(days)]


def frames(archive: Path, cache: Path) -> dict[str, list[pd.DataFrame]]:
    """What Intake gives for every entry of the catalog, and that it is what it said it would be."""
    catalog = intake.open_catalog(str(catalog_file()))
    found = {}
    for entry, (source, kind, _) in ENTRIES.items():
        found[entry] = []
        for start, end in ranges(archive, source, kind):
            asked = catalog[entry](
                start=start, end=end, timezone=ZONES[source], archive=archive, cache_dir=cache
            )
            frame = asked.read()
            promised = pd.Series(asked.discover()["dtype"])
            pd.testing.assert_series_equal(frame.dtypes, promised)
            if not found[entry]:
                lazy = asked.to_dask().compute().reset_index(drop=True)
                pd.testing.assert_frame_equal(lazy, frame.reset_index(drop=True))
            found[entry].append(frame)
    return found


def empty(found: dict[str, list[pd.DataFrame]]) -> set[str]:
    """``table.column`` of what no row fills."""
    filled = defaultdict(set)
    for entry, listed in found.items():
        for frame in listed:
            filled[ENTRIES[entry][2]].update(frame.columns[frame.notna().any()])
    return {
        f"{name}.{column.name}"
        for name in table_names()
        for column in table(name).columns
        if column.name not in filled[name]
    }


def documented(title: str) -> set[str]:
    """``table.column`` of what a section of the page on known holes lists."""
    text = (ROOT / "docs" / "known-holes.md").read_text(encoding="utf-8")
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| \[?`(\w+)`.*?\| (.*) \|$", section, re.MULTILINE)
    assert rows
    return {f"{name}.{column}" for name, cell in rows for column in re.findall(r"`(\w+)`", cell)}


def test_every_source_and_type_gives_a_frame_and_every_column_is_filled_or_named(
    own: Path, tmp_path: Path
) -> None:
    found = frames(own, tmp_path)
    catalog = set(intake.open_catalog(str(catalog_file())))
    assert set(found) == {entry for entry in catalog if "_portal_" not in entry}
    samples = [path.stem.split("-")[:2] for path in SAMPLES.glob("*.json")]
    for entry, (source, kind, name) in ENTRIES.items():
        rows = pd.concat(found[entry])
        assert len(rows) > 0, entry
        if name != "bsms":
            # A row leads to its object, and there is a sample an object.
            assert rows["object_id"].nunique() == samples.count([source, kind.lower()]), entry
    assert empty(found) == documented("Columns that no pilot fills")


def test_columns_that_no_real_record_fills_are_named(bucket: Path, tmp_path: Path) -> None:
    found = frames(bucket, tmp_path)
    assert {entry for entry, listed in found.items() if listed} == {
        entry for entry in ENTRIES if "backup" not in entry
    }
    never = documented("Columns that no pilot fills")
    assert empty(found) - never == documented("Columns that no record at hand fills")
