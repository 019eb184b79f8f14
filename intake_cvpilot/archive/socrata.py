"""The data portal (SODA 2.1) as an archive: pages of a table in the place of objects.

A listing is the ids of a partition's rows, taken twice over: they are counted, listed in the order
of ``:id`` and cut into pages of an hour (New York: a period) each.  So a page's rows are known
before it is read, pages can be read in any order and again, and a page that holds other rows is
found.  When the last page is read the rows are counted again.

What the portal cannot tell: a row that was changed in its place.  The table says when it changed
last; a listing of the same rows after that is *like* the one before, and no more.
"""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.archive import socrata_answer as answers
from intake_cvpilot.archive.base import Received, Snapshot, Traffic, Unit
from intake_cvpilot.archive.crew import arrivals, gather
from intake_cvpilot.archive.meter import Meter
from intake_cvpilot.archive.retry import Retry
from intake_cvpilot.archive.socrata_http import Body, SocrataHttp
from intake_cvpilot.archive.socrata_pages import likeness, units
from intake_cvpilot.archive.socrata_query import Page, Window, bin_name, literal, window
from intake_cvpilot.archive.stop import Stop
from intake_cvpilot.archive.throttle import Throttle
from intake_cvpilot.archive.translate import shown
from intake_cvpilot.errors import ArchiveError, ChangedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar

    from intake_cvpilot.archive.address import Address
    from intake_cvpilot.archive.bucket import Bucket
    from intake_cvpilot.archive.policy import Policy

    T = TypeVar("T")

__all__ = ["PAGE_ROWS", "SocrataArchive"]

PAGE_ROWS: Final = 10_000
"""Rows of a page."""
INDEX_ROWS: Final = 50_000
"""Ids of one answer to a listing."""
MOST_LISTINGS: Final = 3
"""How often a table that changes while it is listed is listed anew."""


class SocrataArchive:
    """Pages of the data portal's tables, all verified.

    Parameters
    ----------
    address : Address
        The portal.
    token : str or None
        App token.
    rate : float, Bucket or None
        Requests a second.
    threads : int
        Most reads at a time.
    policy : Policy
        Bounds of retries and waits.
    page : int
        Rows of a page.
    """

    def __init__(
        self,
        address: Address,
        *,
        token: str | None,
        rate: float | Bucket | None,
        threads: int,
        policy: Policy,
        page: int = PAGE_ROWS,
    ) -> None:
        self.identity = address.identity
        self._threads = threads
        self._policy = policy
        self._page_rows = page
        self._meter = Meter()
        self._retry = Retry(policy, Throttle(rate, width=threads), self._meter)
        self._http = SocrataHttp(address.place, token, policy, threads)
        self._timeless: dict[str, int] = {}
        self._listed: dict[str, tuple[int, str]] = {}
        self._behind: set[str] = set()
        self._changed: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SocrataArchive({self.identity!r})"

    @property
    def traffic(self) -> Traffic:
        """What was asked of this archive so far."""
        return self._meter.traffic

    def snapshot(self, prefix: str) -> Snapshot:
        """List a partition; see `Archive.snapshot`."""
        asked = window(prefix)
        what = f"listing {shown(prefix)} of {self.identity}"
        for _ in range(MOST_LISTINGS):
            listed_at = datetime.now(UTC)
            count, changed = self._count(asked, asked.where, what)
            rows = self._index(asked, count, changed, what)
            if rows is not None:
                self._listed[prefix] = (count, changed)
                return Snapshot(
                    prefix,
                    tuple(sorted(units(asked, rows, changed, self._page_rows, what))),
                    listed_at,
                    facts={
                        "rows": count,
                        "modified": changed or None,
                        "rows_without_time": self._without_time(asked, what),
                        "out_of_date": asked.dataset.id in self._behind,
                    },
                    likeness=likeness(rows),
                )
        raise ArchiveError(
            f"{what}: the table changed while it was listed, {MOST_LISTINGS} times in a row; "
            "nothing of the partition was stored, ask again later"
        )

    def read(
        self,
        units: Sequence[Unit],
        folder: Path,
        *,
        small: int = 0,  # noqa: ARG002 - a page's size is not known before
    ) -> Generator[Received, None, None]:
        """Read pages; see `Archive.read`.  After the last the partition's rows are counted again.

        A page is written with a row on each line, as it came.
        """
        name = arrivals(folder)

        def one(unit: Unit, stop: Stop) -> Received:
            return self._read(unit, name(), stop)

        yield from gather(one, units, self._threads)
        for prefix in {Page.parse(unit.key).prefix for unit in units}:
            before = self._listed.get(prefix)
            what = f"counting {shown(prefix)} of {self.identity}"
            asked = window(prefix)
            if before is not None and self._count(asked, asked.where, what) != before:
                raise ChangedError(f"{what}: the table changed while it was read")

    def modified(self, prefix: str) -> str:
        """Say when a partition's table was changed last; see `Dated.modified`."""
        asked = window(prefix)
        dataset = asked.dataset.id
        what = f"asking {self.identity} when {dataset} changed"
        query = {"$select": f":id, {asked.dataset.time}", "$limit": "1"}

        def read(body: Body) -> str:
            answers.index(body.content, asked.dataset, what)
            changed = answers.modified(body.headers, what)
            return "" if answers.behind(body.headers) else changed

        with self._lock:
            if dataset not in self._changed:
                self._meter.listed()
                self._changed[dataset] = self._ask(asked, query, read, what, Stop())
            return self._changed[dataset]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _count(self, asked: Window, where: str, what: str) -> tuple[int, str]:
        """Count rows; and when the table changed last."""
        query = {"$select": "count(*)", "$where": where}

        def read(body: Body) -> tuple[int, str]:
            late = self._behind.add if answers.behind(body.headers) else self._behind.discard
            late(asked.dataset.id)
            return answers.counted(body.content, what), answers.modified(body.headers, what)

        self._meter.listed()
        return self._ask(asked, query, read, what, Stop())

    def _without_time(self, asked: Window, what: str) -> int:
        """Count the table's rows without a usable time, once."""
        dataset = asked.dataset.id
        with self._lock:
            if dataset not in self._timeless:
                self._timeless[dataset] = (
                    self._count(asked, asked.timeless, what)[0]
                    if asked.day is not None
                    else self._without_bin(asked, what)
                )
            return self._timeless[dataset]

    def _without_bin(self, asked: Window, what: str) -> int:
        """Count rows whose bin belongs to no partition; a text can say anything."""
        column = asked.dataset.time
        query = {
            "$select": f"{column}, count(*)",
            "$group": column,
            "$limit": str(INDEX_ROWS),
        }

        def read(body: Body) -> list[tuple[Any, int]]:
            return answers.counted_by(body.content, column, what)

        self._meter.listed()
        found = self._ask(asked, query, read, what, Stop())
        return sum(rows for text, rows in found if bin_name(str(text)) is None)

    def _index(
        self, asked: Window, count: int, changed: str, what: str
    ) -> list[tuple[str, Any]] | None:
        """List the rows in the order of their ids; None when they are not those counted."""
        found: list[tuple[str, Any]] = []
        seen: set[str] = set()

        def read(body: Body) -> tuple[list[tuple[str, Any]], str]:
            rows = answers.index(body.content, asked.dataset, what)
            return rows, answers.modified(body.headers, what)

        while len(found) < count:
            after = f" AND :id > {literal(found[-1][0])}" if found else ""
            query = {
                "$select": f":id, {asked.dataset.time}",
                "$where": asked.where + after,
                "$order": ":id",
                # One more than were counted: a row that came meanwhile shows.
                "$limit": str(min(INDEX_ROWS, count - len(found) + 1)),
            }
            self._meter.listed()
            rows, now = self._ask(asked, query, read, what, Stop())
            if not rows or now != changed:
                return None
            for row in rows:
                if row[0] in seen:
                    raise answers.improper(what, f"the row {row[0]!r} is there twice")
                seen.add(row[0])
            found += rows
        return found if len(found) == count else None

    def _read(self, unit: Unit, path: Path, stop: Stop) -> Received:
        asked = Page.parse(unit.key)
        held = window(asked.prefix)
        what = f"reading {shown(unit.key)} of {self.identity}"
        after = f" AND :id > {literal(asked.after)}" if asked.after is not None else ""
        query = {
            "$select": ":id, *",
            "$where": held.within(asked.folder) + after,
            "$order": ":id",
            "$limit": str(asked.rows),
        }

        def read(body: Body) -> tuple[answers.Rows, int]:
            rows = answers.page(
                body.content, body.headers, dataset=held.dataset, rows=asked.rows, what=what
            )
            if answers.tag(rows.ids, answers.modified(body.headers, what)) != unit.etag:
                raise ChangedError(f"{what}: the table changed after it was listed")
            return rows, body.size

        self._meter.asked()
        rows, size = self._ask(held, query, read, what, stop)
        digest = hashlib.sha256()
        try:
            with path.open("xb") as file:
                for line in rows.lines:
                    digest.update(line + b"\n")
                    file.write(line + b"\n")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._meter.verified(size)
        return Received(unit, path, digest.hexdigest())

    def _ask(
        self,
        asked: Window,
        query: Mapping[str, str],
        read: Callable[[Body], T],
        what: str,
        stop: Stop,
    ) -> T:
        seconds = self._policy.allowed()
        deadline = time.monotonic() + seconds

        def attempt() -> T:
            body = self._http.ask(asked.dataset.id, query, what=what, stop=stop, deadline=deadline)
            return read(body)

        return self._retry.call(attempt, what=what, stop=stop, seconds=seconds)
