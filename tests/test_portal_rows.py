"""Rows of the data portal decode to what the archive's own records decode to."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portal_kit import TABLES, flatten

from intake_cvpilot.build import BlockTask, StagedUnit, build_block
from intake_cvpilot.tables.portal_names import portal_columns

SAMPLES = sorted(Path(__file__, "..", "samples").resolve().glob("*.json"))
FOLDERS = {"nycdot": "2021/04/FRI/AM"}
# What the publisher's flattening does not take, as far as the bucket's records show it.
NOT_FLATTENED = {
    "thea-bsm-1-sentinels": "objects in a list of one",
    "wydot-bsm-6-collapsed_lists": "objects in a list of one",
    "wydot-bsm-6-received_time": "no stamp of the record's own",
    "wydot-bsm-6-leftover": "values of another type than their column's",
    "wydot-bsm-6-unreadable": "values of another type than their column's",
    "wydot-tim-3": "another envelope",
    "wydot-tim-6-broadcast": "another envelope",
    "wydot-tim-5": "J2735's misspelt duration",
    "wydot-tim-6-region": "a region that is no path",
    "wydot-tim-6-empty": "no data frame, so no row",
}


def built(source, kind, lines, folder):
    """Rows by table, and the block's result, of records or rows, one a line."""
    folder.mkdir(parents=True)
    raw = folder / "raw"
    raw.write_text("\n".join(json.dumps(line) for line in lines))
    place = f"{source}/{kind}/{FOLDERS.get(source.removesuffix('_portal'), '2021/04/06/10')}"
    units = (StagedUnit(f"{place}/unit", 7, raw),)
    task = BlockTask(source, kind, place.rsplit("/", 1)[0], None, None, units, folder)
    result = build_block(task)
    tables = {
        part.role: pq.read_table(folder / part.name).to_pylist()
        for part in result.files
        if part.role != "quarantine"
    }
    return tables, result


def shared(source, kind):
    """Our columns that a column of the portal holds, whole."""
    return {
        name
        for column in portal_columns(source, TABLES[kind]).values()
        if column.path and not column.why_null
        for name in column.columns
    } - {"extra"}


def same(ours, theirs):
    if isinstance(ours, dt.datetime):  # the portal cuts after the millisecond
        return ours.replace(microsecond=ours.microsecond // 1000 * 1000) == theirs
    return ours == theirs


def compare(source, kind, records, folder):
    """Every shared column of every row; gives how many cells had a value in both."""
    rows = [row for record in records for row in flatten(source, kind, record)]
    rows = [{":id": f"row-{n:04}", **row} for n, row in enumerate(rows)]
    theirs, result = built(f"{source}_portal", kind, rows, folder / "portal")
    ours, _ = built(source, kind, records, folder / "bucket")
    assert (result.units[0].records, result.quarantined) == (len(rows), {})
    table = TABLES[kind]
    order = ("line", "intersection_id", "signal_group", "frame", "region", "event")
    mine = sorted(ours[table], key=lambda row: [row.get(name) or 0 for name in order])
    found = sorted(theirs[table], key=lambda row: [row.get(name) or 0 for name in order])
    assert len(found) == len(mine)
    filled = 0
    for one, other in zip(mine, found, strict=True):
        for name in shared(source, kind):
            assert same(one[name], other[name]), (name, one[name], other[name])
            filled += one[name] is not None
        assert json.loads(other["extra"])[":id"].startswith("row-")
    return filled, ours, theirs


def pairs():
    for path in SAMPLES:
        source, kind = path.stem.split("-")[:2]
        if source != "wydot_backup":
            yield pytest.param(source, kind.upper(), path, id=path.stem)


@pytest.mark.parametrize(("source", "kind", "path"), list(pairs()))
def test_a_sample_means_the_same_in_both_forms(source, kind, path, tmp_path):
    records = [json.loads(path.read_text())]
    if path.stem in NOT_FLATTENED:  # true of each, or the list is too long
        with pytest.raises((AssertionError, AttributeError, KeyError)):
            compare(source, kind, records, tmp_path)
        return
    filled, *_ = compare(source, kind, records, tmp_path)
    assert filled > 5


def test_what_is_not_flattened_is_among_the_samples():
    assert set(NOT_FLATTENED) <= {path.stem for path in SAMPLES}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PAIRS = [("wydot", "BSM"), ("wydot", "TIM"), ("thea", "BSM"), ("thea", "TIM"), ("thea", "SPAT"),
         ("nycdot", "EVENT")]  # fmt: skip


@pytest.mark.parametrize(("source", "kind"), PAIRS)
@settings(max_examples=12)
@given(data=st.data())
def test_no_row_whatever_it_holds_ends_the_build_or_is_lost(source, kind, data):
    names = [column.lower() for column in portal_columns(source, TABLES[kind])]
    odd = st.sampled_from([*names, "metadata", "payload", "eventheader", "eventHeader", "partII"])
    texts = JSON | JSON.map(json.dumps)
    rows = data.draw(st.lists(st.dictionaries(odd | st.text(max_size=4), texts, max_size=12)))
    with TemporaryDirectory() as folder:
        _, result = built(f"{source}_portal", kind, rows, Path(folder) / "portal")
    unit = result.units[0]
    assert unit.lines == len(rows) == unit.records + unit.quarantined


def test_a_strange_column_named_as_the_record_names_its_parts_is_kept(tmp_path):
    row = {"payload": "x", "metadata": [1], "coredata_id": "57303235", "coredata_msgcnt": "3"}
    row |= {"metadata_generatedat": "2021-04-06T10:30:00.000", "metadata_schemaversion": "6"}
    tables, _ = built("wydot_portal", "BSM", [row], tmp_path / "odd")
    assert json.loads(tables["messages"][0]["extra"]) == {":metadata": [1], ":payload": "x"}


def real_records(bucket):
    """Genuine records by source and type, as far as the publisher flattens them."""
    found = {}
    for path in sorted(path for path in bucket.rglob("*") if path.is_file()):
        source, kind = path.relative_to(bucket).parts[:2]
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            record = json.loads(line)
            data = record.get("payload", {}).get("data", {})
            flat = source == "thea" or ("MessageFrame" in data and "duratonTime" not in line)
            if kind != "TIM" or flat:
                found.setdefault((source, kind), []).append(record)
    return found


def test_genuine_records_mean_the_same_in_both_forms(bucket, tmp_path):
    cells = {}
    for (source, kind), records in real_records(bucket).items():
        folder = tmp_path / f"{source}-{kind}"
        folder.mkdir()
        for n, record in enumerate(records):
            filled, *_ = compare(source, kind, [record], folder / str(n))
            cells[source, kind] = cells.get((source, kind), 0) + filled
    assert set(cells) == {
        *(("wydot", "BSM"), ("wydot", "TIM"), ("nycdot", "EVENT")),
        *(("thea", "BSM"), ("thea", "TIM"), ("thea", "SPAT")),
    }
    assert cells["wydot", "BSM"] > 1000
