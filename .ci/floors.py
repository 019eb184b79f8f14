"""Check that this environment holds the lowest version that pyproject.toml allows."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path


def main() -> int:
    """Compare floors with what is installed; a floor that nothing runs is no floor."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    wrong = []
    for requirement in project["dependencies"]:
        match = re.match(r"([a-z0-9-]+)(?:\[[^]]+\])?>=([0-9.]+)$", requirement)
        if match is None:
            wrong.append(f"{requirement}: no floor of the form name>=version")
            continue
        installed = version(match[1])
        if not f"{installed}.".startswith(f"{match[2]}."):
            wrong.append(f"{requirement}: {installed} was installed")
    print("\n".join(wrong) or "each floor is what is installed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
