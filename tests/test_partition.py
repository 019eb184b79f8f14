"""Partitions and blocks: which folders a range needs, and how their units are cut."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intake_cvpilot import InvalidRequestError
from intake_cvpilot.archive.base import Snapshot, Unit
from intake_cvpilot.partition import (
    PERIODS,
    TARGET,
    WEEKDAYS,
    Block,
    Partition,
    blocks,
    partition,
    partitions,
)
from intake_cvpilot.request import Request, parse
from intake_cvpilot.sources import source, sources

NOW = datetime(2022, 6, 15, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DAYS = [(s.name, t) for s in sources().values() if s.bins == "day" for t in s.types]


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plan(source_name, kind, start, end, **options):
    return partitions(parse(source_name, kind, start, end, now=NOW, **options))


def keys(*args, **options):
    return [p.key for p in plan(*args, **options)]


# Instants near the days whose length is odd, so that the search finds what happens there.
instants = st.one_of(
    st.datetimes(datetime(2021, 3, 12), datetime(2021, 3, 17)),
    st.datetimes(datetime(2021, 11, 5), datetime(2021, 11, 10)),
    st.datetimes(datetime(2019, 12, 30), datetime(2020, 3, 2)),
).map(lambda moment: moment.replace(tzinfo=UTC))


# Days --------------------------------------------------------------------------------------------


def test_wydot_days_are_utc():
    (only,) = plan("wydot", "BSM", "2019-02-06", "2019-02-06")
    assert only == Partition(
        "wydot/BSM/2019/02/06",
        utc("2019-02-06T00:00"),
        utc("2019-02-07T00:00"),
        utc("2019-02-07T00:00"),
    )
    assert only.prefix == "wydot/BSM/2019/02/06/"
    assert (only.source, only.message_type) == ("wydot", "BSM")


def test_wydot_is_no_prefix_of_its_backup():
    (own,) = plan("wydot", "TIM", "2021-04-01", "2021-04-01")
    (backup,) = plan("wydot_backup", "TIM", "2021-04-01", "2021-04-01")
    assert not backup.prefix.startswith(own.prefix)
    assert not backup.prefix.startswith(own.source + "/")


def test_a_local_day_lies_in_two_utc_days():
    found = keys("wydot", "BSM", "2021-04-01", "2021-04-01", timezone="America/Denver")
    assert found == ["wydot/BSM/2021/04/01", "wydot/BSM/2021/04/02"]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2020-02-28", "2020-03-01", ["02/28", "02/29", "03/01"]),
        ("2021-04-01T23:59:59.999999Z", "2021-04-02T00:00:00Z", ["04/01"]),
        ("2021-04-01T23:59:59.999999Z", "2021-04-02T00:00:00.000001Z", ["04/01", "04/02"]),
        ("2021-04-01T00:00Z", "2021-04-01T00:00:00.000001Z", ["04/01"]),
        ("2021-12-31", "2022-01-01", ["12/31", "01/01"]),
    ],
)
def test_bounds_of_wydot_days(start, end, days):
    assert [key[-5:] for key in keys("wydot", "BSM", start, end)] == days


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        # A UTC day in winter: Eastern days of the date and of the one before.
        ("2019-01-14", "2019-01-14", ["13", "14"]),
        # Eastern midnight is 05:00 UTC; until 06:00 the folder before may hold the records.
        ("2019-01-14T05:00Z", "2019-01-14T06:00Z", ["13", "14"]),
        ("2019-01-14T06:00Z", "2019-01-14T07:00Z", ["14"]),
        ("2019-01-14T04:59Z", "2019-01-14T05:00Z", ["13"]),
        # In summer it is 04:00 UTC.
        ("2019-07-14T04:59Z", "2019-07-14T05:00Z", ["13", "14"]),
        ("2019-07-14T05:00Z", "2019-07-15T04:00Z", ["14"]),
    ],
)
def test_thea_folders_are_eastern(start, end, days):
    assert [key[-2:] for key in keys("thea", "BSM", start, end)] == days


@pytest.mark.parametrize(
    ("day", "hours"), [("2021/03/14", 23), ("2021/11/07", 25), ("2021/07/01", 24)]
)
def test_thea_windows_on_odd_days(day, hours):
    found = partition(f"thea/SPAT/{day}")
    assert found.start.astimezone(NEW_YORK).strftime("%Y/%m/%d %H:%M") == f"{day} 00:00"
    assert found.ends - found.start == hours * HOUR
    assert found.end == found.ends + HOUR


def test_a_record_of_thea_lies_in_its_folder_day():
    # 2019-01-14 00:20:30.046 [ET]
    stamp = datetime(2019, 1, 14, 0, 20, 30, 46_000, tzinfo=NEW_YORK).astimezone(UTC)
    found = partition("thea/BSM/2019/01/14")
    assert found.start <= stamp < found.end


@settings(deadline=None)
@given(st.sampled_from(DAYS), st.dates(date(2017, 1, 1), date(2022, 6, 1)))
def test_folder_days_follow_each_other_without_gap(what, day):
    here, there = (partition(f"{what[0]}/{what[1]}/{d:%Y/%m/%d}") for d in (day, day + DAY))
    assert here.ends == there.start
    assert here.end - there.start == source(what[0]).spill
    assert here < there


@settings(deadline=None)
@given(st.sampled_from(DAYS), instants, instants)
@example(("thea", "BSM"), utc("2021-11-07T05:00"), utc("2021-11-07T06:00"))
def test_the_plan_is_every_partition_whose_window_meets_the_range(what, one, other):
    start, end = min(one, other), max(one, other) + timedelta(microseconds=1)
    found = partitions(Request(*what, start, end))
    around = (start.date() + n * DAY for n in range(-3, (end - start).days + 5))
    every = (partition(f"{what[0]}/{what[1]}/{day:%Y/%m/%d}") for day in around)
    assert list(found) == [p for p in every if p.start < end and start < p.end]
    assert list(found) == sorted(found)


@settings(deadline=None)
@given(
    st.sampled_from(DAYS),
    st.lists(st.tuples(instants, st.integers(-3, 3)), max_size=30),
    st.lists(instants, min_size=3, max_size=3, unique=True),
)
def test_a_range_is_the_disjoint_union_of_its_parts(what, records, cuts):
    # A record is a folder day and an event time, as wrong as the archive's clocks may be.
    root = f"{what[0]}/{what[1]}"
    archive = [
        (f"{root}/{time.date() + shift * DAY:%Y/%m/%d}", time, number)
        for number, (time, shift) in enumerate(records)
    ]

    def rows(start, end):
        planned = {p.key: p for p in partitions(Request(*what, start, end))}
        return [
            record
            for record in archive
            if (own := planned.get(record[0])) is not None
            and own.start <= record[1] < own.end
            and start <= record[1] < end
        ]

    a, b, c = sorted(cuts)
    assert sorted(rows(a, c)) == sorted(rows(a, b) + rows(b, c))
    # And nothing in range is lost that lies in its own window.
    assert rows(a, c) == [
        record
        for record in archive
        if a <= record[1] < c and partition(record[0]).start <= record[1] < partition(record[0]).end
    ]


def test_ten_years_are_planned_in_order():
    found = keys("wydot", "BSM", "2017-01-01", "2022-06-14")
    assert len(found) == (date(2022, 6, 14) - date(2017, 1, 1)).days + 1
    assert found == sorted(set(found))


# Weekday bins ------------------------------------------------------------------------------------


def test_a_month_is_eight_bins():
    found = plan("nycdot", "EVENT", "2021-04-01", "2021-04-30")
    assert [p.key for p in found] == [f"nycdot/EVENT/2021/04/{bin_}" for bin_ in WEEKDAYS]
    for each in found:
        assert each.start is each.end is None
        assert each.ends == utc("2021-05-01T04:00")


def test_months_weekdays_and_periods():
    found = keys("nycdot", "EVENT", "2021-12-01", "2022-01-31", weekday="na,FRI", period="AM")
    assert found == [
        "nycdot/EVENT/2021/12/FRI",
        "nycdot/EVENT/2021/12/NA",
        "nycdot/EVENT/2022/01/FRI",
        "nycdot/EVENT/2022/01/NA",
    ]
    assert partition("nycdot/EVENT/2021/12/FRI").ends == utc("2022-01-01T05:00")


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 5))
def test_a_range_of_months_is_the_disjoint_union_of_its_parts(first, more):
    def months(start, end):
        bounds = [f"{2017 + n // 12}-{n % 12 + 1:02}-01T00:00" for n in (start, end)]
        return keys("nycdot", "EVENT", *bounds)

    middle, last = first + more, first + 2 * more
    assert months(first, last) == months(first, middle) + months(middle, last)


# Keys --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.sampled_from(DAYS), instants)
def test_a_key_gives_its_partition(what, moment):
    for found in partitions(Request(*what, moment, moment + DAY)):
        assert partition(found.key) == found


@pytest.mark.parametrize("weekday", WEEKDAYS)
def test_a_key_of_a_bin_gives_its_partition(weekday):
    (found,) = plan("nycdot", "EVENT", "2021-02-01", "2021-02-28", weekday=weekday)
    assert partition(found.key) == found


@pytest.mark.parametrize(
    "key",
    [
        "",
        "wydot",
        "wydot/BSM/2019/02",
        "wydot/BSM/2019/02/06/",
        "/wydot/BSM/2019/02/06",
        "wydot/BSM/2019/02/06/16",
        "wydot/BSM/2019/2/6",
        "wydot/bsm/2019/02/06",
        "WYDOT/BSM/2019/02/06",
        "wydot/BSM/2019/02/30",
        "wydot/BSM/2021/02/29",
        "wydot/BSM/2019/13/01",
        "wydot/BSM/2019/02/00",
        "wydot/BSM/2019/02/MON",
        "wydot/BSM/2016/12/31",
        "wydot/BSM/0000/01/01",
        "wydot/BSM/9999/12/31",
        "wydot/SPAT/2019/02/06",
        "nowhere/BSM/2019/02/06",
        "nycdot/EVENT/2021/04/06",
        "nycdot/EVENT/2021/04/XX",
        "nycdot/EVENT/2021/04/fri",
        "nycdot/EVENT/2021/00/FRI",
        "nycdot/EVENT/9999/12/FRI",
        "wydot/BSM/2019/02/06\n",
        "wydot/BSM/../02/06",
        "wydot/BSM/2019/02/..",
        "wydot/BSM/\u0662\u0660\u0661\u0669/02/06",
        "x" * 10_000,
    ],
)
def test_odd_keys_are_refused(key):
    with pytest.raises(InvalidRequestError) as caught:
        partition(key)
    assert len(str(caught.value)) < 300


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_refused(text):
    with pytest.raises(InvalidRequestError):
        partition(text)


# Blocks ------------------------------------------------------------------------------------------

PREFIX = "wydot/BSM/2019/02/06/"


def units(*sizes, prefix=PREFIX):
    """One unit an hour, of the sizes given."""
    return [Unit(f"{prefix}{hour:02}/a", size) for hour, size in enumerate(sizes)]


def shape(made):
    return [(block.name, block.bytes) for block in made]


def test_hours_are_joined_until_the_target_is_reached():
    made = blocks(units(40, 40, 40, 100, 5, 300, 10), PREFIX, target=100)
    assert shape(made) == [("00-02", 120), ("03", 100), ("04-05", 305), ("06", 10)]


def test_the_target_is_128_mib():
    assert TARGET == 134_217_728
    assert shape(blocks(units(TARGET - 1, 1, 1), PREFIX)) == [("00-01", TARGET), ("02", 1)]


def test_an_hour_is_never_cut():
    many = [Unit(f"{PREFIX}07/{n:04}", 10) for n in range(500)]
    (only,) = blocks(many, PREFIX, target=100)
    assert (only.name, only.bytes, only.units) == ("07", 5000, tuple(many))


def test_nothing_gives_no_block():
    assert blocks([], PREFIX) == ()


def test_empty_units_are_in_a_block():
    assert shape(blocks(units(0, 0), PREFIX)) == [("00-01", 0)]


def test_units_without_an_hour_are_a_group_of_their_own():
    loose = [Unit(f"{PREFIX}loose", 100), Unit(f"{PREFIX}05-loose", 100)]
    made = blocks([*units(100, 100), *loose], PREFIX, target=100)
    assert [(b.name, len(b.units)) for b in made] == [(".", 2), ("00", 1), ("01", 1)]


def test_periods_of_nycdot():
    prefix = "nycdot/EVENT/2021/04/FRI/"
    given_ = [Unit(f"{prefix}{period}/x", 60) for period in PERIODS]
    assert shape(blocks(given_, prefix, target=100)) == [
        ("AM-EV", 120),
        ("MD-NA", 120),
        ("NT-PM", 120),
    ]


def test_a_late_object_changes_the_block_of_its_hour_alone():
    before = blocks(units(100, 100, 100), PREFIX, target=100)
    late = Unit(f"{PREFIX}01/late", 5)
    after = blocks([*units(100, 100, 100), late], PREFIX, target=100)
    same = [a.fingerprint == b.fingerprint for a, b in zip(before, after, strict=True)]
    assert same == [True, False, True]


def test_the_fingerprint_sees_key_size_and_etag_but_not_the_name():
    unit = Unit("k", 1, "e", utc("2021-04-01T00:00"))
    print_ = Block("00", (unit,)).fingerprint
    assert print_ == Block("other", (Unit("k", 1, "e"),)).fingerprint
    others = [Unit("l", 1, "e"), Unit("k", 2, "e"), Unit("k", 1, "f"), Unit("k", 1, None)]
    assert print_ not in {Block("00", (other,)).fingerprint for other in others}
    assert len(print_) == 64


names = st.sampled_from(["00", "01", "07", "07-x", "23", "AM", "a b", "..", "\u00e9", ""])
listed = st.lists(
    st.builds(
        lambda folder, name, size: Unit(f"{PREFIX}{folder}{'/' if folder else ''}{name}", size),
        names,
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=4),
        st.integers(0, 60),
    ),
    max_size=40,
    unique_by=lambda unit: unit.key,
)


@settings(deadline=None)
@given(listed, st.integers(0, 200), st.randoms(use_true_random=False))
def test_blocks_are_a_pure_function_of_the_units(given_units, target, order: random.Random):
    made = blocks(given_units, PREFIX, target)
    shuffled = list(given_units)
    order.shuffle(shuffled)
    assert blocks(shuffled, PREFIX, target) == made
    flat = [unit for block in made for unit in block.units]
    assert sorted(flat) == sorted(given_units)
    if all("/" in unit.key.removeprefix(PREFIX) for unit in flat):
        assert flat == sorted(given_units)
    # Full but for the last one, and not fuller than its last folder makes it.
    assert all(block.bytes >= target for block in made[:-1])
    assert all(block.units for block in made)
    folders = [
        {u.key.removeprefix(PREFIX).rpartition("/")[0].split("/")[0] for u in block.units}
        for block in made
    ]
    assert sum(map(len, folders)) == len(set().union(*folders)) if folders else True
    if made and sum(unit.size for unit in flat) < target:
        assert len(made) == 1


def test_the_real_records_are_cut_and_lie_in_their_partitions(bucket: Path):
    found = [p.relative_to(bucket).as_posix() for p in bucket.rglob("*") if p.is_file()]
    by_partition: dict[str, list[Unit]] = {}
    for key in found:
        own = partition("/".join(key.split("/")[:5]))
        by_partition.setdefault(own.prefix, []).append(Unit(key, (bucket / key).stat().st_size))
    for prefix, own_units in by_partition.items():
        (only,) = blocks(own_units, prefix)
        assert list(only.units) == sorted(own_units)
        assert only.fingerprint == Snapshot(prefix, only.units, NOW).fingerprint
    assert "wydot/BSM/2019/02/06/" in by_partition
