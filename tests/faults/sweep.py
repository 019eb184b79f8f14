"""Starts the driver with the counter, and sweeps a fault over the calls of a command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: FULL=1 tries every point, and FULL=2/4 the second of every four, so that four runs try all;
#: otherwise every n-th is tried, as the tests say.
FULL = os.environ.get("FULL", "")
PART, OF = (int(n) for n in FULL.split("/")) if "/" in FULL else (1, 1)
#: In memory where there is such a folder: what a killed process wrote is there all the same.
FAST = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())


def build_counter(folder: Path) -> Path:
    """Compile the counter."""
    library = folder / "counter.so"
    words = ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run([*words, str(HERE / "counter.c"), "-ldl"], check=True)
    return library


def plain_environment() -> dict[str, str]:
    """The environment without what measures coverage: it would write files of its own."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "COV_"))}


class Driver:
    """A process that has the library loaded and forks for each command."""

    def __init__(self, counter: Path, **environment: str) -> None:
        plain = plain_environment()
        paths = [str(HERE), *filter(None, [plain.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **plain,
                "LD_PRELOAD": str(counter),
                "PYTHONPATH": os.pathsep.join(paths),
                # One thread: the N-th call is the same in each run, and forks are cheap.
                "ARROW_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                **environment,
            },
        )

    def __call__(self, do: str, root: Path | None = None, **fault: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        asked = {"do": do, "root": str(root), **fault}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)


class Stage:
    """One place where every run happens, for an archive's identity is its path; and saved states.

    Times of files are kept, for a folder's archive tells objects apart by them.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root = place / "root"
        self.root.mkdir()

    def save(self, name: str) -> None:
        """Keep what is in the place now as a state."""
        shutil.copytree(self.root, self.place / name, symlinks=True)

    @contextmanager
    def at(self, name: str) -> Iterator[Path]:
        """Give the place in a state, to be spoilt."""
        shutil.rmtree(self.root)
        shutil.copytree(self.place / name, self.root, symlinks=True)
        yield self.root


def points(calls: int, stride: int) -> Iterator[int]:
    """Every `stride`-th call, from the first (or that of FULL), and always the last."""
    yield from range(PART, calls, stride)
    yield calls
