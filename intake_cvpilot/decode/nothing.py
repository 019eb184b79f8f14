"""The forms of a missing value."""

from __future__ import annotations

from typing import Any

__all__ = ["says_nothing"]


def says_nothing(value: Any) -> bool:
    """Whether a value is one of the forms of "missing"."""
    return value is None or (isinstance(value, (str, dict, list)) and not value)
