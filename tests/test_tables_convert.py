"""Whole columns at once give the cells, reasons and oddities of one value at a time."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intake_cvpilot.decode import j2735, names
from intake_cvpilot.decode.j2735 import ELEMENTS, GRAVITY
from intake_cvpilot.decode.labels import Bits, Flag, Name, Text
from intake_cvpilot.decode.readers import Integer, Mass, Number, Stamp, Structs
from intake_cvpilot.tables.convert import KINDS, convert
from intake_cvpilot.tables.exact import each

ODD = st.sampled_from(
    [None, "", {}, [], "x", " 1", "+1", "1.", ".5", "01", "1e2", "inf", "nan", "0x1", "1_0", "١",
     True, False, 2**53 + 1, 2**63, -(2**63), 10**30, 1e300, -0.0, [1], {"a": None}, {"a": 1},
     "true", "FALSE", "unavailable", "Forward-Gears", {"forwardGears": None}, "\x00", "1" * 5000]
)  # fmt: skip
NUMBERS = [
    Number(j2735.SPEED),
    Number(j2735.SPEED, Fraction(1)),
    Number(j2735.LATITUDE, Fraction(1)),
    Number(j2735.ORIENTATION),
    Number(j2735.ORIENTATION, Fraction(1)),
    Number(j2735.VERTICAL_ACCELERATION),
    Number(j2735.VERTICAL_ACCELERATION, GRAVITY),
    Number(j2735.VEHICLE_LENGTH, Fraction("0.01")),
    Number(j2735.TIME_MARK),
]


def same(reader, values) -> None:
    fast = convert(reader, values)
    slow = each(reader, values, KINDS[reader.kind])
    assert fast.array.type == slow.array.type
    assert fast.array.to_pylist() == slow.array.to_pylist()
    assert fast.array.null_count == sum(fast.reasons.values())
    assert +fast.reasons == +slow.reasons
    assert sorted(fast.odd, key=repr) == sorted(slow.odd, key=repr)
    assert +fast.notes == +slow.notes


def around(number: Number) -> st.SearchStrategy[object]:
    step = number.step
    element = number.element
    marks = [element.low - 1, element.low, element.high, element.high + 1, *element.unavailable]
    exact = st.sampled_from(marks) | st.integers(element.low - 2, element.high + 2)
    parts = st.sampled_from([0, 0, 0, 0.2, 0.24, 0.26, 0.5, 1e-9])
    return st.tuples(exact, parts, st.sampled_from([float, str, int])).map(
        lambda drawn: drawn[2]((drawn[0] + drawn[1]) * step)
    )


@pytest.mark.parametrize("reader", NUMBERS, ids=lambda r: f"{r.element.name[3:12]}-{r.scale}")
@settings(deadline=None)
@given(data=st.data())
def test_numbers(reader: Number, data: st.DataObject) -> None:
    plain = st.lists(around(reader) | st.none(), max_size=8)
    mixed = st.lists(around(reader) | ODD, max_size=8)
    texts = st.lists(around(reader).map(str) | ODD.filter(lambda v: isinstance(v, str)), max_size=8)
    same(reader, data.draw(plain | mixed | texts))


WHOLE = st.integers(-5, 135) | st.integers() | st.sampled_from([2**63 - 1, 65535, 61000, 1.0, 1.5])


@pytest.mark.parametrize(
    "reader",
    [Integer(), Integer.of(j2735.MSG_COUNT), Integer.of(j2735.SEC_MARK), Mass(steps=True),
     Mass(steps=False)],
)  # fmt: skip
@settings(deadline=None)
@given(values=st.lists(WHOLE | st.none(), max_size=8) | st.lists(WHOLE | ODD, max_size=8)
       | st.lists(WHOLE.map(str), max_size=8))  # fmt: skip
def test_whole_numbers(reader, values) -> None:
    same(reader, values)


WORDS = st.text(max_size=3) | st.sampled_from(
    ["NA", "NEUTRAL", "PARK", "forwardGears", "FORWARD_GEARS", "unavailable", "none-unknown"]
)


@pytest.mark.parametrize(
    "reader",
    [Text(), Text(width=8), Text(upper=True, null=frozenset({"NA"})), Flag(),
     Name(names.TRANSMISSION, artefact=frozenset({"neutral"})), Name(names.ROLES),
     Bits(names.LIGHTS)],
)  # fmt: skip
@settings(deadline=None)
@given(values=st.lists(WORDS | st.none(), max_size=9) | st.lists(WORDS | ODD, max_size=9)
       | st.lists(st.booleans() | st.none(), max_size=9))  # fmt: skip
def test_words(reader, values) -> None:
    same(reader, values)


STAMPS = st.tuples(
    st.sampled_from(["2020-02-29", "2019-02-29", "1999-12-31", "2021-04-31", "0001-01-01",
                     "0000-01-01", "9999-12-31", "2020-1-1"]),
    st.sampled_from(["T", " ", "t"]),
    st.sampled_from(["00:00:00", "23:59:60", "24:00:00", "12:34:56.7", "1:2:3", "12:34:56.1234567",
                     "12:34", "25:00:00"]),
    st.sampled_from(["Z", "Z[UTC]", "", "[UTC]", "+01:00", "Z[ET]", "Z\n", "-23:59"]),
).map("".join)  # fmt: skip


@settings(deadline=None)
@given(st.lists(STAMPS | st.none(), max_size=9) | st.lists(STAMPS | ODD, max_size=9))
@example(["2020-02-29T00:00:00Z", None, "x", "1999-12-31T12:34:56.7Z[UTC]"])
def test_stamps(values: list[object]) -> None:
    same(Stamp(), values)


CRUMBS = Structs(
    (
        ("a", "latOffset", Number(j2735.OFFSET_LL, Fraction(1))),
        ("b", "timeOffset", Number(j2735.TIME_OFFSET)),
    )
)
ITEM = st.dictionaries(
    st.sampled_from(["latOffset", "timeOffset", "other"]),
    st.sampled_from([0.001, -0.0131072, 5, "7", 65535, None, "x", {}]),
)


@settings(deadline=None)
@given(st.lists(st.lists(ITEM | st.sampled_from([None, 5, "x", {}, []]), max_size=4)
                | ITEM | st.sampled_from([None, 5, "x", []]), max_size=6))  # fmt: skip
def test_lists_of_objects(values: list[object]) -> None:
    def cell(reader: Number, raw: object) -> float | None:
        return each(reader, [raw], pa.float64()).array[0].as_py()

    expected: list[object] = []
    odd: list[tuple[int, tuple[object, ...], object]] = []
    for row, value in enumerate(values):
        items = [value] if isinstance(value, dict) and value else value
        if not isinstance(items, list) or not items:
            expected.append(None)
            if value not in (None, [], {}, ""):
                odd.append((row, (), value))
            continue
        cells = []
        for index, item in enumerate(items):
            keys = item if isinstance(item, dict) else {}
            if not isinstance(item, dict) and item not in (None, [], ""):
                odd.append((row, (index,), item))
            cells.append({name: cell(inner, keys.get(key)) for name, key, inner in CRUMBS.fields})
            for _, key, inner in CRUMBS.fields:
                done = each(inner, [keys.get(key)], pa.float64())
                odd += [(row, (index, key), raw) for _, _, raw in done.odd]
            odd += [(row, (index, "other"), keys["other"])] if "other" in keys else []
        expected.append(cells)
    found = convert(CRUMBS, values)
    assert found.array.to_pylist() == expected
    assert sorted(found.odd, key=repr) == sorted(odd, key=repr)
    for name in "ab":
        flat = found.array.flatten().field(name)
        assert sum(found.inner[name].values()) == flat.null_count
    assert sum(found.reasons.values()) == found.array.null_count


@pytest.mark.parametrize("name", sorted(set(ELEMENTS) - {"VEHICLE_MASS"}))
def test_every_element_at_once(name: str) -> None:
    element = ELEMENTS[name]
    top = min(element.high, element.low + 70_000)
    raw = list(range(element.low, top))
    cells = convert(Number(element), raw).array.to_numpy(zero_copy_only=False)
    step = element.step
    good = [raw[i] not in element.unavailable for i in range(len(raw))]
    assert all(good)
    assert cells[0] == element.low * step.numerator / step.denominator
    assert np.all(np.diff(cells) > 0)
    assert math.isclose(cells[-1], float((top - 1) * step), rel_tol=1e-15, abs_tol=1e-12)
