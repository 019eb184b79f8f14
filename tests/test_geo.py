"""Positions as geometries, in memory and in GeoParquet."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

import intake_cvpilot as cv

geopandas = pytest.importorskip("geopandas", reason="needs the extra geo")


@pytest.fixture(scope="module")
def real(bucket, tmp_path_factory):
    return {"archive": bucket, "cache_dir": tmp_path_factory.mktemp("cache")}


def test_messages_are_points_in_wgs_84(real):
    frame = cv.open_geopandas("wydot", "BSM", "2019-02-06", "2019-02-06", **real)
    assert frame.crs.to_epsg() == 4326
    assert set(frame.geom_type) == {"Point"}
    assert (frame.geometry.x == frame["longitude"]).all()
    assert (frame.geometry.y == frame["latitude"]).all()
    assert -110 < frame.geometry.x.mean() < -109


@pytest.mark.parametrize("source", ["wydot", "thea"])
def test_paths_are_lines_and_read_back_from_geoparquet(source, real, tmp_path):
    day = {"wydot": "2019-01-22", "thea": "2021-03-03"}[source]
    request_ = (source, "TIM", day, day)
    frame = cv.open_geopandas(*request_, columns=["packet_id", "path"], **real)
    lines = frame[frame.geometry.notna()]
    assert len(lines)
    assert set(lines.geom_type) == {"LineString"}
    first = lines.iloc[0]
    assert list(first.geometry.coords) == [
        (node["longitude"], node["latitude"]) for node in first["path"]
    ]
    cv.export(*request_, tmp_path / "t.parquet", form="geoparquet", columns=["packet_id"], **real)
    back = geopandas.read_parquet(tmp_path / "t.parquet")
    assert back.crs.to_epsg() == 4326
    assert list(back.columns) == ["packet_id", "geometry"]
    assert sorted(back.geometry.to_wkt().dropna()) == sorted(frame.geometry.to_wkt().dropna())
    about = json.loads(pq.read_schema(tmp_path / "t.parquet").metadata[b"geo"])
    assert about["version"] == "1.1.0"
    assert about["columns"]["geometry"]["geometry_types"] == ["LineString"]


def test_tables_without_positions_say_so(real, tmp_path):
    month = ("nycdot", "EVENT", "2021-04-01", "2021-04-30")
    with pytest.raises(cv.InvalidRequestError, match="no positions on earth"):
        cv.open_geopandas(*month, **real)
    with pytest.raises(cv.InvalidRequestError, match="no positions on earth"):
        cv.export(*month, tmp_path / "x.parquet", form="geoparquet", **real)
    assert not list(tmp_path.iterdir())
