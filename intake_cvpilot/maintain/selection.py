"""Which partitions of the cache a command is about; nothing is asked of an archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from intake_cvpilot.cache.census import keys
from intake_cvpilot.elsewhere import elsewhere
from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.job import layout_of
from intake_cvpilot.partition import partition, partitions
from intake_cvpilot.request import parse
from intake_cvpilot.settings import Settings, resolve
from intake_cvpilot.sources import message_type as known_type
from intake_cvpilot.sources import source as known_source
from intake_cvpilot.sources import sources
from intake_cvpilot.warn import warn

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["Stock", "StockOptions", "stocks"]


class StockOptions(TypedDict, total=False):
    """Keyword arguments of the calls that look after the cache."""

    timezone: str
    """IANA zone of naive bounds (default UTC)."""
    weekday: str | Sequence[str] | None
    """Only nycdot: MON to SUN or NA; None for all."""
    archive: str | Path | None
    """URL or folder of the archive that the partitions came from; each source's own by default."""
    storage_options: Mapping[str, Any] | None
    """How to reach it: an endpoint is part of which archive it is."""
    cache_dir: str | Path | None
    """Folder of the cache."""


@dataclass(frozen=True, slots=True)
class Stock:
    """Partitions of one source and message type, as far as a command is about them."""

    settings: Settings
    """What holds for the source."""
    layout: Layout
    """The cache and the archive."""
    source: str
    """The source."""
    message_type: str
    """The message type."""
    keys: tuple[str, ...]
    """Partitions with a folder of their own, committed or not, in order."""


def stocks(
    source: str | None,
    message_type: str | None,
    start: Any,
    end: Any,
    options: StockOptions,
) -> tuple[Stock, ...]:
    """Find the partitions that are meant.

    Parameters
    ----------
    source, message_type : str, optional
        Only these; None for all.
    start, end : date, datetime or str, optional
        Only partitions whose window meets the range; both or neither, and only with both of the
        above.
    options : StockOptions
        The cache and the archive.

    Raises
    ------
    InvalidRequestError
        An unknown name, or half a range.
    """
    if message_type is not None and source is None:
        raise InvalidRequestError("a message type goes with a source, as in 'wydot', 'BSM'")
    if (start is None) != (end is None) or (start is not None and message_type is None):
        raise InvalidRequestError(
            "a range has both start and end, and goes with a source and a message type"
        )
    chosen = None if source is None else known_source(source).name
    kind = None if chosen is None or message_type is None else known_type(chosen, message_type).name
    wanted = _wanted(chosen, kind, start, end, options)
    found = []
    for name, owner in sources().items():
        if chosen not in (None, name):
            continue
        taken = ("archive", "storage_options", "cache_dir")
        given: Mapping[str, Any] = {key: options[key] for key in taken if key in options}  # type: ignore[literal-required]
        settings = resolve(source=name, **given)
        layout = layout_of(settings)
        for each in owner.types:
            if kind in (None, each):
                there = [key for key in keys(layout, name, each) if _is_partition(key)]
                there = [key for key in there if wanted is None or key in wanted]
                found.append(Stock(settings, layout, name, each, tuple(there)))
    if not any(stock.keys for stock in found):
        # "Nothing" must not be read as an empty cache.
        said = elsewhere([stock.layout for stock in found], chosen, kind)
        if said is not None:
            warn(said)
    return tuple(found)


def _wanted(
    source: str | None, kind: str | None, start: Any, end: Any, options: StockOptions
) -> frozenset[str] | None:
    narrowed = {k: v for k, v in options.items() if k in ("timezone", "weekday") and v}
    if source is None or kind is None or start is None:
        if "weekday" in narrowed:
            raise InvalidRequestError("weekday goes with a range of nycdot EVENT")
        return None
    request = parse(source, kind, start, end, **narrowed)  # type: ignore[arg-type]
    return frozenset(each.key for each in partitions(request))


def _is_partition(key: str) -> bool:
    try:
        partition(key)
    except InvalidRequestError:
        return False
    return True
