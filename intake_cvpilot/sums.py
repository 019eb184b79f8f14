"""Figures that add up over blocks, partitions and reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from intake_cvpilot.lateness import Lateness

__all__ = ["add_quality", "told"]


def add_quality(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add nested mappings of counts, key by key."""
    total: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, Mapping):
                total[key] = add_quality([total.get(key, {}), value])
            else:
                total[key] = total.get(key, 0) + value
    return total


def told(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Give figures that were added up in the form that people ask for.

    Returns
    -------
    dict
        ``quarantined``, ``versions`` and ``notes`` (counts by kind); ``nulls`` (by table, column
        and reason); ``repeats`` (rows by table); ``lateness`` (`Lateness`, in seconds);
        ``hours``: how many were ``expected`` and ``seen``, and ``rows`` by UTC hour (nycdot: by
        period of the day).  Repeats, lateness and hours are of the rows inside the window.
    """
    hours, expected = figures.get("hours", {}), figures.get("expected", {})
    kinds = ("quarantined", "versions", "notes", "nulls", "repeats")
    return {
        **{kind: figures.get(kind, {}) for kind in kinds},
        "lateness": asdict(Lateness.of(figures.get("lateness", {}))),
        "hours": {
            "expected": len(expected),
            "seen": sum(hour in hours for hour in expected),
            "rows": dict(sorted(hours.items())),
        },
    }
