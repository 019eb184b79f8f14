"""The data portal's names: complete, both ways, and equal to the published values."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from intake_cvpilot.build import BlockTask, StagedUnit, build_block
from intake_cvpilot.tables import table, tables_for
from intake_cvpilot.tables.portal_names import portal_columns, to_portal
from intake_cvpilot.tables.portal_rows import restorer
from intake_cvpilot.tables.portal_stamps import EASTERN, archive_stamp

HERE = Path(__file__).parent
LISTS = HERE.parents[1] / "shared" / "portal-columns"
TABLES = {
    "wydot_bsm": ("wydot", "BSM", "messages"),
    "wydot_tim": ("wydot", "TIM", "frames"),
    "thea_bsm": ("thea", "BSM", "messages"),
    "thea_tim": ("thea", "TIM", "frames"),
    "thea_spat": ("thea", "SPAT", "movements"),
    "nycdot_event": ("nycdot", "EVENT", "events"),
}
FOLDERS = {
    "wydot": "2020/03/01/12",
    "thea": "2021/03/03/05",
    "nycdot": "2021/04/FRI/AM",
}
# Columns of the portal's lists that our map spells otherwise than the list.
COMPUTED: dict[str, set[str]] = {"wydot_bsm": {"randomNum", "metadata_generatedAt_timeOfDay"}}
COMPUTED["wydot_tim"] = {"travelerdataframe_msgId_position"}


def built(source: str, kind: str, lines: list[bytes]) -> pa.Table:
    """The first table of some records."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "raw"
        raw.write_bytes(b"\n".join(lines))
        key = f"{source}/{kind}/{FOLDERS[source]}"
        task = BlockTask(
            source,
            kind,
            key.rsplit("/", 1)[0],
            None,
            None,
            (StagedUnit(f"{key}/sample", 17, raw),),
            folder,
        )
        result = build_block(task)
        assert not result.quarantined
        role = tables_for(source, kind)[0].name
        parts = [pq.read_table(folder / part.name) for part in result.files if part.role == role]
        return pa.concat_tables(parts)


def samples(source: str, kind: str) -> list[bytes]:
    return [
        json.dumps(json.loads(path.read_text())).encode()
        for path in sorted((HERE / "samples").glob(f"{source}-{kind.lower()}-*.json"))
    ]


def real(bucket: Path, source: str, kind: str) -> list[bytes]:
    found = sorted(path for path in (bucket / source / kind).rglob("*") if path.is_file())
    return [line for path in found for line in path.read_bytes().splitlines() if line.strip()]


@pytest.mark.parametrize("name", TABLES)
def test_the_map_has_every_column_of_the_portal(name):
    if not LISTS.is_dir():
        pytest.skip(f"no lists of the portal's columns at {LISTS}")
    source, _, of = TABLES[name]
    listed = set((LISTS / f"{name}_socrata.txt").read_text().split())
    assert set(portal_columns(source, of)) - COMPUTED.get(name, set()) == listed


@pytest.mark.parametrize("name", TABLES)
def test_entries_lead_to_columns_and_say_why_where_there_is_none(name):
    source, _, of = TABLES[name]
    names = set(table(of).names)
    for column in portal_columns(source, of).values():
        assert set(column.columns) <= names
        assert bool(column.columns) != bool(column.why_null), column.name


@pytest.mark.parametrize("of", ["messages", "frames", "movements", "events"])
def test_the_metadata_of_our_columns_names_the_same(of):
    maps = [portal_columns(source, of) for source in ("wydot", "thea", "nycdot")]
    for column in table(of).columns:
        entries = [found[column.portal_name] for found in maps if column.portal_name in found]
        assert all(column.name in entry.columns for entry in entries), column.name


def test_forms_are_those_of_the_published_record():
    line = samples("wydot", "bsm")[-2]
    data = built("wydot", "BSM", [line])
    row = to_portal(data, "wydot", "messages", list(portal_columns("wydot", "messages")))
    (found,) = row.to_pylist()
    record = json.loads(line)
    core = record["payload"]["data"]["coreData"]
    place = core["position"]
    assert found["metadata_generatedAt"] + "Z" == record["metadata"]["recordGeneratedAt"]
    assert found["coreData_position_lat"] == place["latitude"]
    assert found["coreData_position"] == f"POINT ({place['longitude']} {place['latitude']})"
    assert found["coreData_id"] == core["id"]
    assert json.loads(found["coreData_size"]) == core["size"]


@pytest.mark.parametrize("name", TABLES)
def test_a_record_written_in_the_portals_form_reads_back_as_the_same_row(name, bucket):
    """Real records and samples: every column that the portal has survives the round trip."""
    source, kind, of = TABLES[name]
    mapped = portal_columns(source, of)
    kept = {one for column in mapped.values() for one in column.columns}
    for lines in (samples(source, kind), real(bucket, source, kind)[:60]):
        rows = built(source, kind, lines)
        flat = to_portal(rows, source, of, list(mapped))
        restore = restorer(source, of)
        records = [restore(row, b"")[0] for row in flat.to_pylist()]
        again = built(source, kind, [json.dumps(record).encode() for record in records])
        # A row gives a record of one line, so that lines are in the order of the rows.
        again = again.sort_by("line")
        assert again.num_rows == rows.num_rows
        for column in sorted(kept - {"extra"}):
            left, right = rows.column(column).to_pylist(), again.column(column).to_pylist()
            differ = [pair for pair in zip(left, right, strict=True) if not survives(*pair)]
            assert not differ or column in UNSAID, (column, differ[:3])


# A kind of content without an item has no column in the portal.
UNSAID = {"content_type"}


def dict_of(value) -> dict:
    return value if isinstance(value, dict) else {}


def survives(before, after) -> bool:
    if isinstance(before, datetime) and after is not None:
        return before.replace(microsecond=before.microsecond // 1000 * 1000) == after
    if isinstance(before, list) and before and "longitude" in dict_of(before[0]):
        # Nodes are written in steps of 1e-7 degrees, a centimetre.
        return len(before) == len(after) and all(
            node["elevation"] == back["elevation"]
            and abs(node["longitude"] - back["longitude"]) <= 1e-7
            and abs(node["latitude"] - back["latitude"]) <= 1e-7
            for node, back in zip(before, after, strict=True)
        )
    return before == after


@pytest.mark.parametrize(
    ("text", "zone", "raw"),
    [
        ("2021-04-06T10:30:00.123", "UTC", "2021-04-06T10:30:00.123Z"),
        ("04/06/2021 10:30:00 PM", "UTC", "2021-04-06T22:30:00Z"),
        ("04/06/2021 12:00:01 AM", EASTERN, "2021-04-06 00:00:01 [ET]"),
        ("2019-01-14T00:20:30.046", EASTERN, "2019-01-14 00:20:30.046 [ET]"),
        ("13/45/2021 12:00:01 AM", "UTC", "13/45/2021 12:00:01 AM"),
        (7, "UTC", 7),
    ],
)
def test_the_portals_times_are_read_with_the_archives_zone(text, zone, raw):
    assert archive_stamp(text, zone) == raw


def test_names_are_read_in_small_letters_and_numbers_as_text():
    row = {"metadata_generatedat": "2021-04-06T10:30:00.123", "coredata_speed": "12.5", "x": 1}
    assert restorer("wydot", "messages")(row, b"")[0] == {
        "x": 1,
        "metadata": {"recordGeneratedAt": "2021-04-06T10:30:00.123Z"},
        "payload": {"data": {"coreData": {"speed": "12.5"}}},
    }
