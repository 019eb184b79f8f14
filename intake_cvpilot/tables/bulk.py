"""Many lines at once to Arrow, by Arrow's JSON reader; lines that it may not read are left.

Arrow is given a schema and told to refuse any other field, so that it refuses every line of
another form, a key that occurs twice and what is no JSON.  What it would let pass is kept from it
(escapes, invalid UTF-8, lines that are no single object), or found afterwards by `tables.ordinary`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from intake_cvpilot.decode.lines import Lines, Positions
from intake_cvpilot.decode.strict import Rejected, parse

if TYPE_CHECKING:
    from intake_cvpilot.tables.form import Form

__all__ = ["MAX_LINE", "Piece", "pieces"]

MAX_LINE: Final = 32 * 2**10
"""Longest line in bytes that is read in bulk: Arrow's reader recurses, and a line of brackets must
not fill the stack."""
_LINES: Final = 2048
_MAX_REFUSED: Final = 24
_ROW: Final = re.compile(r" in row (\d+)$")
_READ: Final = arrow_json.ReadOptions(use_threads=False, block_size=2**30)

Piece = tuple[pa.Table, Positions]
"""Rows, and the position of the line of each."""


def pieces(lines: Lines, form: Form) -> list[list[Piece]]:
    """Read lines.

    Parameters
    ----------
    lines : Lines
        One record each.
    form : Form
        What ordinary records look like; it learns from lines that are refused.

    Returns
    -------
    list of list of Piece
        The lines that could be read, in order; the pieces of an inner list have one schema.  What
        is missing has to be read one by one.
    """
    done: list[list[Piece]] = []
    # A line may be read among others: ``}``, a line feed and ``{`` cannot follow each other within
    # one value, so when there are as many rows as lines, each line is a row.
    plain = np.flatnonzero(lines.enclosed(b"{", b"}", MAX_LINE) & ~lines.holding(b"\\"))
    for start in range(0, len(plain), _LINES):
        for piece in _read(lines, plain[start : start + _LINES], form):
            if done and done[-1][-1][0].schema.equals(piece[0].schema):
                done[-1].append(piece)
            else:
                done.append([piece])
    return done


def _read(lines: Lines, chosen: Positions, form: Form) -> list[Piece]:
    done: list[Piece] = []
    refused = 0
    waiting = [chosen]
    while waiting:
        if refused > _MAX_REFUSED:
            # A form that refuses most was learned from a record that is the odd one.
            if refused <= sum(len(part) for _, part in done) or not form.forget():
                break
            refused = 0
        part = waiting.pop()
        if not len(part):
            continue
        found = _table(lines.joined(part), len(part), form)
        if isinstance(found, pa.Table):
            done.append((found, part))
        elif found < 0 and len(part) > 1:
            half = len(part) // 2
            waiting += [part[half:], part[:half]]
        else:
            bad = max(found, 0)
            if _learns(lines[part[bad]], form):
                waiting.append(part)
            else:
                refused += 1
                waiting += [part[bad + 1 :], part[:bad]]
    return done


def _learns(line: bytes, form: Form) -> bool:
    try:
        return form.learn(parse(line))
    except Rejected:
        return False


def _table(text: bytes | memoryview, lines: int, form: Form) -> Any:
    """The rows; or the position of a line that is refused, -1 where it is not known."""
    if form.schema is None:
        return 0
    if not _is_utf8(text):
        return -1
    options = arrow_json.ParseOptions(
        explicit_schema=form.schema, unexpected_field_behavior="error", newlines_in_values=False
    )
    try:
        table = arrow_json.read_json(pa.BufferReader(text), _READ, options)
        # Of nulls in a list of nothing else, pyarrow 26 gives too few, and offsets beyond them.
        table.validate()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        row = _ROW.search(str(error))
        return int(row[1]) if row and int(row[1]) < lines else -1
    return table if len(table) == lines else -1


def _is_utf8(text: bytes | memoryview) -> bool:
    try:
        str(text, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
