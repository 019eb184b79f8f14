"""The forms of a missing value, and of a value that is alone in a list."""

from __future__ import annotations

from typing import Any

__all__ = ["alone", "says_nothing", "speaking"]


def says_nothing(value: Any) -> bool:
    """Whether a value is one of the forms of "missing"."""
    return value is None or (isinstance(value, (str, dict, list)) and not value)


def speaking(holder: dict[str, Any]) -> dict[str, Any]:
    """What remains of an object out of which values were taken, without its missing values."""
    return {key: value for key, value in holder.items() if value is not None and value != ""}


def alone(value: Any) -> Any:
    """The one item of a list of one, else the value itself."""
    return value[0] if type(value) is list and len(value) == 1 else value
