"""The golden files agree with themselves and with the samples; no decoder takes part."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SAMPLES = HERE / "samples"
GOLDEN = HERE / "golden"
HEADER = "table\trow\tcolumn\tpath\traw\trule\texpected"
# Golden files of the seven-column form; those of WYDOT BSM are simpler and have their own test.
TABLES_OF = sorted(
    path.stem
    for path in GOLDEN.glob("*.tsv")
    if path.read_text(encoding="utf-8").splitlines()[0] == HEADER
)

# The columns as the project's table document lists them, typed by hand: name, then kind.
# t instant, d double, i int, b bool, s text, e enum, l: list of ..., S struct list, j any JSON.
# object_id, line and is_repeat are not golden: they belong to the archive, not to a record.
SHARED = """event_time:t time_basis:e received_time:t schema_version:i generated_by:e record_type:e
log_file:s log_direction:e security_result:e sanitized:b stream_id:s bundle_id:i record_id:i
serial_number:i bundle_size:i receiver_latitude:d receiver_longitude:d receiver_elevation:d
receiver_speed:d receiver_heading:d receiver_source:e rsu_id:e extra:j"""
MOTION = """msg_count:i speed:d heading:d accel_long:d accel_lat:d accel_vert:d yaw_rate:d
steering_angle:d accuracy_semi_major:d accuracy_semi_minor:d accuracy_orientation:d transmission:e
brake_left_front:b brake_left_rear:b brake_right_front:b brake_right_rear:b traction:e abs:e scs:e
brake_boost:e aux_brakes:e vehicle_width:d vehicle_length:d vehicle_class:i vehicle_height:d
vehicle_mass:d path_history:S path_radius:d path_straight:b path_confidence:d events:ls
lights:ls"""
KINDS = {
    table: dict(pair.split(":") for pair in text.split())
    for table, text in {
        "messages": f"""{SHARED} {MOTION} sent_time:t bsm_source:e vehicle_id:s sec_mark:i
            latitude:d longitude:d elevation:d vehicle_role:e hpms_type:e fuel_type:e
            bumper_front:d bumper_rear:d trailer_weight:d""",
        "frames": f"""{SHARED} packet_id:s msg_count:i message_time:t frame:i region:i frame_type:e
            start_time:t duration_minutes:i until_further_notice:b end_time:t priority:i
            content_type:e content:S itis_codes:li texts:ls name:s road_id:i road_region_id:i
            sign_latitude:d sign_longitude:d sign_elevation:d further_info_id:s mutcd:e view_angle:s
            anchor_latitude:d anchor_longitude:d anchor_elevation:d lane_width:d direction:s
            directionality:e closed_path:b geometry:e path:S circle_latitude:d circle_longitude:d
            circle_radius:d url:s""",
        "movements": f"""{SHARED} intersection_id:i region_id:i intersection_name:s revision:i
            status:ls intersection_time:t signal_group:i movement_name:s event:i event_state:e
            start_time:t min_end_time:t max_end_time:t likely_time:t next_time:t confidence:i
            enabled_lanes:li""",
        "events": """event_id:s year:i month:i weekday:e period:e location_bin:s near_rsu:b
            borough:e road_type:e location_source:e event_type:e alert_active:b alert_sent:b
            alert_heard:b host_vehicle_id:s target_vehicle_id:s host_sequence:i target_sequence:i
            group:i group_kind:e firmware:s weather:e air_temperature:d wind_speed:d
            precipitation:d precipitation_trace:b speed_condition:d minutes_since_plow:i
            plow_seen:b parameters:j bsm_count:i map_count:i spat_count:i tim_count:i maps:j
            spats:j tims:j extra:j""",
        "bsms": f"""event_id:s sequence:i t:d x:d y:d z:d vehicle_id:s is_host:b rf_level:i
            authenticated:b {MOTION} extra:j""",
    }.items()
}
STRUCTS = {
    ("messages", "path_history"): {
        "latitude_offset",
        "longitude_offset",
        "elevation_offset",
        "time_offset",
    },
    ("bsms", "path_history"): {"x", "y", "z", "t"},
    ("frames", "content"): {"itis", "text"},
    ("frames", "path"): {"longitude", "latitude", "elevation"},
}
TABLES = {
    "bsm": {"messages"},
    "tim": {"frames"},
    "spat": {"movements"},
    "event": {"events", "bsms"},
}
# What only WYDOT's metadata has, in the one table that no WYDOT record gives.
WYDOT_ONLY = """received_time record_type security_result sanitized stream_id bundle_id record_id
serial_number bundle_size receiver_latitude receiver_longitude receiver_elevation receiver_speed
receiver_heading receiver_source"""
NEVER_SEEN = {("movements", name) for name in WYDOT_ONLY.split()}
REASONS = {"", "unavailable", "out_of_range", "unreadable", "artefact"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def lines(path: Path) -> list[dict[str, str]]:
    """A TSV without quoting, as rows of text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True))


@cache
def sample(name: str) -> Any:
    """The sample's one record."""
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def look_up(record: Any, path: str) -> Any:
    """What stands at a path, or KeyError."""
    node = record
    for key, position in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if key:
            if not isinstance(node, dict):
                raise KeyError(path)
            node = node[key]
        elif not isinstance(node, list) or int(position) >= len(node):
            raise KeyError(path)
        else:
            node = node[int(position)]
    return node


def fits(kind: str, value: Any) -> bool:
    """Whether an expected cell is of its column's kind."""
    if value is None or kind == "j":
        return True
    if kind == "t":
        return isinstance(value, str) and INSTANT.fullmatch(value) is not None
    if kind == "d":
        return isinstance(value, float) and math.isfinite(value)
    if kind in {"S", "ls", "li"}:
        inner: dict[str, type] = {"S": dict, "ls": str, "li": int}
        return isinstance(value, list) and all(isinstance(item, inner[kind]) for item in value)
    return type(value) is {"i": int, "b": bool, "s": str, "e": str}[kind]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_samples_are_one_json_object(path: Path) -> None:
    """One record a file, without duplicate keys, in ASCII as the archive writes it."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    record = json.loads(path.read_bytes().decode("ascii"), object_pairs_hook=unique)
    assert isinstance(record, dict), record


@pytest.mark.parametrize("name", TABLES_OF)
def test_every_column_of_every_row_is_there_once(name: str) -> None:
    """A golden file lists each row of its tables completely, rows numbered from 0."""
    cells = lines(GOLDEN / f"{name}.tsv")
    assert {cell["table"] for cell in cells} <= TABLES[name.split("-")[1]]
    for table in {cell["table"] for cell in cells}:
        rows: dict[int, list[str]] = {}
        for cell in cells:
            if cell["table"] == table:
                rows.setdefault(int(cell["row"]), []).append(cell["column"])
        assert sorted(rows) == list(range(len(rows)))
        for columns in rows.values():
            assert sorted(columns) == sorted(KINDS[table])


@pytest.mark.parametrize("name", TABLES_OF)
def test_raw_values_stand_in_the_sample(name: str) -> None:
    """What is called raw is what the sample has at that path."""
    record = sample(name)
    for cell in lines(GOLDEN / f"{name}.tsv"):
        assert cell["rule"], cell
        if cell["path"] in {"", "$", "bsmList"}:
            continue
        paths = cell["path"].split(" + ")
        found: list[Any] = []
        for path in paths:
            try:
                found.append(look_up(record, path))
            except KeyError:
                found.append(None)
        if len(paths) > 1:
            assert json.loads(cell["raw"]) == found, cell
        elif cell["raw"]:
            assert json.loads(cell["raw"]) == look_up(record, cell["path"]), cell
        else:
            with pytest.raises(KeyError):
                look_up(record, cell["path"])
            assert json.loads(cell["expected"]) in {None, 0}


@pytest.mark.parametrize("name", TABLES_OF)
def test_expected_cells_are_of_their_columns_kind(name: str) -> None:
    """Doubles are JSON floats, instants are complete, structs have their fields."""
    for cell in lines(GOLDEN / f"{name}.tsv"):
        table, column = cell["table"], cell["column"]
        value = json.loads(cell["expected"])
        assert fits(KINDS[table][column], value), cell
        for item in (value or []) if (table, column) in STRUCTS else []:
            assert set(item) == STRUCTS[table, column]


def test_every_column_is_filled_somewhere() -> None:
    """A column that no sample fills would never be tested."""
    filled = {
        (cell["table"], cell["column"])
        for name in TABLES_OF
        for cell in lines(GOLDEN / f"{name}.tsv")
        if json.loads(cell["expected"]) is not None
    }
    wanted = {(table, column) for table, kinds in KINDS.items() for column in kinds}
    assert wanted - filled == NEVER_SEEN


def test_every_source_and_type_has_a_sample() -> None:
    """All forms that were still to be decoded."""
    assert {tuple(name.split("-")[:2]) for name in TABLES_OF} >= {
        ("wydot", "tim"),
        ("wydot_backup", "bsm"),
        ("wydot_backup", "tim"),
        ("thea", "bsm"),
        ("thea", "spat"),
        ("thea", "tim"),
        ("nycdot", "event"),
    }


@pytest.mark.parametrize("name", [name for name in TABLES_OF if name.startswith("nycdot")])
def test_event_ids_are_hashes_of_the_samples(name: str) -> None:
    """The id is that of the object's bytes, without the white space around it."""
    raw = (SAMPLES / f"{name}.json").read_bytes().strip()
    cells = lines(GOLDEN / f"{name}.tsv")
    ids = {json.loads(cell["expected"]) for cell in cells if cell["column"] == "event_id"}
    assert ids == {hashlib.sha256(raw).hexdigest()[:16]}


def test_paths_in_metres_follow_the_stated_formula() -> None:
    """The formula of the README, read back: the golden points lie as far apart as the offsets."""
    cells = {cell["column"]: cell for cell in lines(GOLDEN / "thea-tim-1.tsv")}
    nodes = json.loads(cells["path"]["raw"])
    at = [json.loads(cells[name]["expected"]) for name in ("anchor_latitude", "anchor_longitude")]
    semi_major, eccentricity2 = 6378137.0, 0.0066943799901413165
    for node, point in zip(nodes, json.loads(cells["path"]["expected"]), strict=True):
        phi = math.radians(at[0])
        w = 1 - eccentricity2 * math.sin(phi) ** 2
        north = math.radians(point["latitude"] - at[0]) * semi_major * (1 - eccentricity2) / w**1.5
        east = math.radians(point["longitude"] - at[1]) * semi_major / w**0.5 * math.cos(phi)
        delta = node["delta"]["node-XY6"]
        assert math.isclose(east, int(delta["x"]) / 100, abs_tol=1e-6)
        assert math.isclose(north, int(delta["y"]) / 100, abs_tol=1e-6)
        at = [point["latitude"], point["longitude"]]


def test_no_password_is_expected_anywhere() -> None:
    """Secrets stand in the sample and never in a cell."""
    cells = lines(GOLDEN / "wydot-tim-6-broadcast.tsv")
    assert "not-a-real-one" in (SAMPLES / "wydot-tim-6-broadcast.json").read_text(encoding="ascii")
    assert not any(re.search("not-a-real-one|wyrsu", cell["expected"]) for cell in cells)


def test_bounds_name_a_place_and_a_reason() -> None:
    """Every bound can be put into its sample; only nulls have reasons."""
    types = {"BSM": "bsm", "TIM": "tim", "SPAT": "spat", "EVENT": "event"}
    for bound in lines(GOLDEN / "bounds.tsv"):
        assert bound["table"] in TABLES[types[bound["type"]]], bound
        _, value = json.loads(bound["raw"]), json.loads(bound["expected"])
        assert bound["reason"] in REASONS, bound
        assert value is None or not bound["reason"], bound
        column, _, field = bound["column"].partition(".")
        if field:
            assert field in STRUCTS[bound["table"], column]
            assert value is None or isinstance(value, float)
        else:
            assert fits(KINDS[bound["table"]][column], value), bound
        parent = bound["path"].rpartition(".")[0]
        assert isinstance(look_up(sample(bound["sample"]), parent), dict), bound


def test_bounds_stand_on_both_sides() -> None:
    """Whatever has a sentinel or a range also has a value that is kept."""
    kept, refused = set(), set()
    for bound in lines(GOLDEN / "bounds.tsv"):
        key = (bound["source"], bound["type"], bound["column"])
        if json.loads(bound["expected"]) is not None:
            kept.add(key)
        elif bound["reason"]:
            refused.add(key)
    assert refused <= kept
    numeric = {"speed", "heading", "accel_long", "accel_lat", "accel_vert", "vehicle_mass"}
    assert {("wydot", "BSM", name) for name in numeric} <= refused
    assert {("thea", "BSM", name) for name in numeric | {"latitude", "longitude"}} <= refused
    assert {("nycdot", "EVENT", name) for name in numeric} <= refused


def test_samples_are_no_real_records(bucket: Path) -> None:
    """Ids, positions and stream names of the samples occur in no real record."""
    real = "\n".join(
        path.read_text(encoding="utf-8") for path in bucket.rglob("*") if path.is_file()
    )
    for name in TABLES_OF:
        for cell in lines(GOLDEN / f"{name}.tsv"):
            if cell["column"] in {"vehicle_id", "stream_id", "packet_id", "name", "latitude"}:
                raw = cell["raw"].strip('"')
                assert len(raw) < 6 or raw not in real or raw == "900000001", cell
