#!/usr/bin/env python3
"""Altered records by the hundred thousand: no crash, and every one of them counted.

    python tests/fuzz/million.py                             # 1,000,000 different inputs
    python tests/fuzz/million.py --inputs 5000 --source thea --type BSM --seed 7

An input is a record that was made from a sample, a real record or an input before it, altered in
structure or bytes; those with the same bytes as an earlier one of that source and type are not
counted again.  Objects of up to 2,000 inputs are built into the parts of a block, and
`oracle.check` compares what was written with what was counted: lines = records + blank +
quarantined, records = inside + outside, rows and nulls written = rows and nulls counted, every byte
of an object within a frame, and no secret shown.

Unlike `fuzz_decode.py` it does not look at which code ran, which makes it ten times as fast.  The
same seed gives the same inputs.  What is found is written to --findings; the run goes on.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from mutate import altered  # noqa: E402
from nudge import nudged  # noqa: E402
from oracle import FOLDERS, check  # noqa: E402
from seeds import seeds_for  # noqa: E402

TOGETHER = (1, 50, 500, 2000)
"""Inputs of an object."""
GENERATIONS = 3
"""Objects after which the samples are begun with again: alterations heap up until then."""
CALM = 0.5
"""Share of the objects that hold mostly records of the ordinary form."""
ORDINARY = 0.985
"""Share of such records in them."""
ENDS = (b"\n", b"\r\n", b"\n\n", b"", b" ", b"\r", b",\n")


@dataclass
class Run:
    """What was done for one source and type."""

    pair: tuple[str, str]
    rng: random.Random
    findings: Path
    seen: set[int] = field(default_factory=set)
    """Of the different inputs."""
    frames: int = 0
    """That became rows or were quarantined: an input with line feeds is several."""
    quarantined: int = 0
    """Of these, in the quarantine."""
    found: int = 0
    """Objects for which something did not hold."""

    def until(self, inputs: int) -> None:
        """Build objects until so many different inputs were seen."""
        seeds = seeds_for(*self.pair)
        parents, generation = seeds, 0
        while len(self.seen) < inputs:
            number = self.rng.choices(TOGETHER, (2, 4, 10, 84))[0]
            calm = self.rng.random() < CALM
            few = self.rng.choices(seeds, k=2)
            made = [
                nudged(self.rng.choice(few), self.rng)
                if calm and self.rng.random() < ORDINARY
                else altered(self.rng.choice(parents), self.rng, seeds)
                for _ in range(min(number, inputs - len(self.seen) + 100))
            ]
            self._check(self._joined(made))
            self.seen.update(map(hash, made))
            generation = (generation + 1) % GENERATIONS
            parents = [one for one in made if one[:1] == b"{"] if generation else seeds
            parents = parents or seeds

    def _joined(self, made: list[bytes]) -> bytes:
        pieces = []
        for one in made:
            end = b"\n" if self.rng.random() < 0.98 else self.rng.choice(ENDS)
            pieces += [one, end]
        if self.rng.random() < 0.3:
            pieces.pop()
        return (b"\xef\xbb\xbf" if self.rng.random() < 0.05 else b"") + b"".join(pieces)

    def _check(self, content: bytes) -> None:
        try:
            outcome = check(*self.pair, content, again=self.rng.random() < 0.02)
        except Exception:  # noqa: BLE001 - any is a finding
            self.found += 1
            path = self.findings / f"{'-'.join(self.pair)}-{self.found}"
            self.findings.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"FINDING {path}\n{traceback.format_exc()}", flush=True)
        else:
            self.frames += outcome.records + outcome.quarantined
            self.quarantined += outcome.quarantined

    def line(self) -> str:
        """The figures."""
        return (
            f"{len(self.seen):,} inputs, {self.frames:,} frames of which {self.quarantined:,} "
            f"quarantined, {self.found} findings"
        )


def main() -> int:
    """Run over each source and type in turn; 1 if anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=1_000_000, help="different ones, in all")
    parser.add_argument("--source", help="only this source")
    parser.add_argument("--type", dest="message_type", help="only this message type")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    asked = parser.parse_args()
    pairs = [
        pair
        for pair in FOLDERS
        if asked.source in {None, pair[0]} and asked.message_type in {None, pair[1]}
    ]
    if not pairs:
        parser.error(f"no such source and type; there are: {', '.join(map(' '.join, FOLDERS))}")
    begun, inputs, found = time.monotonic(), 0, 0
    for pair in pairs:
        run = Run(pair, random.Random(f"{asked.seed} {pair}"), asked.findings)
        run.until(-(-asked.inputs // len(pairs)))
        print(f"{' '.join(pair):17s} {run.line()}", flush=True)
        inputs, found = inputs + len(run.seen), found + run.found
    verdict = f"{found} FINDINGS, see above" if found else "no crash, no imbalance"
    print(f"{inputs:,} different inputs in {time.monotonic() - begun:,.0f} s: {verdict}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
