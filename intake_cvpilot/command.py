"""The command ``cvpilot``, and its one answer that needs no command line parser.

``cd "$(cvpilot path)"`` stands in scripts and prompts: with every setting at its default the answer
is a constant of the machine, and importing click alone would take eight times the interpreter's
start.  Everything else goes to `intake_cvpilot.cli`.
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["path"] and (folder := default_folder()) is not None:
        print(folder)
        return
    from intake_cvpilot.cli import main as full

    full()


def default_folder() -> str | None:
    """Give the cache's folder where nothing is set, as platformdirs does on Linux; else None."""
    if sys.platform != "linux" or any(name.startswith("CVPILOT_") for name in os.environ):
        return None
    home = os.path.expanduser("~")  # noqa: PTH111 - pathlib is half of what this saves
    above = os.environ.get("XDG_CACHE_HOME", "").strip() or f"{home}/.cache"
    return f"{above}/intake-cvpilot" if above.startswith("/") else None
