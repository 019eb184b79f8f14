"""A whole-table CSV of the data portal split into days, beside DuckDB that only reads it."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.benchmark import Benchmark, Measured, Run, SkippedError, process, turns

__all__ = ["BENCHMARKS", "write_table"]

SPLIT: Final = """
import sys
from pathlib import Path
from intake_cvpilot.archive.rows_split import split
from intake_cvpilot.sources import message_type
done = split(Path(sys.argv[1]), message_type("wydot_portal", "BSM").dataset, Path(sys.argv[2]))
print(done.total)
"""
READ: Final = """
import sys
import duckdb
table = f"read_csv('{sys.argv[1]}', all_varchar=true)"
print(duckdb.sql(f"SELECT count(*), max(COLUMNS(*)) FROM {table}").fetchall()[0][0])
"""
COUNT: Final = """
import sys
import duckdb
table = f"read_csv('{sys.argv[1]}', all_varchar=true)"
print(duckdb.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])
"""
_BEGIN: Final = datetime(2021, 4, 1)  # noqa: DTZ001 - the export's times name no zone
_DAYS: Final = 30


def write_table(path: Path, size: int) -> Path:
    """Write a table of about so many bytes: a month of rows in no order of time, as exported."""
    from intake_cvpilot.tables.portal_names import portal_columns

    if path.exists() and abs(path.stat().st_size - size) < size / 20:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(portal_columns("wydot", "messages"))
    random.seed(7)
    crumbs = json.dumps(
        [
            {"latOffset": 0.0001, "lonOffset": -0.0023, "elevationOffset": -0.5, "timeOffset": t}
            for t in (1.2, 4.5)
        ]
    )
    said = {
        "metadata_logFileName": "rxMsg_1617235200_2620%3A31%3A40e0%3A846%3A%3A1.csv",
        "metadata_serialId_streamId": "d1a8f3c0-9e5a-4f6e-8ad1-0f6d5f1a7b21",
        "metadata_payloadType": "us.dot.its.jpo.ode.model.OdeBsmPayload",
        "dataType": "us.dot.its.jpo.ode.plugin.j2735.J2735Bsm",
        "part2_vse_ph_crumbdata": crumbs,
        "coreData_size": json.dumps({"width": 254, "length": 1190}),
        "coreData_position": "POINT (-105.3122 41.1500123)",
    }
    stamps = ("metadata_generatedAt", "metadata_receivedAt")
    values = [said.get(name, "12.5" if "coreData" in name else "true") for name in names]
    at = [names.index(name) for name in stamps]
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(names)
        while file.tell() < size:
            text = io.StringIO()
            out = csv.writer(text, lineterminator="\n")
            for _ in range(5_000):
                when = _BEGIN + timedelta(seconds=random.randrange(_DAYS * 86_400))
                for place in at:
                    values[place] = when.strftime("%m/%d/%Y %I:%M:%S %p")
                out.writerow(values)
            file.write(text.getvalue())
    return path


def _against(run: Run, bare: str) -> Measured:
    try:
        import duckdb  # noqa: F401
    except ImportError as error:
        raise SkippedError("duckdb is not installed") from error
    path = write_table(run.folder / "rows.csv", int(run.sizes.mb * 10**6))
    rows: set[str] = set()
    peaks: list[int] = []

    def ours() -> float:
        place = run.place("split")
        spent = process(["python", "-c", SPLIT, str(path), str(place)])
        shutil.rmtree(place)
        peaks.append(spent.peak)
        rows.add(spent.output.strip())
        return spent.wall

    def theirs() -> float:
        spent = process(["python", "-c", bare, str(path)])
        rows.add(spent.output.split()[-1])  # the rest is its progress
        return spent.wall

    found = turns(run, ours, theirs)
    if len(rows) != 1:
        raise RuntimeError(f"the two sides count other rows: {sorted(rows)}")
    size = path.stat().st_size / 10**6
    note = f"{size:,.0f} MB, {int(rows.pop()):,} rows; {max(peaks) / 10**6:,.0f} MB at most"
    return Measured(found.ours, found.bare, found.unit, note)


BENCHMARKS = (
    Benchmark(
        "portal-split",
        "a whole-table CSV split into files of days (written to disk)",
        "DuckDB reads every value of the CSV",
        lambda run: _against(run, READ),
        goal=2.0,
    ),
    Benchmark(
        "portal-split-count",
        "a whole-table CSV split into files of days (written to disk)",
        "DuckDB counts the rows of the CSV",
        lambda run: _against(run, COUNT),
    ),
)
