"""What could not become a record: one JSON line each, lossless up to 64 KiB."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from typing import IO, TYPE_CHECKING

from intake_cvpilot.decode.framing import HEAD, Oversized
from intake_cvpilot.decode.redact import redact_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from intake_cvpilot.decode.strict import Rejected

__all__ = ["Quarantine", "entry"]


def entry(
    key: str, object_id: int, line: int, offset: int, data: bytes | Oversized, why: Rejected
) -> bytes:
    """One line of the quarantine file.

    Parameters
    ----------
    key, object_id : str, int
        The object.
    line, offset : int
        Where the frame begins; line 0 stands for the object as a whole.
    data : bytes or Oversized
        The frame.
    why : Rejected
        Reason and detail.

    Returns
    -------
    bytes
        JSON with ``object``, ``object_id``, ``line``, ``offset``, ``reason``, ``detail``,
        ``length`` and ``sha256`` (of the whole frame), ``raw`` (text, or base64 where ``encoding``
        says so; the first 64 KiB when ``cut``) and, where values were replaced by ``***``, their
        number as ``redacted``.
    """
    if isinstance(data, Oversized):
        head, length, digest = data.head, data.length, data.sha256
    else:
        head, length, digest = data[:HEAD], len(data), hashlib.sha256(data).hexdigest()
    shown, count = redact_bytes(head)
    fields: dict[str, object] = {
        "object": key,
        "object_id": object_id,
        "line": line,
        "offset": offset,
        "reason": why.reason,
        "detail": why.detail,
        "length": length,
        "sha256": digest,
        "cut": length > len(head),
    }
    if count:
        fields["redacted"] = count
    try:
        fields["encoding"], fields["raw"] = "utf-8", shown.decode("utf-8")
    except UnicodeDecodeError:
        fields["encoding"] = "base64"
        fields["raw"] = base64.b64encode(shown).decode("ascii")
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Quarantine:
    """A quarantine file, written as frames come; absent when none comes.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        """Frames by reason."""
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()

    def add(
        self,
        key: str,
        object_id: int,
        line: int,
        offset: int,
        data: bytes | Oversized,
        why: Rejected,
    ) -> None:
        """Write one frame; see `entry`."""
        written = entry(key, object_id, line, offset, data, why)
        if self._file is None:
            self._file = self.path.open("wb")
        self._file.write(written)
        self._digest.update(written)
        self.reasons[why.reason] += 1

    def finish(self) -> str | None:
        """Close the file: its SHA-256 (hex), or None when there is no file."""
        if self._file is None:
            return None
        self._file.close()
        self._file = None
        return self._digest.hexdigest()

    def close(self) -> None:
        """Remove a file that was not finished."""
        if self._file is not None:
            self._file.close()
            self.path.unlink(missing_ok=True)
