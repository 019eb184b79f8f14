"""What must hold of a manifest: its published JSON Schema, and the sums that no schema can say."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intake_cvpilot.cache.manifest import Manifest

__all__ = ["check", "contradiction", "schema"]


@cache
def schema() -> dict[str, Any]:
    """Give the published JSON Schema of the manifest."""
    text = (files("intake_cvpilot.cache") / "manifest.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def check(document: Any) -> None:
    """Check a decoded manifest against its JSON Schema.

    Raises
    ------
    ValueError
        It does not meet the schema.
    """
    import jsonschema

    error = next(_validator(jsonschema).iter_errors(document), None)
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path) or "the manifest"
        raise ValueError(f"the manifest does not meet its schema at {where}: {error.message}")


@cache
def _validator(jsonschema: Any) -> Any:
    return jsonschema.Draft202012Validator(schema())


def contradiction(manifest: Manifest) -> str | None:
    """Say what in a manifest cannot be true, or None."""
    counts = manifest.counts
    rows: dict[str, int] = dict.fromkeys(counts.rows, 0)
    for file in manifest.files:
        rows[file.role] = rows.get(file.role, 0) + file.rows
    if counts.lines != counts.records + counts.blank + counts.quarantined:
        return "lines are not records + blank + quarantined"
    if counts.records != counts.inside + counts.outside:
        return "records are not those inside and outside the window"
    if manifest.status == "no_data" and (counts.objects or manifest.files):
        return "no_data with objects"
    names = [file.name for file in manifest.files if file.rows]
    if len(names) != len(set(names)):
        return "the same rows are named twice"
    if rows.pop("objects", counts.objects) != counts.objects:
        return "the file of objects has another number of rows"
    if rows.pop("quarantine", 0) != counts.quarantined:
        return "the quarantine files have another number of lines"
    for role, number in rows.items():
        if not role.endswith(".outside") and number != counts.rows.get(role):
            return f"the files of {role} have another number of rows"
    return None
