"""What a record carries beyond the named columns: ``extra``, as canonical JSON text.

Reading a record takes out of it what the columns hold.  What remains, less what says nothing, is
the leftover; a cell that could not be read is put back at its raw path.  So nothing is lost by
construction.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from intake_cvpilot.decode.nothing import speaking
from intake_cvpilot.decode.redact import redact

__all__ = ["Path", "extra", "prune", "put"]

Path = tuple[str | int, ...]
"""Where a value stands: keys of objects and positions in lists."""


def put(holder: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value back where it stood; positions of a list before it are filled with null."""
    inner: Any = holder
    for step, after in pairwise(path):
        inner = _step(inner, step, [] if isinstance(after, int) else {})
    _set(inner, path[-1], value)


def _step(inner: Any, step: str | int, empty: Any) -> Any:
    if isinstance(step, int):
        inner.extend([None] * (step + 1 - len(inner)))
        found = inner[step]
    else:
        found = inner.get(step)
    if type(found) is not type(empty):
        found = empty if found is None else {"": found} if isinstance(empty, dict) else [found]
        _set(inner, step, found)
    return found


def _set(inner: Any, step: str | int, value: Any) -> None:
    if isinstance(step, int):
        inner.extend([None] * (step + 1 - len(inner)))
    inner[step] = value


def prune(value: Any) -> Any:
    """The value without what says nothing, or None; positions in lists stay."""
    if isinstance(value, dict):
        kept = {key: inner for key, v in value.items() if (inner := prune(v)) is not None}
        # ``{"inUse": null}`` is a name of an enumeration, as XER becomes JSON: its key speaks.
        name = len(value) == 1 and next(iter(value.values())) in (None, "")
        return value if name else kept or None
    if isinstance(value, list):
        items = [prune(inner) for inner in value]
        while items and items[-1] is None:
            items.pop()
        return items or None
    return None if value == "" else value


def extra(leftover: dict[str, Any]) -> str | None:
    """Canonical JSON text of a leftover: sorted keys, no spaces; None when nothing remains."""
    kept = prune(speaking(leftover))
    if kept is None:
        return None
    return json.dumps(
        redact(kept), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
