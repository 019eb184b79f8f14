"""Anything odd at every place of a record: read together it is what the rule reads singly."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from mutations import built as whole
from mutations import compact, holder_of, places
from test_ordinary import ORDINARY, same

RECORD = ORDINARY["wydot-BSM"][0]
PLAIN = compact(RECORD)
MARK = '"@@"'
PLACES = [path for path in places(RECORD) if path]

# What a value may be instead; ``@`` is the value itself.
VALUES = [
    "null", "{}", "[]", '""', "0", "-0", "1e5", "1E2", "1.5", "-1", "01", "1e400", "NaN", "Inf",
    "-Infinity", "true", "false", '"x"', '"-0"', "[null]", "[@]", "[@,@]", "[[]]", "[{}]",
    '{"a":null}', '{"a":{}}', '{"a":1,"a":1}', '{"value":true,"length":true}',
    '{"value":false,"length":null}', '{"@":null}',
    "9007199254740993", "9223372036854775808", "1e-99999999999999999999", "0e99999999999999999999",
]  # fmt: skip
# What an object may have besides; of ``@`` two are one too many.
MEMBERS = [
    '"@":null', '"x":null', '"x":{}', '"x":[]', '"x":""', '"x":[null]', '"x":{"y":null}', '"x":0',
    '"x":{"y":{}}', '"x":[[]]', '"":null', '"[]":null', '"@x":"y"', '"password":"secret-1"',
    '"User-Name":{"x":"secret-2"}', '"schemaVersion":6', '"a.b":1',
]  # fmt: skip


def test_the_places_are_those_of_the_record() -> None:
    assert len(PLACES) > 100
    assert {"metadata", "crumbData", "leftFront", "mass"} <= {path[-1] for path in PLACES}


def replaced(path: tuple[Any, ...]) -> Iterator[bytes]:
    """The record with each odd thing at a place."""
    holder = holder_of(copy.deepcopy(RECORD), path)
    value = json.dumps(holder[path[-1]])

    def written(record: Any, text: str) -> bytes:
        return json.dumps(record, separators=(",", ":")).replace(MARK, text).encode()

    record = copy.deepcopy(RECORD)
    holder_of(record, path)[path[-1]] = "@@"
    for text in VALUES:
        quoted = text.replace('"@"', '"a"') if value[0] != '"' else text.replace('"@"', value)
        yield written(record, quoted.replace("@", value))
    if isinstance(path[-1], int):
        return
    for key in (path[-1].swapcase(), f" {path[-1]}", f"{path[-1]}\x7f", "é"):
        record = copy.deepcopy(RECORD)
        holder = holder_of(record, path)
        holder[key] = holder.pop(path[-1])
        yield compact(record)
    record = copy.deepcopy(RECORD)
    inner = holder_of(record, path)
    del inner[path[-1]]
    yield compact(record)  # without it
    inner["@@"] = "@@"
    member = f'"{path[-1]}":{value}'
    for text in MEMBERS:
        yield written(record, "@@").replace(
            b'"@@":"@@"', f"{member},{text.replace('@', path[-1])}".encode()
        )


@pytest.mark.parametrize("part", range(6))
def test_anything_at_every_place(part: int) -> None:
    half = len(VALUES) // 2
    for number, path in enumerate(PLACES[part::6]):
        odd = list(replaced(path))
        # A third at each place: so few at once that what is refused does not send the others the
        # exact way.  What is learned from odd records first is of no consequence either.
        objects = ([PLAIN, *odd[:half]], [PLAIN, *odd[half : len(VALUES)]], [*odd[len(VALUES) :]])
        same("wydot-BSM", [b"\n".join(objects[(number + part) % 3] + [PLAIN])])


def test_flags_that_are_the_form_of_hexadecimal_bits() -> None:
    """``value`` and ``length`` are no flags, and null is not the same as missing there."""
    lines = [PLAIN]
    for flags in ((True, True), (False, None), (None, False), (False, False), (None, None)):
        record = copy.deepcopy(RECORD)
        value = record["payload"]["data"]["partII"][0]["value"]
        value["events"] = dict(zip(("value", "length"), flags, strict=True))
        lines.append(compact(record))
    same("wydot-BSM", [b"\n".join(lines)])
    same("wydot-BSM", [b"\n".join(lines[::-1])])


def test_keys_in_another_order_white_space_and_versions_mixed() -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    lines = [compact(turned(RECORD)), json.dumps(RECORD, indent=3).replace("\n", "\t\r").encode()]
    for version in (3, 4, 5, 6, 7, 1, 2, "6", 6.0, None, True, -6):
        record = copy.deepcopy(RECORD)
        record["metadata"]["schemaVersion"] = version
        lines.append(compact(record))
    result = same("wydot-BSM", [b"\n".join(lines * 3), b"\n".join(lines[::-1])])
    assert result.versions["3"] == 4
    assert result.versions["6"] == 4 * 5  # as it is, turned, spaced, "6" and 6.0


def test_two_records_on_a_line_do_not_stand_for_the_next_line() -> None:
    other = PLAIN.replace(b'"msgCnt":127', b'"msgCnt":1')
    for between in (b"", b" ", b"null", b"\r", b"\x00", b",", b"null null", b"\x1e"):
        for end in (b"", b"\x00}", b"null}", b"\x00"):
            lines = [PLAIN, PLAIN + between + other + end, other, b"{}", PLAIN]
            result = same("wydot-BSM", [b"\n".join(lines)])
            assert (result.units[0].records, result.units[0].quarantined) == (3, 2)


def test_secrets_of_unusual_keys_are_shown_in_no_way(tmp_path: Path) -> None:
    from dataclasses import replace

    from intake_cvpilot.build import BlockTask, StagedUnit, build_block

    record = copy.deepcopy(RECORD)
    record["metadata"]["serialId"]["sdwPassWord"] = "secret-1"
    record["payload"]["data"]["coreData"]["size"] = {"user_name": "secret-2", "width": 254}
    record["payload"]["data"]["partII"][0]["value"]["events"]["pwd"] = "secret-3"
    raw = tmp_path / "raw"
    raw.write_bytes(b"\n".join([PLAIN, compact(record), compact(record)[:-1], PLAIN]))
    task = BlockTask("wydot", "BSM", "wydot/BSM/2019/02/06", None, None,
                     (StagedUnit("wydot/BSM/2019/02/06/16/o", 1, raw),), tmp_path)  # fmt: skip
    result = build_block(task)
    assert result == build_block(replace(task, exact=True))
    shown = ""
    for file in result.files:
        path = tmp_path / file.name
        shown += (
            path.read_text() if path.suffix == ".ndjson" else str(pq.read_table(path).to_pylist())
        )
    assert "secret" not in shown
    assert shown.count("***") >= 4


@pytest.mark.parametrize("value", [0, False, 0.0, "odd", [1, 2]])
def test_a_part_with_another_value_than_an_object_is_kept(value: Any, tmp_path: Path) -> None:
    record = copy.deepcopy(RECORD)
    record["payload"]["data"]["partII"][1]["value"] = value
    _, rows, _ = whole("wydot/BSM/2019/02/06/16", [b"\n".join([PLAIN, compact(record)])], tmp_path)
    ordinary, odd = (
        json.loads(row["extra"] or "null") for row in sorted(rows, key=lambda r: r["line"])
    )
    assert ordinary is None
    part = {"id": "SupplementalVehicleExtensions", "value": value}
    assert odd == {"payload": {"data": {"partII": {"other": [part]}}}}
