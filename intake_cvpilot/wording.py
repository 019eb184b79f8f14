"""Numbers with their nouns, as messages have them."""

from __future__ import annotations

__all__ = ["amount"]


def amount(number: int, one: str, many: str | None = None) -> str:
    """Give e.g. ``1 record does`` or ``2,000 records do``; `many` is `one` with an s by default."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
