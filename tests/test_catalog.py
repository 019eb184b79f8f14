"""The packaged catalog says what sources.yaml says; the plain one does without the library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import intake
import pyarrow.parquet as pq
import pytest
import yaml

import intake_cvpilot
from intake_cvpilot import InvalidRequestError
from intake_cvpilot.catalog import catalog_file, open_catalog, static_catalog
from intake_cvpilot.driver import CVPilotSource
from intake_cvpilot.sources import sources
from intake_cvpilot.synthetic import write_archive

ROOT = Path(__file__).resolve().parents[1]
SPEC = yaml.safe_load(catalog_file().read_text(encoding="utf-8"))["sources"]
ENTRIES = {
    entry: (source, kind, table)
    for source in sources().values()
    for kind in source.types.values()
    for table, entry in kind.catalog.items()
}


def test_entries_are_the_sources_times_their_types() -> None:
    assert list(SPEC) == list(ENTRIES)
    assert set(SPEC) == {
        *("wydot_bsm", "wydot_tim", "wydot_backup_bsm", "wydot_backup_tim"),
        *("thea_bsm", "thea_tim", "thea_spat", "nycdot_event", "nycdot_event_bsms"),
        *("wydot_portal_bsm", "wydot_portal_tim", "thea_portal_bsm", "thea_portal_tim"),
        *("thea_portal_spat", "nycdot_portal_event", "nycdot_portal_event_bsms"),
    }
    assert list(open_catalog()) == list(intake.open_catalog(str(catalog_file()))) == list(SPEC)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_says_what_its_source_says(entry: str) -> None:
    source, kind, table = ENTRIES[entry]
    spec = SPEC[entry]
    given = {"source": source.name, "message_type": kind.name, "table": table}
    templates = {name: f"{{{{ {name} }}}}" for name in spec["parameters"]}
    assert spec["args"] == given | templates, "Intake drops a parameter that is in no template"
    assert {"start", "end"} <= set(spec["parameters"])
    for parameter in spec["parameters"].values():
        assert parameter["type"] == "str", "Intake turns an empty datetime into 1970"
        assert parameter["default"] == ""
        assert parameter["description"]
    about = spec["metadata"]
    licence = {"name": source.licence.name, "url": source.licence.url}
    if source.licence.terms:
        licence["terms"] = source.licence.terms
    assert about["licence"] == licence
    coverage = {k: getattr(kind.coverage, k) for k in ("earliest", "latest", "note")}
    assert about["coverage"] == {k: v for k, v in coverage.items() if v is not None}
    assert (about["agency"], about["title"]) == (source.agency, source.title)
    assert (about["clock"], about["tables"]) == (source.clock, list(kind.tables))
    assert about["units"]
    assert source.description.strip() in spec["description"]
    assert f"({source.name} {kind.name})" in spec["description"]


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_makes_the_request_that_its_name_says(entry: str) -> None:
    source, kind, table = ENTRIES[entry]
    made = open_catalog()[entry](start="2021-04-01", end="2021-04-30")
    asked = {"source": source.name, "message_type": kind.name}
    assert made.request.canonical().items() >= asked.items()
    assert made == CVPilotSource(**asked, table=table, start="2021-04-01", end="2021-04-30")
    assert made.name == entry
    assert made.container == "dataframe"


def test_the_catalog_is_found_from_anywhere(tmp_path: Path) -> None:
    code = "import intake_cvpilot; print(*intake_cvpilot.open_catalog())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(intake_cvpilot.__file__).parents[1]), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == list(ENTRIES)


def test_intake_knows_the_driver_by_its_name() -> None:
    assert "cvpilot" in intake.source.registry
    assert intake.open_cvpilot is CVPilotSource


def test_a_source_written_to_a_catalog_of_the_users_own_is_the_same_source(tmp_path: Path) -> None:
    source = open_catalog().wydot_bsm(
        start="2021-04-01", end="2021-04-02", columns=["speed"], filters=[("speed", ">", 1)]
    )
    (tmp_path / "mine.yml").write_text(source.yaml())
    assert intake.open_catalog(str(tmp_path / "mine.yml")).wydot_bsm == source


def test_searching_and_listing_the_catalog_makes_every_entry() -> None:
    tampa = {
        f"{source}_{kind}" for source in ("thea", "thea_portal") for kind in ("bsm", "tim", "spat")
    }
    assert set(open_catalog().search("Tampa")) == tampa
    assert {name: made.name for name, made in open_catalog().items()} == {n: n for n in ENTRIES}


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(tmp_path / "archive", records_per_hour=2)
    monkeypatch.setenv("CVPILOT_ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "intake.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, "intake.md", "exec"), names)
    assert list(names["rows"].columns) == ["event_time", "vehicle_id", "speed"]
    assert len(names["rows"]) > 0


# A catalog that does without the library


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CVPilotSource]:
    folder = tmp_path_factory.mktemp("copy")
    archive = write_archive(folder / "archive", records_per_hour=4).folder
    source = open_catalog().wydot_bsm(
        start="2021-04-01T06:00",
        end="2021-04-02T18:00",
        archive=archive,
        cache_dir=folder / "cache",
    )
    static_catalog(folder / "out", [source])
    (folder / "out").rename(folder / "moved")
    return folder / "moved", source


def test_a_plain_catalog_opens_without_the_library(copied) -> None:
    folder, source = copied
    code = (
        "import sys, intake\n"
        "rows = intake.open_catalog(sys.argv[1]).wydot_bsm.to_dask().compute()\n"
        "assert 'intake_cvpilot' not in sys.modules\n"
        "print(len(rows), *rows.columns)\n"
        "assert rows.event_time.is_monotonic_increasing\n"
        "assert str(rows.msg_count.dtype) == 'int16[pyarrow]'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "catalog.yml")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = source.read()
    assert done.stdout.split() == [str(len(expected)), *expected.columns]


def test_a_plain_copy_holds_the_range_and_its_units_and_no_path_of_this_machine(copied) -> None:
    folder, source = copied
    text = (folder / "catalog.yml").read_text()
    assert "/archive" not in text
    assert "/cache" not in text
    entry = yaml.safe_load(text)["sources"]["wydot_bsm"]
    assert entry["driver"] == "parquet"
    assert entry["metadata"]["licence"] == source.metadata["licence"]
    assert entry["metadata"]["request"]["start"] == "2021-04-01T06:00:00Z"
    data = pq.read_table(folder / "wydot_bsm")
    assert data.num_rows == len(source.read())
    assert data.schema.field("speed").metadata[b"unit"] == b"m/s"
    assert data.schema.field("bsm_source").type == "string"
    assert not list(folder.rglob("*.begun"))


def test_a_plain_copy_of_no_rows_is_a_typed_table(copied, tmp_path: Path) -> None:
    _, source = copied
    none = source(start="2021-04-01T06:00", end="2021-04-01T06:00:00.000001", columns=["speed"])
    catalog = static_catalog(tmp_path / "out", {"nothing": none})
    frame = intake.open_catalog(str(catalog)).nothing.to_dask()
    assert list(frame.columns) == ["speed"]
    assert len(frame) == 0


def test_a_plain_catalog_replaces_nothing(copied, tmp_path: Path) -> None:
    folder, source = copied
    with pytest.raises(InvalidRequestError, match="there already"):
        static_catalog(folder, [source])
    with pytest.raises(InvalidRequestError, match="two sources are named wydot_bsm"):
        static_catalog(tmp_path, [source, source(end="2021-04-02")])
    with pytest.raises(InvalidRequestError, match="no name for an entry"):
        static_catalog(tmp_path, {"../elsewhere": source})
    (tmp_path / "wydot_bsm").mkdir()
    (tmp_path / "wydot_bsm" / "old.parquet").touch()
    with pytest.raises(InvalidRequestError, match="holds Parquet files already"):
        static_catalog(tmp_path, [source])
    with pytest.raises(InvalidRequestError, match="must be given"):
        static_catalog(tmp_path, [open_catalog().wydot_tim])
    assert not (tmp_path / "catalog.yml").exists()
