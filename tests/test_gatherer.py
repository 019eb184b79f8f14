"""The research pipeline's gatherer: interface, columns, forms, and nothing filled unasked."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pandas as pd
import pytest

import intake_cvpilot as cv
from intake_cvpilot.gatherer import S3DataGatherer
from intake_cvpilot.synthetic import write_archive

NAMES = [
    "metadata_generatedAt",
    "metadata_recordType",
    "metadata_serialId_streamId",
    "metadata_serialId_bundleSize",
    "metadata_serialId_bundleId",
    "metadata_serialId_recordId",
    "metadata_serialId_serialNumber",
    "metadata_receivedAt",
    "coreData_id",
    "coreData_secMark",
    "coreData_position_lat",
    "coreData_position_long",
    "coreData_accuracy_semiMajor",
    "coreData_accuracy_semiMinor",
    "coreData_elevation",
    "coreData_accelset_accelYaw",
    "coreData_speed",
    "coreData_heading",
    "coreData_position",
]


class Provider:
    """Raises for a missing key, as the pipeline's do."""

    def __init__(self, **values):
        self.values = {f"S3DataGatherer.{key}": value for key, value in values.items()}

    def get(self, key):
        return self.values[key]

    def getPathWithModelName(self, key):  # noqa: N802 -- the pipeline's name
        raise KeyError(key)


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    made = write_archive(tmp_path_factory.mktemp("archive"), records_per_hour=4)
    return {
        "source": "wydot",
        "message_type": "bsm",
        "start_date": "2021-04-01",
        "end_date": "2021-04-01",
        "archive": made.folder,
        "cache_dir": tmp_path_factory.mktemp("cache"),
    }


def gatherer(**values) -> S3DataGatherer:
    provider = Provider(**values)
    return S3DataGatherer(pathprovider=lambda: provider, contextprovider=lambda: provider)


def test_the_frame_has_the_names_dtypes_and_forms_of_the_portals_export(configured):
    made = gatherer(**configured)
    assert made.data is None
    assert made.get_gathered_data() is None
    frame = made.gather_data()
    assert set(NAMES) <= set(frame.columns)
    assert made.get_gathered_data() is frame
    found = made.compute_data()
    assert dict(found.dtypes.astype(str)) == dict(frame.dtypes.astype(str))
    assert found["coreData_id"].dtype == object
    assert found["metadata_serialId_bundleId"].dtype == "Int64"
    assert found["coreData_speed"].dtype == "float64"
    # What the pipeline's cleaners do with it.
    clean = found[NAMES].dropna()
    assert len(clean)
    moments = pd.to_datetime(clean["metadata_generatedAt"], format="%m/%d/%Y %I:%M:%S %p")
    assert (moments.dt.date == pd.Timestamp("2021-04-01").date()).all()
    points = clean["coreData_position"].str.extract(r"^POINT \((\S+) (\S+)\)$").astype(float)
    assert (points[0] == clean["coreData_position_long"]).all()
    assert (points[1] == clean["coreData_position_lat"]).all()


def test_nulls_are_filled_only_where_asked_and_counted(configured, caplog):
    plain = gatherer(**configured).gather_data().compute()
    nulls = int(plain["coreData_elevation"].isna().sum())
    others = int(plain["coreData_speed"].isna().sum())
    assert nulls
    with caplog.at_level(logging.INFO, "intake_cvpilot.gatherer"):
        filled = gatherer(**configured, fill={"coreData_elevation": 0.0}).gather_data().compute()
    assert f"filled {nulls:,} cells of coreData_elevation with 0.0" in caplog.text
    assert (filled.loc[plain["coreData_elevation"].isna(), "coreData_elevation"] == 0).all()
    assert int(filled["coreData_speed"].isna().sum()) == others
    with pytest.raises(cv.InvalidRequestError, match="coreData_elev'"):
        gatherer(**configured, fill={"coreData_elev": 0.0}).gather_data()


def test_ranges_columns_and_memory(configured):
    rest = {key: value for key, value in configured.items() if key != "start_date"}
    back = gatherer(**rest, days_back=2, columns=["coreData_id"], time_format="api")
    assert back._days[0].isoformat() == "2021-03-31"
    assert list(back.gather_data().columns) == ["coreData_id"]
    assert back.persist_data() is back
    total = back.get_memory_usage()["total"]
    assert 0 < total["used_gb"] < total["limit_gb"]
    assert total["percent"] == pytest.approx(100 * total["used_gb"] / total["limit_gb"])
    back.log_memory_usage()
    for lacking in ("source", "message_type", "end_date"):
        with pytest.raises(cv.InvalidRequestError, match=lacking):
            gatherer(**{key: value for key, value in configured.items() if key != lacking})
    with pytest.raises(cv.InvalidRequestError, match="gather_data"):
        gatherer(**configured).compute_data()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("days_back", "soon"),
        ("days_back", 0),
        ("timezone", "Mars/Gale"),
        ("end_date", "tomorrow"),
        ("fill", 0),
        ("fill", {"coreData_elevation": "none"}),
        ("fill", {"metadata_serialId_bundleId": 0.5}),
        ("fill", {"coreData_id": 0}),
        ("time_format", "iso"),
    ],
)
def test_a_value_that_is_no_good_is_named(configured, key, value):
    rest = {k: v for k, v in configured.items() if k != "start_date"}
    shown = next(iter(value.values())) if isinstance(value, dict) else value
    with pytest.raises(cv.InvalidRequestError, match=re.escape(repr(shown))):
        gatherer(**{**rest, "days_back": 1, key: value}).gather_data()


@pytest.mark.parametrize("package", [True, False])
def test_install_puts_the_class_where_the_pipeline_looks(package, tmp_path):
    if package:
        (tmp_path / "Gatherer").mkdir()
        (tmp_path / "Gatherer" / "S3DataGatherer.py").write_text("raise ImportError('the old one')")
        (tmp_path / "Gatherer" / "Other.py").write_text("here = True")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import intake_cvpilot.gatherer as g;"
        "g.install(); from Gatherer.S3DataGatherer import S3DataGatherer;"
        "assert S3DataGatherer is g.S3DataGatherer"
    )
    if package:
        code += "; from Gatherer.Other import here"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
