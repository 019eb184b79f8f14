"""The page that compares both archives column by column, written from the map of names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake_cvpilot.sources import sources
from intake_cvpilot.tables import tables_for
from intake_cvpilot.tables.portal_names import portal_columns

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["page", "setup", "write"]

#: Columns that say where a row comes from, in either archive.
LINEAGE = frozenset({"object_id", "line", "extra", "is_repeat"})
#: Columns that are computed from another.
COMPUTED = {
    "time_basis": "event_time",
    "sent_time": "sec_mark",
    "itis_codes": "content",
    "texts": "content",
    "end_time": "duration_minutes",
    "group_kind": "group",
    "event_id": "(the record's bytes)",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the page before Sphinx looks for it."""
    app.connect("config-inited", lambda app, _: write(Path(app.srcdir) / "portal_columns.md"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(path: Path) -> None:
    """Write the page; it is left alone when nothing has changed, as Sphinx goes by time."""
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def page() -> str:
    """Give the page."""
    return "\n".join([*_head(), *(line for pair in _pairs() for line in _part(*pair)), ""])


def _head() -> Iterator[str]:
    yield "# Both archives, column by column"
    yield ""
    yield (
        "Made from the map of names that decodes the portal's rows. A column of which the portal "
        "has nothing is null there; [the page on the portal](portal.md) says what else differs."
    )


def _pairs() -> Iterator[tuple[str, str, str]]:
    for owner in sources().values():
        if owner.of is not None:
            for kind in owner.types:
                yield owner.of, owner.name, kind


def _part(source: str, portal: str, kind: str) -> Iterator[str]:
    table = tables_for(source, kind)[0]
    known = portal_columns(source, table.name)
    held: dict[str, list[str]] = {}
    for column in known.values():
        if column.path and not column.why_null:
            for name in column.columns:
                held.setdefault(name, []).append(column.name)
    yield ""
    yield f"## {portal} {kind}"
    yield ""
    yield f"Rows of `{table.name}`; the bucket's source is `{source}`."
    yield ""
    yield "| Column | In the bucket's record | In the portal's row |"
    yield "|---|---|---|"
    for each in table.columns:
        if each.name in LINEAGE:
            continue
        paths = each.paths.get(source, "")
        here = _code(re.split(", ", paths)) if paths else "null"
        there = _code(held[each.name]) if each.name in held else "null"
        if each.name in COMPUTED and each.name not in held:
            here = there = f"computed from {_code([COMPUTED[each.name]])}"
        yield f"| `{each.name}` | {here} | {there} |"
    rest = [c.name for c in known.values() if c.columns == ("extra",) and c.path]
    own = [c.name for c in known.values() if not c.path]
    read = [c.name for c in known.values() if c.path and (c.why_null or not c.columns)]
    yield ""
    yield f"In `extra` where they say something: {_code(rest) or 'none'}."
    yield f"Read for other columns or tables: {_code(read) or 'none'}."
    yield f"The portal's own, not kept: {_code(own) or 'none'}."


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
