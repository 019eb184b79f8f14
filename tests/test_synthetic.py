"""The synthetic archive: what its summary says is what lies in the folder."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot.synthetic import Summary, write_archive

DAY = date(2020, 1, 31)


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def good(line: bytes) -> dict | None:
    """The message of a proper line of a BSM folder, told without the library."""

    def no_twins(pairs: list[tuple[str, object]]) -> dict:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("the same key twice")
        return dict(pairs)

    def no_constants(name: str) -> None:
        raise ValueError(name)

    try:
        message = json.loads(line, object_pairs_hook=no_twins, parse_constant=no_constants)
    except ValueError:
        return None
    return message if "OdeBsm" in message["metadata"]["payloadType"] else None


def stamp(message: dict) -> datetime:
    return datetime.fromisoformat(message["metadata"]["recordGeneratedAt"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return write_archive(tmp_path_factory.mktemp("archive"))


def test_the_summary_counts_what_is_there(written: Summary) -> None:
    bodies = files(written.folder)
    lines = [line for body in bodies.values() for line in body.split(b"\n")]
    messages = [message for line in lines if line and (message := good(line))]
    assert written.objects == len(bodies)
    assert written.bytes == sum(map(len, bodies.values()))
    assert written.lines == len(lines)
    assert written.blank == lines.count(b"") > 0
    assert written.records == len(messages)
    assert written.bad == len(lines) - len(messages) - written.blank > 0
    assert written.lines == written.records + written.blank + written.bad


def test_a_day_is_one_to_two_megabytes(written: Summary) -> None:
    assert 1e6 < written.bytes / len(written.days) < 2e6


def test_keys_are_those_of_the_archive_and_hold_their_hour(written: Summary) -> None:
    strangers = 0
    for key, body in files(written.folder).items():
        source, kind, year, month, day, hour, name = key.split("/")
        folder = datetime(*map(int, (year, month, day, hour)), tzinfo=UTC)
        assert (source, kind) == ("wydot", "BSM")
        assert name.startswith(f"usdot-its-cvpilot-bsm-public-0-{folder:%Y-%m-%d-%H}-00-00-")
        assert not body.endswith(b"\n")
        for message in filter(None, map(good, body.split(b"\n"))):
            strangers += not folder <= stamp(message) < folder + timedelta(hours=1)
    assert strangers == written.outside == len(written.days)


def test_late_objects_were_received_and_deposited_weeks_later(written: Summary) -> None:
    late = 0
    for path in filter(Path.is_file, written.folder.rglob("*")):
        messages = [m for m in map(good, path.read_bytes().split(b"\n")) if m]
        received = [datetime.fromisoformat(m["metadata"]["odeReceivedAt"]) for m in messages]
        assert path.stat().st_mtime > max(received).timestamp()
        late += max(received) - stamp(messages[0]) > timedelta(days=14)
    assert late == written.late_objects == 3 * len(written.days)


def test_speeds_fall_in_the_snowy_hours_and_pass_the_privacy_filter(written: Summary) -> None:
    by_hour: dict[int, list[float]] = {}
    for body in files(written.folder).values():
        for message in filter(None, map(good, body.split(b"\n"))):
            speed = message["payload"]["data"]["coreData"]["speed"]
            assert 2.235 <= speed <= 35.763
            by_hour.setdefault(stamp(message).hour, []).append(speed)
    means = {hour: sum(speeds) / len(speeds) for hour, speeds in by_hour.items()}
    assert len(means) == 24
    assert means[14] < 0.8 * means[22]


def test_path_history_is_position_minus_past_position(written: Summary) -> None:
    """Distance over time of the first point is the vehicle's speed."""
    body = next(iter(files(written.folder).values()))
    for message in filter(None, map(good, body.split(b"\n"))):
        core = message["payload"]["data"]["coreData"]
        point = message["payload"]["data"]["partII"][0]["value"]["pathHistory"]["crumbData"][0]
        north, east = point["latOffset"] * 111_320, point["lonOffset"] * 111_320 * 0.7524
        distance = (north**2 + east**2) ** 0.5
        assert distance / point["timeOffset"] == pytest.approx(core["speed"], rel=0.02)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), rate=st.integers(0, 40))
def test_a_day_follows_from_seed_and_rate_alone(
    seed: int, rate: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = tmp_path_factory.mktemp("alone")
    write_archive(alone, days=[DAY], seed=seed, records_per_hour=rate)
    among = tmp_path_factory.mktemp("among")
    days = [DAY - timedelta(days=1), DAY]
    write_archive(among, days=days, seed=seed, records_per_hour=rate)
    there = files(among)
    assert files(alone) == {key: there[key] for key in there if "/2020/01/31/" in key}


def test_the_rate_is_about_the_mean_of_an_hour(tmp_path: Path) -> None:
    summary = write_archive(tmp_path, days=[DAY], records_per_hour=200)
    assert summary.records / 24 == pytest.approx(200, rel=0.1)


def test_another_seed_gives_other_bytes(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_archive(tmp_path / f"{seed}", days=[DAY], seed=seed, records_per_hour=1)
    assert files(tmp_path / "1") != files(tmp_path / "2")
