"""Requests: what a caller may write, what it means, and what is refused."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from intake_cvpilot import InvalidRequestError
from intake_cvpilot.instants import canonical_bound, first_instant, instant, read, zone
from intake_cvpilot.request import Request, parse
from intake_cvpilot.sources import sources

NOW = datetime(2022, 6, 15, 21, 30, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "America/Denver", "Asia/Kolkata", "Pacific/Kiritimati")
# Zones whose clocks change at midnight, or by half an hour.
ODD_ZONES = ("America/Havana", "Asia/Beirut", "America/Sao_Paulo", "Australia/Lord_Howe")
DAYS = [(s.name, t) for s in sources().values() if s.bins == "day" for t in s.types]

days = st.dates(date(2017, 1, 2), date(2022, 6, 14))
moments = st.datetimes(datetime(2017, 1, 2), datetime(2022, 6, 14))
zones = st.sampled_from(ZONES + ODD_ZONES)


def ask(start, end, **options):
    return parse("wydot", "BSM", start, end, now=NOW, **options)


def refused(*parts, source="wydot", message_type="BSM", start="2021-04-01", end="2021-04-02", **kw):
    with pytest.raises(InvalidRequestError) as caught:
        parse(source, message_type, start, end, **{"now": NOW, **kw})
    text = str(caught.value)
    for part in parts:
        assert part in text
    assert len(text) < 500
    assert caught.value.__cause__ is None
    return text


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Forms -------------------------------------------------------------------------------------------

SAME_DAY_STARTS = [
    "2019-02-06",
    date(2019, 2, 6),
    np.datetime64("2019-02-06"),
    np.str_("2019-02-06"),
    "2019-02-06T00:00",
    "2019-02-06 00:00",
    "2019-02-06 00:00:00",
    "2019-02-06T00:00:00.000000000Z",
    "2019-02-05T17:00-07:00",
    "2019-02-06T05:30+0530",
    "2019-02-06T05+05",
    datetime(2019, 2, 6),
    datetime(2019, 2, 6, tzinfo=UTC),
    datetime(2019, 2, 5, 19, tzinfo=ZoneInfo("America/New_York")),
    pd.Timestamp("2019-02-06"),
    pd.Timestamp("2019-02-06", tz="UTC"),
    pd.Timestamp("2019-02-05 17:00", tz="America/Denver"),
    np.datetime64("2019-02-06T00"),
    np.datetime64("2019-02-06T00:00", "m"),
    np.datetime64("2019-02-06T00:00", "s"),
    np.datetime64("2019-02-06T00:00", "us"),
    np.datetime64("2019-02-06T00:00", "ns"),
]
SAME_DAY_ENDS = [
    "2019-02-06",
    date(2019, 2, 6),
    np.datetime64("2019-02-06"),
    "2019-02-07T00:00Z",
    datetime(2019, 2, 7),
    np.datetime64("2019-02-07T00:00", "ns"),
]


def is_hour_only(value):
    return value == "2019-02-06T05+05"


@pytest.mark.parametrize(
    ("start", "end"),
    list(product(filter(lambda v: not is_hour_only(v), SAME_DAY_STARTS), SAME_DAY_ENDS)),
)
def test_spellings_of_one_day_are_one_request(start, end):
    request = ask(start, end)
    plain = ask("2019-02-06", "2019-02-06")
    assert request == plain
    assert hash(request) == hash(plain)
    assert request.canonical() == {
        "source": "wydot",
        "message_type": "BSM",
        "start": "2019-02-06T00:00:00Z",
        "end": "2019-02-07T00:00:00Z",
    }


@pytest.mark.parametrize(("name", "kind"), DAYS)
def test_any_case(name, kind):
    request = parse(name.upper(), kind.lower(), "2021-04-01", "2021-04-01", now=NOW)
    assert (request.source, request.message_type) == (name, kind)


@pytest.mark.parametrize(
    "end",
    ["2021-04-02T00:00", "2021-04-02 00:00:00", datetime(2021, 4, 2), pd.Timestamp("2021-04-02")],
)
def test_naive_midnight_as_end_is_noted(end):
    (note,) = ask("2021-04-01", end).notes
    assert "2021-04-02 is not included" in note
    assert 'end="2021-04-02"' in note


@pytest.mark.parametrize(
    "end",
    [
        "2021-04-02",
        date(2021, 4, 2),
        "2021-04-02T00:00Z",
        "2021-04-02T00:01",
        "2021-04-02T00:00-06:00",
    ],
)
def test_other_ends_are_not_noted(end):
    assert ask("2021-04-01", end).notes == ()


def test_nanoseconds_round_up_so_that_no_row_changes_sides():
    exact = utc("2021-04-01T00:00:00.123457")
    for text in ("2021-04-01T00:00:00.123456001", "2021-04-01T00:00:00.123456999"):
        assert ask(text, "2021-04-02").start == exact
        assert ask(pd.Timestamp(text), "2021-04-02").start == exact
        assert ask(np.datetime64(text, "ns"), "2021-04-02").start == exact
    picoseconds = np.datetime64("2021-04-01T00:00:00.123456", "us").astype("datetime64[ns]")
    assert ask(picoseconds, "2021-04-02").start == utc("2021-04-01T00:00:00.123456")
    fine = np.datetime64(1, "ps") + (
        np.datetime64("1970-01-01T00:00:01", "ps") - np.datetime64(1, "ps")
    )
    assert read(fine) == datetime(1970, 1, 1, 0, 0, 1)
    assert read(np.datetime64(1, "ps")) == datetime(1970, 1, 1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 2021-04-01",
        "2021-04-01 ",
        "2021-4-1",
        "20210401",
        "2021-04",
        "2021",
        "2021-W13-4",
        "2021-091",
        "2021-04-01T",
        "2021-04-01T08",
        "2019-02-06T05+05",
        "2021-04-01T08:00.5",
        "2021-04-01T08:00:00,5",
        "2021-04-01T08:00:00.1234567890",
        "2021-04-01T24:00",
        "2021-04-01T23:59:60Z",
        "2021-04-01T08:00 Z",
        "2021-04-01T08:00+25:00",
        "2021-04-01T08:00[UTC]",
        "2021-02-29",
        "2021-13-01",
        "0000-01-01",
        "10000-01-01",
        "\u0662\u0660\u0662\u0661-\u0660\u0664-\u0660\u0661",
        "today",
        "yesterday",
        "1617235200",
        "NaT",
        "nan",
        "2021-04-01\n",
        "x" * 10_000,
        b"2021-04-01",
        True,
        20210401,
        1617235200.0,
        float("nan"),
        pd.NaT,
        np.datetime64("NaT"),
        np.datetime64("2021"),
        np.datetime64("2021-04"),
        np.datetime64("2021-04-01", "W"),
        np.datetime64("10000-01-01"),
        np.datetime64("10000-01-01T00:00", "s"),
        np.datetime64("-0001-01-01"),
        np.array(["2021-04-01"], dtype="datetime64[D]"),
        np.int64(5),
        pd.Period("2021-04-01"),
        timedelta(1),
        ("2021-04-01",),
        object(),
    ],
)
def test_anything_else_is_refused(value):
    refused("start: ", start=value)
    refused("end: ", end=value)


def test_a_missing_bound_shows_an_example():
    refused('start: missing; e.g. start="2021-04-01"', start=None)
    text = refused("start: missing", "end: missing", start=None, end=None)
    assert text.count("2021-04-07") <= 2


def test_everything_that_is_wrong_is_named_at_once():
    refused("start: ", "end: ", "timezone: ", "weekday: ", start=5, end="", timezone="X", weekday=5)


@settings(deadline=None)
@given(st.text(max_size=40) | st.integers() | st.floats() | st.booleans() | st.binary() | st.none())
def test_no_value_is_taken_for_a_time_by_accident(value):
    assume(not (isinstance(value, str) and value[:2] == "20"))
    refused("start: ", start=value)


@settings(deadline=None)
@given(
    st.from_regex(
        r"20[0-9]{2}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{0,18}(Z|[+-][0-9:]{2,5})?)?", fullmatch=True
    )
)
def test_text_like_a_time_is_a_time_or_refused(text):
    try:
        value = read(text)
    except InvalidRequestError:
        return
    assert value.isoformat()[:10] == text[:10] or text.endswith("9")


# Zones -------------------------------------------------------------------------------------------


def test_naive_values_are_in_the_zone_and_offsets_are_converted():
    request = ask("2021-04-01", "2021-04-01T12:00-04:00", timezone="America/Denver")
    assert (request.start, request.end) == (utc("2021-04-01T06:00"), utc("2021-04-01T16:00"))


@pytest.mark.parametrize(
    ("day", "hours"), [("2021-03-14", 23), ("2021-11-07", 25), ("2021-07-01", 24)]
)
def test_days_of_23_and_25_hours(day, hours):
    request = ask(day, day, timezone="America/Denver")
    assert request.end - request.start == timedelta(hours=hours)


@pytest.mark.parametrize("value", ["2021-11-07T01:30", datetime(2021, 11, 7, 1, 30)])
def test_a_time_that_occurs_twice_shows_both_forms(value):
    text = refused("occurs twice", start=value, end="2021-11-08", timezone="America/New_York")
    first, second = "2021-11-07T01:30:00-04:00", "2021-11-07T01:30:00-05:00"
    assert f"{first} or {second}" in text
    assert ask(first, "2021-11-08").start == utc("2021-11-07T05:30")
    assert ask(second, "2021-11-08").start == utc("2021-11-07T06:30")


def test_a_time_that_does_not_exist_shows_offset_forms():
    refused(
        "end: 2021-03-14T02:30:00 does not exist in America/New_York",
        "2021-03-14T02:30:00-05:00",
        end="2021-03-14 02:30",
        start="2021-03-13",
        timezone="America/New_York",
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Phobos",
        "utc",
        "EDT+4",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "right/UTC",
    ],
)
def test_a_zone_that_is_none_is_refused(name):
    refused("timezone: there is no time zone", timezone=name)


def test_a_zone_of_another_type_is_refused():
    refused("timezone: ", timezone=None)
    refused("timezone: ", timezone=UTC)
    refused("did you mean America/New_York?", timezone="America/NewYork")


@settings(deadline=None)
@given(moments, zones)
def test_a_wall_time_is_one_instant_or_an_error(moment, name):
    where = zone(name)
    # By brute force: the instants whose wall time is this one.
    candidates = {
        (moment - timedelta(minutes=m)).replace(tzinfo=UTC)
        for m in range(-12 * 60, 14 * 60 + 1, 15)
    }
    real = {c for c in candidates if c.astimezone(where).replace(tzinfo=None) == moment}
    if len(real) == 1:
        assert instant(moment, where) == real.pop()
    else:
        with pytest.raises(InvalidRequestError, match="occurs twice" if real else "does not exist"):
            instant(moment, where)


@settings(deadline=None)
@given(days, zones)
def test_a_day_begins_at_its_first_instant(day, name):
    where = zone(name)
    first = first_instant(day, where)
    assert first.astimezone(where).date() == day
    assert (first - timedelta(microseconds=1)).astimezone(where).date() < day


@pytest.mark.parametrize(
    ("name", "day", "first"),
    [
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00"),  # midnight is skipped
        ("Asia/Beirut", date(2019, 3, 31), "2019-03-30T22:00"),
        ("America/Havana", date(2019, 11, 3), "2019-11-03T04:00"),  # midnight comes twice
        ("Africa/Monrovia", date(1972, 1, 7), "1972-01-07T00:44:30"),
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30"),  # 23:30 became 00:30
    ],
)
def test_days_that_begin_oddly(name, day, first):
    assert first_instant(day, zone(name)) == utc(first)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999999001", "9999-12-31T23:59:59.9999999Z"])
def test_rounding_up_the_last_microsecond_of_time_is_refused(text):
    with pytest.raises(InvalidRequestError, match="out of range"):
        read(text)


def test_instants_beyond_what_can_be_held_are_refused():
    for moment in (datetime.max, datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))):
        with pytest.raises(InvalidRequestError, match="out of range"):
            instant(moment, zone("America/Denver"))
    with pytest.raises(InvalidRequestError, match="out of range"):
        first_instant(date.min, zone("Asia/Kolkata"))


# Order and limits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2021-04-02", "2021-04-01"),
        ("2021-04-01T08:00", "2021-04-01T08:00"),
        ("2021-04-02", "2021-04-02T00:00Z"),
    ],
)
def test_start_at_or_after_end(start, end):
    refused("is not before end", start=start, end=end)


@pytest.mark.parametrize("start", ["2021-04-02", "2021-04-02T00:00Z", "2021-05-01"])
def test_days_in_the_wrong_order_are_taken_for_swapped(start):
    refused("are they swapped?", start=start, end="2021-04-01")


def test_an_empty_range_of_one_midnight_says_how_to_ask_for_the_day():
    refused('end="2021-04-01"', start="2021-04-01", end="2021-04-01T00:00")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2016-12-31", "2021-01-01"),
        ("2016-12-31T23:59Z", "2021-01-01"),
        ("1970-01-01", "2021-01-01"),
        ("0001-01-01", "9999-12-31"),
        ("2016-01-01", "2016-01-02"),
        (datetime.min, "2021-01-01"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), "2021-01-01"),
    ],
)
def test_before_2017(start, end):
    refused("start: ", "before 2017-01-01", start=start, end=end)


@pytest.mark.parametrize(
    "end",
    [
        "2022-06-16",
        date(2022, 6, 16),
        "2022-06-17T00:00",
        "2024-01-01",
        "9999-12-31",
        date.max,
        datetime.max,
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ],
)
def test_an_end_in_the_future(end):
    refused("end: ", "in the future", end=end)


@pytest.mark.parametrize("start", ["2022-06-16", "2022-06-15T21:31", "2030-01-01", date.max])
def test_a_start_in_the_future(start):
    refused("start: ", "in the future", start=start, end="2022-06-15")


def test_today_may_be_asked_for():
    assert ask("2022-06-15", "2022-06-15").end == utc("2022-06-16T00:00")
    assert ask("2022-06-15", "2022-06-16T00:00").end == utc("2022-06-16T00:00")
    # It is the 16th in Kolkata already, and still the 15th in Denver.
    assert ask("2022-06-15", "2022-06-16", timezone="Asia/Kolkata").end == utc("2022-06-16T18:30")
    assert ask("2022-06-15", "2022-06-15", timezone="America/Denver").end == utc("2022-06-16T06:00")
    refused("in the future", start="2022-06-15", end="2022-06-16", timezone="America/Denver")


def test_the_present_is_the_clock_unless_given():
    today = datetime.now(UTC).date()
    assert parse("wydot", "BSM", today, today).start.date() == today
    with pytest.raises(InvalidRequestError, match="future"):
        parse("wydot", "BSM", today, today + timedelta(days=2))


# Canonical form ----------------------------------------------------------------------------------

bounds = st.one_of(
    days,
    days.map(str),
    moments,
    moments.map(lambda m: m.isoformat(sep=" ")),
    moments.map(lambda m: f"{m.isoformat()}+05:30"),
    moments.map(pd.Timestamp),
    days.map(np.datetime64),
    moments.map(np.datetime64),
)


@settings(deadline=None)
@given(st.sampled_from(DAYS), bounds, bounds, zones)
def test_canonical_text_gives_the_same_request(what, start, end, name):
    try:
        request = parse(*what, start, end, timezone=name, now=NOW)
    except InvalidRequestError:
        return
    again = parse(**request.canonical(), now=NOW)
    assert again == request
    assert hash(again) == hash(request)
    assert again.canonical() == request.canonical()
    assert again.notes == ()
    assert request.start.utcoffset() == request.end.utcoffset() == timedelta(0)
    # In whatever zone the text is read again.
    assert parse(**request.canonical(), timezone=name, now=NOW) == request
    assert pickle.loads(pickle.dumps(request)) == request


@settings(deadline=None)
@given(zones, st.integers(0, 30 * 60))
def test_today_survives_its_canonical_form_in_every_zone(name, minutes):
    now = datetime(2021, 11, 7, tzinfo=UTC) + timedelta(minutes=minutes)
    today = now.astimezone(zone(name)).date()
    request = parse("wydot", "BSM", today, today, timezone=name, now=now)
    assert parse(**request.canonical(), now=now) == request


@settings(deadline=None)
@given(moments)
def test_bounds_are_written_so_that_they_read_the_same(moment):
    text = canonical_bound(moment.replace(tzinfo=UTC))
    assert text.endswith("Z")
    assert read(text) == moment.replace(tzinfo=UTC)


def test_bounds_are_written_short():
    assert canonical_bound(utc("2019-02-06T00:00")) == "2019-02-06T00:00:00Z"
    assert canonical_bound(utc("2019-02-06T00:00:00.5")) == "2019-02-06T00:00:00.500000Z"


def test_requests_are_values():
    request = ask("2021-04-01", "2021-04-02T00:00")
    assert request == ask("2021-04-01", "2021-04-01")
    assert request != ask("2021-04-01", "2021-04-02")
    with pytest.raises(AttributeError):
        request.start = NOW


# Whole months ------------------------------------------------------------------------------------


def nyc(start="2021-04-01", end="2021-04-30", **options):
    return parse("nycdot", "event", start, end, now=NOW, **options)


APRIL = Request("nycdot", "EVENT", utc("2021-04-01T04:00"), utc("2021-05-01T04:00"))


@pytest.mark.parametrize(
    "start",
    [
        "2021-04-01",
        date(2021, 4, 1),
        "2021-04-01T00:00",
        "2021-04-01T04:00Z",
        "2021-04-01T00:00-04:00",
        np.datetime64("2021-04-01"),
    ],
)
@pytest.mark.parametrize(
    "end",
    [
        "2021-04-30",
        date(2021, 4, 30),
        "2021-05-01T00:00",
        "2021-05-01 04:00Z",
        pd.Timestamp("2021-05-01"),
    ],
)
def test_a_month_in_many_spellings(start, end):
    assert nyc(start, end) == APRIL
    assert nyc(start, end).notes == ()


@pytest.mark.parametrize("name", ZONES)
def test_months_are_those_of_new_york_in_every_zone(name):
    assert nyc(timezone=name) == APRIL
    assert nyc("2021-04-01T00:00", "2021-05-01T00:00", timezone=name) == APRIL


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2021-04-03", "2021-04-10", "2021-04-01", "2021-04-30"),
        ("2021-04-01", "2021-05-01", "2021-04-01", "2021-05-31"),
        ("2021-04-30", "2021-04-30", "2021-04-01", "2021-04-30"),
        ("2020-02-01", "2020-02-28", "2020-02-01", "2020-02-29"),
        ("2021-04-01T06:00", "2021-04-30", "2021-04-01", "2021-04-30"),
        ("2021-12-31", "2022-01-01", "2021-12-01", "2022-01-31"),
        ("2021-04-03", "2021-05-01T00:00", "2021-04-01", "2021-04-30"),
        ("2021-04-01", "2021-04-01T00:00", "2021-04-01", "2021-04-30"),
    ],
)
def test_other_ranges_name_the_whole_months(start, end, first, last):
    refused(
        f'start="{first}"',
        f'end="{last}"',
        "whole months",
        source="nycdot",
        message_type="EVENT",
        start=start,
        end=end,
    )
    assert nyc(first, last).start


def test_the_present_month_is_the_last_one():
    assert nyc("2022-06-01", "2022-06-30").end == utc("2022-07-01T04:00")
    refused(
        "not before", source="nycdot", message_type="EVENT", start="2021-06-01", end="2021-04-30"
    )
    for start, end in (("2022-06-01", "2022-07-31"), ("2022-07-01", "2022-07-31")):
        refused('end="2022-06-30"', source="nycdot", message_type="EVENT", start=start, end=end)
    refused("2017", source="nycdot", message_type="EVENT", start="2016-12-01", end="2021-04-30")
    refused("future", source="nycdot", message_type="EVENT", start="2021-04-01", end=date.max)


@pytest.mark.parametrize(
    ("weekday", "chosen"),
    [
        (None, ()),
        ("fri", ("FRI",)),
        ("SUN,mon", ("MON", "SUN")),
        (["na", "TUE", "tue"], ("TUE", "NA")),
        (("Mon", " WED "), ("MON", "WED")),
        ("MON,TUE,WED,THU,FRI,SAT,SUN,NA", ()),
    ],
)
def test_weekdays_narrow(weekday, chosen):
    request = nyc(weekday=weekday)
    assert request.weekdays == chosen
    assert parse(**request.canonical(), now=NOW) == request


def test_periods_narrow():
    request = nyc(period=["pm", "NT"])
    assert request.periods == ("NT", "PM")
    assert request.canonical()["period"] == "NT,PM"
    assert request != nyc()
    assert nyc(period={"NT", "AM", "MD", "PM", "EV", "NA"}) == nyc()
    assert parse(**request.canonical(), now=NOW) == request


@pytest.mark.parametrize("value", ["", "MONDAY", [], ["MON", 5], 5, b"MON", "MON,,TUE", True])
def test_odd_weekdays_and_periods_are_refused(value):
    refused(
        "weekday: ", "SAT", source="nycdot", message_type="EVENT", end="2021-04-30", weekday=value
    )
    refused("period: ", "EV", source="nycdot", message_type="EVENT", end="2021-04-30", period=value)


@pytest.mark.parametrize(("name", "kind"), DAYS)
def test_other_sources_have_neither(name, kind):
    refused("weekday narrows nycdot only", source=name, message_type=kind, weekday="MON")
    refused("period narrows nycdot only", source=name, message_type=kind, period="AM")
