"""Runs real commands with faults at one call after the other; a program, run with the counter.

It loads the library once and forks for every run, so that a sweep takes seconds.  It reads one
JSON object a line from its input and answers each with one:

    {"do": "fetch", "root": "/dev/shm/x", "mode": "KILL", "at": 17, "code": 0}
    {"status": -9, "calls": 17, "error": null, "value": null}

`do` is a command of `commands.py`; `status` is what the process ended with.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import re
import signal
import sys
import traceback
import warnings
from pathlib import Path

import commands

import intake_cvpilot
from intake_cvpilot.exits import exit_code

MODES = ("OFF", "COUNT", "COUNT_ALL", "KILL", "TORN", "FAIL", "FULL", "STOP")


def child(asked: dict[str, object], answer: int) -> None:
    """Do one command with a fault, and write what came of it."""
    root = Path(str(asked["root"]))
    said: dict[str, object] = {"error": None, "value": None}
    library = ctypes.CDLL(None)
    mode = str(asked.get("mode", "OFF"))
    if mode != "OFF":
        trace = os.open(os.environ["TRACE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if (
            "TRACE" in os.environ) else -1  # fmt: skip
        library.counter_locks(int(bool(asked.get("locks", True))))
        library.counter_arm(
            str(root / "cache").encode(),
            MODES.index(mode),
            ctypes.c_long(int(str(asked.get("at", 0)))),
            int(str(asked.get("code", 0))),
            trace,
        )
    try:
        said["value"] = commands.COMMANDS[str(asked["do"])](root)
    except Exception as error:  # noqa: BLE001 -- told to the caller
        said["error"] = [type(error).__name__, str(error), int(exit_code(error))]
        said["trace"] = traceback.format_exc()
    if mode != "OFF":
        library.counter_calls.restype = ctypes.c_long
        said["calls"] = library.counter_calls()
        library.counter_arm(b"", 0, ctypes.c_long(0), 0, -1)
    os.write(answer, json.dumps(said).encode())


def serve(asked: dict[str, object]) -> dict[str, object]:
    """Fork, wait, and give what the child wrote and how it ended."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        warnings.simplefilter("ignore")
        child(asked, write)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        text = told.read()
    _, status = os.waitpid(pid, 0)
    said: dict[str, object] = json.loads(text) if text else {}
    return {**said, "status": os.waitstatus_to_exitcode(status)}


def load_everything() -> None:
    """Import once what every fork would import anew; not the fronts, which no command uses."""
    fronts = re.compile(r"__main__|\.(cli\w*|catalog|driver|dask|demo|quality)$")
    for name in ("pandas", "pyarrow.dataset", "pyarrow.parquet", "pyarrow.compute", "jsonschema"):
        importlib.import_module(name)
    for module in pkgutil.walk_packages(intake_cvpilot.__path__, "intake_cvpilot."):
        if not fronts.search(module.name):
            importlib.import_module(module.name)


def main() -> None:
    load_everything()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
