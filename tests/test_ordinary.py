"""Records read many at a time become what the rule makes of each: the same files, byte for byte."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mutations import compact, mutated

from intake_cvpilot.build import BlockResult, BlockTask, StagedUnit, build_block
from intake_cvpilot.decode import shapes_for
from intake_cvpilot.decode.lines import Lines
from intake_cvpilot.decode.strict import parse
from intake_cvpilot.tables import tables_for
from intake_cvpilot.tables.bulk import MAX_LINE, pieces
from intake_cvpilot.tables.form import Form, readers_of
from intake_cvpilot.tables.gather import Gathering
from intake_cvpilot.tables.sheet import Origins
from intake_cvpilot.tables.ways import WAYS

HERE = Path(__file__).parent
BUCKET = HERE.parent.parent / "shared" / "bucket"
KEYS = {"wydot-BSM": "wydot/BSM/2019/02/06/16", "thea-BSM": "thea/BSM/2019/01/14/00"}


def samples(kind: str) -> list[Any]:
    """Every sample of a source and type, and the records of the public bucket where they are."""
    source, message_type = kind.split("-")
    found = [
        json.loads(p.read_text()) for p in sorted((HERE / "samples").glob(f"{kind.lower()}-*"))
    ]
    for path in sorted((BUCKET / source / message_type).glob("*/*/*/*/*")):
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


RECORDS = {kind: samples(kind) for kind in KEYS}
ORDINARY = {kind: [json.loads((HERE / "samples" / f"{kind.lower()}-{n}.json").read_text())] * 3
            for kind, n in (("wydot-BSM", 6), ("thea-BSM", 1))}  # fmt: skip


def built(kind: str, objects: list[bytes], *, exact: bool) -> BlockResult:
    with TemporaryDirectory() as name:
        folder = Path(name)
        units = []
        for number, content in enumerate(objects):
            path = folder / f"raw-{number}"
            path.write_bytes(content)
            units.append(StagedUnit(f"{KEYS[kind]}/object-{number}", number, path))
        source, message_type, *_ = KEYS[kind].split("/")
        partition = KEYS[kind].rpartition("/")[0]
        task = BlockTask(source, message_type, partition, None, None, tuple(units), folder)
        return build_block(replace(task, exact=exact))


def same(kind: str, objects: list[bytes]) -> BlockResult:
    """Both ways give equal results: the hashes of all files, counts, reasons, versions."""
    fast, exact = built(kind, objects, exact=False), built(kind, objects, exact=True)
    assert fast == exact
    return fast


def taken(kind: str, lines: list[bytes]) -> int:
    """How many of the lines are read many at a time."""
    source, message_type = kind.split("-")
    rows = Gathering(tables_for(source, message_type), None, None)
    whole = np.ones(len(lines), dtype=np.int64)
    origins = Origins(whole, whole * 0, np.arange(1, len(lines) + 1))
    shapes = shapes_for(source, message_type).shapes
    added, versions = rows.read(shapes, Lines(b"\n".join(lines)), origins)
    assert added.sum() == versions.total() == rows.inside
    return int(added.sum())


@pytest.mark.parametrize("kind", ["wydot-BSM"])
def test_ordinary_records_are_read_many_at_a_time(kind: str) -> None:
    lines = [compact(record) for record in ORDINARY[kind] * 50]
    assert taken(kind, lines) == len(lines)
    spoilt = [*lines[:70], lines[0][:-9], b"[]", *lines[70:], lines[0].replace(b"{", b'{"x":1,', 1)]
    assert taken(kind, spoilt) == len(lines)


@pytest.mark.parametrize("value", [[None], [None, None], [[None, None]], [{"x": [None, None]}]])
@pytest.mark.parametrize("at", [(), ("payload", "data", "coreData")])
def test_lists_of_nulls_are_left_to_the_rule(value, at) -> None:
    """Arrow's reader gives arrays of them that are no arrays, whose use is an error."""
    record = ORDINARY["wydot-BSM"][0]
    odd = copy.deepcopy(record)
    inner = odd
    for step in at:
        inner = inner[step]
    inner["nulls"] = value
    lines = [compact(odd), *[compact(record)] * 40, compact(odd), compact(odd)]
    assert same("wydot-BSM", [b"\n".join(lines)]).rows == {"messages": len(lines)}


def test_an_odd_first_record_slows_down_nothing_but_itself() -> None:
    """What ordinary records look like is not learned from the one that is not ordinary."""
    record = ORDINARY["wydot-BSM"][0]
    odd = copy.deepcopy(record)
    odd["payload"]["data"]["coreData"]["speed"] = {"value": "12.5"}
    odd["metadata"]["recordGeneratedAt"] = 1549471138471
    lines = [compact(odd), *[compact(record)] * 200]
    assert taken("wydot-BSM", lines) > 150
    same("wydot-BSM", [b"\n".join(lines)])


@pytest.mark.parametrize("kind", ["wydot-BSM"])
def test_every_sample_and_real_record(kind: str) -> None:
    lines = [compact(record) for record in RECORDS[kind]]
    spaced = [json.dumps(record).encode() for record in RECORDS[kind]]
    same(kind, [b"\n".join(lines), b"\r\n".join(spaced) + b"\n", b"\n".join(lines[::-1])])


def test_lines_of_a_large_object_are_told_by_their_places() -> None:
    """An object that is read in several pieces, with lines that the fast way leaves."""
    line = compact(ORDINARY["wydot-BSM"][0])
    block = [line] * (2**20 // len(line) // 3)
    odd = [b"", b" \t", line[:-1], b'{"x":"\\n"}', line + b"\r", b"x" * (MAX_LINE + 1)]
    lines = [part for one in odd for part in (*block, one)]
    result = same("wydot-BSM", [b"\n".join(lines), b"\xef\xbb\xbf" + b"\n".join(lines[::-1])])
    assert [(u.lines, u.blank, u.quarantined) for u in result.units] == [(len(lines), 2, 3)] * 2


# What a number or any other value may stand as; what strict JSON forbids is among it.
TOKENS = [
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"9" * 400, b"1e-400", b"-0", b"-0.0",
    b"-0e1", b"1.0", b"1E2", b"01", b"1.", b".5", b"+1", b"-", b"0x1", b"1_0", b"true", b"null",
    b"nul", b"{}", b"[]", b"[null]", b"[{}]", b'""', b'"1"', b'"-0"', b'"nan"', b'"\\ud800"',
    b'"\\u0022"', b'"\\u0000"', b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\x00"', b'"\t"',
    b'{"a":null}', b'{"a":1,"a":1}', b"9223372036854775808", b"-9223372036854775808",
    b"123456789012345678901234567890", b"9007199254740993", b"[" * 200 + b"]" * 200,
    b"2", b"0", b"163.82", b'"unavailable"', b'"NEUTRAL"', b'"2019-02-06T16:38:60Z"',
    b'"2019-02-06T16:38:58.4710001Z[UTC]"', b'"2019-02-06 16:38:58"', b'"2019-2-6T1:38:58Z"',
]  # fmt: skip
SPLICES = [
    b"}{", b"} {", b"}null{", b"null", b"{}", b"\x00", b"\\", b"\xef\xbb\xbf", b"\xe2\x80\xa8",
    b",", b"}", b"]", b'"', b"\r", b" ", b"\x0c", b"/**/", b'"metadata":{},', b'"x":null,', b"\x1f",
]  # fmt: skip


@st.composite
def torn(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """A line in which values are replaced, members doubled, bytes put in or cut out."""
    line = draw(st.sampled_from(lines))
    for _ in range(draw(st.integers(1, 3))):
        colons = [at for at, byte in enumerate(line) if byte == ord(":")]
        at = draw(st.sampled_from(colons)) if colons else 0
        action = draw(st.sampled_from(["value", "value", "double", "splice", "cut", "rename"]))
        rest = line[at + 1 :].lstrip()
        ends = [end for mark in (b",", b"}", b"]") if (end := rest.find(mark)) >= 0]
        after = rest[min(ends, default=0) :]
        begin = line.rfind(b'"', 0, max(line.rfind(b'"', 0, at), 0))
        match action:
            case "value":
                line = line[: at + 1] + draw(st.sampled_from(TOKENS)) + after
            case "double" if begin >= 0:
                member = line[begin : at + 1] + draw(
                    st.sampled_from([b"1", b"null", b"{}", b'"a"'])
                )
                line = line[:begin] + member + b"," + line[begin:]
            case "splice":
                place = draw(st.sampled_from([0, at, at + 1, len(line)]))
                line = line[:place] + draw(st.sampled_from(SPLICES)) + line[place:]
            case "cut":
                line = line[:at] + line[at + draw(st.integers(1, 40)) :]
            case _ if begin >= 0:
                line = (
                    line[:begin]
                    + draw(st.sampled_from([b'"', b'"x', b'"\\u0069']))
                    + line[begin + 1 :]
                )
    return line.replace(b"\n", b" ")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_altered_records_among_ordinary_ones(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["wydot-BSM"]))
    plain = [compact(record) for record in ORDINARY[kind]]
    lines = [compact(record) for record in RECORDS[kind]]
    odd = data.draw(
        st.lists(torn(lines) | mutated(RECORDS[kind]).map(compact) | torn(plain), max_size=8)
    )
    objects = [b"\n".join([*plain, *odd[:3], *plain]), b"\n".join(odd[3:]), b"\n".join(plain)]
    same(kind, data.draw(st.permutations(objects)))


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: repr(token[:20]))
def test_every_odd_token_in_every_kind_of_place(token: bytes) -> None:
    line = compact(ORDINARY["wydot-BSM"][0])
    places = [b'"speed":', b'"msgCnt":', b'"id":', b'"latOffset":', b'"leftFront":', b'"abs":',
              b'"recordGeneratedAt":', b'"schemaVersion":', b'"partII":', b'"payloadType":',
              b'"crumbData":', b'"odeReceivedAt":', b'"mass":', b'"bundleId":']  # fmt: skip
    odd = []
    for place in places:
        if (at := line.find(place)) >= 0:
            value = json.JSONDecoder().raw_decode(line[at + len(place) :].decode())[1]
            odd.append(line[: at + len(place)] + token + line[at + len(place) + value :])
    assert len(odd) > 9
    bare = copy.deepcopy(ORDINARY["wydot-BSM"][0])
    core = bare["payload"]["data"]["coreData"]
    del core["speed"], core["brakes"], bare["metadata"]["odeReceivedAt"]
    del bare["payload"]["data"]["partII"][0]["value"]["pathHistory"]["crumbData"][0]["latOffset"]
    same("wydot-BSM", [b"\n".join([line, *odd, compact(bare)])])


def test_parts_that_are_not_as_usual() -> None:
    """Named twice, by another name, missing, empty, or with the other's content."""
    record = ORDINARY["wydot-BSM"][0]
    first, second = record["payload"]["data"]["partII"]
    odd = []
    for parts in (
        [first, first, second],
        [first, second, {**second, "value": {}}],
        [second, first],
        [{**first, "id": second["id"]}, {**second, "id": first["id"]}],
        [{**first, "id": "vehicleSafetyExt"}],
        [{**first, "id": "SpecialVehicleExtensions"}],
        [{**first, "id": 0}],
        [{**first, "more": 1}, second],
        [{"id": first["id"]}, {"value": {}}, {}, None],
        [],
        first,
        None,
    ):
        other = copy.deepcopy(record)
        other["payload"]["data"]["partII"] = parts
        odd.append(compact(other))
    same("wydot-BSM", [b"\n".join([compact(record), *odd, compact(record)])])


@example(b'{"a":1}null', b"null")
@example(b'{"a":1}{"a":2}', b'{"a":{"a":1}')
@example(b"null", b"null")
@given(st.binary(max_size=40), st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_lines_that_are_read_are_what_strict_json_says(one: bytes, other: bytes) -> None:
    shape = shapes_for("wydot", "BSM").shapes[-1]
    way = WAYS[shape.ordinary]
    form = Form(readers_of(shape.layouts[0], way.spelled), way.lists)
    form.learn({"a": 1, "b": {"c": "text"}})
    lines = Lines(b"\n".join([one.replace(b"\n", b""), b'{"a":5}', other.replace(b"\n", b"")]))
    for group in pieces(lines, form):
        for table, positions in group:
            for row, at in zip(table.to_pylist(), positions, strict=True):
                record = parse(lines[at])
                assert {key: row[key] for key in record} == record
