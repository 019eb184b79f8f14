#!/usr/bin/env python3
"""Coverage-guided fuzzing of the way from an object's bytes to the parts of a block.

    python tests/fuzz/fuzz_decode.py                        # 60 s over all sources and types
    python tests/fuzz/fuzz_decode.py --seconds 600 --source thea --type BSM
    python tests/fuzz/fuzz_decode.py --runs 500 --seed 7    # 500 objects of each; the same again
    python tests/fuzz/fuzz_decode.py --source wydot --type TIM --replay fuzz-findings/wydot-TIM-...

An execution builds a block of one object, which holds up to 200 records that the mutator made of
the samples, the real records and objects that reached new code, and checks what `oracle.check`
lists.  An *input* is a frame that is not blank; *distinct* ones are counted by a hash of their
bytes.  Every input of an object goes through framing, parsing, shape, conversion and into a part or
the quarantine.

Each source and type has a process of its own.  A finding is written, cut down, to --findings; fix
it and keep the object as a regression test.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LARGEST = 640 * 1024
"""Bytes of an object."""
ENOUGH = 10
"""Different findings after which a source and type is left."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, help="in all, shared evenly (default: 60)")
    length.add_argument("--runs", type=int, help="objects of each source and type")
    length.add_argument("--replay", type=Path, nargs="+", help="check these objects and no other")
    parser.add_argument("--source", help="only this source")
    parser.add_argument("--type", dest="message_type", help="only this message type")
    parser.add_argument("--seed", type=int, default=1, help="with --runs: the same inputs again")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Fuzz each source and type in turn; 1 if anything was found."""
    asked = arguments()
    if asked.child:
        fuzz(asked)
        return 2  # never reached: the fuzzing loop ends the process
    sys.path[:0] = [str(HERE.parents[1]), str(HERE)]
    from intake_cvpilot.decode import decoded

    pairs = [
        pair
        for pair in decoded()
        if asked.source in {None, pair[0]} and asked.message_type in {None, pair[1]}
    ]
    if not pairs:
        known = ", ".join(map(" ".join, decoded()))
        print(f"no such source and type; there are: {known}", file=sys.stderr)
        return 2
    if asked.replay:
        return replay(pairs, asked.replay)
    asked.findings.mkdir(parents=True, exist_ok=True)
    total = {"executions": 0, "inputs": 0, "distinct": 0, "quarantined": 0, "findings": 0}
    begun = time.monotonic()
    for pair in pairs:
        counted = run(pair, asked, len(pairs))
        for name in total:
            total[name] += counted[name]
        print(f"{' '.join(pair):14s} {line(counted)}", flush=True)
    verdict = "FINDINGS, see above" if total["findings"] else "no crash, no imbalance"
    print(f"{'all':14s} {line(total)} in {time.monotonic() - begun:,.0f} s: {verdict}")
    return 1 if total["findings"] else 0


def line(counted: dict[str, int]) -> str:
    """Figures of one or all."""
    return ", ".join(f"{number:,} {name}" for name, number in counted.items())


def replay(pairs: list[tuple[str, str]], paths: list[Path]) -> int:
    """Check objects, with the traceback of whatever is wrong."""
    from oracle import check

    for path in paths:
        for pair in pairs:
            found = check(*pair, path.read_bytes(), again=True)
            print(path, *pair, f"{found.records} records, {found.quarantined} quarantined")
    return 0


def run(pair: tuple[str, str], asked: argparse.Namespace, number: int) -> dict[str, int]:
    """One source and type in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        said = Path(place) / "said.json"
        command = [
            sys.executable, __file__, "--child", str(said), "--source", pair[0], "--type", pair[1],
            "--seed", str(asked.seed), "--findings", str(asked.findings),
        ]  # fmt: skip
        if asked.runs:
            command += ["--runs", str(asked.runs)]
        else:
            command += ["--seconds", str((asked.seconds or 60) / number)]
        log = Path(place) / "log"
        with log.open("wb") as out:
            code = subprocess.call(command, stdout=out, stderr=subprocess.STDOUT)
        counted = json.loads(said.read_text()) if said.exists() else None
        if code == 0 and counted:
            return counted
        # A signal, a hang, too much memory: libFuzzer wrote the object and ended the process.
        print(log.read_text(errors="replace")[-4000:])
        print(f"{' '.join(pair)}: the process ended with {code}; its object is in {asked.findings}")
        return {"executions": 0, "inputs": 0, "distinct": 0, "quarantined": 0, "findings": 1}


def fuzz(asked: argparse.Namespace) -> None:
    """The fuzzing loop of one source and type; ends the process."""
    begun = time.monotonic()
    import atheris

    sys.path[:0] = [str(HERE.parents[1]), str(HERE)]
    with atheris.instrument_imports(include=["intake_cvpilot"]):
        # Modules load on first use: all that an object can reach have to load here.
        import intake_cvpilot.build
        import intake_cvpilot.decode.framing
        import intake_cvpilot.decode.quarantine
        import intake_cvpilot.tables.gather

        intake_cvpilot.decode.decoded()
        intake_cvpilot.tables.tables_for(asked.source, asked.message_type)
    from mutate import alter_object
    from seeds import seeds_for

    seeds = seeds_for(asked.source, asked.message_type)
    target = Target(asked, begun)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / f"{number:03}").write_bytes(seed)
        (Path(corpus) / "all").write_bytes(b"\n".join(seeds))
        options = [
            sys.argv[0], f"-seed={asked.seed}", f"-max_len={LARGEST}", "-len_control=0",
            "-timeout=120", "-rss_limit_mb=4096", "-print_final_stats=1", "-verbosity=1",
            f"-artifact_prefix={asked.findings}/{asked.source}-{asked.message_type}-", corpus,
        ]  # fmt: skip
        atheris.Setup(
            options,
            target.one,
            custom_mutator=lambda data, size, seed: alter_object(data, size, seed, seeds),
        )
        atheris.Fuzz()


class Target:
    """Checks one object after the other, until time or runs are over."""

    def __init__(self, asked: argparse.Namespace, begun: float) -> None:
        self.asked = asked
        self.pair = (asked.source, asked.message_type)
        self.until = begun + asked.seconds if asked.seconds else None
        self.executions = self.inputs = self.quarantined = 0
        self.seen: set[int] = set()
        self.known: set[str] = set()

    def one(self, content: bytes) -> None:
        """Check one object; what is wrong is kept and the search goes on."""
        from oracle import check

        self.executions += 1
        try:
            outcome = check(*self.pair, content, again=self.executions % 64 == 0)
        except Exception as error:  # noqa: BLE001 - any is a finding
            self._keep(content, error)
        else:
            self.inputs += outcome.records + outcome.quarantined
            self.quarantined += outcome.quarantined
            self.seen |= outcome.hashes
        over = self.until is not None and time.monotonic() >= self.until
        if over or self.executions == self.asked.runs or len(self.known) >= ENOUGH:
            self._end()

    def _keep(self, content: bytes, error: Exception) -> None:
        name = _signature(error)
        if name in self.known:
            return
        self.known.add(name)
        content = self._smaller(content, name)
        digest = hashlib.sha256(content).hexdigest()[:8]
        path = self.asked.findings / f"{'-'.join(self.pair)}-{digest}"
        path.write_bytes(content)
        print(f"FINDING {path}: {name}", "".join(traceback.format_exception(error)), sep="\n")
        # Not only in the log of a process that ends well.
        path.with_name(path.name + ".txt").write_text(
            name + "\n" + "".join(traceback.format_exception(error))
        )

    def _smaller(self, content: bytes, name: str) -> bytes:
        """The object cut down by whole lines while the same is found."""
        lines, step = content.split(b"\n"), content.count(b"\n") // 2 + 1
        tries = 400
        while step and tries and len(lines) > 1:
            at = 0
            while at < len(lines) and tries:
                tries -= 1
                fewer = lines[:at] + lines[at + step :]
                if fewer and self._still(b"\n".join(fewer), name):
                    lines = fewer
                else:
                    at += step
            step //= 2
        return b"\n".join(lines)

    def _still(self, content: bytes, name: str) -> bool:
        from oracle import check

        try:
            check(*self.pair, content, again=name.startswith("two builds"))
        except Exception as error:  # noqa: BLE001 - any is a finding
            return _signature(error) == name
        return False

    def _end(self) -> None:
        said: dict[str, Any] = {
            "executions": self.executions,
            "inputs": self.inputs,
            "distinct": len(self.seen),
            "quarantined": self.quarantined,
            "findings": len(self.known),
        }
        self.asked.child.write_text(json.dumps(said))
        sys.stdout.flush()
        # libFuzzer's loop has no other end; nothing is left to be done.
        os._exit(0)


def _signature(error: Exception) -> str:
    """What tells one finding from another: its kind and the place in the library."""
    inner = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "intake_cvpilot" in frame.filename
    ]
    first = str(error.args[0])[:60] if error.args and not inner else ""
    return f"{type(error).__name__} {first} {inner[-1] if inner else ''}".strip()


if __name__ == "__main__":
    sys.exit(main())
