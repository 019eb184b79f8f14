"""A later release of the library: a copy of this one in which the table of BSM has grown.

It is made as a release would be: a column is an entry in its table, and a cell in the raw shapes.
It runs in processes of its own, so that both releases are real.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "intake_cvpilot"

#: What the later release has besides: a number, an enumeration, a list of objects, a text, and a
#: column that a rule would compute.
COLUMNS = """
NEW = (
    Column("jerk", pa.float64(), "Change of acceleration.", unit="m/s3", since="1.1"),
    enum("road", "Kind of road.", categories=("paved", "gravel")),
    Column("hazards", pa.list_(pa.struct([("kind", pa.string()), ("distance", pa.float64())])),
           "What lies ahead.", since="1.1"),
    Column("remark", pa.string(), "A remark.", since="1.1"),
    Column("seen", pa.timestamp("us", tz="UTC"), "When it was seen.", unit="UTC", since="1.1"),
    Column("score", pa.float64(), "Computed by a rule.", since="1.1"),
)
NEW = tuple(replace(column, since="1.1") for column in NEW)

MESSAGES: Final = Table("""
CELLS = """
    Cell("jerk", C + "jerk", _si(j2735.ACCELERATION)),
    Cell("road", C + "road.kind", Name(("paved", "gravel"))),
    Cell("hazards", C + "hazards", Structs((
        ("kind", "kind", Text()),
        ("distance", "distance", _si(j2735.ACCELERATION)),
    ))),
    Cell("remark", M + "remark", Text()),
    Cell("seen", M + "seenAt", Stamp()),
    Cell("vehicle_id","""
EDITS = (
    ("tables/bsm.py", "\nMESSAGES: Final = Table(", COLUMNS),
    ("tables/bsm.py", "*BODY, *CLOSING)", "*BODY, *NEW, *CLOSING)"),
    ("tables/bsm.py", "from typing import", "from dataclasses import replace\nfrom typing import"),
    ("decode/wydot.py", '\n    Cell("vehicle_id",', CELLS),
)  # fmt: skip


def release(folder: Path, version: str = "1.1") -> Path:
    """Write a later release below a folder; give what goes into PYTHONPATH.

    Its table of BSM has six columns more, since 1.1; `version` is what the table says.
    """
    edits = [*EDITS, ("tables/bsm.py", 'version="1.0"', f'version="{version}"')]
    if not version.startswith("1."):
        edits = edits[-1:]
    return edited(folder / f"release-{version}", edits)


def edited(place: Path, edits: Sequence[tuple[str, str, str]]) -> Path:
    """Write a copy of the library with other text at some places; give what PYTHONPATH takes."""
    shutil.copytree(PACKAGE, place / "intake_cvpilot")
    for name, old, new in edits:
        path = place / "intake_cvpilot" / name
        text = path.read_text()
        assert text.count(old) == 1, (name, old)
        path.write_text(text.replace(old, new))
    return place


#: What a release runs under: no socket, whatever it does.
FORBID = """
import sys
def forbid(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise RuntimeError(f"{event} {arguments}")
sys.addaudithook(forbid)
"""


def run(place: Path, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run code with a release, in a process that may open no socket."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "COV_"))}
    return subprocess.run(
        [sys.executable, "-c", FORBID + code, *words],
        env={**plain, "PYTHONPATH": str(place)},
        cwd=place,  # the folder that Python looks in first
        capture_output=True,
        text=True,
        check=False,
    )


def command(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a release."""
    code = "from intake_cvpilot.cli import main; sys.argv[0] = 'cvpilot'; sys.exit(main())"
    return run(place, code, *words)
