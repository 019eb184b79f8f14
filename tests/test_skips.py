"""CI fails where a test was skipped for want of something that should be there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[1] / ".ci" / "skips.py"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("may not mount here", 0),
        ("needs root, to mount a small disk", 0),
        ("needs Java", 1),
        ("no real records at /somewhere", 1),
        ("needs the extra polars", 1),
    ],
)
def test_only_what_hangs_on_rights_may_be_skipped(reason, code, tmp_path):
    log = tmp_path / "pytest.log"
    log.write_text(f"12 passed\nSKIPPED [3] tests/test_x.py:12: {reason}\n", encoding="utf-8")
    done = subprocess.run([sys.executable, str(CHECK), str(log)], capture_output=True, check=False)
    assert done.returncode == code
