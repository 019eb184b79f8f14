"""Positions and paths as geometries in EPSG:4326 (longitude, latitude)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from intake_cvpilot.errors import InvalidRequestError
from intake_cvpilot.extras import need
from intake_cvpilot.frames.arrow import empty_table, read_piece
from intake_cvpilot.frames.naming import named, read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import geopandas as gpd

    from intake_cvpilot.frames.select import Piece, Selection

__all__ = ["CRS", "GEOMETRY", "geo_metadata", "geometries", "kind_of", "to_geopandas", "with_wkb"]

CRS: Final = "EPSG:4326"
"""WGS 84; geometries are in the order longitude, latitude."""
GEOMETRY: Final = "geometry"
"""Name of the column."""
_NEEDS: Final = {"messages": ("longitude", "latitude"), "frames": ("path",)}
_KINDS: Final = {"messages": "Point", "frames": "LineString"}


def kind_of(table: str) -> str:
    """Give the type of a table's geometries.

    Raises
    ------
    InvalidRequestError
        The table has no positions on earth.
    """
    if table not in _KINDS:
        raise InvalidRequestError(
            f"table {table} has no positions on earth; {' and '.join(_KINDS)} have"
        )
    return _KINDS[table]


def geometries(data: pa.Table, table: str) -> Any:
    """Give an array of shapely geometries, None where a position is not known.

    Parameters
    ----------
    data : pyarrow.Table
        Rows with our columns of positions.
    table : str
        messages: points.  frames: lines through the nodes of ``path``, which the anchor is not one
        of; None for circles, and for paths of fewer than two nodes.
    """
    shapely = need("shapely", "geo")
    import numpy as np

    if kind_of(table) == "Point":
        longitude, latitude = (data.column(name).to_numpy() for name in _NEEDS[table])
        points = shapely.points(longitude, latitude)
        points[np.isnan(longitude) | np.isnan(latitude)] = None
        return points
    lines = np.full(data.num_rows, None, dtype=object)
    for row, nodes in enumerate(data.column("path").to_pylist()):
        if nodes is not None and len(nodes) > 1:
            lines[row] = shapely.linestrings([(n["longitude"], n["latitude"]) for n in nodes])
    return lines


def _tables(found: Sequence[Piece], chosen: Selection) -> Iterator[pa.Table]:
    """Rows with the columns asked for, part by part, and those that the geometry needs."""
    wanted = list(dict.fromkeys([*read_columns(chosen), *_NEEDS[chosen.table.name]]))
    for piece in found:
        yield read_piece(piece, chosen.table, wanted, chosen.rows)


def with_wkb(found: Sequence[Piece], chosen: Selection) -> Iterator[pa.Table]:
    """Give rows part by part with a last column ``geometry`` of WKB."""
    shapely = need("shapely", "geo")
    kind_of(chosen.table.name)
    for data in _tables(found, chosen):
        wkb = shapely.to_wkb(geometries(data, chosen.table.name))
        yield named(data, chosen).append_column(GEOMETRY, pa.array(wkb, pa.binary()))


def geo_metadata(table: str) -> dict[str, str]:
    """Give what GeoParquet 1.1 puts into a file's metadata."""
    pyproj = need("pyproj", "geo")
    column = {
        "encoding": "WKB",
        "geometry_types": [kind_of(table)],
        "crs": pyproj.CRS(CRS).to_json_dict(),
    }
    about = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    return {"geo": json.dumps(about)}


def to_geopandas(found: Sequence[Piece], chosen: Selection) -> gpd.GeoDataFrame:
    """Read the rows of some parts into a frame with geometries.

    Raises
    ------
    InvalidRequestError
        The table has no positions on earth.
    MissingExtraError
        GeoPandas is not installed.
    """
    geopandas = need("geopandas", "geo")
    from intake_cvpilot.frames.dtypes import to_pandas

    kind_of(chosen.table.name)
    wanted = list(dict.fromkeys([*read_columns(chosen), *_NEEDS[chosen.table.name]]))
    data = pa.concat_tables([empty_table(chosen.table, wanted), *_tables(found, chosen)])
    frame = to_pandas(named(data, chosen), chosen.table)
    made: gpd.GeoDataFrame = geopandas.GeoDataFrame(
        frame, geometry=geometries(data, chosen.table.name), crs=CRS
    )
    return made
