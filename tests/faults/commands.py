"""What is swept: each command does its work on the cache below a folder, in a process of its own.

A new command is one function and one entry in `COMMANDS`; the tests say in `SWEPT` from which
state it starts and what readers may see whenever it is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import world


def fetch(root: Path) -> Any:
    world.fetch(root)


def refresh(root: Path) -> Any:
    world.fetch(root, refresh=True)


def read(root: Path) -> Any:
    return [len(world.rows(root, day) or ()) for day in world.DAYS]


def inspect(root: Path) -> Any:
    """What is wrong, the edition of each day that readers see, and what is left over."""
    wrong, seen = world.look(root)
    return {"wrong": wrong, "seen": seen, "left": world.left_over(root)}


def finish(root: Path) -> Any:
    """Look, do the whole way again without a fault, and look again."""
    first = inspect(root)
    world.fetch(root, refresh=True)
    return [first, inspect(root)]


COMMANDS: dict[str, Callable[[Path], Any]] = {
    "fetch": fetch,
    "refresh": refresh,
    "read": read,
    "inspect": inspect,
    "finish": finish,
}
