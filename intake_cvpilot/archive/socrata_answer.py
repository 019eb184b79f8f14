"""An answer of the data portal, believed only when it is one and is whole; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from intake_cvpilot.archive.retry import TransientError
from intake_cvpilot.errors import ArchiveError, ChangedError

if TYPE_CHECKING:
    from intake_cvpilot.sources import Dataset

__all__ = [
    "Rows",
    "behind",
    "counted",
    "counted_by",
    "improper",
    "index",
    "modified",
    "page",
    "tag",
]

_TIMES: Final = frozenset({"floating_timestamp", "calendar_date", "fixed_timestamp", "date"})
_TEXTS: Final = frozenset({"text"})


class _Id(msgspec.Struct):
    id: str = msgspec.field(name=":id")


_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ID: Final = msgspec.json.Decoder(_Id)
_PLAIN: Final = msgspec.json.Decoder(list[dict[str, Any]])


def improper(what: str, why: str) -> ArchiveError:
    """Say that an answer is none of the portal's."""
    return ArchiveError(
        f"{what}: the answer is not the data portal's: {why}. Nothing was stored; check network, "
        "proxy and the archive's URL"
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """A page that was checked."""

    lines: tuple[bytes, ...]
    """Each row's JSON as it came, on one line."""
    ids: tuple[str, ...]
    """The ``:id`` of each row."""


def modified(headers: Mapping[str, str], what: str) -> str:
    """Give when the table last changed, as ISO 8601 in UTC; empty where the portal does not say."""
    text = headers.get("x-soda2-truth-last-modified", "").strip()
    if not text:
        return ""
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError) as error:
        raise improper(what, "X-SODA2-Truth-Last-Modified is no date") from error


def behind(headers: Mapping[str, str]) -> bool:
    """Say whether the portal answers from a copy that lacks the table's last changes."""
    return headers.get("x-soda2-data-out-of-date", "").strip().lower() == "true"


def tag(ids: Sequence[str], changed: str) -> str:
    """Give a text that changes when a page has other rows, or the table has changed."""
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:32]
    return f"{digest}-{changed}"


def counted(body: bytes, what: str) -> int:
    """Read the answer to ``count(*)``."""
    found = _decoded(_PLAIN, body, what)
    if len(found) != 1 or len(found[0]) != 1:
        raise improper(what, "a count is one row of one value")
    (value,) = found[0].values()
    return _number(value, what)


def counted_by(body: bytes, column: str, what: str) -> list[tuple[Any, int]]:
    """Read the answer to ``count(*)`` by a column: each value (None: none) and its count."""
    found = []
    for row in _decoded(_PLAIN, body, what):
        value = row.pop(column, None)
        if len(row) != 1:
            raise improper(what, "a count of a value is one row of one number")
        (count,) = row.values()
        found.append((value, _number(count, what)))
    return found


def _number(value: Any, what: str) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise improper(what, "its count is no number")
    return int(text)


def index(body: bytes, dataset: Dataset, what: str) -> list[tuple[str, Any]]:
    """Read the ids of rows and when each is."""
    found = _decoded(_PLAIN, body, what)
    if not all(type(row.get(":id")) is str and row[":id"] for row in found):
        raise improper(what, "a row has no :id")
    return [(row[":id"], row.get(dataset.time)) for row in found]


def page(
    body: bytes, headers: Mapping[str, str], *, dataset: Dataset, rows: int, what: str
) -> Rows:
    """Read and check a page.

    Parameters
    ----------
    body : bytes
        The whole body.
    headers : mapping of str to str
        Its headers.
    dataset : Dataset
        What it must be of.
    rows : int
        How many rows the listing says.
    what : str
        What was asked, for messages.

    Raises
    ------
    TransientError
        It was cut, or has fewer rows than listed.
    ChangedError
        It has more rows.
    ArchiveError
        It is no page of this data set.
    """
    _check_fields(headers, dataset, what)
    raws = _decoded(_ROWS, body, what)
    # Line feeds stand between tokens only: within a text JSON writes them as \n.
    lines = tuple(bytes(raw).replace(b"\n", b" ").replace(b"\r", b" ") for raw in raws)
    try:
        ids = tuple(_ID.decode(line).id for line in lines)
    except (msgspec.MsgspecError, ValueError) as error:
        raise improper(what, "a row is no object with an :id") from error
    if len(set(ids)) < len(ids):
        raise TransientError("the page repeats a row")
    if len(ids) < rows:
        raise TransientError(f"the page has {len(ids)} of {rows} rows")
    if len(ids) > rows:
        raise ChangedError(f"{what}: the page has {len(ids)} rows, {rows} were listed")
    return Rows(lines, ids)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes, what: str) -> Any:
    if not body.strip():
        raise TransientError("the answer is empty")
    if not body.lstrip().startswith(b"["):
        raise improper(what, "it is another document (a log-in page or a proxy's error?)")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise improper(what, "its rows are of another form") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TransientError("the answer is cut or malformed") from error


def _check_fields(headers: Mapping[str, str], dataset: Dataset, what: str) -> None:
    """Hold the announced columns against those of the data set; none are announced at times."""
    if "x-soda2-fields" not in headers:
        return
    try:
        names = json.loads(headers["x-soda2-fields"])
        types = json.loads(headers.get("x-soda2-types", "null"))
    except ValueError as error:
        raise improper(what, "X-SODA2-Fields is no list") from error
    if type(names) is not list or (types is not None and type(types) is not list):
        raise improper(what, "X-SODA2-Fields is no list")
    lacking = sorted({dataset.time, *dataset.needs} - set(map(str, names)))
    if lacking:
        raise improper(what, f"data set {dataset.id} has no column {', '.join(lacking)}")
    if types is None:
        return
    if len(types) != len(names):
        raise improper(what, "it has not a type for each column")
    kind = str(types[names.index(dataset.time)])
    if kind not in (_TEXTS if dataset.time.endswith("bin") else _TIMES):
        raise improper(what, f"{dataset.time} is of the type {kind[:40]!r}")
