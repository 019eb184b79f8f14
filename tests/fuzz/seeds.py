"""What is altered: the samples, and the real records where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mutate import seed_lines

__all__ = ["seeds_for"]

TESTS = Path(__file__).resolve().parents[1]
BUCKET = TESTS.parents[1] / "shared" / "bucket"
NEIGHBOURS = 3
"""Items of a list that are kept: a real event has hundreds of messages, which differ little."""


def seeds_for(source: str, message_type: str) -> list[bytes]:
    """Records of a source and type on a line each, secrets replaced by the mark.

    ``wydot_backup`` is written as ``wydot`` is, so each has the records of both.
    """
    family = source.partition("_")[0]
    names = f"{family}*-{message_type.lower()}-*.json"
    records = [json.loads(path.read_text()) for path in sorted((TESTS / "samples").glob(names))]
    for path in sorted((BUCKET / family / message_type).rglob("*")):
        if path.is_file():
            lines = [path.read_text()] if family == "nycdot" else path.read_text().splitlines()
            records += [_cut(json.loads(line)) for line in lines]
    return seed_lines(records)


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(inner) for key, inner in value.items()}
    return [_cut(inner) for inner in value[:NEIGHBOURS]] if isinstance(value, list) else value
