"""Use the installed wheel from outside the checkout: ``wheel.py checkout archive cache``."""

from __future__ import annotations

import sys
from pathlib import Path

import intake

import intake_cvpilot


def main(checkout: Path, archive: Path, cache: Path) -> None:
    """Open the catalog in each way that a wheel has, and read a day in two of them."""
    package = Path(intake_cvpilot.__file__).parent
    assert checkout not in package.parents, f"{package} is the checkout, not the wheel"
    names = set(intake_cvpilot.open_catalog())
    assert names == set(intake.open_catalog(f"{package / 'cvpilot.yml'}"))
    assert names == set(intake.open_catalog(f"{checkout / 'catalogs' / 'cvpilot.yml'}"))
    wanted = {
        "start": "2021-04-01",
        "end": "2021-04-01",
        "archive": f"{archive}",
        "cache_dir": f"{cache}",
    }
    rows = len(intake_cvpilot.open_catalog().wydot_bsm(**wanted).read())
    assert rows > 0
    assert rows == len(intake.open_cvpilot("wydot", "bsm", **wanted).read())
    print(f"{intake_cvpilot.__version__} from {package}: {len(names)} entries, {rows} rows")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
