"""The catalog that comes with the library, and catalogs that do without the library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake_cvpilot.errors import InvalidRequestError

if TYPE_CHECKING:
    import os

    from intake.catalog import Catalog

    from intake_cvpilot.driver import CVPilotSource

__all__ = ["open_catalog", "static_catalog"]


def open_catalog() -> Catalog:
    """Open the catalog that comes with the library.

    Returns
    -------
    intake.catalog.Catalog
        One entry a source and message type, for example ``wydot_bsm``; nycdot has one a table.

    Examples
    --------
    >>> source = open_catalog().wydot_bsm(start="2021-04-01", end="2021-04-07")
    >>> source.request.end.isoformat()
    '2021-04-08T00:00:00+00:00'
    """
    import intake

    return intake.open_catalog(str(catalog_file()))


def catalog_file() -> Path:
    """Give the catalog's file: inside the package of a wheel, beside it in a checkout."""
    package = Path(__file__).parent
    packaged = package / "cvpilot.yml"
    return packaged if packaged.is_file() else package.parent / "catalogs" / "cvpilot.yml"


def static_catalog(
    folder: str | os.PathLike[str],
    sources: Iterable[CVPilotSource] | Mapping[str, CVPilotSource],
) -> Path:
    """Write a copy of some sources as plain Parquet, and a plain catalog of it.

    A colleague opens it with Intake and intake-parquet, without this library, wherever the folder
    is moved to; the Parquet files open with anything.

    Parameters
    ----------
    folder : path
        Where to write: ``catalog.yml``, and a folder for each source.
    sources : iterable of CVPilotSource, or mapping of str to CVPilotSource
        What to copy; missing data is fetched first. A mapping gives the entries' names, else each
        source has its own.

    Returns
    -------
    pathlib.Path
        The catalog.

    Raises
    ------
    InvalidRequestError
        Two sources have one name, a range lacks a bound, or the folder holds a catalog.

    Examples
    --------
    >>> day = open_catalog().wydot_bsm(start="2021-04-01", end="2021-04-01")
    >>> static_catalog("for-anna", [day])  # doctest: +SKIP
    """
    root = Path(folder).expanduser().absolute()
    catalog = root / "catalog.yml"
    if catalog.exists():
        raise InvalidRequestError(f"{catalog} is there already; give another folder")
    named = sources if isinstance(sources, Mapping) else by_name(sources)
    entries = {}
    for name, source in named.items():
        if not name.isidentifier():
            raise InvalidRequestError(f"{name!r} is no name for an entry: letters, digits and _")
        source.write_parquet(root / name)
        entries[name] = plain_entry(name, source)
    write_catalog(catalog, entries)
    return catalog


def by_name(sources: Iterable[CVPilotSource]) -> dict[str, CVPilotSource]:
    """Give sources by their names, each its own."""
    named: dict[str, CVPilotSource] = {}
    for source in sources:
        if source.name in named:
            raise InvalidRequestError(
                f"two sources are named {source.name}: give a mapping of names to sources"
            )
        named[source.name] = source
    return named


def plain_entry(name: str, source: CVPilotSource) -> dict[str, Any]:
    """Give the entry of a copy, in a form that Intake reads without this library."""
    (spec,) = source._yaml()["sources"].values()  # noqa: SLF001 - Intake's name for it
    about = {k: v for k, v in spec["metadata"].items() if k not in ("catalog_dir", "left_out")}
    places = ("archive", "cache_dir", "cache_options", "storage_options")
    asked = {k: v for k, v in spec["args"].items() if k not in places}
    return {
        "description": spec["description"],
        "driver": "parquet",
        "args": {
            "urlpath": f"{{{{ CATALOG_DIR }}}}/{name}",
            "engine": "pyarrow",
            "dtype_backend": "pyarrow",
        },
        "metadata": {**about, "request": asked},
    }


def write_catalog(path: Path, entries: Mapping[str, Any]) -> None:
    """Write the catalog last and whole: whoever finds it finds what it names."""
    import yaml

    document = {"metadata": {"version": 1}, "sources": dict(entries)}
    begun = path.with_suffix(".begun")
    begun.parent.mkdir(parents=True, exist_ok=True)
    begun.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    begun.replace(path)
