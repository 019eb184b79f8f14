"""A page a table, written from its columns whenever the pages are built; none is committed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake_cvpilot import decode
from intake_cvpilot.sources import sources
from intake_cvpilot.tables import table, table_names
from intake_cvpilot.tables.describe import describe

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from intake_cvpilot.tables import Table

__all__ = ["page", "setup", "write"]

#: Sources whose records are read as those of another.
ALIASES = {"wydot_backup": "wydot"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("config-inited", lambda app, _: write(Path(app.srcdir) / "tables"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(folder: Path) -> None:
    """Write the page of each table; what has not changed is left alone, as Sphinx goes by time."""
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.md": page(table(name)) for name in table_names()}
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def page(known: Table) -> str:
    """Give the page of a table."""
    return "\n".join([*_head(known), *map(_row, describe(known)), ""])


def _head(known: Table) -> Iterator[str]:
    yield f"# {known.name}"
    yield ""
    yield f"{plain(known.description)} Version {known.version}, {len(known.columns)} columns."
    yield ""
    yield "In the catalog:"
    yield ""
    for entry, source, kind in _entries(known.name):
        title = f"{plain(source.title)}, {plain(kind.title)}"
        yield f"- `{entry}`: {title} (`{source.name}` {kind.name})"
    yield ""
    yield f"Rows are sorted by {names(known.order)}, nulls last."
    yield from _repeats(known)
    yield ""
    yield (
        "A double is null where nothing was measured; there are no NaN and no sentinels. Below "
        "each column's meaning stand the standard's data element or the field it comes from, and "
        "the data portal's name for it. A path is where the value stands in a record of each "
        "source, the newest schema version first."
    )
    yield ""
    yield "| Column | Type, unit | Meaning | In the archive |"
    yield "|---|---|---|---|"


def _entries(name: str) -> Iterator[tuple[str, Any, Any]]:
    pairs = decode.decoded()
    for source in sources().values():
        for kind in source.types.values():
            read_as = ALIASES.get(source.name, source.records_of)
            is_read = (read_as, kind.name) in pairs
            if is_read and name in kind.catalog:
                yield kind.catalog[name], source, kind


def _repeats(known: Table) -> Iterator[str]:
    if "is_repeat" in known.names:
        own = [name for name in known.names if name in known.own]
        yield (
            "A row is an exact repeat (`is_repeat`) when another row of its block equals it in all "
            f"columns but {names(own)}; `repeats='drop'` leaves repeats out."
        )


def _row(column: dict[str, Any]) -> str:
    kind = [f"`{column['type']}`", plain(column["unit"])]
    if not column["nullable"]:
        kind.append("never null")
    meaning = [plain(column["description"])]
    if column["categories"]:
        meaning.append(f"One of: {names(column['categories'])}.")
    if column["standard"]:
        meaning.append(f"*{plain(column['standard'])}*")
    if column["portal_name"]:
        meaning.append(f"Portal: `{column['portal_name']}`")
    paths = [f"{source}: {names(re.split(', ', path))}" for source, path in column["paths"].items()]
    cells = [
        f'<a id="{column["name"]}"></a>`{column["name"]}`',
        *map(breaks, (kind, meaning, paths)),
    ]
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Give text that Markdown takes as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", text)


def names(words: Any) -> str:
    """Give names as code, with commas between."""
    return ", ".join("`" + word.replace("|", r"\|") + "`" for word in words)


def breaks(lines: list[str]) -> str:
    """Give lines within a cell."""
    return "<br>".join(line for line in lines if line)
