"""A source as an Intake 2 reader: pipelines, functions, entries of a catalog, plots."""

from __future__ import annotations

import pickle

import intake
import pandas as pd
import pytest

import intake_cvpilot as cv
from intake_cvpilot.reader import CVPilotReader
from intake_cvpilot.synthetic import write_archive


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=2)
    cache = tmp_path_factory.mktemp("cache")
    return cv.open_catalog().wydot_bsm(
        start="2021-04-01", end="2021-04-01", archive=str(made.folder), cache_dir=str(cache)
    )


def fast(frame, least):
    return frame[frame["speed"] > least]


def test_a_pipeline_is_lazy_and_gives_what_the_source_gives(source):
    reader = source.to_reader()
    assert reader.output_instance == "dask.dataframe:DataFrame"
    assert len(reader.read()) == len(source.read())
    assert isinstance(reader.discover(), pd.DataFrame)
    found = reader.apply(fast, 20.0).read().compute()
    assert len(found) == (source.read()["speed"] > 20).sum() > 0
    speeds = reader["speed"].read().compute()
    assert speeds.equals(source.to_dask()["speed"].compute())


def test_readers_of_the_same_request_are_equal_and_can_be_kept(source, tmp_path):
    reader = source.to_reader()
    assert reader == source.to_reader()
    again = pickle.loads(pickle.dumps(reader))
    assert again == reader
    assert len(again.read()) == len(source.read())
    other = reader(end="2021-04-02")
    assert isinstance(other, CVPilotReader)
    assert other != reader
    catalog = intake.readers.entry.Catalog()
    catalog["fast"] = reader.apply(fast, 20.0)
    catalog.to_yaml_file(f"{tmp_path / 'kept.yaml'}")
    kept = intake.readers.entry.Catalog.from_yaml_file(f"{tmp_path / 'kept.yaml'}")
    assert len(kept["fast"].read()) == len(reader.apply(fast, 20.0).read())


def test_no_secret_is_written_down(source):
    made = source.configure_new(
        archive="s3://some-bucket", storage_options={"key": "AKIA", "secret": "hidden-one"}
    )
    reader = made.to_reader()
    assert "hidden-one" not in repr(reader) + str(reader.kwargs) + str(reader.to_entry().to_dict())


def test_a_plot_is_a_step_of_the_pipeline(source):
    reader = source.to_reader()
    names = [name for name in dir(reader.transform) if "vplot" in name.lower()]
    assert names, dir(reader.transform)
    drawn = getattr(reader, names[0])(kind="scatter", x="event_time", y="speed").read()
    assert "Scatter" in type(drawn).__name__
