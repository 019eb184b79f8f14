"""Both sides of every sentinel and range bound, from the standard and not from the code's table."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from intake_cvpilot.decode import j2735
from intake_cvpilot.decode.j2735 import ELEMENTS, GRAVITY, mass
from intake_cvpilot.decode.readers import Integer, Mass, Number, Odd

# Name, lowest and highest valid raw integer with their values, sentinels: SAE J2735 (2016-03).
BOUNDS = [
    ("LATITUDE", -900000000, -90.0, 900000000, 90.0, [900000001]),
    ("LONGITUDE", -1800000000, -180.0, 1800000000, 180.0, [1800000001]),
    ("ELEVATION", -4095, -409.5, 61439, 6143.9, [-4096]),
    ("SPEED", 0, 0.0, 8190, 163.8, [8191]),
    ("HEADING", 0, 0.0, 28799, 359.9875, [28800]),
    ("STEERING_ANGLE", -126, -189.0, 126, 189.0, [127]),
    ("ACCELERATION", -2000, -20.0, 2000, 20.0, [2001]),
    ("VERTICAL_ACCELERATION", -126, -24.712758, 127, 24.908891, [-127]),
    ("YAW_RATE", -32767, -327.67, 32767, 327.67, []),
    ("SEMI_AXIS", 0, 0.0, 254, 12.7, [255]),
    ("ORIENTATION", 0, 0.0, 65534, 359.994506752118, [65535]),
    ("VEHICLE_WIDTH", 1, 0.01, 1023, 10.23, [0]),
    ("VEHICLE_LENGTH", 1, 0.01, 4095, 40.95, [0]),
    ("MSG_COUNT", 0, 0, 127, 127, []),
    ("SEC_MARK", 0, 0, 60999, 60999, [65535]),
    ("OFFSET_LL", -131071, -0.0131071, 131071, 0.0131071, [-131072]),
    ("VERTICAL_OFFSET", -2047, -204.7, 2047, 204.7, [-2048]),
    ("TIME_OFFSET", 1, 0.01, 65534, 655.34, [65535]),
    ("RADIUS_OF_CURVATURE", -32767, -3276.7, 32766, 3276.6, [32767]),
    ("CONFIDENCE", 0, 0.0, 200, 100.0, []),
    ("VEHICLE_CLASS", 1, 1, 255, 255, [0]),
    ("VEHICLE_HEIGHT", 0, 0.0, 127, 6.35, []),
    ("BUMPER_HEIGHT", 0, 0.0, 127, 1.27, []),
    ("TRAILER_WEIGHT", 0, 0.0, 64255, 128510.0, []),
    ("LANE_WIDTH", 0, 0.0, 32767, 327.67, []),
    ("PRIORITY", 0, 0, 7, 7, []),
    ("ITIS_CODE", 0, 0, 65535, 65535, []),
    ("MINUTE_OF_YEAR", 0, 0, 527039, 527039, [527040]),
    ("YEAR", 1, 1, 4095, 4095, [0]),
    ("DURATION", 0, 0, 31999, 31999, [32000]),
    ("TIME_MARK", 0, 0.0, 35999, 3599.9, [36000, 36001]),
    ("TIME_CONFIDENCE", 0, 0, 15, 15, []),
    ("CIRCLE_RADIUS", 0, 0, 4095, 4095, []),
]
WHOLE = {
    "MSG_COUNT", "SEC_MARK", "VEHICLE_CLASS", "PRIORITY", "ITIS_CODE", "MINUTE_OF_YEAR", "YEAR",
    "DURATION", "TIME_CONFIDENCE", "CIRCLE_RADIUS",
}  # fmt: skip
PUBLISHED = [case for case in BOUNDS if case[0] not in WHOLE]
by_name = pytest.mark.parametrize(
    ("name", "low", "low_value", "high", "high_value", "sentinels"),
    BOUNDS,
    ids=[case[0] for case in BOUNDS],
)


def outcome(reader: Number | Integer | Mass, raw: object) -> object:
    try:
        return reader.one(raw)
    except Odd as odd:
        return odd.reason


def test_every_bound_is_here() -> None:
    assert {case[0] for case in BOUNDS} | {"VEHICLE_MASS"} <= set(ELEMENTS)


@by_name
def test_raw_integers(name, low, low_value, high, high_value, sentinels) -> None:
    element = ELEMENTS[name]
    reader = Integer.of(element) if name in WHOLE else Number(element)
    for raw, value in ((low, low_value), (high, high_value)):
        for form in (raw, float(raw), str(raw)):
            found = outcome(reader, form)
            assert math.isclose(found, value, rel_tol=1e-14, abs_tol=0), (form, found)
            if name != "ORIENTATION":
                assert found == value
    for raw in sentinels:
        for form in (raw, float(raw), str(raw)):
            assert outcome(reader, form) == "unavailable"
    for raw in (low - 1, high + 1):
        if raw not in sentinels:
            assert outcome(reader, raw) == "out_of_range"
    assert outcome(reader, low + 0.5) == "unreadable"


@pytest.mark.parametrize(
    ("name", "low", "low_value", "high", "high_value", "sentinels"),
    PUBLISHED,
    ids=[case[0] for case in PUBLISHED],
)
def test_published_numbers(name, low, low_value, high, high_value, sentinels) -> None:
    element = ELEMENTS[name]
    scale = GRAVITY if name == "VERTICAL_ACCELERATION" else Fraction(1)
    step = element.step / scale
    reader = Number(element, scale)
    for raw, value in ((low, low_value), (high, high_value)):
        published = float(raw * step)
        for form in (published, str(published), round(published, 7)):
            assert math.isclose(outcome(reader, form), value, rel_tol=1e-9), form
    for raw in sentinels:
        # The nearest doubles, and what a rescaling in floating point may leave of it.
        published = float(raw * step)
        for form in (published, math.nextafter(published, 1e9), raw * float(step), str(published)):
            assert outcome(reader, form) == "unavailable"
    for raw in (low - 1, high + 1):
        if raw not in sentinels:
            assert outcome(reader, float(raw * step)) == "out_of_range"


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("SPEED", "1291", 25.82),
        ("HEADING", "5490", 68.625),
        ("LATITUDE", "279434229", 27.9434229),
        ("LONGITUDE", "-824556863", -82.4556863),
        ("ELEVATION", "-157", -15.7),
        ("ACCELERATION", "-2", -0.02),
        ("VERTICAL_ACCELERATION", "49", 9.610517),
        ("YAW_RATE", "-230", -2.3),
        ("SEMI_AXIS", "7", 0.35),
        ("CONFIDENCE", "183", 91.5),
        ("VEHICLE_HEIGHT", "30", 1.5),
        ("BUMPER_HEIGHT", "43", 0.43),
        ("RADIUS_OF_CURVATURE", "-6078", -607.8),
        ("TIME_OFFSET", "121", 1.21),
        ("VERTICAL_OFFSET", "-3", -0.3),
    ],
)
def test_raw_values_have_no_floating_noise(name: str, raw: str, expected: float) -> None:
    assert Number(ELEMENTS[name]).one(raw) == expected


def test_orientation() -> None:
    assert Number(j2735.ORIENTATION).one("7905") == pytest.approx(43.4241, abs=5e-5)
    # The ODE multiplies by a constant of ten decimals; its highest value lies a little beyond.
    assert Number(j2735.ORIENTATION, Fraction(1)).one(65534 * 0.0054932479) > 359.99
    assert outcome(Number(j2735.ORIENTATION, Fraction(1)), 65535 * 0.0054932479) == "unavailable"


def test_changes_of_unit_are_exact() -> None:
    cm = Number(j2735.VEHICLE_LENGTH, Fraction("0.01"))
    assert [cm.one(n) for n in (1, 254, 1190, 4095)] == [0.01, 2.54, 11.9, 40.95]
    assert outcome(cm, 0) == "unavailable"
    assert outcome(cm, 4096) == "out_of_range"
    vertical = Number(j2735.VERTICAL_ACCELERATION, GRAVITY)
    # -0.08 x 9.80665 and 0.98 x 9.80665
    assert [vertical.one(g) for g in (-0.08, 0.98, 0.0)] == [-0.784532, 9.610517, 0.0]
    assert outcome(vertical, -2.54) == "unavailable"
    assert outcome(vertical, -2.56) == "out_of_range"


@pytest.mark.parametrize(
    ("raw", "kg"),
    [(0, 0), (1, 50), (34, 1700), (80, 4000), (81, 4500), (87, 7500), (200, 64000),
     (201, 66000), (253, 170000), (254, 170000), (255, "unavailable"), (256, "out_of_range"),
     (-1, "out_of_range"), ("34", 1700), (1.5, "unreadable")],
)  # fmt: skip
def test_mass_in_steps(raw: object, kg: object) -> None:
    assert outcome(Mass(steps=True), raw) == kg


@pytest.mark.parametrize(
    ("raw", "kg"),
    [(0, 0), (36000, 36000), (170000, 170000), (170001, 170000), (170002, "out_of_range"),
     (-50, "out_of_range"), ("1700", 1700)],
)  # fmt: skip
def test_mass_as_decoded(raw: object, kg: object) -> None:
    assert outcome(Mass(steps=False), raw) == kg


def test_mass_never_falls() -> None:
    found = [mass(raw) for raw in range(255)]
    assert found == sorted(found)
    assert mass(255) is None
