"""Exact repeats: found whatever the columns, and only those."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot.tables.column import ENUM, TIMESTAMP, Column, Table
from intake_cvpilot.tables.parts import finish
from intake_cvpilot.tables.repeats import repeats

POINT = pa.struct([("a", pa.float64()), ("b", pa.string())])
TABLE = Table(
    name="sample",
    version="1.0",
    description="A column of each kind.",
    columns=(
        Column("event_time", TIMESTAMP, "time"),
        Column("received_time", TIMESTAMP, "time of receipt"),
        Column("kind", ENUM, "open"),
        Column("side", ENUM, "closed", categories=("left", "right")),
        Column("flag", pa.bool_(), "flag"),
        Column("value", pa.float64(), "number"),
        Column("names", pa.list_(pa.string()), "list"),
        Column("path", pa.list_(POINT), "list of objects"),
        Column("extra", pa.string(), "text"),
        Column("is_repeat", pa.bool_(), "repeat"),
        Column("object_id", pa.int64(), "object"),
        Column("line", pa.int32(), "line"),
    ),
    order=("event_time", "kind", "object_id", "line"),
    same=("event_time", "kind"),
    own=frozenset({"received_time", "object_id", "line"}),
)
FEW = st.sampled_from
ITEM = st.fixed_dictionaries({"a": FEW([None, 0.0, -0.0, 1.5]), "b": FEW([None, "", "x"])})
ROW = st.fixed_dictionaries(
    {
        "event_time": FEW([0, 0, 1]),
        "received_time": FEW([None, 5, 6]),
        "kind": FEW([None, "a", "b"]),
        "side": FEW([None, "left"]),
        "flag": FEW([None, True]),
        "value": FEW([None, 0.0, -0.0, 2.5]),
        "names": FEW([None, [], ["x"], ["x", "x"], [None]]),
        "path": st.none() | st.lists(ITEM, max_size=2),
        "extra": FEW([None, "{}"]),
        "is_repeat": st.just(False),
        "object_id": st.integers(-3, 3),
        "line": st.integers(1, 3),
    }
)


def raw_table(rows: list[dict[str, object]]) -> pa.Table:
    kinds = {
        column.name: pa.string() if column.is_enum else column.type for column in TABLE.columns
    }
    return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))


def key(row: dict[str, object]) -> str:
    # Python writes -0.0 and 0.0 differently, and they are equal.
    own = {*TABLE.own, "is_repeat"}
    return repr({name: value for name, value in row.items() if name not in own}).replace(
        "-0.0", "0.0"
    )


def precedence(row: dict[str, object]) -> tuple[object, ...]:
    received = row["received_time"]
    return (received is None, received, row["object_id"], row["line"])


@settings(deadline=None)
@given(st.lists(ROW, max_size=12, unique_by=lambda row: (row["object_id"], row["line"])))
def test_all_but_the_first_received_of_equal_rows_are_marked(rows: list[dict[str, object]]) -> None:
    if not rows:
        return
    found = finish([raw_table(rows)], TABLE).to_pylist()
    ordered = sorted(found, key=key)
    for _, group in itertools.groupby(ordered, key=key):
        members = sorted(group, key=precedence)
        assert [row["is_repeat"] for row in members] == [False] + [True] * (len(members) - 1)


@settings(deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8), st.data())
def test_the_order_of_arrival_does_not_matter(rows: list[dict[str, object]], data) -> None:
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    one = finish([raw_table(rows)], TABLE)
    other = finish([raw_table(shuffled[:cut]), raw_table(shuffled[cut:])], TABLE)
    unique = len({(row["event_time"], row["kind"], row["object_id"], row["line"]) for row in rows})
    if unique == len(rows):
        assert one.equals(other)


def test_a_table_without_leading_columns_has_no_repeats() -> None:
    plain = Table("plain", "1.0", "", (Column("line", pa.int32(), ""),), ("line",))
    assert not repeats(pa.table({"line": [1, 1]}), plain).any()


def test_a_hundred_thousand_rows_of_few_values() -> None:
    rng = np.random.default_rng(7)
    count = 100_000
    value = rng.integers(0, 40_000, count)
    rows = pa.table(
        {
            "event_time": pa.array(value // 4).cast(TIMESTAMP),
            "received_time": pa.nulls(count, TIMESTAMP),
            "kind": pa.array(["k"] * count),
            "side": pa.nulls(count, pa.string()),
            "flag": pa.nulls(count, pa.bool_()),
            "value": (value % 4).astype(float),
            "names": pa.array([["x"]] * count),
            "path": pa.nulls(count, pa.list_(POINT)),
            "extra": pa.nulls(count, pa.string()),
            "is_repeat": np.zeros(count, bool),
            "object_id": np.arange(count),
            "line": np.ones(count, np.int32),
        }
    )
    marked = finish([rows], TABLE).column("is_repeat").to_numpy()
    assert count - marked.sum() == len(set(value.tolist()))
