"""The catalog of published partitions that Intake reads without this library: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from intake_cvpilot.sources import sources

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest

__all__ = ["CATALOG", "is_plain_catalog", "plain_catalog"]

#: Its name beside the partitions.
CATALOG = "catalog.yml"


def plain_catalog(tree: str, manifests: Iterable[Manifest]) -> bytes:
    """Give a catalog with an entry for each source, message type and table that has rows.

    Parts are named one by one: a pattern would take superseded ones too.

    Parameters
    ----------
    tree : str
        Name of the archive's folder.
    manifests : iterable of Manifest
        What is published.

    Returns
    -------
    bytes
        YAML; equal for equal manifests.
    """
    import yaml

    paths: dict[str, list[tuple[str, str]]] = defaultdict(list)
    keys: dict[str, set[str]] = defaultdict(set)
    entries = _entries()
    for manifest in manifests:
        source, message_type = manifest.key.split("/")[:2]
        for file in manifest.files:
            name = entries.get((source, message_type, file.role))
            if name is not None and file.rows:
                place = f"{{{{ CATALOG_DIR }}}}/{tree}/{manifest.key}/{file.name}"
                paths[name].append((file.start or manifest.key, place))
                keys[name].add(manifest.key)
    made = {
        name: _entry(known, [place for _, place in sorted(paths[name])], keys[name])
        for known, name in entries.items()
        if paths[name]
    }
    text: str = yaml.safe_dump({"metadata": {"version": 1}, "sources": made}, sort_keys=False)
    return text.encode()


def is_plain_catalog(tree: str, text: bytes) -> bool:
    """Say whether a catalog is one that `plain_catalog` gave, of whatever partitions.

    Parameters
    ----------
    tree : str
        Name of the archive's folder.
    text : bytes
        YAML.
    """
    import yaml

    try:
        entries = yaml.safe_load(text)["sources"].values()
        places = [place for entry in entries for place in entry["args"]["urlpath"]]
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return all(place.startswith(f"{{{{ CATALOG_DIR }}}}/{tree}/") for place in places)


def _entries() -> dict[tuple[str, str, str], str]:
    """Give the catalog's names by source, message type and table."""
    return {
        (source.name, kind.name, table): name
        for source in sources().values()
        for kind in source.types.values()
        for table, name in kind.catalog.items()
    }


def _entry(known: tuple[str, str, str], places: list[str], keys: set[str]) -> dict[str, Any]:
    source, (kind, table) = sources()[known[0]], known[1:]
    licence = {"name": source.licence.name, "url": source.licence.url}
    if source.licence.terms:
        licence["terms"] = source.licence.terms
    return {
        "description": f"{source.title}: {source.types[kind].title}, table {table}. Whole "
        "partitions as they were published; SI units, UTC.",
        "driver": "parquet",
        "args": {"urlpath": places, "engine": "pyarrow", "dtype_backend": "pyarrow"},
        "metadata": {
            "title": source.title,
            "agency": source.agency,
            "licence": licence,
            "partitions": {"first": min(keys), "last": max(keys), "number": len(keys)},
        },
    }
