"""The rows of a window of the data portal, cut into pages: what the archive's units are; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.archive import socrata_answer as answers
from intake_cvpilot.archive.base import Unit
from intake_cvpilot.archive.socrata_query import Page

if TYPE_CHECKING:
    from intake_cvpilot.archive.socrata_query import Window

__all__ = ["ROW_BYTES", "likeness", "units"]

ROW_BYTES: Final = 2048
"""Estimated bytes of a row: a page has no size before it is read."""


def units(
    asked: Window, rows: list[tuple[str, Any]], changed: str, most: int, what: str
) -> Iterator[Unit]:
    """Cut the rows of each folder into pages of at most so many rows."""
    folders: dict[str, list[str]] = {}
    for name, when in rows:
        folder = asked.folder(when)
        if folder is None:
            raise answers.improper(what, f"the row {name!r} is not of the time asked for")
        folders.setdefault(folder, []).append(name)
    at = datetime.fromisoformat(changed) if changed else None
    for folder, ids in folders.items():
        for begin in range(0, len(ids), most):
            held = ids[begin : begin + most]
            page = Page(asked.prefix, folder, len(held), ids[begin - 1] if begin else None)
            size = len(held) * ROW_BYTES
            yield Unit(page.key, size, answers.tag(held, changed), at)


def likeness(rows: list[tuple[str, Any]]) -> str:
    """Give a text that is equal for listings that name the same rows at the same times."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(row).encode())
    return digest.hexdigest()
