"""A cache that has nothing from an archive, but from another: who forgot to name it is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intake_cvpilot.cache.census import keys, layouts
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.errors import CVPilotError

if TYPE_CHECKING:
    from collections.abc import Collection

    from intake_cvpilot.cache.layout import Layout

__all__ = ["elsewhere"]


def elsewhere(
    asked: Collection[Layout], source: str | None = None, message_type: str | None = None
) -> str | None:
    """Say of which other archives the cache holds something that it lacks of those asked for.

    Parameters
    ----------
    asked : collection of Layout
        One cache's places of the archives that were asked for.
    source, message_type : str, optional
        What was asked for; None for any.

    Returns
    -------
    str or None
        A sentence with the way out; None when the cache has something of them, or nothing at all.
    """
    if any(layout.store is not None for layout in asked):
        return None
    ours = {layout.tree for layout in asked}
    root = next(iter(asked)).root
    others = set()
    for layout in layouts(root):
        key = next(keys(layout, source, message_type), None)
        if key is None:
            continue
        if layout.tree in ours:
            return None
        try:
            manifest = load(layout, key)
        except CVPilotError:
            manifest = None
        others.add(manifest.identity if manifest else layout.tree)
    if not others:
        return None
    names = ", ".join(sorted({layout.identity for layout in asked}))
    return (
        f"{root} has nothing here from {names}, but from {', '.join(sorted(others))}: "
        "name the archive with archive= (--archive) or CVPILOT_ARCHIVE"
    )
