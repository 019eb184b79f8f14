"""What a day, a month and all years cost on three kinds of machines: arithmetic, nothing is run.

``python -m benchmarks.scaling`` prints the tables of docs/scaling.md; a test holds the page to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Final

__all__ = ["INPUTS", "MACHINES", "RANGES", "Machine", "Work", "tables"]

MB, GB, TB = 10**6, 10**9, 10**12


@dataclass(frozen=True)
class Input:
    """A figure that the arithmetic starts from."""

    symbol: str
    value: float
    unit: str
    origin: str


#: Everything that is put in; what is computed follows from these.
INPUTS: Final = {
    each.symbol: each
    for each in (
        Input(
            "day", 1000, "MB raw", "a busy day of WYDOT BSM: about 444,000 records, 0.9 to 1.2 GB"
        ),
        Input("object", 1.625, "MB", "26 MB in 16 objects, hour 0 of 1 to 4 February 2020"),
        Input("page", 1000, "objects", "of one list request"),
        Input(
            "rate", 10, "requests/s", "the default, of all threads, processes and workers together"
        ),
        Input("decode", 129, "MB/s", "one process, WYDOT BSM ([measured](performance.md))"),
        Input(
            "read",
            848,
            "MB/s",
            "one process that reads, 1,280 MB in 1.51 s (`access-large` in the README)",
        ),
        Input(
            "piece", 134.2, "MB raw", "a full block, 128 MiB: what one process decodes as a whole"
        ),
        Input("parquet", 70.0 / 990, "of raw", "70.0 MB of 990 ([measured](performance.md))"),
        Input("block", 0.40, "GB", "memory of a process that decodes ([measured](performance.md))"),
        Input("get", 0.0004, "$/1,000", "assumed price of a GET; put in your provider's"),
        Input("list", 0.005, "$/1,000", "assumed price of a list request"),
        Input("egress", 0.09, "$/GB", "assumed price of a GB that leaves the archive's region"),
        Input("core", 0.05, "$/h", "assumed price of a rented core; your own costs nothing more"),
    )
}


def given(symbol: str) -> float:
    """Give the value of an input."""
    return INPUTS[symbol].value


@dataclass(frozen=True)
class Machine:
    """Where a fetch runs."""

    name: str
    processes: int
    """That decode."""
    network: float
    """MB/s, of all together."""
    readers: int
    """Processes that read: the caller, or a cluster's workers."""
    width: int
    """Partitions under way at a time, whose raw objects lie on the cache's disk."""
    rented: bool
    """Whether its cores are paid by the hour."""


MACHINES: Final = (
    Machine("laptop, 100 Mbit/s", processes=4, network=12.5, readers=1, width=2, rented=False),
    Machine(
        "workstation, 32 GB, 1 Gbit/s", processes=16, network=125, readers=1, width=2, rented=False
    ),
    Machine(
        "50 workers, 1 Gbit/s each",
        processes=50,
        network=50 * 125,
        readers=50,
        width=50,
        rented=True,
    ),
)

#: The first and last days of which records of WYDOT BSM in the archive are known; no limits.
KNOWN: Final = (date(2017, 8, 15), date(2021, 4, 30))
RANGES: Final = {"a day": 1, "a month": 30, "all years": (KNOWN[1] - KNOWN[0]).days + 1}


@dataclass(frozen=True)
class Work:
    """What a range is, in requests and bytes."""

    days: int

    @property
    def raw(self) -> float:
        """Raw MB: day x days."""
        return given("day") * self.days

    @property
    def objects(self) -> int:
        """Objects: ceil(day / object) x days."""
        return math.ceil(given("day") / given("object")) * self.days

    @property
    def lists(self) -> int:
        """List requests: ceil(objects of a day / page) x days."""
        return math.ceil(self.objects / self.days / given("page")) * self.days

    @property
    def requests(self) -> int:
        """All requests."""
        return self.objects + self.lists

    @property
    def parquet(self) -> float:
        """MB of Parquet: raw x parquet."""
        return self.raw * given("parquet")

    @property
    def asked(self) -> float:
        """Dollars for requests."""
        return (self.objects * given("get") + self.lists * given("list")) / 1000

    @property
    def egress(self) -> float:
        """Dollars for the bytes that leave the region."""
        return self.raw / 1000 * given("egress")

    def width(self, machine: Machine, *, limited: bool) -> int:
        """Partitions under way: no more than requests a second either."""
        most = max(2, math.ceil(given("rate"))) if limited else machine.width
        return min(machine.width, most, self.days)

    def seconds(self, machine: Machine, *, limited: bool) -> dict[str, float]:
        """Give the time that each of the three takes alone."""
        width = self.width(machine, limited=limited)
        speed = min(machine.network, given("read") * min(machine.readers, width))
        blocks = math.ceil(given("day") / given("piece")) * width
        times = {
            "reading": self.raw / speed,
            "decoding": self.raw / (given("decode") * min(machine.processes, blocks)),
        }
        return {"rate": self.requests / given("rate"), **times} if limited else times

    def total(self, machine: Machine, *, limited: bool) -> float:
        """Give the time of a fetch: the longest of the three, and the last block after it."""
        return max(self.seconds(machine, limited=limited).values()) + (
            min(given("piece"), self.raw) / given("decode")
        )

    def rent(self, machine: Machine, seconds: float) -> float:
        """Dollars for rented cores."""
        return machine.processes * seconds / 3600 * given("core") if machine.rented else 0.0

    def disk(self, machine: Machine, *, limited: bool) -> float:
        """MB on the cache's disk at most: the Parquet, and the raw days under way."""
        return self.parquet + self.width(machine, limited=limited) * given("day")


def duration(seconds: float) -> str:
    """Give a time in the unit that people would use."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def amount(megabytes: float) -> str:
    """Give bytes in the unit that people would use."""
    size = megabytes * MB
    for unit, one in (("TB", TB), ("GB", GB)):
        if size >= one:
            return f"{size / one:,.2f} {unit}"
    return f"{size / MB:,.1f} MB"


def dollars(value: float) -> str:
    """Give a price; fractions of a cent too, where there is no more."""
    return f"{value:,.4f}" if 0 < value < 0.01 else f"{value:,.2f}"


def table(head: str, rows: list[list[str]]) -> str:
    """Give a table of the page."""
    names = head.split("|")
    rule = ["---", *["--:"] * (len(names) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (names, rule, *rows))


def inputs() -> str:
    """What is put in."""
    return table(
        "input|value|unit|from",
        [
            [f"`{i.symbol}`", f"{i.value:.4g}" if i.value < 1 else f"{i.value:g}", i.unit, i.origin]
            for i in INPUTS.values()
        ],
    )


def amounts() -> str:
    """What each range is, wherever it is fetched."""
    rows = []
    for name, days in RANGES.items():
        work = Work(days)
        rows.append(
            [name, f"{days:,}", amount(work.raw), f"{work.objects:,}", f"{work.requests:,}"]
        )
        rows[-1] += [amount(work.parquet), dollars(work.asked), dollars(work.egress)]
    return table("range|days|raw|objects|requests|Parquet|requests, $|egress, $", rows)


def times(*, limited: bool) -> str:
    """How long each range takes on each machine, and what bounds it."""
    rows = []
    for name, days in RANGES.items():
        for machine in MACHINES:
            work = Work(days)
            alone = work.seconds(machine, limited=limited)
            bound = max(alone, key=lambda each: alone[each])
            rows.append([name, machine.name, *(duration(alone[each]) for each in alone)])
            total = work.total(machine, limited=limited)
            rows[-1] += [f"**{duration(total)}**", bound]
            rows[-1] += [amount(work.disk(machine, limited=limited))]
            rows[-1] += [dollars(work.rent(machine, total))]
    parts = "rate|reading|decoding" if limited else "reading|decoding"
    return table(f"range|where|{parts}|time|bound by|disk|rent, $", rows)


def memory() -> str:
    """What decoding takes."""
    return table(
        "where|processes|memory",
        [[m.name, f"{m.processes}", f"{m.processes * given('block'):,.1f} GB"] for m in MACHINES],
    )


def fifty() -> str:
    """What fifty workers are good for."""
    workers = MACHINES[-1].processes
    arrives = given("rate") * given("object")
    takes = workers * given("decode")
    needed = takes / given("object")
    rows = [
        ["arrives at the default rate", "rate x object", f"{arrives:,.2f} MB/s"],
        ["keeps busy", "rate x object / decode", f"{arrives / given('decode'):.2f} processes"],
        [f"{workers} workers decode", f"{workers} x decode", f"{takes:,.0f} MB/s"],
        ["of that is used", "", f"{arrives / takes:.2%}"],
        ["rate that would feed them", f"{workers} x decode / object", f"{needed:,.0f} requests/s"],
        ["rate that would feed one", "decode / object", f"{needed / workers:,.1f} requests/s"],
    ]
    return table("50 workers|formula|result", rows)


def tables() -> dict[str, str]:
    """Give the page's tables by the names of their places."""
    return {
        "inputs": inputs(),
        "amounts": amounts(),
        "limited": times(limited=True),
        "unlimited": times(limited=False),
        "memory": memory(),
        "fifty": fifty(),
    }


if __name__ == "__main__":
    for place, text in tables().items():
        print(f"<!-- {place} -->\n{text}\n")
