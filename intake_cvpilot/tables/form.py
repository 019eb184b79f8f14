"""The form of ordinary records: an Arrow type, learned from records as they come.

Most records of an archive have one of a few forms.  A form is what Arrow's JSON reader is given as
a schema; it refuses any record that has anything else, and such a record is read by the exact way.
What is learned decides how fast records are read, never what they become.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from intake_cvpilot.decode.labels import Text
from intake_cvpilot.decode.readers import Integer, Mass, Number, Reader, Structs

if TYPE_CHECKING:
    from intake_cvpilot.decode.leftover import Path
    from intake_cvpilot.decode.shape import Layout

__all__ = ["MAX_DEPTH", "Form", "readers_of"]

MAX_DEPTH: Final = 16
"""Deepest nesting of an ordinary record; Arrow's reader recurses with it."""
_MAX_LESSONS: Final = 64
_MAX_NODES: Final = 512
_MAX_FORGOTTEN: Final = 8

Node = Any
"""A level of a form: None (nothing but null was seen), an Arrow type, a dict by key, a list."""


def readers_of(
    layout: Layout, spelled: Callable[[Path], Path] = lambda path: path
) -> dict[Path, Reader]:
    """The reader of each value of a record, by the path at which it stands there.

    Parameters
    ----------
    layout : Layout
        Its cells; the fields of lists of objects count as well.
    spelled : callable
        From a cell's path to that of the published record, where the shape moves objects.
    """
    found: dict[Path, Reader] = {}
    for cell, path in zip(layout.cells, layout.paths, strict=True):
        place = spelled(path)
        found[place] = cell.reader
        if isinstance(cell.reader, Structs):
            found |= {(*place, key): reader for _, key, reader in cell.reader.fields}
    return found


class Form:
    """What ordinary records look like.

    Parameters
    ----------
    readers : mapping of path to Reader
        Decides the type of numbers.
    lists : mapping of path to set of str
        The lists of objects that are read, and the keys that their objects may have.
    """

    def __init__(
        self, readers: Mapping[Path, Reader], lists: Mapping[Path, frozenset[str]]
    ) -> None:
        self.schema: pa.Schema | None = None
        """What was learned so far; None before the first record."""
        self._readers = readers
        self._lists = lists
        self._root: dict[str, Node] = {}
        self._lessons = 0
        self._forgotten = 0

    def forget(self) -> bool:
        """Begin anew, as what was learned fits few records; whether that is still allowed."""
        if self._forgotten >= _MAX_FORGOTTEN:
            return False
        self._forgotten += 1
        self.schema, self._root, self._lessons = None, {}, 0
        return True

    def learn(self, record: Mapping[str, Any]) -> bool:
        """Take up what a record has and the form lacks; whether there was anything."""
        if self._lessons >= _MAX_LESSONS or _nodes(record, MAX_DEPTH) > _MAX_NODES:
            return False
        self._lessons += 1
        merged = self._merged(self._root, record, ())
        schema = pa.schema([(key, _arrow(node)) for key, node in merged.items()])
        if schema == self.schema:
            return False
        self._root, self.schema = merged, schema
        return True

    def _merged(self, node: Node, value: Any, path: Path) -> Node:
        if isinstance(value, dict):
            if node is not None and not isinstance(node, dict):
                return node
            known = self._lists.get(path[:-1]) if path[-1:] == ("[]",) else None
            merged = dict(node or {})
            for key, inner in value.items():
                if known is None or key in known:
                    merged[key] = self._merged(merged.get(key), inner, (*path, key))
            return merged
        if isinstance(value, list):
            if node is not None and not isinstance(node, list):
                return node
            item = node[0] if node else None
            if path in self._lists:
                for inner in value:
                    if isinstance(inner, dict):
                        item = self._merged(item, inner, (*path, "[]"))
            return [item]
        return self._leaf(value, path) if node is None else node

    def _leaf(self, value: Any, path: Path) -> Node:
        if value is None:
            return None
        if isinstance(value, bool):
            return pa.bool_()
        if isinstance(value, str):
            return pa.string()
        reader = self._readers.get(tuple(step for step in path if step != "[]"))
        if isinstance(reader, (Number, Mass)):
            return pa.float64()
        whole = isinstance(value, int) or isinstance(reader, (Integer, Text))
        return pa.int64() if whole else pa.float64()


def _arrow(node: Node) -> pa.DataType:
    if isinstance(node, dict):
        return pa.struct([(key, _arrow(inner)) for key, inner in node.items()])
    if isinstance(node, list):
        return pa.list_(_arrow(node[0]))
    return pa.null() if node is None else node


def _nodes(value: Any, depth: int) -> int:
    """How many values there are; too many when they are nested deeper than a form may be."""
    if depth == 0:
        return _MAX_NODES + 1
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(_nodes(item, depth - 1) for item in inner)
