"""Node forms to absolute coordinates: every form, both sides of every bound, sums and restarts."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake_cvpilot.decode.nodes import FORMS, Point, Trace, moved, trace
from intake_cvpilot.decode.readers import Odd

ANCHOR = Point(412870011, -1055500022, 21500)
RELATIVE = sorted(name for name, form in FORMS.items() if form.bits)
XY = [name for name in RELATIVE if "XY" in name]
LL = [name for name in RELATIVE if "LL" in name]
# J2735: Offset-B10 to B14 and B16; OffsetLL-B12, B14, B16, B18, B22, B24.
LIMITS = dict(
    zip(
        [*(f"node-XY{n}" for n in range(1, 7)), *(f"node-LL{n}" for n in range(1, 7))],
        (512, 1024, 2048, 4096, 8192, 32768, 2048, 8192, 32768, 131072, 2097152, 8388608),
        strict=True,
    )
)


def node(name: str, east: object, north: object, **attributes: object) -> dict:
    keys = ("x", "y") if "XY" in name else ("lon", "lat")
    made: dict = {"delta": {name: dict(zip(keys, (east, north), strict=True))}}
    return made | ({"attributes": attributes} if attributes else {})


def ends(done: Trace) -> tuple[int, str]:
    return len(done.points), done.ended


def test_every_form_has_the_size_of_the_standard() -> None:
    assert {name: 1 << (FORMS[name].bits - 1) for name in RELATIVE} == LIMITS


@pytest.mark.parametrize("name", RELATIVE)
@pytest.mark.parametrize("axis", [0, 1])
def test_both_sides_of_each_bound(name: str, axis: int) -> None:
    limit = LIMITS[name]
    for value, expected in (
        (-limit - 1, (0, "out_of_range")),
        (-limit, (0, "unknown")),
        (-limit + 1, (1, "")),
        (0, (1, "")),
        (limit - 1, (1, "")),
        (limit, (0, "out_of_range")),
    ):
        pair = (value, 0) if axis == 0 else (0, value)
        assert ends(trace([node(name, *pair)], ANCHOR)) == expected, value


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        (1800000000, 900000000, (1, "")),
        (-1800000000, -900000000, (1, "")),
        (1800000001, 0, (0, "unknown")),
        (0, 900000001, (0, "unknown")),
        (1800000002, 0, (0, "out_of_range")),
        (0, 900000002, (0, "out_of_range")),
        (-1800000001, 0, (0, "out_of_range")),
        (0, -900000001, (0, "out_of_range")),
    ],
)
def test_bounds_of_an_absolute_node(lon: int, lat: int, expected: tuple[int, str]) -> None:
    assert ends(trace([node("node-LatLon", lon, lat)], None)) == expected


@given(
    st.lists(
        st.sampled_from(LL).flatmap(
            lambda name: st.tuples(
                st.just(name),
                st.integers(1 - LIMITS[name], LIMITS[name] - 1),
                st.integers(1 - LIMITS[name], LIMITS[name] - 1),
            )
        ),
        max_size=20,
    ),
    st.integers(0, 2),
)
def test_degrees_are_summed_exactly(steps: list[tuple[str, int, int]], scale: int) -> None:
    done = trace([node(*step) for step in steps], Point(0, 0, None), scale=scale)
    east = north = 0
    for number, (_, lon, lat) in enumerate(steps):
        east, north = east + lon * 2**scale, north + lat * 2**scale
        if abs(north) > 900000000 or abs(east) > 1800000000:
            break
        assert done.points[number] == Point(north, east, None)


@given(
    st.lists(
        st.tuples(st.sampled_from(XY), st.integers(-511, 511), st.integers(-511, 511)),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 6),
)
def test_metres_are_summed_from_node_to_node(steps: list[tuple[str, int, int]], scale: int) -> None:
    done = trace([node(*step) for step in steps], ANCHOR, scale=scale)
    here = ANCHOR
    for point, (_, x, y) in zip(done.points, steps, strict=True):
        here = moved(here, x * 2**scale / 100, y * 2**scale / 100)
        assert math.isclose(point.latitude, here.latitude, rel_tol=0, abs_tol=1e-3)
        assert math.isclose(point.longitude, here.longitude, rel_tol=0, abs_tol=1e-3)


def test_a_second_of_arc_on_the_equator_is_31_metres() -> None:
    equator = Point(0, 0, None)
    # One degree of the equator is 2 pi 6378137 / 360 m; of the meridian there 110574.3 m.
    assert moved(equator, 111319.490793, 0).longitude == pytest.approx(1e7, abs=1)
    assert moved(equator, 0, 110574.2758).latitude == pytest.approx(1e7, rel=1e-4)


@given(
    st.integers(-1800000000, 1800000000),
    st.integers(-900000000, 900000000),
    st.lists(st.tuples(st.sampled_from(RELATIVE), st.integers(-500, 500)), max_size=5),
)
def test_an_absolute_node_restarts_the_sum(
    lon: int, lat: int, before: list[tuple[str, int]]
) -> None:
    nodes = [node(name, value, value) for name, value in before]
    done = trace([*nodes, node("node-LatLon", lon, lat), node("node-LL1", 3, -5)], ANCHOR)
    assert done.points[len(before)] == Point(lat, lon, ANCHOR.elevation)
    if abs(lat - 5) <= 900000000 and lon + 3 <= 1800000000:
        assert done.points[-1] == Point(lat - 5, lon + 3, ANCHOR.elevation)


def test_numbers_may_come_as_text_or_float() -> None:
    spelled = [("511", "-511"), (511.0, -511.0), (511, -511)]
    found = {trace([node("node-XY1", *pair)], ANCHOR).points for pair in spelled}
    assert len(found) == 1


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "",
        17,
        [],
        {},
        {"delta": {}},
        {"delta": {"node-XY7": {"x": 1, "y": 1}}},
        {"delta": {"node-XY1": {"x": 1}}},
        {"delta": {"node-XY1": {"x": 1.5, "y": 1}}},
        {"delta": {"node-XY1": {"x": True, "y": 1}}},
        {"delta": {"node-XY1": {"x": 1, "y": 1}, "node-XY2": {"x": 1, "y": 1}}},
        {"delta": {"regional": {"regionId": 2}}},
    ],
)
def test_what_is_no_node_ends_the_path_and_stays(odd: object) -> None:
    first, last = node("node-XY1", 1, 1), node("node-XY1", 2, 2)
    nodes = [first, copy.deepcopy(odd), last]
    assert ends(trace(nodes, ANCHOR)) == (1, "unreadable")
    assert nodes == [{}, odd, node("node-XY1", 2, 2)]


def test_relative_nodes_need_an_anchor_or_an_absolute_node() -> None:
    assert ends(trace([node("node-XY1", 1, 1)], None)) == (0, "no_anchor")
    done = trace([node("node-LatLon", -5, 7), node("node-LL1", 1, 1)], None)
    assert done.points == (Point(7, -5, None), Point(8, -4, None))


def test_an_unknown_node_at_the_end_says_nothing_else() -> None:
    nodes = [node("node-XY1", 1, 1), node("node-XY1", -512, 1, dWidth=3)]
    assert ends(trace(nodes, ANCHOR)) == (1, "unknown")
    assert nodes == [{}, {"attributes": {"dWidth": 3}}]
    nodes = [node("node-XY1", -512, 1), node("node-XY1", 1, 1)]
    assert ends(trace(nodes, ANCHOR)) == (0, "unknown")
    assert nodes == [node("node-XY1", -512, 1), node("node-XY1", 1, 1)]
    nodes = [{"xOffset": 1, "yOffset": -32768, "more": 1}]
    assert ends(trace(nodes, ANCHOR, old=True)) == (0, "unknown")
    assert nodes == [{"more": 1}]


def test_heights_are_summed_and_are_not_scaled() -> None:
    nodes = [
        node("node-XY1", 1, 1, dElevation="-7"),
        node("node-LatLon", 0, 0, dElevation=3),
        node("node-XY1", 1, 1),
    ]
    done = trace(nodes, ANCHOR, scale=3)
    assert [point.elevation for point in done.points] == [21493, 21496, 21496]
    assert nodes == [{"attributes": {}}, {"attributes": {}}, {}]


@pytest.mark.parametrize(
    ("up", "height", "kept"),
    [
        (-513, None, True),
        (-512, None, False),
        (-511, 20989, False),
        (511, 22011, False),
        (512, None, True),
        ("x", None, True),
    ],
)
def test_bounds_of_a_height(up: object, height: int | None, kept: bool) -> None:
    nodes = [node("node-XY1", 1, 1, dElevation=up)]
    done = trace(nodes, ANCHOR)
    assert done.points[0].elevation == height
    assert bool(nodes[0]["attributes"]) is kept
    assert bool(done.notes) is (height is None)


def test_attributes_that_no_column_holds_stay() -> None:
    nodes = [node("node-XY1", 1, 1, dElevation=1, dWidth=25)]
    trace(nodes, ANCHOR)
    assert nodes == [{"attributes": {"dWidth": 25}}]


@pytest.mark.parametrize("value", [-32769, -32768, -32767, 32767, 32768])
def test_bounds_of_an_old_regions_offset(value: int) -> None:
    done = trace([{"xOffset": value, "yOffset": 0}], ANCHOR, old=True)
    expected = {-32769: "out_of_range", -32768: "unknown", 32768: "out_of_range"}
    assert done.ended == expected.get(value, "")


def test_an_old_regions_offsets_are_metres_and_close_the_ring() -> None:
    ring = [(-186, 48), (158, -118), (138, 40), (-110, 30)]
    nodes = [{"xOffset": x, "yOffset": y} for x, y in ring]
    done = trace(nodes, ANCHOR, scale=1, old=True)
    assert done.points[0] == moved(ANCHOR, -372, 96)
    assert abs(done.points[-1].latitude - ANCHOR.latitude) < 100
    assert abs(done.points[-1].longitude - ANCHOR.longitude) < 300
    assert nodes == [{}] * 4


@pytest.mark.parametrize(
    ("up", "height"),
    [(-32768, None), (-32767, 21500 - 655340), (0, 21500), (32767, 21500 + 655340), ("", 21500)],
)
def test_an_old_regions_third_offset_is_metres_of_height(up: object, height: int | None) -> None:
    nodes = [{"xOffset": 1, "yOffset": 1, "zOffset": up}]
    done = trace(nodes, ANCHOR, scale=1, old=True)
    assert (done.points[0].elevation, nodes) == (height, [{}])
    assert ends(trace([{"xOffset": 1, "yOffset": 1, "zOffset": 32768}], ANCHOR, old=True)) == (
        0,
        "out_of_range",
    )


def test_the_antimeridian_is_crossed_and_the_poles_are_not() -> None:
    done = trace([node("node-LL1", 7, 0)], Point(0, 1799999999, None))
    assert done.points == (Point(0, -1799999994, None),)
    assert ends(trace([node("node-LL1", 0, 7)], Point(899999999, 0, None))) == (0, "out_of_range")
    with pytest.raises(Odd, match="out_of_range"):
        moved(Point(900000000, 0, None), 1, 0)


def test_degrees_of_a_point() -> None:
    assert ANCHOR.degrees == {"longitude": -105.5500022, "latitude": 41.2870011, "elevation": 2150}
