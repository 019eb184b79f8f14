"""A kill at any call of any command leaves every partition as one of its generations."""

from __future__ import annotations

import errno

import pytest
import world
from sweep import points

#: Command -> the state it starts from, the edition before and the one after (None: nothing), and
#: the one that a refresh gives at the end.
SWEPT = {
    "fetch": ("empty", None, 0, 0),
    "refresh": ("changed", 0, 1, 1),
    "evict": ("fetched", 0, None, 0),
    "clear": ("fetched", 0, None, 0),
    "repair": ("harmed", 0, 0, 0),
    "migrate": ("fetched", 0, 0, 0),
}

pytestmark = pytest.mark.needs("gcc")


@pytest.fixture
def doer(command, driver, later_driver):
    """The process that runs a command: what is migrated is of an earlier release."""
    return later_driver if command == "migrate" else driver


def check(said, before, after, last, what, state="fetched"):
    """Judge what was found after a fault, and after the whole way was gone again."""
    assert said["error"] is None, (what, said)
    first, again = said["value"]
    wrong = first["wrong"]
    if state == "harmed":  # what is not repaired yet is told as damaged, and as nothing else
        wrong = [one for one in wrong if "DamagedError" not in one]
        assert len(first["wrong"]) <= len(world.KEYS), what
    assert wrong == [], what
    for seen in first["seen"].values():
        # Days on which editions agree are of several.
        assert {before, after} & ({None} if seen is None else set(seen)), what
    assert again["wrong"] == [], what
    assert all(last in seen for seen in again["seen"].values()), (what, again)
    assert again["left"] == [], what


@pytest.mark.parametrize("mode", ["KILL", "TORN"])
@pytest.mark.parametrize("command", SWEPT)
def test_killed_at_any_call_a_partition_is_its_old_or_its_new_generation(
    doer, stage, stride, figure, command, mode
):
    state, before, after, last = SWEPT[command]
    with stage.at(state) as root:
        calls = doer(command, root, mode="COUNT")["calls"]
        assert doer("inspect", root)["value"]["wrong"] == []
        if command == "migrate":
            manifests = [path.read_text() for path in root.rglob("manifest.json")]
            assert all('"table_versions":{"messages":"1.1"}' in text for text in manifests)
    assert calls > 10
    tried = 0
    for at in points(calls, stride(max(1, calls // (5 if mode == "KILL" else 2)))):
        with stage.at(state) as root:
            said = doer(command, root, mode=mode, at=at)
            assert said["status"] == (-9 if at < calls else said["status"]), (at, said)
            what = f"{command} {mode} {at}/{calls}"
            check(doer("finish", root), before, after, last, what, state)
        tried += 1
    figure(
        f"kill points survived, {command}, {mode.lower()}", f"{tried} of {tried} ({calls} calls)"
    )


#: Errors that a call may end with, the mode, and the exit codes that are right.
#: The last two come up where the first does, and are told apart by their number only.
ERRORS = {
    "ENOSPC": (errno.ENOSPC, "FULL"),
    "EIO": (errno.EIO, "FAIL"),
    "EACCES": (errno.EACCES, "FAIL"),
    "EDQUOT": (errno.EDQUOT, "FULL"),
    "EROFS": (errno.EROFS, "FULL"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("command", SWEPT)
def test_an_error_at_any_call_is_told_and_nothing_is_lost(
    doer, stage, stride, figure, command, name
):
    state, before, after, last = SWEPT[command]
    code, mode = ERRORS[name]
    with stage.at(state) as root:
        calls = doer(command, root, mode="COUNT_ALL" if mode == "FAIL" else "COUNT")["calls"]
    tried = 0
    for at in points(calls, stride(max(1, calls // (1 if name in ("EDQUOT", "EROFS") else 2)))):
        with stage.at(state) as root:
            said = doer(command, root, mode=mode, at=at, code=code)
            what = f"{command} {name} {at}/{calls}: {said}"
            assert said["status"] == 0, what
            if said["error"] is not None:
                kind, message, exits = said["error"]
                assert exits != 1, what  # an error of the library, with words of its own
                if after is not None and code in (errno.ENOSPC, errno.EDQUOT):
                    assert kind == "SpaceError", what
                    assert "bytes are needed" in message, what
            check(doer("finish", root), before, after, last, what, state)
        tried += 1
    figure(f"disk faults survived, {name} at any call, {command}", f"{tried} of {tried}")


def test_a_file_of_the_cache_itself_that_cannot_be_made_is_told_in_our_words(
    driver, stage, tmp_path
):
    """Where no step of a fetch expects it: the list of objects, which Arrow writes."""
    trace = tmp_path / "trace"
    with stage.at("changed") as root:
        driver("refresh", root, mode="COUNT_ALL", trace=str(trace))
    made = [line.split() for line in trace.read_text().splitlines()]
    places = [
        int(n) for n, call, *path in made if call == "open" and "/incoming/." in "".join(path)
    ]
    assert places
    for at in places[:2]:
        with stage.at("changed") as root:
            said = driver("refresh", root, mode="FAIL", at=at, code=errno.EIO)
            assert said["error"] is not None
            assert said["error"][2] == 3, said
            assert "check the disk" in said["error"][1]
            check(driver("finish", root), 0, 1, 1, said)


def test_what_a_killed_run_left_is_not_believed(driver, stage):
    """Staged objects, built blocks and their results: spoilt in every way, and fetched again."""
    with stage.at("changed") as root:
        calls = driver("refresh", root, mode="COUNT")["calls"]
    spoilt = set()
    for at in (calls // 4, calls // 2, 2 * calls // 3):
        for how in ("flipped", "cut", "emptied", "longer"):
            with stage.at("changed") as root:
                assert driver("refresh", root, mode="KILL", at=at)["status"] == -9
                for path in (root / "cache/.staging").rglob("*"):
                    if path.is_file() and path.stat().st_size:
                        spoilt.add(path.parent.name if path.suffix != ".json" else "result")
                        whole = bytearray(path.read_bytes())
                        half = len(whole) // 2
                        whole[half] ^= how == "flipped"
                        kept = {"cut": whole[:half], "emptied": b"", "longer": whole + b"\n"}
                        path.write_bytes(kept.get(how, whole))
                check(driver("finish", root), 0, 1, 1, f"{how} after {at}/{calls}")
    assert "units" in spoilt
    assert "result" in spoilt


def test_the_oracle_sees_a_mix_and_a_missing_part(driver, stage):
    """The judge itself: rows of two editions, and a part that has gone, are both found."""
    with stage.at("fetched") as root:
        part = next((root / "cache").rglob("messages-*.parquet"))
        part.unlink()
        assert driver("inspect", root)["value"]["wrong"]
    golden = world.golden(1)[world.KEYS[0]]
    assert {row[2] for row in golden} == {0, 1}
    assert golden not in (world.golden(0)[world.KEYS[0]], world.golden(2)[world.KEYS[0]])
