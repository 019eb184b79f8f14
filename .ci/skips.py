"""Fail where a test was skipped for a reason that CI does not expect: ``skips.py pytest.log``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

EXPECTED = (
    r"may not mount here",  # needs the right to mount, which containers often lack
    r"mounting needs root",
    r"needs root\b.*",
    r"needs \S+: on Debian, apt-get install .*",  # where apt does not work; the reason says so
    r"needs memory cgroups.*",
    r"strace may not trace here.*",
    r"this user may read everything",  # root
    r"needs a second file system at /dev/shm",
)
"""What depends on the rights of the user that CI runs as; everything else must be installed."""


def main(log: Path) -> int:
    """Look at pytest's short summary (``-ra``): each line of it says how many, where and why."""
    found = re.findall(r"^SKIPPED \[\d+\] (\S+?:\d+): (.*)$", log.read_text(), re.MULTILINE)
    unexpected = [
        f"{where}: {why}"
        for where, why in found
        if not any(re.fullmatch(reason, why.strip()) for reason in EXPECTED)
    ]
    print("\n".join(unexpected) or f"{len(found)} places skip tests, each for an expected reason")
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
