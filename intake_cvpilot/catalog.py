"""The catalog that comes with the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intake.catalog import Catalog

__all__ = ["open_catalog"]


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
