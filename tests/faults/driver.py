"""Runs real commands with faults at one call after the other; a program, run with the counter.

It loads the library once and forks for every run, so that a sweep takes seconds.  It reads one
JSON object a line from its input and answers each with one:

    {"do": "fetch", "root": "/dev/shm/x", "mode": "KILL", "at": 17, "code": 0}
    {"status": -9, "calls": 17, "error": null, "value": null}

`do` is a command of `commands.py`, `with` its further arguments; `status` is what the process
ended with.  A process that was stopped is answered as "stopped"; `{"do": "continue"}` lets it go
on, and its end is the answer.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import re
import resource
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import commands

import intake_cvpilot
from intake_cvpilot.exits import exit_code

MODES = ("OFF", "COUNT", "COUNT_ALL", "KILL", "TORN", "FAIL", "FULL", "STOP", "SEND")


def child(asked: dict[str, Any], answer: int) -> None:
    """Do one command with a fault, and write what came of it."""
    root = Path(str(asked["root"]))
    said: dict[str, object] = {"error": None, "value": None}
    library = ctypes.CDLL(None)
    mode = str(asked.get("mode", "OFF"))
    confine(asked)
    library.counter_locks(int(bool(asked.get("locks", True))))
    if mode != "OFF":
        library.counter_arm(
            str(root / "cache").encode(),
            MODES.index(mode),
            ctypes.c_long(asked.get("at", 0)),
            int(asked.get("code", 0)),
            os.open(asked["trace"], os.O_WRONLY | os.O_CREAT, 0o666) if "trace" in asked else -1,
        )
    try:
        said["value"] = commands.COMMANDS[str(asked["do"])](root, **asked.get("with", {}))
    except KeyboardInterrupt:
        said["error"] = ["KeyboardInterrupt", "", 130]
    except Exception as error:  # noqa: BLE001 -- told to the caller
        said["error"] = [type(error).__name__, str(error), int(exit_code(error))]
        said["trace"] = traceback.format_exc()
    if mode != "OFF":
        library.counter_calls.restype = ctypes.c_long
        said["calls"] = library.counter_calls()
        library.counter_arm(b"", 0, ctypes.c_long(0), 0, -1)
    os.write(answer, json.dumps(said).encode())


def confine(asked: dict[str, Any]) -> None:
    """Put the process under the limits that were asked for."""
    os.environ.update(asked.get("environment", {}))
    if "group" in asked:
        Path(asked["group"]).write_text(str(os.getpid()))
    if "file_size" in asked:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["file_size"],) * 2)
    if asked.get("user"):
        os.setgroups([])
        os.setresgid(asked["user"], asked["user"], asked["user"])
        os.setresuid(asked["user"], asked["user"], asked["user"])


def start(asked: dict[str, Any]) -> tuple[int, int]:
    """Fork a child that does the command; its process and where it answers."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.simplefilter("ignore")
        child(asked, write)
        os._exit(0)
    os.close(write)
    return pid, read


def wait(pid: int, read: int) -> dict[str, Any]:
    """Give what a child wrote and how it ended, or that it was stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return {"status": "stopped", "pid": pid}
    with os.fdopen(read, "rb") as told:
        text = told.read()
    return {**(json.loads(text) if text else {}), "status": os.waitstatus_to_exitcode(status)}


def load_everything() -> None:
    """Import once what every fork would import anew; not the fronts, which no command uses."""
    fronts = re.compile(r"__main__|\.(cli\w*|catalog|driver|dask|demo|quality)$")
    for name in ("pandas", "pyarrow.dataset", "pyarrow.parquet", "pyarrow.compute", "jsonschema"):
        importlib.import_module(name)
    for module in pkgutil.walk_packages(intake_cvpilot.__path__, "intake_cvpilot."):
        if not fronts.search(module.name):
            with suppress(ImportError):  # engines that are not installed
                importlib.import_module(module.name)


def main() -> None:
    load_everything()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped: tuple[int, int] | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "continue":
            assert stopped
            with suppress(ProcessLookupError):
                os.kill(stopped[0], asked.get("code") or signal.SIGCONT)
            said = wait(*stopped)
        else:
            begun = start(asked)
            said = wait(*begun)
            if said["status"] == "stopped":
                stopped = begun
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
