"""Raw shapes as data: which value of a record feeds which column, and how it is read.

Cells are the only place where raw paths stand; the docs and the Parquet metadata are made from
them.  Values are *taken out* of the record, so that what remains is exactly what no column holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from intake_cvpilot.decode.nothing import alone, says_nothing, speaking
from intake_cvpilot.decode.readers import Odd, Reader
from intake_cvpilot.decode.strict import Rejected

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path

__all__ = [
    "Cell",
    "Group",
    "Layout",
    "Reading",
    "Row",
    "Shape",
    "Shapes",
    "object_at",
    "published_version",
]

_NONES: Final = repeat(None)


@dataclass(frozen=True, slots=True)
class Cell:
    """One raw value of a record and how it is read."""

    column: str
    """The column that it feeds.  A name that begins with ``_`` is an input of the table's rules."""
    path: str
    """Dotted path below the group's root, in the record's own spelling."""
    reader: Reader
    """Turns the raw value into a cell."""
    serves: str = ""
    """For an input of rules: the column (or several, with spaces) that it helps to compute."""


Row = tuple[int, list[Any], dict[str, Any]]
"""Index of the layout (table), raw values in the order of its cells, leftover of the record."""


class Group:
    """Cells below one object of the record, taken out of it in one pass.

    Parameters
    ----------
    cells : sequence of Cell
        Their paths are relative to the object given to ``take``.
    prefix : str
        Dotted path of that object within the row's leftover; empty for the leftover itself.
    absorb : mapping of str to sequence
        Paths whose value says nothing when it is one of those listed.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        prefix: str = "",
        absorb: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.prefix: Path = tuple(prefix.split(".")) if prefix else ()
        self.absorb = dict(absorb or {})
        """Paths whose value says nothing when it is one of those listed."""
        self._root = _Node([tuple(cell.path.split(".")) for cell in cells], self.absorb)
        by_path: dict[Path, Cell] = {tuple(cell.path.split(".")): cell for cell in cells}
        if len(by_path) < len(cells):
            raise ValueError("two cells have the same path")
        self.cells = tuple(by_path[path] for path in self._root.order())
        """The cells in the order of the values that ``take`` gives."""

    def path(self, cell: Cell) -> Path:
        """Where the cell's raw value stands in the row's leftover."""
        return (*self.prefix, *cell.path.split("."))

    def take(self, holder: dict[str, Any], values: list[Any]) -> None:
        """Take the cells' raw values out of an object, appending them; absent ones are None."""
        self._root.take(holder, values)


class _Node:
    """One level of a group's paths."""

    __slots__ = ("absorb", "blank", "children", "keys")

    def __init__(self, paths: Sequence[Path], absorb: Mapping[str, Sequence[Any]]) -> None:
        inner: dict[str, list[Path]] = {}
        self.keys = tuple(str(path[0]) for path in paths if len(path) == 1)
        self.absorb = tuple((name, tuple(says)) for name, says in absorb.items() if "." not in name)
        for path in paths:
            if len(path) > 1:
                inner.setdefault(str(path[0]), []).append(path[1:])
        below: dict[str, dict[str, Sequence[Any]]] = {}
        for name, says in absorb.items():
            head, dot, tail = name.partition(".")
            if dot:
                below.setdefault(head, {})[tail] = says
        self.children = tuple(
            (name, _Node(inner.get(name, []), below.get(name, {}))) for name in {**inner, **below}
        )
        self.blank: list[None] = [None] * len(list(self.order()))

    def order(self) -> Iterable[Path]:
        for key in self.keys:
            yield (key,)
        for name, child in self.children:
            for path in child.order():
                yield (name, *path)

    def take(self, holder: dict[str, Any], values: list[Any]) -> None:
        pop = holder.pop
        values.extend(map(pop, self.keys, _NONES))
        for name, child in self.children:
            inner = pop(name, None)
            if type(inner) is list and len(inner) == 1:
                inner = inner[0]
            if type(inner) is dict:
                child.take(inner, values)
                if inner and (left := speaking(inner)):
                    holder[name] = left
            else:
                values.extend(child.blank)
                if not says_nothing(inner):
                    holder[name] = inner
        for name, says in self.absorb:
            value = pop(name, None)
            if value is not None and not any(
                type(value) is type(said) and value == said for said in says
            ):
                holder[name] = value


@dataclass(frozen=True)
class Layout:
    """How rows of one table come out of a shape."""

    table: str
    """Name of the table."""
    groups: tuple[Group, ...]
    """A row's raw values are those of the groups, one after the other."""
    rules: tuple[str, ...] = ()
    """Names of the table's rules that compute columns from the cells, in order."""
    cells: tuple[Cell, ...] = field(init=False)
    """All cells, in the order of a row's values."""
    paths: tuple[Path, ...] = field(init=False)
    """Where each cell's raw value stands in the row's leftover."""

    def __post_init__(self) -> None:
        """Gather the groups' cells."""
        pairs = [(cell, group.path(cell)) for group in self.groups for cell in group.cells]
        object.__setattr__(self, "cells", tuple(cell for cell, _ in pairs))
        object.__setattr__(self, "paths", tuple(path for _, path in pairs))

    def sources(self) -> dict[str, list[str]]:
        """Raw paths of each column."""
        found: dict[str, list[str]] = {}
        for cell, path in zip(self.cells, self.paths, strict=True):
            text = ".".join(str(step) for step in path)
            for column in cell.serves.split() or [cell.column]:
                found.setdefault(column, []).append(text)
        return found


@dataclass(frozen=True)
class Shape:
    """What one source publishes as one message type in some schema versions."""

    versions: tuple[int, ...]
    """The schema versions, as that source numbers them."""
    layouts: tuple[Layout, ...]
    """One for each table, in the order of the tables."""
    rows: Callable[[dict[str, Any], bytes], list[Row]]
    """Takes a record (and its raw bytes) apart, a row of the first layout at least, or Rejected."""
    required: tuple[str, ...] = ()
    """Columns that must be readable for an unknown schema version to pass as this shape."""
    ordinary: str = ""
    """Name of the way to read ordinary records as columns, if there is one."""

    def complete(self, rows: Sequence[Row]) -> bool:
        """Whether every required value is there with a valid type."""
        index, values, _ = rows[0]
        for cell, value in zip(self.layouts[index].cells, values, strict=True):
            if cell.column in self.required:
                try:
                    cell.reader.one(value)
                except Odd as odd:
                    if odd.reason != "unavailable":
                        return False
        return True


@dataclass(frozen=True, slots=True)
class Reading:
    """A record that was taken apart."""

    shape: Shape
    """The shape that it was read as."""
    rows: list[Row]
    """Its rows."""
    version: Any
    """The schema version as published, None if absent."""
    known: bool
    """Whether the shape is made for that version."""


@dataclass(frozen=True)
class Shapes:
    """All shapes of a source and message type: the way from a decoded record to raw rows."""

    source: str
    """Name of the source."""
    message_type: str
    """Name of the message type."""
    framing: str
    """How records follow each other in an object."""
    tables: tuple[str, ...]
    """Names of the tables."""
    shapes: tuple[Shape, ...]
    """The newest last."""
    module: str
    """The file to extend for a new schema version."""
    folder: Callable[[str], int]
    """First instant of a key's folder hour, microseconds since 1970 UTC."""
    in_order: bool = True
    """Whether records of an object follow each other as they were logged."""
    by_version: Mapping[int, Shape] = field(init=False, repr=False)
    """The shape of each known version."""

    def __post_init__(self) -> None:
        """Index the shapes."""
        table = {version: shape for shape in self.shapes for version in shape.versions}
        object.__setattr__(self, "by_version", table)

    def read(self, record: dict[str, Any], raw: bytes) -> Reading:
        """Take a record apart.

        Raises
        ------
        Rejected
            With the reason ``missing_core``, ``wrong_type``, ``unknown_version``, ``no_zone`` or
            what the shape adds.
        """
        version = published_version(record)
        shape = self.by_version.get(version) if type(version) is int else None
        if shape is not None:
            return Reading(shape, shape.rows(record, raw), version, known=True)
        shape = self.shapes[-1]
        try:
            rows = shape.rows(record, raw)
            complete = shape.complete(rows)
        except Rejected as rejected:
            if version is None or rejected.reason == "wrong_type":
                raise
            complete = False
        if not complete:
            raise Rejected(
                "unknown_version",
                f"schemaVersion {'is absent' if version is None else 'is not known'} and the record"
                f" is not like version {max(shape.versions)}; see {self.module}",
            )
        return Reading(shape, rows, version, known=False)


def published_version(record: Mapping[str, Any]) -> Any:
    """The record's schemaVersion: a whole number where it can be read as one, else as it stands."""
    metadata = record.get("metadata")
    if type(metadata) is list and len(metadata) == 1:
        metadata = metadata[0]
    version = metadata.get("schemaVersion") if type(metadata) is dict else None
    if type(version) is int:
        return version
    if says_nothing(version):
        version = record.get("schemaVersion")
    if type(version) is str and version.strip().isascii() and version.strip().isdigit():
        return int(version) if len(version) < 9 else version
    if type(version) is float and version.is_integer():
        return int(version)
    return None if says_nothing(version) else version


def object_at(holder: Mapping[str, Any] | None, *path: str) -> dict[str, Any] | None:
    """The object at a path, each step an object or a list of one object; None if there is none."""
    inner: Any = holder
    for step in path:
        if type(inner) is not dict:
            return None
        inner = alone(inner.get(step))
    return inner if type(inner) is dict else None
