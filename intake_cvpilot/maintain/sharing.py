"""A warm cache handed on: partitions into one file, and from it into another cache."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

from intake_cvpilot.cache.bundle import read_bundle, write_bundle
from intake_cvpilot.maintain.selection import StockOptions, stocks
from intake_cvpilot.options import with_options
from intake_cvpilot.settings import resolve
from intake_cvpilot.wording import amount

__all__ = ["Shared", "export_cache", "import_cache"]


@dataclass(frozen=True, slots=True)
class Shared:
    """What went from a cache into a file, or from a file into a cache."""

    cache: str
    """Folder of the cache."""
    file: str
    """The file."""
    partitions: tuple[str, ...]
    """Partitions that went, each with the name of its archive's folder."""
    kept: tuple[str, ...] = ()
    """On import: partitions that the cache had in the same or a later listing."""
    left_out: tuple[str, ...] = ()
    """On export: partitions that could not be taken along, and why."""

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{amount(len(self.partitions), 'partition')}: {self.cache}, {self.file}"]
        if self.kept:
            lines.append(f"  {len(self.kept)} were there already")
        lines += [f"  left out: {what}" for what in self.left_out]
        return "\n".join(lines)


@with_options(StockOptions)
def export_cache(
    file: str | Path,
    source: str | None = None,
    message_type: str | None = None,
    start: Any = None,
    end: Any = None,
    **options: Unpack[StockOptions],
) -> Shared:
    """Write partitions of the cache into a tar that `import_cache` reads.

    Every file is checked against its manifest on the way.  The same partitions give the same
    bytes.

    Parameters
    ----------
    file : str or path
        The tar to write; one that is there is replaced when the new one is whole.
    source, message_type : str, optional
        Only these; None for all.
    start, end : date, datetime or str, optional
        Only partitions whose window meets the range (dates included, instants half-open).
    **options
        See `intake_cvpilot.maintain.selection.StockOptions`.

    Returns
    -------
    Shared
        What is in it; damaged partitions are left out.

    Raises
    ------
    InvalidRequestError
        An unknown name or half a range.
    SpaceError, CacheError
        The file could not be written.

    Examples
    --------
    >>> export_cache("april.tar", "wydot", "BSM", "2021-04-01", "2021-04-30")  # doctest: +SKIP
    """
    path = Path(file).expanduser().absolute()
    found = stocks(source, message_type, start, end, options)
    wanted = ((stock.layout, key) for stock in found for key in stock.keys)
    done, left_out = write_bundle(path, wanted)
    root = resolve(cache_dir=options.get("cache_dir")).cache_dir
    return Shared(str(root), str(path), tuple(done), left_out=tuple(left_out))


def import_cache(file: str | Path, *, cache_dir: str | Path | None = None) -> Shared:
    """Take the partitions of a tar that `export_cache` wrote into the cache.

    Nothing in the file is trusted: names, sizes and hashes are checked, and each partition is
    committed like one that was fetched.

    Parameters
    ----------
    file : str or path
        The tar.
    cache_dir : str or path, optional
        Folder of the cache.

    Returns
    -------
    Shared
        What was taken, and what the cache had in the same or a later listing.

    Raises
    ------
    DamagedError
        The file is not whole, or not such a tar; what came before the fault is in the cache.
    SpaceError, CacheError
        Something could not be stored.

    Examples
    --------
    >>> import_cache("april.tar")  # doctest: +SKIP
    """
    path = Path(file).expanduser().absolute()
    root = resolve(cache_dir=cache_dir).cache_dir
    taken, kept = read_bundle(path, root)
    return Shared(str(root), str(path), tuple(taken), kept=tuple(kept))
