"""Write the stored cache that tests open: run this once for each released format.

    python tests/stored_cache.py tests/stored/cache-1.tar

Its archive is made of the samples and lies in memory, so that no machine's folder is in the tar.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec

import intake_cvpilot as cv

ARCHIVE = "memory://stored-cache"
SAMPLES = Path(__file__).with_name("samples")
WHEN = {"wydot-bsm-6.json": ("BSM", "2020-03-01"), "wydot-tim-6.json": ("TIM", "2019-02-11")}


def main(target: Path) -> None:
    memory = fsspec.filesystem("memory")
    with TemporaryDirectory() as cache:
        for sample, (kind, day) in WHEN.items():
            record = json.loads((SAMPLES / sample).read_text())
            place = f"/stored-cache/wydot/{kind}/{day.replace('-', '/')}/06/object"
            memory.pipe(place, json.dumps(record).encode())
            cv.fetch("wydot", kind, day, day, archive=ARCHIVE, cache_dir=cache)
        target.parent.mkdir(exist_ok=True)
        print(cv.export_cache(target, archive=ARCHIVE, cache_dir=cache))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
