"""What must hold for a block that is built of any bytes whatsoever."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import warnings
from collections import Counter
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mutate import MARK

from intake_cvpilot.build import BlockResult, BlockTask, StagedUnit, build_block
from intake_cvpilot.decode import shapes_for
from intake_cvpilot.decode.framing import UnreadableError, frames
from intake_cvpilot.decode.redact import is_secret
from intake_cvpilot.tables import table, tables_for

__all__ = ["FOLDERS", "Finding", "Outcome", "check"]

FOLDERS = {
    ("wydot", "BSM"): "wydot/BSM/2020/03/01/12",
    ("wydot", "TIM"): "wydot/TIM/2020/03/01/12",
    ("wydot_backup", "BSM"): "wydot_backup/BSM/2020/03/01/12",
    ("wydot_backup", "TIM"): "wydot_backup/TIM/2020/03/01/12",
    ("thea", "BSM"): "thea/BSM/2019/11/03/01",
    ("thea", "SPAT"): "thea/SPAT/2019/11/03/01",
    ("thea", "TIM"): "thea/TIM/2019/03/10/02",
    ("nycdot", "EVENT"): "nycdot/EVENT/2021/05/TUE/PM",
}
"""A folder of objects of each source and type; its hour is one that a clock change makes odd."""
QUICK = {"wydot": ("BSM",), "wydot_backup": ("BSM",)}
"""Sources and types of which ordinary records are read many at a time: singly gives the same."""
_ASSIGNED = re.compile(rb"(?P<key>[\w.-]+)[\"']?\s*[:=]\s*[\"']?" + MARK.encode())
_SPACE = b" \t\n\r\v\f"


class Finding(Exception):  # noqa: N818 - what a fuzzer looks for
    """Something that must hold does not; the first argument names it."""


@dataclass(frozen=True)
class Outcome:
    """What an object became."""

    records: int
    """Frames that became rows."""
    quarantined: int
    """Frames that did not."""
    hashes: frozenset[int]
    """Of the frames that are not blank."""


def check(source: str, message_type: str, content: bytes, *, again: bool = False) -> Outcome:
    """Build a block of one object and check all that must hold.

    Parameters
    ----------
    source, message_type : str
        What the object is said to hold.
    content : bytes
        The object.
    again : bool
        Build it twice: the second must be the same.

    Raises
    ------
    Finding
        Something does not hold.
    Exception
        Whatever the library raises: it should not.
    """
    folder = FOLDERS[source, message_type]
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        raw = Path(place) / "raw"
        raw.write_bytes(content)
        (Path(place) / "out").mkdir()
        # Half of the objects are read for one hour only.
        start = None
        if len(content) % 2 and source != "nycdot":
            start = dt.datetime(*map(int, folder.split("/")[2:6]), tzinfo=dt.UTC)
        end = start + dt.timedelta(hours=1) if start else None
        unit = StagedUnit(f"{folder}/object", 1, raw)
        task = BlockTask(
            source,
            message_type,
            folder.rpartition("/")[0],
            start,
            end,
            (unit,),
            Path(place) / "out",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a user would see it and could do nothing about it
            result = build_block(task)
        found = _Found(source, message_type, task, result, content)
        found.counts()
        found.files()
        found.secrets()
        if again and build_block(task) != result:
            raise Finding("two builds of the same object differ")
        if (message_type in QUICK.get(source, ())) and (one := _exact(task)) != result:
            raise Finding("records read together and singly differ", *_differences(one, result))
        return found.outcome()


def _exact(task: BlockTask) -> BlockResult:
    """The block again, each record read singly."""
    return build_block(replace(task, exact=True))


def _differences(one: BlockResult, other: BlockResult) -> list[str]:
    pairs = ((f.name, getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return [f"{name}: {a} {b}"[:600] for name, a, b in pairs if a != b]


class _Found:
    """A result and all that belongs to it."""

    def __init__(
        self, source: str, message_type: str, task: BlockTask, result: BlockResult, content: bytes
    ) -> None:
        self.tables = tables_for(source, message_type)
        self.task, self.result, self.content = task, result, content
        self.framing = shapes_for(source, message_type).framing
        self.whole: bytes | None = None
        try:
            self.frames = list(frames(task.units[0].path, self.framing))
        except UnreadableError as error:
            self.frames = []
            self.whole = error.args[0].encode()
        self.parts: dict[str, pa.Table] = {}
        self.bad: list[dict[str, Any]] = []
        for file in result.files:
            path = task.folder / file.name
            if file.role == "quarantine":
                self.bad = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
            else:
                self.parts[file.role] = pq.read_table(path, page_checksum_verification=True)

    def counts(self) -> None:
        result = self.result
        (unit,) = result.units
        _same("lines", unit.lines, unit.records + unit.blank + unit.quarantined)
        _same("frames", unit.lines, len(self.frames) + (self.whole is not None))
        _same("records", unit.records, result.inside + result.outside)
        _same("versions", unit.records, sum(result.versions.values()))
        _same("reasons", unit.quarantined, sum(result.quarantined.values()))
        _same("entries", Counter(entry["reason"] for entry in self.bad), result.quarantined)
        if self.framing == "lines" and self.whole is None and self.content[:2] != b"\x1f\x8b":
            text = self.content.removeprefix(b"\xef\xbb\xbf")
            _same("line feeds", unit.lines, text.count(b"\n") + bool(text.rpartition(b"\n")[2]))
        if self.framing == "objects" and self.whole is None and self.content[:2] != b"\x1f\x8b":
            text = self.content.removeprefix(b"\xef\xbb\xbf").translate(None, _SPACE)
            kept = b"".join(bytes(frame[2]) for frame in self.frames).translate(None, _SPACE)
            _same("bytes", kept, text)

    def files(self) -> None:
        rows: Counter[str] = Counter()
        nulls: dict[str, Counter[str]] = {made.name: Counter() for made in self.tables}
        first: set[int] = set()
        for role, part in self.parts.items():
            name = role.removesuffix(".outside")
            rows[name] += len(part)
            wanted = table(name).schema.remove_metadata()
            if not part.schema.remove_metadata().equals(wanted):
                raise Finding("schema", role)
            part.validate(full=True)
            for column in part.column_names:
                if column != "extra":
                    nulls[name][column] += part.column(column).null_count
            if "extra" in part.column_names:
                for text in pc.drop_null(part.column("extra")).to_pylist():
                    if type(msgspec.json.decode(text)) is not dict:
                        raise Finding("extra is no JSON object")
            if name == self.tables[0].name:
                first.update(part.column("line").to_pylist())
        _same("rows", rows, Counter(self.result.rows))
        if self.framing == "lines":
            _same("lines with rows", len(first), self.result.inside + self.result.outside)
        for made, counted in nulls.items():
            why = {c: sum(r.values()) for c, r in self.result.nulls[made].items() if "." not in c}
            _same("nulls", dict(+counted), {c: n for c, n in why.items() if n})
        names = {path.name for path in self.task.folder.iterdir()}
        _same("files", names, {file.name for file in self.result.files})

    def secrets(self) -> None:
        if MARK.encode() not in self.content and self.content[:2] != b"\x1f\x8b":
            return
        for part in self.parts.values():
            if not any(_holds(column) for column in part.columns):
                continue
            for row in part.to_pylist():
                if MARK in str(row):
                    self._leaked([f[2] for f in self.frames if f[0] == row.get("line")])
        for entry in self.bad:
            shown = entry["raw"].encode()
            if entry["encoding"] == "base64":
                shown = base64.b64decode(shown)
            if MARK.encode() not in shown or entry["line"] == 0:
                continue
            for found in _ASSIGNED.finditer(shown):
                if is_secret(found["key"].decode("latin-1")):
                    raise Finding("a secret in the quarantine", found.group())
            self._leaked([f[2] for f in self.frames if f[1] == entry["offset"]])

    def _leaked(self, data: list[Any]) -> None:
        """The mark was seen: a finding if it stood only where it has to be hidden.

        Several objects may stand on a line; it is then one of them.
        """
        hidden = False
        for frame in data:
            try:
                value = json.loads(frame, object_pairs_hook=_Pairs)
            except (ValueError, RecursionError):
                return
            if _open_mark(value):
                return
            hidden = True
        if hidden:
            raise Finding("a secret that stood below its key is shown")

    def outcome(self) -> Outcome:
        (unit,) = self.result.units
        solid = [f[2] for f in self.frames if isinstance(f[2], bytes) and f[2].strip(_SPACE)]
        return Outcome(unit.records, unit.quarantined, frozenset(map(hash, solid)))


class _Pairs(list):  # an object's members, doubled keys too
    """Members of an object."""


def _open_mark(value: Any) -> bool:
    """Whether the mark stands anywhere but below a key of a user name or password."""
    if isinstance(value, _Pairs):
        return any(MARK in k or (not is_secret(k) and _open_mark(v)) for k, v in value)
    if isinstance(value, list):
        return any(map(_open_mark, value))
    return isinstance(value, str) and MARK in value


def _holds(column: Any) -> bool:
    """Whether the mark stands in a column, at any depth."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _holds(array.dictionary)
    if pa.types.is_map(kind):
        return _holds(array.keys) or _holds(array.items)
    if pa.types.is_list(kind):
        return _holds(array.values)
    if pa.types.is_struct(kind):
        return any(_holds(array.field(n)) for n in range(kind.num_fields))
    if not pa.types.is_string(kind):
        return False
    return bool(pc.any(pc.match_substring(array, MARK)).as_py())


def _same(what: str, one: Any, other: Any) -> None:
    if one != other:
        raise Finding(what, str(one)[:500], str(other)[:500])
