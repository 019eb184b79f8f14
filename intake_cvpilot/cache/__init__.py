"""Parts on disk: where they lie, how they are committed, and how they are read.

Plain values in, files out: nothing here knows an archive, a message or a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout
    from intake_cvpilot.cache.manifest import File, Manifest
    from intake_cvpilot.cache.verify import Checked

__all__ = ["Checked", "File", "Layout", "Manifest"]
_MODULES = {"Checked": "verify", "File": "manifest", "Layout": "layout", "Manifest": "manifest"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
