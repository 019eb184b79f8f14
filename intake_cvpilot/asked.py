"""What an Intake source was asked, as one value that calls the library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from intake_cvpilot.arguments import canonical, plain, shown
from intake_cvpilot.errors import AccessDeniedError, InvalidRequestError
from intake_cvpilot.request import Request, parse
from intake_cvpilot.sources import source as source_of
from intake_cvpilot.sources import sources

if TYPE_CHECKING:
    from intake_cvpilot.frames.open import Opened
    from intake_cvpilot.frames.select import Selection
    from intake_cvpilot.planned import Plan

__all__ = ["Asked", "ask"]

#: Arguments that `parse` makes a request of.
REQUEST = ("source", "message_type", "start", "end", "timezone", "weekday", "period")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Arguments of a source: as they were spelled, and what they mean."""

    plain: Mapping[str, Any] = field(repr=False)
    """As they were spelled, in values that YAML and pickle know; they may hold secrets."""
    request: Request | None
    """What they ask for; None as long as a bound is missing."""
    canonical: dict[str, Any]
    """Equal for equal requests, ready for YAML, without secrets."""
    lost: tuple[str, ...]
    """Names of secrets that a pickle did not hold."""

    @property
    def key(self) -> str:
        """Text that is equal for equal requests."""
        # What has no place in YAML makes another request nevertheless: an expression, and the
        # options that say which archive it is.
        asked = {k: v for k, v in self.canonical.items() if k != "archive"}
        parts = [asked, str(self.plain.get("filters", "")), self.archive]
        return json.dumps(parts, sort_keys=True, default=str)

    @property
    def archive(self) -> str | None:
        """The identity of the archive, without credentials; None for the default one."""
        options = self.plain.get("storage_options")
        if options is None and "archive" not in self.plain:
            return None
        from intake_cvpilot.archive import identity

        default = source_of(self.plain["source"]).archive
        return identity(self.plain.get("archive", default), options)

    @property
    def left_out(self) -> list[str]:
        """Names of the arguments that the canonical ones leave out."""
        return [*self.lost, *shown(self.plain)[1]]

    def to_pickle(self) -> dict[str, Any]:
        """Give plain arguments without secrets, and the names of the secrets as ``lost``."""
        kept, left_out = shown(self.plain)
        if "filters" in self.plain:  # an expression can be pickled, but not written as text
            kept["filters"] = self.plain["filters"]
            left_out = [name for name in left_out if not name.startswith("filters")]
        return {"kwargs": kept, "lost": [*self.lost, *left_out]}

    def complete(self) -> Request:
        """Give the request.

        Raises
        ------
        InvalidRequestError
            A bound is missing.
        """
        if self.request is None:
            lacking = " and ".join(name for name in ("start", "end") if name not in self.plain)
            raise InvalidRequestError(
                f"{lacking} must be given first, to the entry or to the source, for example "
                'source(start="2021-04-01", end="2021-04-07"): both days are included'
            )
        return self.request

    def options(self) -> dict[str, Any]:
        """Give the arguments besides source, type and range, as the library takes them."""
        request = self.complete().canonical()
        narrowed = {k: request[k] for k in ("weekday", "period") if k in request}
        return {k: v for k, v in self.plain.items() if k not in REQUEST} | narrowed

    def bounds(self) -> tuple[str, str, datetime, datetime]:
        """Give source, type and range."""
        request = self.complete()
        return request.source, request.message_type, request.start, request.end

    def plan(self) -> Plan:
        """Say what a fetch would read."""
        bounds, options = self.bounds(), self.options()
        from intake_cvpilot.listing import plan
        from intake_cvpilot.options import Options

        taken = {k: v for k, v in options.items() if k in Options.__annotations__}
        with self.explained():
            made: Plan = plan(*bounds, **taken)
        return made

    def open(self, before: Callable[[Selection], object] | None = None) -> Opened:
        """Fetch what is missing, and find the parts to read; see `opened`."""
        bounds, options = self.bounds(), self.options()
        from intake_cvpilot.frames.open import opened

        with self.explained():
            return opened(*bounds, options, before)

    def parts(self) -> list[str]:
        """Give the committed parts that can hold rows of the request; asks no archive."""
        bounds, options = self.bounds(), self.options()
        from intake_cvpilot.frames.select import pieces, selection
        from intake_cvpilot.job import look_all, prepare
        from intake_cvpilot.partition import partitions

        job = prepare(*bounds, options)
        taken = ("table", "columns", "filters", "outside", "repeats", "names")
        chosen = selection(job.request, **{k: options[k] for k in taken if k in options})
        views = look_all(job, partitions(job.request))
        for view in views:
            if view.refusal is not None:
                raise view.refusal
        manifests = [view.manifest for view in views if view.manifest is not None]
        found = pieces(job.layout, manifests, chosen)
        return [piece.layout.place(piece.key, piece.file.name) for piece in found]

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say that credentials are missing because a pickle holds none."""
        try:
            yield
        except AccessDeniedError as error:
            if self.lost:
                error.add_note(
                    "This source comes from a pickle, and a pickle holds no secret: give "
                    f"{', '.join(self.lost)} again, source(storage_options=...)"
                )
            raise


def ask(given: Mapping[str, Any], lost: Sequence[str] = ()) -> Asked:
    """Validate arguments.

    Parameters
    ----------
    given : mapping of str to object
        Arguments by name; None and empty text mean not given.
    lost : sequence of str
        Names of secrets that were among them once.

    Returns
    -------
    Asked
        With a request as soon as the range has both bounds.

    Raises
    ------
    InvalidRequestError
        Nothing is read or fetched before.
    """
    asked = plain(given)
    for name in ("source", "message_type"):
        if name not in asked:
            has = "; ".join(f"{s.name}: {', '.join(s.types)}" for s in sources().values())
            raise InvalidRequestError(f"no {name} is given; there are {has}")
    request = None
    if "start" in asked and "end" in asked:
        request = parse(**{k: asked[k] for k in REQUEST if k in asked})
    made = Asked(asked, request, canonical(asked, request), tuple(lost))
    made.archive  # noqa: B018 - refuses what is no archive
    return made
