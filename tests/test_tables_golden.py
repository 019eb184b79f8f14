"""Every sample record against cells derived by hand from the standard.

A file of ``golden/`` has the name of its sample, which begins with source and message type; its
lines are column, raw value, rule and expected cell as JSON.  A column that is not listed is null,
unless the file begins with ``# partial``.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from intake_cvpilot.build import BlockTask, StagedUnit, build_block
from intake_cvpilot.tables import tables_for

HERE = Path(__file__).parent
GOLDEN = sorted((HERE / "golden").glob("wydot-bsm-*.tsv"))
FOLDER = "wydot/BSM/2020/03/01/12"


def build(sample: Path, folder: Path) -> tuple[pa.Table, object]:
    source, message_type = sample.stem.split("-")[:2]
    raw = folder / "raw"
    raw.write_text(json.dumps(json.loads(sample.read_text())))
    task = BlockTask(
        source,
        message_type.upper(),
        FOLDER.rsplit("/", 1)[0],
        None,
        None,
        (StagedUnit(f"{FOLDER}/sample", 17, raw),),
        folder,
    )
    result = build_block(task)
    assert result.units[0].records == 1, result.quarantined
    (part,) = result.files
    return pq.read_table(folder / part.name), result


def plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_cells_are_those_derived_by_hand(golden: Path, tmp_path: Path) -> None:
    lines = golden.read_text().splitlines()
    partial = lines[0] == "# partial"
    cells = {}
    for line in lines[1 + partial :]:
        column, _raw, rule, expected = line.split("\t")
        assert rule, column
        cells[column] = json.loads(expected)
    rows, _ = build(HERE / "samples" / f"{golden.stem}.json", tmp_path)
    assert rows.num_rows == 1
    found = {name: plain(value) for name, value in rows.to_pylist()[0].items()}
    if found["extra"] is not None:
        text = found["extra"]
        found["extra"] = json.loads(text)
        assert text == json.dumps(
            found["extra"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
    assert found.pop("object_id") == 17
    for column, value in found.items():
        if column in cells or not partial:
            assert value == cells.get(column), column
            assert type(value) is type(cells.get(column)), column


def test_every_sample_of_wyoming_has_a_golden_table() -> None:
    samples = {path.stem for path in (HERE / "samples").glob("wydot-bsm-*.json")}
    assert samples == {path.stem for path in GOLDEN}


def test_every_column_of_the_table_is_filled_by_a_sample(tmp_path: Path) -> None:
    filled = set()
    for sample in sorted((HERE / "samples").glob("wydot-bsm-*.json")):
        folder = tmp_path / sample.stem
        folder.mkdir()
        (row,) = build(sample, folder)[0].to_pylist()
        filled |= {name for name, value in row.items() if value is not None}
    (table,) = tables_for("wydot", "BSM")
    # These two are THEA's.
    assert set(table.names) - filled == {"log_direction", "rsu_id"}


def test_odd_stamps_are_noted(tmp_path: Path) -> None:
    notes = {}
    for name in ("4", "5", "6-received_time"):
        folder = tmp_path / name
        folder.mkdir()
        notes[name] = build(HERE / "samples" / f"wydot-bsm-{name}.json", folder)[1].notes
    assert notes == {
        "4": {"fraction_cut": 1},
        "5": {"unpadded": 1},
        "6-received_time": {"second_60": 1},
    }
