"""Shared fixtures: where the real records are, and a clean environment for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Machines are shared and noisy: how long an example takes says nothing.  CI tries the same examples
# each time, so that it judges the change; a run by hand tries new ones.
settings.register_profile("intake_cvpilot", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("intake_cvpilot")

#: What tells the tests something, not the library.
OF_THE_TESTS = ("CVPILOT_REQUIRE_BUCKET", "CVPILOT_SCORECARD")
BUCKET = Path(__file__).resolve().parents[2] / "shared" / "bucket"


@pytest.fixture(scope="session")
def bucket() -> Path:
    """Folder of real records in the archive's layout; it is not part of the project."""
    if BUCKET.is_dir():
        return BUCKET
    if os.environ.get("CVPILOT_REQUIRE_BUCKET"):
        pytest.fail(f"the real records are required here and {BUCKET} is absent")
    pytest.skip(f"no real records at {BUCKET}")


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """URL of an S3 server without buckets."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine's user reaches a test, and no test reaches the user's cache."""
    for name in list(os.environ):
        if name.startswith(("CVPILOT_", "AWS_")) and name not in OF_THE_TESTS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("CVPILOT_CACHE_DIR", str(tmp_path / "default-cache"))
