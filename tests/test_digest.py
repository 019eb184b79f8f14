"""A column's digest tells every change of a value, and no change of how values are stored."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given
from hypothesis import strategies as st

from intake_cvpilot.tables.digest import DIGITS, combined, digests

POINT = pa.struct([("x", pa.float64()), ("what", pa.string())])
KINDS = {
    "number": pa.float64(),
    "small": pa.int8(),
    "whole": pa.int64(),
    "flag": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "text": pa.string(),
    "kind": pa.dictionary(pa.int32(), pa.string()),
    "names": pa.list_(pa.string()),
    "path": pa.list_(POINT),
    "point": POINT,
    "pairs": pa.map_(pa.string(), pa.string()),
}
FLOATS, TEXTS = st.sampled_from([0.0, -0.0, 1.5]), st.sampled_from(["", "a", "b", "ab", "\u00e9"])
POINTS = st.none() | st.fixed_dictionaries({"x": st.none() | FLOATS, "what": st.none() | TEXTS})
CELLS = {
    "number": FLOATS,
    "small": st.integers(-1, 1),
    "whole": st.integers(-1, 1),
    "flag": st.booleans(),
    "time": st.integers(0, 2),
    "text": TEXTS,
    "kind": TEXTS,
    "names": st.lists(st.none() | TEXTS, max_size=2),
    "path": st.lists(POINTS, max_size=2),
    "point": POINTS,
    "pairs": st.lists(st.tuples(TEXTS, st.none() | TEXTS), max_size=2),
}
ROWS = st.lists(st.fixed_dictionaries({k: st.none() | v for k, v in CELLS.items()}), max_size=6)


def column(kind: pa.DataType, cells: list) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(cells, pa.string()).dictionary_encode()
    return pa.array(cells, kind)


def made(rows: list[dict]) -> pa.Table:
    return pa.table({name: column(kind, [r[name] for r in rows]) for name, kind in KINDS.items()})


def of(data: pa.Table) -> list[str]:
    found = digests(data)
    return [found[at : at + DIGITS] for at in range(0, len(found), DIGITS)]


def two_columns(name: str):
    cells = st.lists(st.none() | CELLS[name], max_size=3)
    return st.tuples(st.just(name), cells, cells)


@example(("number", [None, 0.0], [0.0, None]))
@example(("number", [0.0], [-0.0]))
@example(("text", ["a", "b"], ["ab", ""]))
@example(("names", [["a"], ["b"]], [["a", "b"], []]))
@example(("names", [None, []], [[], None]))
@example(("path", [[None]], [[{"x": None, "what": None}]]))
@given(st.sampled_from([*KINDS]).flatmap(two_columns))
def test_columns_agree_exactly_where_their_values_do(drawn):
    name, *both = drawn
    columns = [column(KINDS[name], cells) for cells in both]
    one, two = (digests(pa.table({name: cells})) for cells in columns)
    texts = [repr(cells.to_pylist()) for cells in columns]  # in which -0.0 is not 0.0
    assert (one == two) == (texts[0] == texts[1])


@given(ROWS, st.integers(0, 6), st.sampled_from(["snappy", "zstd", "none"]), st.integers(1, 4))
def test_storage_does_not_matter(rows, cut, codec, group):
    data = made(rows)
    expected = of(data)
    plain = data.set_column(6, "kind", data.column("kind").cast(pa.string()))
    assert of(plain) == expected
    pieces = [data.slice(0, cut).combine_chunks(), data.slice(cut)]
    assert of(pa.concat_tables(pieces, promote_options="none").unify_dictionaries()) == expected
    padded = pa.concat_tables([made([*rows[:1]] * 3), data]).unify_dictionaries()
    assert of(padded.slice(min(len(rows), 1) * 3)) == expected
    file = io.BytesIO()
    pq.write_table(data, file, compression=codec, row_group_size=group)
    assert of(pq.read_table(file)) == expected


@given(st.lists(ROWS.map(made).map(digests), min_size=1, max_size=3))
def test_parts_are_told_apart_by_their_order(parts):
    assert len(combined(parts)) == len(parts[0])
    firsts = [part[:DIGITS] for part in parts]
    same = combined(parts)[:DIGITS] == combined(parts[::-1])[:DIGITS]
    assert same == (firsts == firsts[::-1])
