"""Ctrl-C at any moment of a read ends it: nothing waits for ever, no thread goes on."""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from inspect import CO_GENERATOR
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from intake_cvpilot.archive import crew, stop
from intake_cvpilot.archive.base import Received, Unit

UNITS = [Unit(f"wydot/BSM/2021/04/01/00/{n}", 1) for n in range(6)]
FILES = {crew.__file__, stop.__file__, threading.__file__}


@contextmanager
def interrupted_at(moment: int) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt at a step of this thread, those within Python's own modules too."""
    passed = [0]

    def starts_a_thread(frame: FrameType | None) -> bool:
        # Python itself does not survive an interrupt there: the new thread never begins.
        while frame is not None:
            if frame.f_code is threading.Thread.start.__code__:
                return True
            frame = frame.f_back
        return False

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in FILES or starts_a_thread(frame):
            return None
        # An interrupt at the end of a generator's turn comes up in its reader, not within it.
        if event == "line" or (event == "return" and not frame.f_code.co_flags & CO_GENERATOR):
            passed[0] += 1
            if passed[0] == moment:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        yield passed
    finally:
        sys.settrace(None)


def interrupt_at_each_step(folder: Path) -> int:
    """Read again and again, interrupted a step later each time; how many interrupts there were."""
    names = count()

    def read(unit: Unit, wish: stop.Stop) -> Received:
        wish.check()
        path = folder / str(next(names))
        path.write_bytes(b"x")
        return Received(unit, path, "")

    before = threading.active_count()
    for moment in count(1):
        taken: list[Received] = []
        with interrupted_at(moment) as passed, suppress(KeyboardInterrupt):
            taken.extend(crew.gather(read, UNITS, 2))
        until = time.monotonic() + 10
        while threading.active_count() > before and time.monotonic() < until:
            time.sleep(0.001)
        assert threading.active_count() == before, moment
        left = set(folder.iterdir()) - {received.path for received in taken}
        assert len(left) <= 1, moment  # the one on its way to the reader; the next run sweeps
        for path in folder.iterdir():
            path.unlink()
        if passed[0] < moment:
            assert len(taken) == len(UNITS)
            return moment - 1
    raise AssertionError


def test_an_interrupt_at_any_step(tmp_path) -> None:
    faulthandler.dump_traceback_later(
        120, exit=True
    )  # a lock that is held for ever ends no other way
    try:
        with ThreadPoolExecutor(1) as apart:  # a trace function is a thread's own
            assert apart.submit(interrupt_at_each_step, tmp_path).result() > 50
    finally:
        faulthandler.cancel_dump_traceback_later()
