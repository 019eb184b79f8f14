"""File systems made for one test, below its own folder, and taken away at its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATH = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}


def run(*words: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in words], env=PATH, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stdout}{done.stderr}")


@contextmanager
def mounted(place: Path, *words: str | Path) -> Iterator[Path]:
    """Mount something at a place."""
    place.mkdir(parents=True, exist_ok=True)
    run("mount", *words, place)
    try:
        yield place
    finally:
        unmount(place)


def unmount(place: Path) -> None:
    for _ in range(50):
        with suppress(RuntimeError):
            run("umount", place)
            return
        time.sleep(0.1)  # a process that was killed may still be letting go
    run("umount", "-l", place)


def tmpfs(place: Path, options: str):
    return mounted(place, "-t", "tmpfs", "-o", options, "tmpfs")


class Disk:
    """A real file system in a file, whose power can be cut."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self.image = folder / f"{kind}.img"
        self.place = folder / kind
        self.place.mkdir()
        with self.image.open("wb") as file:
            file.truncate({"ext4": 64, "xfs": 320}[kind] * 2**20)
        run(f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else []), self.image)
        run("mount", "-o", "loop", self.image, self.place)

    def fill(self, state: Path) -> None:
        """Make the disk hold a state, durably."""
        for entry in self.place.iterdir():
            if entry.name != "lost+found":
                shutil.rmtree(entry)
        if state.exists():
            shutil.copytree(state, self.place / "cache", symlinks=True)
        else:
            (self.place / "cache").mkdir()
        run("sync", "-f", self.place)

    def shut_down(self) -> None:
        """Lose all that was not synced."""
        run("xfs_io", "-x", "-c", "shutdown", self.place)

    def come_back(self) -> None:
        """Start again with what is on the disk."""
        unmount(self.place)
        run("mount", "-o", "loop", self.image, self.place)

    def close(self) -> None:
        unmount(self.place)
