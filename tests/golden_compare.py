"""Built rows against cells derived by hand: how both are read and compared (golden/README.md)."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from intake_cvpilot.build import BlockResult, BlockTask, StagedUnit, build_block
from intake_cvpilot.decode import shapes_for
from intake_cvpilot.tables import table

HERE = Path(__file__).parent
FOLDERS = {"nycdot": "2021/04/FRI/AM"}
UNLISTED = frozenset({"object_id", "line", "is_repeat", "sent_time"})
# Columns that repeat those of another table: of the event in each of its BSMs.
REPEATED = {"bsms": {"weekday": "events", "period": "events"}}
JSON_COLUMNS = frozenset({"maps", "spats", "tims"})

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Cell:
    """A line of ``<sample>.tsv``."""

    table: str
    row: int
    column: str
    path: str
    raw: str
    rule: str
    expected: Any


@dataclass(frozen=True)
class Bound:
    """A line of ``bounds.tsv``."""

    source: str
    type: str
    column: str
    raw: Any
    expected: Any
    reason: str
    table: str
    row: int
    path: str
    sample: str

    def __str__(self) -> str:
        return f"{self.source}-{self.type}-{self.column}-{json.dumps(self.raw)[:40]}"


def owner(stem: str) -> tuple[str, str]:
    """Source and message type of a sample."""
    source, message_type, *_ = stem.split("-")
    return source, message_type.upper()


def cells(stem: str) -> list[Cell]:
    """The golden cells of a sample."""
    found = []
    for line in (HERE / "golden" / f"{stem}.tsv").read_text().splitlines()[1:]:
        name, row, column, path, raw, rule, expected = line.split("\t")
        found.append(Cell(name, int(row), column, path, raw, rule, json.loads(expected)))
    return found


def bounds(source: str, message_type: str) -> list[Bound]:
    """The bounds of a source and message type."""
    found = []
    for line in (HERE / "golden" / "bounds.tsv").read_text().splitlines()[1:]:
        of, kind, column, raw, expected, reason, name, row, path, stem = line.split("\t")
        if (of, kind) == (source, message_type):
            values = json.loads(raw), json.loads(expected)
            found.append(Bound(of, kind, column, *values, reason, name, int(row), path, stem))
    return found


def sample(stem: str) -> bytes:
    """The bytes of a sample as they would stand in an object."""
    data = (HERE / "samples" / f"{stem}.json").read_bytes()
    if shapes_for(*owner(stem)).framing == "lines" and b"\n" in data.strip():
        return json.dumps(json.loads(data)).encode()
    return data


def build(
    source: str, message_type: str, data: bytes, folder: Path, *, hour: str | None = None
) -> tuple[Rows, BlockResult]:
    """Build one object without a window; rows of each table, instants as text."""
    raw = folder / "raw"
    raw.write_bytes(data)
    hour = hour or FOLDERS.get(source, "2020/03/01/12")
    key = f"{source}/{message_type}/{hour}"
    unit = StagedUnit(f"{key}/sample", 17, raw)
    partition = key.rpartition("/")[0]
    result = build_block(BlockTask(source, message_type, partition, None, None, (unit,), folder))
    rows: Rows = {}
    for file in result.files:
        if file.name.endswith(".parquet"):
            found = pq.read_table(folder / file.name).to_pylist()
            rows[file.role] = [{k: plain(v) for k, v in row.items()} for row in found]
    return rows, result


def plain(value: Any) -> Any:
    """A cell as JSON writes it."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, list):
        if value and all(type(item) is tuple and len(item) == 2 for item in value):
            return {key: plain(inner) for key, inner in value}
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value


def equal(found: Any, expected: Any) -> bool:
    """Whether a cell is the expected one: doubles within 1e-9, all else exactly."""
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=0, abs_tol=1e-9)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(equal, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            equal(found[key], inner) for key, inner in expected.items()
        )
    return type(found) is type(expected) and bool(found == expected)


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Last key and value of each leaf; the key of an item is that of its list."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, re.sub(r"(\[\d+\])+$", "", name).rpartition(".")[2])
    elif isinstance(value, list):
        # A null item only keeps the positions of those behind it.
        for inner in value:
            if inner is not None:
                yield from leaves(inner, key)
    else:
        yield key, json.dumps(value)


def same_cell(column: str, found: Any, expected: Any) -> bool:
    """Whether a cell of a column is the expected one."""
    if column == "extra" and found is not None:
        beyond = Counter(leaves(json.loads(found)))
        return beyond == Counter(leaves(expected or {}))
    if column in JSON_COLUMNS and isinstance(found, str):
        return equal(json.loads(found), expected)
    return equal(found, expected)


def check(stem: str, folder: Path) -> None:
    """Every cell of a sample is the golden one, and every cell is listed."""
    source, message_type = owner(stem)
    rows, result = build(source, message_type, sample(stem), folder)
    assert result.units[0].records == 1, result.quarantined
    listed: dict[tuple[str, int], set[str]] = {}
    wrong = []
    for cell in cells(stem):
        listed.setdefault((cell.table, cell.row), set()).add(cell.column)
        found = rows[cell.table][cell.row][cell.column]
        if not same_cell(cell.column, found, cell.expected):
            wrong.append(
                f"{cell.table}[{cell.row}].{cell.column}: {found!r}, not {cell.expected!r}"
            )
    assert not wrong, "\n".join(wrong)
    assert listed.keys() == {(name, n) for name, made in rows.items() for n in range(len(made))}
    for (name, _), columns in listed.items():
        again = REPEATED.get(name, {})
        assert set(table(name).names) - columns <= UNLISTED | again.keys(), (name, columns)
        for column, other in again.items():
            assert {row[column] for row in rows[name]} == {row[column] for row in rows[other]}


@cache
def _counts(stem: str, name: str, column: str) -> dict[str, int]:
    source, message_type = owner(stem)
    with TemporaryDirectory() as folder:
        _, result = build(source, message_type, sample(stem), Path(folder))
    return dict(result.nulls[name].get(column, {}))


def check_bound(bound: Bound, folder: Path) -> None:
    """The cell is the expected one, a null is counted by its reason, and odd values stay."""
    record = json.loads(sample(bound.sample))
    put(record, bound.path, bound.raw)
    rows, result = build(bound.source, bound.type, json.dumps(record).encode(), folder)
    assert bound.table in rows, result.quarantined
    row = rows[bound.table][bound.row]
    column, _, inner = bound.column.partition(".")
    found = row[column][0][inner] if inner else row[column]
    assert same_cell(bound.column, found, bound.expected), found
    if not bound.reason:
        return
    # Where the sample holds the bound already, there is nothing to compare the count with.
    itself = record == json.loads(sample(bound.sample))
    before = {} if itself else _counts(bound.sample, bound.table, bound.column)
    after = result.nulls[bound.table].get(bound.column, {})
    assert after.get(bound.reason, 0) > before.get(bound.reason, 0), after
    if bound.reason in ("unreadable", "out_of_range"):
        kept = dict.fromkeys(leaves(json.loads(row["extra"] or "{}")))
        key = re.sub(r"(\[\d+\])+$", "", bound.path).rpartition(".")[2]
        for leaf in leaves({key: bound.raw}):
            assert leaf in kept, row["extra"]


def put(record: Any, path: str, value: Any) -> None:
    """Replace or add what stands at a path."""
    steps = [
        int(index) if index else key for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)
    ]
    for step, after in pairwise(steps):
        if isinstance(step, str):
            record.setdefault(step, [] if isinstance(after, int) else {})
        record = record[step]
    record[steps[-1]] = value
