"""Records altered at random, and what holds for whatever a block is built of."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from hypothesis import strategies as st

from intake_cvpilot.build import BlockResult, BlockTask, StagedUnit, build_block

ODD_TEXT = ["NA", "2019-11-03 01:30:00 [ET]", "2019-11-03 01:30:00", "41.5", "1e3", "36000", "0101"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.sampled_from(ODD_TEXT),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
Step = str | int


def places(value: Any, path: tuple[Step, ...] = ()) -> list[tuple[Step, ...]]:
    """Every path within a record, its own left out."""
    found = [path] if path else []
    listed = enumerate(value) if isinstance(value, list) else ()
    for step, inner in value.items() if isinstance(value, dict) else listed:
        found += places(inner, (*path, step))
    return found


def holder_of(record: Any, path: tuple[Step, ...]) -> Any:
    """What holds the value at a path."""
    for step in path[:-1]:
        record = record[step]
    return record


@st.composite
def mutated(draw: st.DrawFn, records: list[Any]) -> Any:
    """A record with up to four places replaced, removed, wrapped, doubled or added to."""
    record = copy.deepcopy(draw(st.sampled_from(records)))
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(places(record) or [("metadata",)]))
        holder = holder_of(record, path)
        if path[-1] == "metadata" and not record:
            break
        action = draw(st.sampled_from(["replace", "remove", "wrap", "double", "add"]))
        if action == "remove":
            del holder[path[-1]]
        elif action == "wrap":
            holder[path[-1]] = [holder[path[-1]]]
        elif action == "double":
            holder[path[-1]] = [holder[path[-1]], copy.deepcopy(holder[path[-1]])]
        elif action == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=4))] = draw(JSON)
        else:
            holder[path[-1]] = draw(JSON)
    return record


def compact(record: Any) -> bytes:
    """A record on one line."""
    return json.dumps(record, separators=(",", ":")).encode()


def built(key: str, objects: list[bytes], folder: Path) -> tuple[BlockResult, list[Any], list[Any]]:
    """A block of objects without a window: the result, all rows and the quarantine's entries.

    Parameters
    ----------
    key : str
        ``{source}/{TYPE}/{year}/{month}/{day}/{hour}``.
    objects : list of bytes
        Their contents.
    folder : Path
        An empty folder.
    """
    units = []
    for number, content in enumerate(objects):
        path = folder / f"raw-{number}"
        path.write_bytes(content)
        units.append(StagedUnit(f"{key}/object-{number}", number, path))
    source, message_type, *_ = key.split("/")
    task = BlockTask(source, message_type, key.rpartition("/")[0], None, None, tuple(units), folder)
    result = build_block(task)
    rows: list[Any] = []
    bad: list[Any] = []
    for file in result.files:
        if file.role == "quarantine":
            bad += map(json.loads, (folder / file.name).read_text().splitlines())
        else:
            rows += pq.read_table(folder / file.name).to_pylist()
    return result, rows, bad


def check_balance(key: str, objects: list[bytes], table: str) -> None:
    """No crash; every line, record, row and null cell is counted; the same again."""
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        result, rows, bad = built(key, objects, Path(one))
        assert built(key, objects, Path(other))[0] == result
    for unit in result.units:
        assert unit.lines == unit.records + unit.blank + unit.quarantined
    records = sum(unit.records for unit in result.units)
    assert records == result.inside == sum(result.versions.values())
    assert records == len({(row["object_id"], row["line"]) for row in rows})
    assert result.rows[table] == len(rows)
    assert len(bad) == sum(result.quarantined.values())
    nulls = Counter(
        name for row in rows for name, cell in row.items() if cell is None and name != "extra"
    )
    reasons = {name: sum(why.values()) for name, why in result.nulls[table].items()}
    assert nulls == {name: number for name, number in reasons.items() if number and "." not in name}


def is_kept(key: str, record: Any, mark: str) -> bool:
    """Whether a mark in small letters within a record is in the rows or in the quarantine."""
    with TemporaryDirectory() as folder:
        _, rows, bad = built(key, [compact(record)], Path(folder))
    return mark in json.dumps([rows, bad], default=str).lower()
