"""Faults put into the commit and cache code by hand, each with the test that finds it.

    python tests/faults/mutants.py            all of them
    python tests/faults/mutants.py fsync      those whose name has the word

Each is an exact replacement of text, applied to a temporary copy of the project, in which the test
must fail.  A mutant that survives means that a promise is not tested; the exit code is then 1.
"""

# ruff: noqa: E501 -- the texts are exact

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("intake_cvpilot", "catalogs", "tests", "pyproject.toml", "README.md")
COMMIT, READ = "tests/test_cache_commit.py::", "tests/test_cache_read.py::"
FAULTS = "tests/faults/test_"
ORDER = COMMIT + "test_the_order_of_the_calls_is_the_promised_one"
CROWD = FAULTS + "processes.py::test_sixteen_processes_read_each_object_once_and_see_the_same_rows"
NO_LOCKS = FAULTS + "processes.py::test_with_locks_that_do_nothing_the_rows_are_right_all_the_same"
LIGHT = READ + "test_without_the_whole_hash_the_footer_and_the_pages_are_still_checked"


class Mutant(NamedTuple):
    """One fault."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = (
    Mutant(
        "the fsync of a part is dropped", "cache/commit.py",
        "            os.fsync(opened.fileno())\n", "", ORDER,
    ),
    Mutant(
        "the fsync of the manifest is dropped", "cache/folders.py",
        "            os.fsync(fd)\n\n    def replace", "\n    def replace", ORDER,
    ),
    Mutant(
        "the folder is not synced before the manifest", "cache/commit.py",
        "            folder.sync()\n            folder.replace", "            folder.replace", ORDER,
    ),
    Mutant(
        "the folder is not synced after the manifest", "cache/commit.py",
        "data)\n            folder.sync()\n", "data)\n", ORDER,
    ),
    Mutant(
        "parents that a commit made are not synced", "cache/folders.py",
        "            try:\n                sync_folder(parent)\n            finally:\n"
        "                os.close(parent)\n",
        "            os.close(parent)\n", ORDER,
    ),
    Mutant(
        "the manifest is put in place before the parts", "cache/commit.py",
        "            for name, file in known.items():\n",
        "            folder.replace(MANIFEST, data)\n            for name, file in known.items():\n",
        ORDER,
    ),
    Mutant(
        "a manifest is written in place", "cache/folders.py",
        "        temporary = self.create(data)\n        try:\n            self.rename(temporary, name)\n",
        "        temporary = name\n        try:\n            self.discard(name)\n"
        "            with self.new(name) as file:\n                file.write(data)\n",
        COMMIT + "test_killed_at_any_line_a_partition_is_its_old_or_its_new_generation",
    ),
    Mutant(
        "a staged part's hash is not compared", "cache/commit.py",
        "if not is_whole(opened, file.bytes, file.sha256, again=True):", "if False:",
        COMMIT + "test_a_staged_file_that_is_not_as_it_was_built_is_discarded",
    ),
    Mutant(
        "what was written is not compared before it counts", "cache/folders.py",
        "            if file.read(len(data) + 1) != data:\n", "            if False:\n",
        FAULTS + "units.py::test_what_the_disk_gives_back_is_compared_with_what_was_written",
    ),
    Mutant(
        "a part is kept that could not be synced", "cache/commit.py",
        "        with suppress(OSError):\n            path.unlink()\n        raise\n", "        raise\n",
        COMMIT + "test_a_staged_file_that_is_not_as_it_was_built_is_discarded",
    ),
    Mutant(
        "a part of the generation before is vouched for unseen", "cache/commit.py",
        "if is_whole(there, file.bytes, file.sha256):", "if True:",
        COMMIT + "test_a_kept_file_that_is_not_right_is_not_vouched_for",
    ),
    Mutant(
        "a superseded part goes at once", "cache/commit.py",
        "folder.new(name + _MARK).close()", "folder.discard(name)",
        FAULTS + "readers.py::test_a_frame_opened_before_a_refresh_is_computed_as_it_was",
    ),
    Mutant(
        "a holder's parts are tidied away", "cache/commit.py",
        "with hold(layout, key, timeout=0):", "if True:",
        FAULTS + "units.py::test_parts_in_place_and_not_yet_named_are_safe_while_the_lock_is_held",
    ),
    Mutant(
        "the whole hash of a part is not compared", "cache/read.py",
        'if verify == "once" and not is_whole', "if False and not is_whole",
        FAULTS + "damage.py::test_every_flipped_bit_is_found_in_every_engine",
    ),
    Mutant(
        "the footer's hash is not compared", "cache/read.py",
        "if footer_of(opened) != file.footer_sha256:", "if False:", LIGHT,
    ),
    Mutant(
        "page checksums are not compared", "cache/read.py",
        "page_checksum_verification=True, pre_buffer", "page_checksum_verification=False, pre_buffer",
        LIGHT,
    ),
    Mutant(
        "the manifest's checksum is not compared", "cache/manifest.py",
        "    if manifest.checksum != _checksum(rest) or", "    if",
        "tests/test_cache_manifest.py::test_any_exchange_of_bytes_is_found",
    ),
    Mutant(
        "the manifest's place is not compared", "cache/manifest.py",
        "if wanted is not None and stored != wanted:", "if False:",
        FAULTS + "damage.py::test_a_manifest_that_cannot_be_trusted_is_refused_and_nothing_is_touched",
    ),
    Mutant(
        "a part that came back is not compared", "cache/read.py",
        "if any(named.sha256 == file.sha256 for named in _named_now(path)):",
        "if any(True for named in _named_now(path)):",
        FAULTS + "readers.py::test_a_frame_of_a_partition_that_came_back_with_other_rows_says_to_open"
        "_again",
    ),
    Mutant(
        "the manifest is not read again under the lock", "assemble.py",
        "        current = self.current()\n", "        current = self.seen\n", CROWD,
    ),
    Mutant(
        "the lock is not taken", "cache/locks.py",
        "            lock.acquire(timeout=0)\n        except", "            pass\n        except", CROWD,
    ),
    Mutant(
        "two writers without locks share a file", "assemble.py",
        "staging.incoming(self.layout, self.key) / temporary_name()",
        'staging.incoming(self.layout, self.key) / "objects"', NO_LOCKS,
    ),
    Mutant(
        "a staging that vanished is not looked into again", "assemble.py",
        "if vanished(error) and attempt < MOST_TRIES:", "if False:", NO_LOCKS,
    ),
    Mutant(
        "links on the way are followed", "cache/folders.py",
        "_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW", "_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY",
        COMMIT + "test_nothing_is_written_behind_a_link",
    ),
    Mutant(
        "an error of the disk keeps its own words", "assemble.py",
        "                if isinstance(error, CVPilotError):\n                    raise\n",
        "                raise\n",
        FAULTS + "kill.py::test_a_file_of_the_cache_itself_that_cannot_be_made_is_told_in_our_words",
    ),
)  # fmt: skip


def killed(mutant: Mutant) -> bool:
    """Say whether the mutant's test fails in a copy that has the fault."""
    with tempfile.TemporaryDirectory(prefix="cvpilot-mutant-") as folder:
        for name in COPIED:
            source = PROJECT / name
            if source.is_dir():
                skip = shutil.ignore_patterns("__pycache__", "golden*", "samples", "fuzz")
                shutil.copytree(source, Path(folder, name), ignore=skip)
            else:
                shutil.copy(source, folder)
        path = Path(folder, "intake_cvpilot", mutant.file)
        text = path.read_text()
        if text.count(mutant.old) != 1:
            raise SystemExit(f"{mutant.name}: its text stands {text.count(mutant.old)} times")
        path.write_text(text.replace(mutant.old, mutant.new))
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        left_out = ("COV", "CVPILOT_SCORECARD", "PYTEST")
        plain = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        done = subprocess.run(
            [*words, mutant.test], cwd=folder, env={**plain, "PYTHONPATH": folder},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if done.returncode not in (0, 1):
            raise SystemExit(f"{mutant.name}: the test did not run:\n{done.stdout}{done.stderr}")
        return done.returncode == 1


def main() -> int:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in MUTANTS if word in mutant.name]
    ended = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, dead in zip(chosen, pool.map(killed, chosen), strict=True):
            print(
                f"{'killed  ' if dead else 'SURVIVED'}  {mutant.name}  ({mutant.test})", flush=True
            )
            ended.append(dead)
    if place := os.environ.get("CVPILOT_SCORECARD"):
        with Path(place).open("a") as file:
            file.write(json.dumps(["mutants killed", f"{sum(ended)} of {len(ended)}"]) + "\n")
    return 0 if all(ended) else 1


if __name__ == "__main__":
    raise SystemExit(main())
