"""Whatever stands in an object: no crash, bounded memory, every line counted, with its reason.

One process of ours fetches an archive of the odd inputs that the design names, for every source
and type, and is measured from outside.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import built, compact, mutated

SAMPLES = Path(__file__).resolve().parent / "samples"
PLACES = {
    "wydot/BSM/2020/03/01/12": "wydot-bsm-6",
    "wydot/TIM/2020/03/01/12": "wydot-tim-6",
    "wydot_backup/BSM/2020/03/01/12": "wydot-bsm-6",
    "wydot_backup/TIM/2020/03/01/12": "wydot-tim-6",
    "thea/BSM/2019/03/12/17": "thea-bsm-1",
    "thea/SPAT/2019/03/12/17": "thea-spat-1",
    "thea/TIM/2019/03/12/17": "thea-tim-1",
    "nycdot/EVENT/2021/05/TUE/PM": "nycdot-event-1",
}
"""A folder of each source and type, and the sample of which odd objects are made."""
MB = 2**20
MOST = 250 * MB
"""Memory of a process, interpreter and libraries included: 153 MB were seen."""

# Its own peak, from the kernel: what a parent is told of a child includes the parent's own.
MEASURED = """
import atexit, pathlib, re, sys
def peak():
    said = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(place).write_text(re.search(r"VmHWM:\\s+(\\d+) kB", said)[1])
atexit.register(peak)
from intake_cvpilot.cli import main
place = sys.argv.pop(1)
main()
"""


def one(key: str) -> bytes:
    """The sample on a line."""
    text = (SAMPLES / f"{PLACES[key]}.json").read_text(encoding="utf-8")
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False).encode()


def counted(key: str, content: bytes, folder: Path) -> tuple[int, int, dict[str, int]]:
    """Records, blank frames and the quarantine by reason; everything is accounted for."""
    folder.mkdir()
    result, rows, bad = built(key, [content], folder)
    (unit,) = result.units
    assert unit.lines == unit.records + unit.blank + unit.quarantined
    assert unit.records == result.inside + result.outside
    assert sum(result.rows.values()) == len(rows)
    assert sum(result.quarantined.values()) == unit.quarantined == len(bad)
    for entry in bad:
        assert entry["object"] == f"{key}/object-0"
        assert entry["reason"] in result.quarantined
        assert {"line", "offset", "length", "sha256", "raw"} <= set(entry)
    return unit.records, unit.blank, dict(result.quarantined)


def within(record: bytes, value: bytes) -> bytes:
    """The record with one more member, whose value is given raw."""
    return b'{"odd":' + value + b"," + record[1:]


# Of a line between two good ones: how many records more, blank frames more, and why not.
LINES: dict[str, tuple[Callable[[bytes], bytes], int, int, str]] = {
    "invalid utf-8": (lambda r: within(r, b'"\xff\xfe"'), 0, 0, "invalid_utf8"),
    "utf-16": (lambda r: r[:200].decode().encode("utf-16-le"), 0, 0, "not_json"),
    "nul": (lambda r: b"\0" * 100, 0, 0, "not_json"),
    "nul within": (lambda r: within(r, b'"\0"'), 0, 0, "not_json"),
    "a mark of byte order within": (lambda r: b"\xef\xbb\xbf" + r, 0, 0, "not_json"),
    "carriage return": (lambda r: r + b"\r", 1, 0, ""),
    "line separator": (lambda r: within(r, '"\u2028\u2029\x85"'.encode()), 1, 0, ""),
    "blank": (lambda r: b" \t\r", 0, 1, ""),
    "empty": (lambda r: b"", 0, 1, ""),
    "torn": (lambda r: r[: len(r) // 2], 0, 0, "not_json"),
    "two on a line": (lambda r: r + r, 0, 0, "not_json"),
    "two with a comma": (lambda r: r + b"," + r, 0, 0, "not_json"),
    "not a number": (lambda r: within(r, b"NaN"), 0, 0, "not_finite"),
    "infinite": (lambda r: within(r, b"-Infinity"), 0, 0, "not_finite"),
    "overflow": (lambda r: within(r, b"1e400"), 0, 0, "out_of_range"),
    "5,000 digits": (lambda r: within(r, b"9" * 5000), 0, 0, "out_of_range"),
    "duplicate key": (lambda r: within(r, b'1,"odd":1'), 0, 0, "duplicate_key"),
    "lone surrogate": (lambda r: within(r, b'"\\ud800"'), 0, 0, "lone_surrogate"),
    "200,000 deep": (
        lambda r: within(r, b"[" * 200_000 + b"]" * 200_000),
        0,
        0,
        "too_deep",
    ),
    "200,000 deep, never closed": (lambda r: b'{"a":' * 200_000, 0, 0, "too_deep"),
    "empty object": (lambda r: b"{}", 0, 0, "missing_core"),
    "array": (lambda r: b"[" + r + b"]", 0, 0, "not_object"),
    "null": (lambda r: b"null", 0, 0, "not_object"),
    "a number": (lambda r: b"17", 0, 0, "not_object"),
}
OF_LINES = [key for key in PLACES if not key.startswith("nycdot")]


@pytest.mark.parametrize("odd", LINES)
@pytest.mark.parametrize("key", OF_LINES)
def test_a_line_costs_itself_and_no_other(key: str, odd: str, tmp_path: Path) -> None:
    make, more, blank, reason = LINES[odd]
    record = one(key)
    records, blanks, why = counted(
        key, b"\n".join((record, make(record), record, b"")), tmp_path / "block"
    )
    assert (records, blanks) == (2 + more, blank)
    if odd == "empty object":
        # What lacks a version is tried as the newest.
        assert why in ({"missing_core": 1}, {"unknown_version": 1})
    else:
        assert why == ({reason: 1} if reason else {})


@pytest.mark.parametrize("key", OF_LINES)
def test_whole_objects_of_lines(key: str, tmp_path: Path) -> None:
    record = one(key)
    pretty = json.dumps(json.loads(record), indent=2).encode()
    cases: dict[bytes, tuple[int, int]] = {
        b"": (0, 0),
        b"\n\n \n": (0, 0),
        b"\xef\xbb\xbf" + record: (1, 0),
        b"\xef\xbb\xbf": (0, 0),
        record + b"\r\n" + record: (2, 0),
        record + b"\n" + record[:-40]: (1, 1),
        gzip.compress(record + b"\n" + record): (2, 0),
        gzip.compress(record)[:-9]: (0, 1),
        pretty: (0, pretty.count(b"\n") + 1),
    }
    for number, (content, (records, bad)) in enumerate(cases.items()):
        found = counted(key, content, tmp_path / str(number))
        assert (found[0], sum(found[2].values())) == (records, bad), content[:40]


def events(record: bytes) -> Iterator[tuple[str, bytes, int, dict[str, int]]]:
    """Objects of New York: what stands between two good events, and what becomes of it."""
    pretty = json.dumps(json.loads(record), indent=4).encode()
    yield "invalid utf-8", within(record, b'"\xff"'), 2, {"invalid_utf8": 1}
    yield "carriage returns", record + b"\r\n", 3, {}
    yield "a mark of byte order within", b"\xef\xbb\xbf", 2, {"not_json": 1}
    yield "nul", b"\0\0", 2, {"not_json": 1}
    yield "line separator", within(record, '"\u2028"'.encode()), 3, {}
    yield "blank lines", b"\n \r\n\n", 2, {}
    yield "two on a line", record + record, 4, {}
    yield "pretty-printed", pretty + pretty, 4, {}
    yield "not a number", within(record, b"NaN"), 2, {"not_finite": 1}
    yield "duplicate key", within(record, b'1,"odd":1'), 2, {"duplicate_key": 1}
    yield "5,000 digits", within(record, b"9" * 5000), 2, {"out_of_range": 1}
    yield "200,000 deep", within(record, b"[" * 200_000 + b"]" * 200_000), 2, {"too_deep": 1}
    yield "empty object", b"{}", 2, {"missing_core": 1}


def test_an_odd_event_costs_itself_and_no_other(tmp_path: Path) -> None:
    key = "nycdot/EVENT/2021/05/TUE/PM"
    record = one(key)
    for number, (name, odd, records, why) in enumerate(events(record)):
        content = b"\n".join((record, odd, record))
        found = counted(key, content, tmp_path / str(number))
        assert (name, found[0], found[2]) == (name, records, why)
    torn = record + b"\n" + record[: len(record) // 2]
    assert counted(key, torn, tmp_path / "torn")[0] == 1
    for number, whole in enumerate((gzip.compress(record + record), b"\xef\xbb\xbf" + record * 2)):
        assert counted(key, whole, tmp_path / f"whole {number}")[0] == 2


def real(bucket: Path, key: str) -> list[object]:
    """The real records of a source and type."""
    source, kind, *_ = key.split("/")
    texts = [path.read_text() for path in (bucket / source / kind).rglob("*") if path.is_file()]
    lines = texts if source == "nycdot" else [line for text in texts for line in text.splitlines()]
    return [json.loads(line) for line in sorted(lines)]


@pytest.mark.parametrize("key", [key for key in PLACES if "backup" not in key])
@settings(max_examples=15)
@given(data=st.data())
def test_altered_real_records_and_any_bytes_are_all_accounted_for(
    key: str, bucket: Path, data: st.DataObject
) -> None:
    altered = mutated(real(bucket, key)).map(compact)
    made = data.draw(st.lists(altered | st.binary(max_size=40), min_size=1, max_size=5))
    with TemporaryDirectory() as folder:
        records, _, _ = counted(key, b"\n".join(made), Path(folder) / "block")
    if not key.startswith("nycdot"):
        assert records <= b"\n".join(made).count(b"\n") + 1


@pytest.mark.parametrize(
    ("key", "range_", "begin", "filling"),
    [
        ("wydot/BSM/2020/03/01/12", ("2020-03-01", "2020-03-01"), b'{"a":[', b"[1,"),
        ("thea/SPAT/2019/03/12/17", ("2019-03-12", "2019-03-13"), b"", b" \t"),
        ("nycdot/EVENT/2021/05/TUE/PM", ("2021-05-01", "2021-05-31"), b'{"a":"', b"x"),
    ],
)
def test_a_line_of_100_megabytes_is_not_held_by_a_process(
    key: str, range_: tuple[str, str], begin: bytes, filling: bytes, tmp_path: Path
) -> None:
    record = one(key)
    where = tmp_path / "archive" / key / "giants"
    where.parent.mkdir(parents=True)
    with where.open("wb") as stream:
        stream.write(record + b"\n" + begin)
        block = filling * (MB // len(filling))
        for _ in range(100 * MB // len(block)):
            stream.write(block)
        stream.write(b"\n" + b'{"a":' * 200_000 + b"\n" + record + b"\n")
    source, kind, *_ = key.split("/")
    command = [sys.executable, "-c", MEASURED, str(tmp_path / "peak"), "fetch", source, kind]
    command += ["--start", range_[0], "--end", range_[1], "--archive", str(tmp_path / "archive")]
    command += ["--cache-dir", str(tmp_path / "cache"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    where.unlink()
    report = json.loads(done.stdout)
    assert report["counts"]["records"] == 2
    assert report["quality"]["quarantined"] == {"too_long": 1, "too_deep": 1}
    assert int((tmp_path / "peak").read_text()) * 1024 < MOST
