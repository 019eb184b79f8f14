"""The six invariants of the design, each for archives with any content.

1. lines = records + blank + quarantined; records = inside + outside.
2. A reader sees one committed generation (test_generations.py, with real processes).
3. A range is the disjoint union of its sub-ranges.
4. The same snapshot gives the same files, whatever the history.
5. A request that needs nothing makes no request.
6. Empty frames, partitions and the lazy frame have the same dtypes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import intake_cvpilot as cv
from intake_cvpilot.frames.dtypes import frame_meta

FIRST = datetime(2021, 4, 1, tzinfo=UTC)
HOURS = [f"2021/04/{day:02}/{hour:02}" for day in (1, 2) for hour in (0, 11, 23)]
ANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large])


def instants(low: int = -3, high: int = 51):
    """Instants around the two days, on whole seconds now and then."""
    return st.builds(
        lambda seconds, millis: FIRST + timedelta(seconds=seconds, milliseconds=millis),
        st.integers(low * 3600, high * 3600),
        st.sampled_from([0, 0, 1, 999]),
    )


@st.composite
def records(draw):
    """A record in the archive's shape, with odd values among ordinary ones."""
    moment = draw(instants())
    number = st.one_of(st.floats(0, 40), st.integers(-5, 9000), st.text(max_size=4), st.none())
    core = {
        "msgCnt": draw(st.one_of(st.integers(-1, 130), st.just("7"))),
        "id": draw(st.sampled_from(["A1B2C3D4", 12345678, "57303235", None])),
        "secMark": draw(st.integers(0, 65535)),
        "position": {"latitude": draw(number), "longitude": -105.2, "elevation": 1900.5},
        "speed": draw(number),
        "heading": draw(number),
    }
    if draw(st.booleans()):
        core[draw(st.text(min_size=1, max_size=5))] = draw(st.integers())
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
    metadata = {
        "schemaVersion": draw(st.sampled_from([6, 6, 6, 5, 3, "6", 9, None])),
        "recordGeneratedAt": draw(st.sampled_from([stamp, stamp, f"{stamp}[UTC]", "", "soon"])),
        "odeReceivedAt": "2021-04-05T00:00:00.000Z",
    }
    return json.dumps({"metadata": metadata, "payload": {"data": {"coreData": core}}}).encode()


LINES = st.one_of(
    records(),
    records(),
    st.sampled_from(
        [b"", b"  ", b"\r", b"{}", b"[1]", b"5", b'{"metadata":', b"\xff\xfe", b"\x00"]
    ),
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")),
)
OBJECTS = st.lists(LINES, max_size=6).map(b"\n".join)
ARCHIVES = st.dictionaries(
    st.tuples(st.sampled_from(HOURS), st.sampled_from("abc")), OBJECTS, min_size=1, max_size=5
)


def write(folder: Path, archive: dict[tuple[str, str], bytes]) -> Path:
    for (hour, name), body in archive.items():
        path = folder / "wydot" / "BSM" / hour / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def parts(cache: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(cache)).split("/", 1)[1]: path.read_bytes()
        for path in cache.glob("v1@*/**/*")
        if path.is_file() and path.name.startswith(("messages", "quarantine"))
    }


@ANY
@given(ARCHIVES, st.lists(instants(), min_size=3, max_size=3, unique=True).map(sorted))
def test_counts_balance_and_ranges_are_disjoint_unions(archive, bounds):
    with TemporaryDirectory() as tmp:
        where = {"archive": write(Path(tmp) / "a", archive), "cache_dir": Path(tmp) / "c"}
        report = cv.fetch("wydot", "BSM", "2021-04-01", "2021-04-02", **where)
        for counts in (report.counts, *(p.counts for p in report.partitions)):
            assert counts.lines == counts.records + counts.blank + counts.quarantined
            assert counts.records == counts.inside + counts.outside
            assert counts.rows == counts.inside
        assert report.counts.objects == len(archive)
        assert report.counts.bytes == sum(map(len, archive.values()))
        assert sum(report.quality["quarantined"].values()) == report.counts.quarantined

        def rows(start, end, **options):
            frame = cv.open_pandas(
                "wydot", "BSM", start, end, columns=["object_id", "line"], **options, **where
            )
            return sorted(frame.itertuples(index=False, name=None))

        first, middle, last = bounds
        whole = rows(first, last)
        assert whole == sorted(rows(first, middle) + rows(middle, last))
        assert len(set(whole)) == len(whole)
        assert len(rows("2021-04-01", "2021-04-02")) == report.counts.inside


@ANY
@given(ARCHIVES, st.randoms(use_true_random=False))
def test_the_same_archive_gives_the_same_files_whatever_the_history(archive, random):
    with TemporaryDirectory() as tmp:
        at_once, grown = Path(tmp) / "once", Path(tmp) / "grown"
        order = list(archive.items())
        random.shuffle(order)
        folder = Path(tmp) / "b"
        for n in range(1, len(order) + 1):  # the archive grows, the cache follows
            write(folder, dict(order[n - 1 : n]))
            grown_where = {"archive": folder, "cache_dir": grown}
            cv.fetch("wydot", "BSM", "2021-04-01", "2021-04-02", refresh=True, **grown_where)
        once_where = {"archive": folder, "cache_dir": at_once}
        cv.fetch("wydot", "BSM", "2021-04-01", "2021-04-02", **once_where)
        made = parts(at_once)
        assert made.items() <= parts(grown).items()  # which keeps older generations for a day
        again = cv.fetch("wydot", "BSM", "2021-04-01", "2021-04-02", **grown_where)
        assert again.requests == again.bytes_read == 0
        pd_once = cv.open_pandas("wydot", "BSM", "2021-04-01", "2021-04-02", **once_where)
        pd_grown = cv.open_pandas("wydot", "BSM", "2021-04-01", "2021-04-02", **grown_where)
        assert pd_once.equals(pd_grown)


@ANY
@given(ARCHIVES)
def test_dtypes_are_the_same_for_any_content(archive):
    meta = frame_meta("wydot", "BSM").dtypes
    with TemporaryDirectory() as tmp:
        where = {"archive": write(Path(tmp) / "a", archive), "cache_dir": Path(tmp) / "c"}
        lazy = cv.open_dask("wydot", "BSM", "2021-04-01", "2021-04-02", **where)
        assert lazy.dtypes.equals(meta)
        for n in range(lazy.npartitions):
            assert lazy.get_partition(n).compute().dtypes.equals(meta)
        none = cv.open_dask("wydot", "BSM", "2021-04-01T03:00", "2021-04-01T03:01", **where)
        assert none.compute().dtypes.equals(meta)
