"""What the fault tests need of the machine, and where their figures go."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import later_release
import pytest
import world
from sweep import FAST, FULL, HERE, OF, Driver, Stage, build_counter

#: File for the figures of a scorecard; read here, for no test sees the settings of its caller.
SCORECARD = os.environ.get("CVPILOT_SCORECARD")

#: Name of a mark -> program it stands for, and the Debian package that has it.
NEEDS = {
    "gcc": ("gcc", "gcc libc6-dev"),
    "strace": ("strace", "strace"),
    "ext4": ("mkfs.ext4", "e2fsprogs"),
    "xfs": ("xfs_io", "xfsprogs"),
    "faketime": ("faketime", "faketime"),
    "nbdkit": ("nbdfuse", "nbdkit nbdfuse libnbd-bin fuse3"),
    "setpriv": ("setpriv", "util-linux"),
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): root, or a program of conftest.NEEDS")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if FULL:  # a sweep over every point takes minutes
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.timeout(3600))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if name == "root":
                if os.geteuid() != 0:
                    pytest.skip("needs root (mounts, other users, limits)")
                continue
            program, package = NEEDS[name]
            if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
                pytest.skip(f"needs {program}: on Debian, apt-get install {package}")


@pytest.fixture(scope="session")
def stride() -> Callable[[int], int]:
    """Give the stride of a sweep: that of FULL, or the test's own."""
    return lambda sampled: OF if FULL else sampled


@pytest.fixture
def flips() -> int:
    """Give how many bits are flipped: 1,000 for the scorecard."""
    return 1000 if FULL or SCORECARD else 200


@pytest.fixture
def reads() -> int:
    """Give how often is read during refreshes, at least: 10,000 for the full scorecard."""
    return 10_000 if FULL else 400


@pytest.fixture
def figure() -> Callable[[str, object], None]:
    """Note a figure of the scorecard, if one is being made."""

    def note(name: str, value: object) -> None:
        if SCORECARD:
            with Path(SCORECARD).open("a") as file:
                file.write(json.dumps([name, str(value)]) + "\n")

    return note


@pytest.fixture(scope="session")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The counter, compiled."""
    return build_counter(tmp_path_factory.mktemp("counter"))


@pytest.fixture(scope="session")
def driver(counter: Path) -> Iterator[Driver]:
    """A process with the library loaded that forks for each command."""
    started = Driver(counter)
    yield started
    started.close()


@pytest.fixture(scope="session")
def later_driver(counter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The same of a later release, whose table has grown by a minor version."""
    place = later_release.release(tmp_path_factory.mktemp("later"))
    started = Driver(counter, PYTHONPATH=os.pathsep.join([str(HERE), str(place)]))
    yield started
    started.close()


@pytest.fixture(scope="session")
def stage(driver: Driver) -> Iterator[Stage]:
    """States to start from: an archive alone, fetched, damaged, changed since it was fetched."""
    with tempfile.TemporaryDirectory(dir=FAST, prefix="cvpilot-stage-") as place:
        made = Stage(Path(place))
        world.write_edition(made.root / "archive", 0)
        made.save("empty")
        assert driver("fetch", made.root)["error"] is None
        made.save("fetched")
        world.harm(made.root)
        made.save("harmed")
        shutil.rmtree(made.root / "cache")
        shutil.copytree(made.place / "fetched/cache", made.root / "cache")
        world.write_edition(made.root / "archive", 1)
        made.save("changed")
        yield made
