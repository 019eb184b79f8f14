"""Time stamps, read leniently and exactly."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot.decode.readers import Odd, Stamp
from intake_cvpilot.decode.stamps import folder_time, folder_utc, micros, parse


def at(*parts: int) -> int:
    return micros(dt.datetime(*parts, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    ("text", "expected", "notes"),
    [
        ("2020-02-01T00:49:46.295Z", at(2020, 2, 1, 0, 49, 46, 295000), ()),
        ("2017-12-05T16:33:58Z[UTC]", at(2017, 12, 5, 16, 33, 58), ()),
        ("2017-12-05T16:33:58.48Z[UTC]", at(2017, 12, 5, 16, 33, 58, 480000), ()),
        ("1902-02-20T00:00:00Z", at(1902, 2, 20), ()),
        ("2020-02-29T23:59:59.999999Z", at(2020, 2, 29, 23, 59, 59, 999999), ()),
        ("2020-02-01T00:49:46.2959999Z", at(2020, 2, 1, 0, 49, 46, 295999), ("fraction_cut",)),
        ("2018-08-01T14:58:9.938Z[UTC]", at(2018, 8, 1, 14, 58, 9, 938000), ("unpadded",)),
        ("2018-8-1T0:00Z", at(2018, 8, 1), ("unpadded",)),
        ("2018-08-01T14Z", at(2018, 8, 1, 14), ("unpadded",)),
        ("2016-12-31T23:59:60Z", at(2017, 1, 1), ("second_60",)),
        ("2016-12-31T23:59:60.9Z", at(2017, 1, 1), ("second_60",)),
        ("2020-02-28T24:00:00Z", at(2020, 2, 29), ("hour_24",)),
        ("2017-06-01T17:47:11-05:15", at(2017, 6, 1, 23, 2, 11), ()),
        ("2017-06-01T17:47:11+0100", at(2017, 6, 1, 16, 47, 11), ()),
        ("2017-06-01T17:47:11+01", at(2017, 6, 1, 16, 47, 11), ()),
        ("2017-06-01T17:47:11[UTC]", at(2017, 6, 1, 17, 47, 11), ()),
    ],
)
def test_forms_of_the_archive(text: str, expected: int, notes: tuple[str, ...]) -> None:
    assert Stamp().noted(text) == (expected, notes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing"),
        (None, "missing"),
        ("2019-01-14 00:20:30.046", "no_zone"),
        ("2019-01-14 00:20:30.046 [ET]", "no_zone"),
        ("2019-02-29T00:00:00Z", "unreadable"),
        ("2019-02-28T24:00:01Z", "unreadable"),
        ("2019-02-28T25:00:00Z", "unreadable"),
        ("2019-02-28T23:60:00Z", "unreadable"),
        ("2019-02-28T23:00:61Z", "unreadable"),
        ("2019-13-01T00:00:00Z", "unreadable"),
        ("0000-01-01T00:00:00Z", "unreadable"),
        ("2017-0714T15:46:47.707Z[UTC]", "unreadable"),
        ("２０１９-01-14T00:20:30Z", "unreadable"),
        ("yesterday", "unreadable"),
        (1549471138270, "unreadable"),
        ({"a": 1}, "unreadable"),
    ],
)
def test_what_is_no_instant(text: object, reason: str) -> None:
    with pytest.raises(Odd) as caught:
        Stamp().noted(text)
    assert caught.value.reason == reason


@settings(deadline=None)
@given(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=st.just(dt.UTC)))
def test_iso_text_is_read_exactly(moment: dt.datetime) -> None:
    text = moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S.%fZ")
    assert Stamp().one(text) == micros(moment)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_no_text_crashes_it(text: str) -> None:
    parse(text)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("wydot/BSM/2019/02/06/16/name", at(2019, 2, 6, 16)),
        ("wydot/BSM/2019/02/06/00/name", at(2019, 2, 6)),
        ("wydot/BSM/2019/02/06/name", at(2019, 2, 6)),
        ("wydot/BSM/2019/02/06/77/name", at(2019, 2, 6)),
        ("nycdot/EVENT/2021/04/FRI/AM/name", None),
        ("unknownDataType", None),
    ],
)
def test_folders(key: str, expected: int | None) -> None:
    assert folder_time(key) == expected
    assert folder_utc(key) == (expected or 0)
