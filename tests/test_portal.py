"""The data portal end to end, on a stand-in: pages, counts, changes, and all that goes wrong."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from datetime import date

import pandas as pd
import pytest
from portal_kit import flatten
from portal_server import Given, PortalServer

import intake_cvpilot as cv
from intake_cvpilot.archive import identity, open_archive
from intake_cvpilot.archive.bucket import BURST, Tokens
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.archive.translate import from_status
from intake_cvpilot.errors import (
    AccessDeniedError,
    ArchiveError,
    ChangedError,
    InvalidRequestError,
    PartitionsFailedError,
    RequestTooLargeError,
)
from intake_cvpilot.synthetic import write_archive

BSM = "9k4m-a3jc"
DAY = ("2021-04-01", "2021-04-01")
PREFIX = "wydot_portal/BSM/2021/04/01/"
FAST = Policy(attempts=3, first_wait=0.01, longest_wait=0.02)
PORTAL = "socrata://data.transportation.gov"


def rows_of(folder, source, kind):
    """Rows of every proper record of an archive, with ids in no order of time."""
    rows = []
    for path in sorted(p for p in (folder / source / kind).rglob("*") if p.is_file()):
        for line in path.read_bytes().splitlines():
            try:
                record = json.loads(line, parse_constant=int)  # NaN is no JSON
                rows += flatten(source, kind, record)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    for n, row in enumerate(rows):
        row[":id"] = f"row-{n * 7919 % 100_003:06}.ab~c"
    return [row for row in rows if {"metadata_generatedat", "coredata_id"} <= row.keys()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    days = [date(2021, 4, 1), date(2021, 4, 2)]
    return write_archive(tmp_path_factory.mktemp("archive"), days=days, records_per_hour=6)


@pytest.fixture(scope="module")
def table(made):
    return rows_of(made.folder, "wydot", "BSM")


@pytest.fixture
def server(table):
    with PortalServer({BSM: [dict(row) for row in table]}) as running:
        yield running


@pytest.fixture
def where(server, tmp_path):
    return {
        "storage_options": {"endpoint_url": server.url},
        "cache_dir": tmp_path / "cache",
        "rate": None,
    }


@pytest.fixture
def opened(server):
    def opened(policy=FAST, rate=None, **options):
        options = {"endpoint_url": server.url, **options}
        return open_archive(PORTAL, storage_options=options, rate=rate, policy=policy)

    return opened


def of_day(rows, day="2021-04-01"):
    return [row for row in rows if row["metadata_generatedat"].startswith(day)]


def test_a_day_comes_whole_and_typed(server, table, where, made, tmp_path):
    source = cv.open_catalog().wydot_portal_bsm(start=DAY[0], end=DAY[1], **where)
    frame = source.to_dask().compute()
    mine = of_day(table)
    assert len(frame) == len(mine) > 100
    assert source.report.counts.objects == 24
    said = source.report.partitions[0].listing
    assert (said["rows"], said["rows_without_time"]) == (len(mine), 0)
    assert said["modified"] == "2026-02-03T10:00:00+00:00"
    assert source.report.archive.startswith(PORTAL)
    assert set(frame.time_basis) == {"generated"}
    assert frame.accel_long.isna().all()
    assert {json.loads(text)[":id"] for text in frame.extra} == {row[":id"] for row in mine}
    # The bucket's own records of that day agree in what both have.
    days = ("2021-04-01", "2021-04-02")  # one was misfiled on the other
    mirror = {"archive": made.folder, "cache_dir": tmp_path / "bucket"}
    bucket = cv.open_pandas("wydot", "BSM", *days, outside="keep", **mirror)
    keys = ["event_time", "vehicle_id", "msg_count", "latitude", "speed", "events"]
    stamped = bucket[
        (bucket.time_basis == "generated")
        & (bucket.event_time < pd.Timestamp("2021-04-02", tz="UTC"))
    ]
    ours = {tuple(map(str, row)) for row in frame[keys].itertuples(index=False)}
    theirs = {tuple(map(str, row)) for row in stamped[keys].itertuples(index=False)}
    assert ours == theirs
    asked = len(server.log)
    assert len(source.to_dask()) == len(mine)
    assert len(server.log) == asked  # what the cache has is not asked for


def test_the_archive_is_named_where_the_data_goes(where):
    dataset = cv.open_arrow("wydot_portal", "BSM", *DAY, **where)
    assert dataset.schema.metadata[b"source"] == b"wydot_portal"
    assert dataset.schema.metadata[b"archive"].startswith(PORTAL.encode())


def test_a_row_leads_back_to_its_page_and_line(where, table):
    frame = cv.open_pandas("wydot_portal", "BSM", *DAY, **where)
    row = frame.iloc[7]
    where.pop("rate")
    found = cv.trace(row, source="wydot_portal", message_type="BSM", **where)
    assert found.key.startswith(f"{PREFIX}{row.event_time:%H}/")
    assert json.loads(found.raw)[":id"] == json.loads(row.extra)[":id"]
    assert found.line == row.line


def test_pages_are_small_and_in_the_order_of_ids(server, tmp_path):
    from intake_cvpilot.archive.address import Address
    from intake_cvpilot.archive.socrata import SocrataArchive

    address = Address.parse(PORTAL, {"endpoint_url": server.url})
    archive = SocrataArchive(address, token=None, rate=None, threads=2, policy=FAST, page=3)
    snapshot = archive.snapshot(PREFIX)
    got = list(archive.read(snapshot.units, tmp_path))
    rows = [json.loads(line) for each in got for line in each.path.read_bytes().splitlines()]
    assert len({row[":id"] for row in rows}) == len(rows) == snapshot.facts["rows"]
    assert all(len(each.path.read_bytes().splitlines()) <= 3 for each in got)
    for each in server.asked("page"):
        assert each.query["$order"] == ":id"
        assert "$offset" not in each.query
        assert " >= '" in each.query["$where"]
        assert " < '" in each.query["$where"]
    # Counted before the first page and after the last.
    assert server.log[0].kind == server.log[-1].kind == "count"


def test_rows_without_a_time_are_counted_once_and_told(server, where):
    server.tables[BSM] += [{":id": "row-zz1", "coredata_id": "X"}, {":id": "row-zz2"}]
    with pytest.warns(UserWarning, match="2 rows of the portal's table have no usable time"):
        report = cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-02", **where)
    nulls = [each for each in server.asked("count") if "IS NULL" in each.query["$where"]]
    assert len(nulls) == 1
    assert [p.listing["rows_without_time"] for p in report.partitions] == [2, 2]


def test_a_portal_that_lags_behind_its_table_is_told(server, where):
    def late(asked, given):
        return Given(200, given.body, given.headers | {"X-SODA2-Data-Out-Of-Date": "true"})

    server.script("count", *[late] * 9)
    with pytest.warns(UserWarning, match="lack the table's last changes"):
        report = cv.fetch("wydot_portal", "BSM", *DAY, **where)
    assert report.partitions[0].listing["out_of_date"] is True


def test_an_empty_day_is_no_data(where):
    with pytest.warns(UserWarning, match="no objects"):
        report = cv.fetch("wydot_portal", "BSM", "2019-01-01", "2019-01-01", **where)
    assert report.partitions[0].status == "no_data"


CUT = Given(200, b'[{":id":"row-1"', {"Content-Type": "application/json"})
HTML = Given(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})


def short(asked, given):
    rows = json.loads(given.body)
    return Given(200, json.dumps(rows[:-1]).encode(), given.headers)


def doubled(asked, given):
    rows = json.loads(given.body)
    return Given(200, json.dumps([*rows[:-1], rows[0]]).encode(), given.headers)


def broken(asked, given):
    return Given(given.status, given.body, given.headers, only=20)


@pytest.mark.parametrize("kind", ["count", "index", "page"])
@pytest.mark.parametrize(
    "fault",
    [
        Given(429, b"", {"Retry-After": "0"}),
        Given(503, b""),
        Given(202, b"", {"Retry-After": "0"}),
        CUT,
        Given(200, b""),
        broken,
    ],
)
def test_a_fault_that_passes_costs_a_question_more(server, opened, tmp_path, kind, fault):
    server.script(kind, fault)
    archive = opened()
    snapshot = archive.snapshot(PREFIX)
    got = list(archive.read(snapshot.units, tmp_path))
    assert len(got) == len(snapshot.units) == 24
    assert archive.traffic.retries == 1


@pytest.mark.parametrize("step", [short, doubled])
def test_a_page_of_other_rows_is_asked_for_again(server, opened, tmp_path, step):
    server.script("page", step)
    archive = opened()
    list(archive.read(archive.snapshot(PREFIX).units, tmp_path))
    assert archive.traffic.retries == 1


@pytest.mark.parametrize("kind", ["count", "index", "page"])
@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        (HTML, ArchiveError, "not the data portal's"),
        (Given(200, b'[{"x": [1]}, 2]'), ArchiveError, "not the data portal's"),
        (Given(403, b'{"code":"permission_denied"}'), AccessDeniedError, "permission_denied"),
        (Given(400, b'{"errorCode":"query.x"}'), ArchiveError, "query.x"),
        (Given(302, b"", {"Location": "http://127.0.0.1:1/"}), ArchiveError, "not followed"),
    ],
)
def test_what_is_no_answer_is_an_error_and_stores_nothing(
    server, where, kind, fault, error, told, tmp_path
):
    server.script(kind, *[fault] * 40)
    with pytest.raises(error, match=told):
        cv.fetch("wydot_portal", "BSM", *DAY, **where)
    assert not list((tmp_path / "cache").rglob("manifest.json"))


def test_a_table_of_other_columns_is_not_read(server, opened, tmp_path):
    def renamed(asked, given):
        headers = given.headers | {"X-SODA2-Fields": '["a"]', "X-SODA2-Types": '["text"]'}
        return Given(200, given.body, headers)

    def typed(asked, given):
        types = given.headers["X-SODA2-Types"].replace("floating_timestamp", "number")
        return Given(200, given.body, given.headers | {"X-SODA2-Types": types})

    archive = opened()
    units = archive.snapshot(PREFIX).units
    for step, told in ((renamed, "has no column coredata_id"), (typed, "is of the type 'number'")):
        server.script("page", step)
        with pytest.raises(ArchiveError, match=told):
            list(archive.read(units, tmp_path))


def test_a_listing_that_repeats_a_row_is_refused(server, opened):
    server.script("index", doubled)
    with pytest.raises(ArchiveError, match="is there twice"):
        opened().snapshot(PREFIX)


def test_a_row_that_comes_while_pages_are_listed_begins_the_listing_anew(server, opened):
    def more(asked, given):
        server.tables[BSM].append({**server.tables[BSM][0], ":id": "row-new"})
        return given

    server.script("count", more)
    snapshot = opened().snapshot(PREFIX)
    assert snapshot.facts["rows"] == len(of_day(server.tables[BSM]))


def test_a_row_that_comes_while_pages_are_read_is_not_missed(server, where):
    def more(asked, given):
        row = of_day(server.tables[BSM])[0]
        server.tables[BSM].append({**row, ":id": "row-late"})
        server.changed = "Tue, 03 Feb 2026 11:00:00 GMT"
        return given

    server.script("page", more)
    report = cv.fetch("wydot_portal", "BSM", *DAY, **where)
    assert report.counts.records == len(of_day(server.tables[BSM]))


def test_a_row_more_at_the_end_is_found_by_the_second_count(server, opened, tmp_path):
    archive = opened()
    units = archive.snapshot(PREFIX).units
    reading = archive.read(units, tmp_path)
    next(reading)
    server.tables[BSM].append({**of_day(server.tables[BSM])[0], ":id": "row-late"})
    with pytest.raises(ChangedError):
        list(reading)


def test_a_table_that_never_rests_is_an_error(server, opened):
    def moved(asked, given):
        server.changed = f"Tue, 03 Feb 2026 10:{len(server.log) % 60:02}:00 GMT"
        return given

    server.script("count", *[moved] * 9)
    with pytest.raises(ArchiveError, match="changed while it was listed, 3 times in a row"):
        opened().snapshot(PREFIX)


def test_a_fetch_that_ended_early_goes_on_with_the_pages_it_lacks(server, where):
    server.script("page", *[lambda asked, given: given] * 9, *[HTML] * 40)
    with pytest.raises(ArchiveError):
        cv.fetch("wydot_portal", "BSM", *DAY, **where)
    server._scripts.clear()
    before = len(server.asked("page"))
    report = cv.fetch("wydot_portal", "BSM", *DAY, **where)
    assert len(server.asked("page")) - before <= 24 - 9
    assert report.counts.objects == 24


def test_a_fetch_that_was_killed_goes_on_page_by_page(server, table, where):
    """A process that ends by a signal while the pages after nine o'clock are on their way."""
    hours = [f"T{hour:02}:00:00.000'" for hour in range(24)]
    dead = threading.Event()

    def hour(asked):
        return next(n for n, each in enumerate(hours) if f">= '{DAY[0]}{each}" in asked["$where"])

    def late(asked, given):
        if hour(asked.query) >= 9:
            dead.wait(60)
        return given

    server.script("page", *[late] * 24)
    code = (
        "import sys, json, intake_cvpilot as cv; "
        "cv.fetch('wydot_portal', 'BSM', *json.loads(sys.argv[1]), **json.loads(sys.argv[2]))"
    )
    words = [json.dumps(DAY), json.dumps(where, default=str)]
    staging = where["cache_dir"] / ".staging"
    with subprocess.Popen([sys.executable, "-c", code, *words]) as running:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(list(staging.rglob("units/*"))) < 9:
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    dead.set()
    assert running.returncode == -signal.SIGKILL
    assert len(list(staging.rglob("units/*"))) == 9
    assert not list(where["cache_dir"].rglob("manifest.json"))
    server._scripts.clear()
    before = len(server.asked("page"))
    frame = cv.open_pandas("wydot_portal", "BSM", *DAY, **where)
    again = server.asked("page")[before:]
    assert sorted(hour(each.query) for each in again) == list(range(9, 24))
    ids = [json.loads(text)[":id"] for text in frame.extra]
    assert sorted(ids) == sorted(row[":id"] for row in of_day(table))


def known(where):
    """The same place, for what never fetches."""
    return {name: value for name, value in where.items() if name != "rate"}


#: Days after which what is cached of the portal is asked for again at once; days until the end.
AT_ONCE, OPEN = {"CVPILOT_RECHECK": "0"}, {"CVPILOT_RECHECK": "0", "CVPILOT_SETTLE": "36500"}


@pytest.mark.parametrize("settings", [AT_ONCE, OPEN], ids=["closed", "open"])
def test_a_table_that_changed_is_noticed_and_equal_rows_are_unverified_until_refreshed(
    server, where, monkeypatch, settings
):
    days = ("wydot_portal", "BSM", "2021-04-01", "2021-04-02")
    cv.fetch(*days, **where)
    first = len(server.log)
    assert cv.fetch(*days, **where).actions == {"cached": 2}
    assert len(server.log) == first, "within recheck nothing is asked"
    for name, text in settings.items():
        monkeypatch.setenv(name, text)
    if settings is OPEN:
        cv.fetch(*days, refresh=True, **where)  # so that they are listed as open
    told = len(server.log)
    same = cv.fetch(*days, **where)
    assert same.actions == {"cached": 2}
    assert same.requests == len(server.log) - told == 1, "one for the table and the call"
    assert cv.plan(*days, **where).objects == 0
    assert all("unverified_since" not in one.listing for one in same.partitions)
    with monkeypatch.context() as offline:
        offline.setenv("CVPILOT_OFFLINE", "1")
        before = len(server.log)
        assert len(cv.open_pandas(*days, **where)) > 0
        assert len(server.log) == before
    # The table changes: a value of the first day, and a row less on the second.
    server.changed = "Wed, 04 Feb 2026 10:00:00 GMT"
    since = "2026-02-04T10:00:00+00:00"
    of_day(server.tables[BSM])[0]["coredata_speed"] = "3.5"
    server.tables[BSM].remove(of_day(server.tables[BSM], "2021-04-02")[0])
    checked = cv.verify("wydot_portal", remote=True, **known(where))
    assert dict(checked.unverified) == {"wydot_portal/BSM/2021/04/01": since}
    assert list(checked.remote) == ["wydot_portal/BSM/2021/04/02"]
    assert f"unverified since its table changed, {since}" in str(checked)
    planned = cv.plan(*days, **where)
    first, second = planned.partitions
    assert (first.objects, first.unverified_since) == (0, since)
    assert (second.objects > 0, second.unverified_since) == (True, None)
    with pytest.raises(RequestTooLargeError):
        cv.fetch(*days, max_bytes=1000, **where)
    pages = len(server.asked("page"))
    with pytest.warns(UserWarning, match="refresh=True reads them anew"):
        report = cv.fetch(*days, max_bytes=planned.bytes, **where)
    assert report.actions == {"relisted": 1, "fetched": 1}
    again = server.asked("page")[pages:]
    assert again
    assert all("2021-04-02" in each.query["$where"] for each in again)
    assert [one.listing.get("unverified_since") for one in report.partitions] == [since, None]
    asked = len(server.log)
    again = cv.fetch(*days, **where)
    assert [one.listing.get("unverified_since") for one in again.partitions] == [since, None]
    assert len(server.log) - asked == 1
    assert [one.unverified_since for one in cv.plan(*days, **where).partitions] == [since, None]
    assert "1 unverified since the table changed" in str(cv.plan(*days, **where))
    status = cv.status(**known(where))
    assert status.holdings[0].unverified == 1
    assert "1 unverified since" in str(status)
    report = cv.fetch("wydot_portal", "BSM", *DAY, refresh=True, **where)
    assert "unverified_since" not in report.partitions[0].listing
    frame = cv.open_pandas("wydot_portal", "BSM", *DAY, **where)
    assert 3.5 in set(frame.speed)
    assert cv.status(**known(where)).holdings[0].unverified == 0


def test_a_portal_that_does_not_answer_keeps_no_closed_day_from_its_reader(
    server, where, monkeypatch
):
    cv.fetch("wydot_portal", "BSM", *DAY, **where)
    monkeypatch.setenv("CVPILOT_RECHECK", "0")
    server.script("date", *[Given(status=404)] * 20)
    with pytest.warns(UserWarning, match="may have been changed since"):
        assert len(cv.open_pandas("wydot_portal", "BSM", *DAY, **where)) > 0
    server._scripts.clear()
    server.script("date", *[Given(status=403)] * 20)
    with pytest.raises(AccessDeniedError):
        cv.open_pandas("wydot_portal", "BSM", *DAY, **where)


def test_rows_that_differ_in_their_id_only_are_repeats(server, where):
    row = of_day(server.tables[BSM])[5]
    server.tables[BSM].append({**row, ":id": "row-again", "randomnum": "0.9"})
    before = cv.open_pandas("wydot_portal", "BSM", *DAY, **where)
    again = [json.loads(text)[":id"] for text in before[before.is_repeat].extra]
    assert {"row-again", row[":id"]} & set(again)


def test_the_token_is_sent_and_never_shown(server, where, opened, caplog, monkeypatch):
    server.token = "T0KEN-EXAMPLE"
    caplog.set_level(logging.DEBUG)
    archive = opened(app_token="T0KEN-EXAMPLE")
    archive.snapshot(PREFIX)
    assert {each.token for each in server.log} == {"T0KEN-EXAMPLE"}
    assert "T0KEN" not in repr(archive) + archive.identity + caplog.text
    monkeypatch.setenv("CVPILOT_APP_TOKEN", "WR0NG-EXAMPLE")
    with pytest.raises(AccessDeniedError, match="app token is not accepted") as caught:
        cv.fetch("wydot_portal", "BSM", *DAY, **where)
    assert "WR0NG" not in str(caught.value)
    assert server.log[-1].token == "WR0NG-EXAMPLE"


def test_the_rate_holds_for_the_portal_too(opened, server):
    bucket = Tokens(1 / 3600)  # an hour for the next one
    archive = opened(rate=bucket)
    for day in ("01", "02"):
        archive.snapshot(f"wydot_portal/BSM/2021/04/{day}/")
    left = 0
    while bucket.take(1) == 0:
        left += 1
    assert 0 < len(server.log) == BURST - left  # every question took one


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        ("socrata://", {}, "a data portal is socrata://host"),
        ("socrata://user:pass@host", {}, "a data portal is socrata://host"),
        ("socrata://host", {"anon": True}, "not anon"),
        ("socrata://host", {"endpoint_url": "ftp://x"}, "endpoint_url"),
    ],
)
def test_odd_addresses_are_refused(url, options, told):
    with pytest.raises(InvalidRequestError, match=told):
        identity(url, options)


def test_a_source_of_the_bucket_is_not_in_the_portal(opened):
    with pytest.raises(InvalidRequestError, match="its sources are wydot_portal, thea_portal"):
        opened().snapshot("wydot/BSM/2021/04/01/")


def test_a_denied_day_is_not_an_empty_one(server, where):
    server.script("count", *[Given(403)] * 9)
    with pytest.raises(AccessDeniedError, match=r"rows\.csv"):
        cv.open_pandas("wydot_portal", "BSM", *DAY, **where)


def test_one_day_of_two_fails_alone(server, where):
    server.script("page", *[lambda asked, given: given] * 24, *[HTML] * 60)
    with pytest.raises(PartitionsFailedError) as caught:
        cv.fetch("wydot_portal", "BSM", "2021-04-01", "2021-04-02", **where)
    assert list(caught.value.failures) == ["wydot_portal/BSM/2021/04/02"]


TAMPA = {
    "metadata_generatedby": "rsu", "metadata_schemaversion": "1", "metadata_rsuid": "thea7",
    "coredata_msgcnt": "4", "coredata_secmark": "8531", "coredata_speed": "1291",
}  # fmt: skip


def test_tampas_wall_time_becomes_utc(tmp_path):
    stamps = ["2019-03-12T17:42:08.531", "2019-11-03T01:40:00.000", "2019-11-03T01:10:00.000"]
    rows = [
        {**TAMPA, ":id": f"row-{n}", "coredata_id": f"v{n}", "metadata_generatedat": stamp}
        for n, stamp in enumerate(stamps)
    ]
    with PortalServer({"nm7w-nvbm": rows}) as server:
        where = {"storage_options": {"endpoint_url": server.url}, "cache_dir": tmp_path}
        ask = {"timezone": "America/New_York", **where}
        one = cv.open_pandas("thea_portal", "BSM", "2019-03-12", "2019-03-12", **ask)
        assert [str(t) for t in one.event_time] == ["2019-03-12 21:42:08.531000+00:00"]
        assert list(one.speed) == [25.82]
        # The order of rows in a page says nothing of the clock that was put back.
        two = cv.open_pandas("thea_portal", "BSM", "2019-11-03", "2019-11-03", **ask)
        assert set(two.time_basis) == {"generated_ambiguous"}


CHANGES = {
    "2019-03-10": [
        ("00:00:00.000", "2019-03-10 05:00:00", "generated"),
        ("01:59:59.500", "2019-03-10 06:59:59.500000", "generated"),
        ("03:00:00.000", "2019-03-10 07:00:00", "generated"),
        ("23:59:59.999", "2019-03-11 03:59:59.999000", "generated"),
    ],
    "2019-11-03": [
        ("00:59:59.500", "2019-11-03 04:59:59.500000", "generated"),
        ("01:00:00.000", None, "generated_ambiguous"),
        ("01:59:59.500", None, "generated_ambiguous"),
        ("02:00:00.000", "2019-11-03 07:00:00", "generated"),
        ("23:59:59.999", "2019-11-04 04:59:59.999000", "generated"),
    ],
}


@pytest.mark.parametrize("day", CHANGES)
def test_tampas_days_of_23_and_25_hours(day, tmp_path):
    told = CHANGES[day]
    rows = [
        {**TAMPA, ":id": f"r{n}", "coredata_id": f"v{n}", "metadata_generatedat": f"{day}T{clock}"}
        for n, (clock, *_) in enumerate(told)
    ]
    with PortalServer({"nm7w-nvbm": rows}) as server:
        where = {"storage_options": {"endpoint_url": server.url}, "cache_dir": tmp_path}
        ask = {"timezone": "America/New_York", **where}
        frame = cv.open_pandas("thea_portal", "BSM", day, day, **ask)
        assert len(frame) == len(rows)
        for row in frame.itertuples():
            _, instant, basis = told[int(row.vehicle_id[1:])]
            assert row.time_basis == basis
            assert instant in (None, str(row.event_time).removesuffix("+00:00"))
        # The last of the day, asked for by its instants: a day later in UTC.
        start = frame.event_time.max()
        last = cv.open_pandas("thea_portal", "BSM", start, start + pd.Timedelta("1ms"), **where)
        assert list(last.vehicle_id) == [f"v{len(rows) - 1}"]


def test_new_yorks_bins_are_partitions(tmp_path):
    sample = {"eventheader_eventtype": "fcw", "bsmlist": "[]"}
    bins = ["2021-04-FRI-AM", "2021-04-FRI-N/A", "21-04-FRI-PM", "2021-04-N/A-AM", "2021-05-FRI-AM"]
    rows = [
        {**sample, ":id": f"row-{n}", "eventheader_eventtimebin": name}
        for n, name in enumerate(bins)
    ]
    with PortalServer({"usnx-z3mt": rows}) as server:
        where = {"storage_options": {"endpoint_url": server.url}, "cache_dir": tmp_path}
        month = ("2021-04-01", "2021-04-30")
        frame = cv.open_pandas("nycdot_portal", "EVENT", *month, **where)
        assert sorted(zip(frame.weekday, frame.period, strict=True)) == [
            ("FRI", "AM"), ("FRI", "NA"), ("FRI", "PM"), ("NA", "AM"),
        ]  # fmt: skip
        friday = cv.open_pandas("nycdot_portal", "EVENT", *month, weekday="FRI", **where)
        assert len(friday) == 3


def test_new_yorks_rows_of_no_bin_are_counted_once_and_told(tmp_path):
    bins = ["2021-04-FRI-AM", "2021-13-FRI-AM", "2021-04-FRI-XX", "2021-04-XXX-AM", "never", None]
    rows = [
        {":id": f"row-{n}", "eventheader_eventtype": "fcw", "bsmlist": "[]"}
        | ({"eventheader_eventtimebin": name} if name else {})
        for n, name in enumerate(bins)
    ]
    with PortalServer({"usnx-z3mt": rows}) as server:
        where = {"storage_options": {"endpoint_url": server.url}, "cache_dir": tmp_path}
        with pytest.warns(UserWarning, match="5 rows of the portal's table have no usable time"):
            report = cv.fetch("nycdot_portal", "EVENT", "2021-04-01", "2021-05-31", **where)
        assert report.counts.records == 1
        assert len([each for each in server.asked("count") if "$group" in each.query]) == 1


@pytest.mark.parametrize("body", [b'[{"eventheader_eventtimebin":"x"}]', b'[{"count":"no"}]'])
def test_a_count_by_bin_that_is_none_is_refused(body, tmp_path):
    def wrong(asked, given):
        return Given(200, body, given.headers) if "$group" in asked.query else given

    with PortalServer({"usnx-z3mt": []}) as server:
        server.script("count", *[wrong] * 9)
        where = {"storage_options": {"endpoint_url": server.url}, "cache_dir": tmp_path}
        with pytest.raises(ArchiveError, match="not the data portal's"):
            cv.fetch("nycdot_portal", "EVENT", "2021-04-01", "2021-04-30", weekday="FRI", **where)


def test_the_buckets_denial_points_to_the_portal():
    denied = from_status(403, {}, b"", what="listing s3://bucket", listed=False, public=True)
    assert isinstance(denied, AccessDeniedError)
    for source in ("wydot_portal", "thea_portal", "nycdot_portal", "docs/portal.md"):
        assert source in str(denied)
    other = from_status(403, {}, b"", what="listing s3://mine", listed=False, public=False)
    assert "portal" not in str(other)


def test_doctor_asks_the_portal_and_tells_a_denial(server, where):
    where.pop("rate")
    found = cv.doctor(source="wydot_portal", **where)
    (tried,) = [each for each in found.tried if each.name == "archive"]
    assert (tried.state, found.denied) == ("good", False)
    assert "lists 24 objects of wydot_portal/BSM/2021/04/01/" in str(tried)
    server.script("count", Given(403, b'{"code":"permission_denied"}'))
    assert cv.doctor(source="wydot_portal", **where).denied
