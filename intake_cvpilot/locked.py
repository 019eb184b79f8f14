"""A request written down so that it can be had again: its partitions, and what they hold.

Rows follow from a partition's objects and the versions of its tables.  A lock names both, and
digests of what became of them: the values of each column, and the counts.  It does not name files,
whose bytes follow from the compression and from the version of Arrow too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake_cvpilot import __version__
from intake_cvpilot.account import contents, quality, values
from intake_cvpilot.cache.folders import output_error
from intake_cvpilot.cache.layout import check_key
from intake_cvpilot.errors import InvalidRequestError, LockMismatchError
from intake_cvpilot.tables import tables_for
from intake_cvpilot.tables.digest import DIGITS
from intake_cvpilot.wording import amount

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout
    from intake_cvpilot.cache.manifest import Manifest

__all__ = ["Lock", "LockedPartition", "lock_of"]

FORMAT = 1

#: Figures that say what became of lines and values.
FIGURES = ("nulls", "quarantined", "repeats", "versions")


@dataclass(frozen=True, slots=True)
class LockedPartition:
    """What a lock says of one partition."""

    key: str
    """The partition."""
    status: str
    """``complete``, or ``no_data``."""
    fingerprint: str
    """SHA-256 (hex) over its objects as the archive listed them."""
    tables: Mapping[str, str]
    """Version of each table, major.minor."""
    rows: Mapping[str, int]
    """Rows inside the window, by table."""
    values: Mapping[str, str]
    """Digests of the values of each column, 16 hex digits each in the table's order, by table;
    of rows outside the window by that name and ``.outside``."""
    figures: str
    """SHA-256 (hex) over its counts: lines, nulls, repeats, and their reasons."""

    @classmethod
    def of(cls, layout: Layout, manifest: Manifest) -> LockedPartition:
        """Take what a manifest says."""
        found = quality(manifest)
        figures = {
            "counts": asdict(contents(manifest)),
            **{name: found.get(name, {}) for name in FIGURES},
        }
        return cls(
            key=manifest.key,
            status=manifest.status,
            fingerprint=manifest.fingerprint,
            tables=dict(manifest.table_versions),
            rows=dict(manifest.counts.rows),
            values=values(layout, manifest),
            figures=_digest(figures),
        )

    def difference(self, layout: Layout, manifest: Manifest | None) -> str | None:
        """Say how a committed partition differs from the locked one; None if it does not."""
        if manifest is None:
            return "it is missing"
        now = LockedPartition.of(layout, manifest)
        if now == self:
            return None
        said = [
            f"table {name} has version {now.tables.get(name, 'none')}, locked was {version}"
            for name, version in self.tables.items()
            if now.tables.get(name) != version
        ]
        if now.fingerprint != self.fingerprint:
            said.append(
                f"its objects are others (fingerprint {now.fingerprint[:12]}, locked was "
                f"{self.fingerprint[:12]})"
            )
        if dict(now.rows) != dict(self.rows):
            said.append(f"it has {_rows(now.rows)}, locked were {_rows(self.rows)}")
        if not said:
            columns = " and ".join(self._altered(now))
            said.append(
                f"the same objects gave other {f'values in {columns}' if columns else 'figures'}: "
                f"it was built by version {manifest.library} of this library"
            )
        return "; ".join(said)

    def _altered(self, now: LockedPartition) -> list[str]:
        """Name the columns whose values are others, for each table of the same version."""
        source, message_type = self.key.split("/")[:2]
        columns = {table.name: table.names for table in tables_for(source, message_type)}
        said = []
        for role in sorted({*self.values, *now.values}):
            before, after = self.values.get(role, ""), now.values.get(role, "")
            names = [
                name
                for number, name in enumerate(columns[role.removesuffix(".outside")])
                if _cut(before, number) != _cut(after, number)
            ]
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                said.append(f"{role} ({', '.join(names[:5])}{more})")
        return said


@dataclass(frozen=True, slots=True)
class Lock:
    """A request and what it gives, small enough to lie beside the analysis."""

    archive: str
    """Identity of the archive."""
    request: Mapping[str, str]
    """Source, message type and range, as `intake_cvpilot.request.Request.canonical`."""
    partitions: tuple[LockedPartition, ...]
    """One for each partition whose window meets the range, in order."""
    library: str = ""
    """Version of the library that wrote it."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON (sorted keys, no white space) without the digest."""
        return _digest(self._plain())

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {"digest": self.digest, **self._plain()}

    def _plain(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "archive": self.archive,
            "request": dict(self.request),
            "library": self.library,
            "partitions": [asdict(each) for each in self.partitions],
        }

    def __str__(self) -> str:
        """Give the text of a lock's file."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True)

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write it to a file.

        Parameters
        ----------
        path : path
            The file; one that holds this very lock stays as it is.
        overwrite : bool
            Whether another is replaced.

        Raises
        ------
        InvalidRequestError, SpaceError
            Something else is there, or it cannot be written; what was there is as it was.
        """
        target = Path(path).expanduser()
        if not overwrite and os.path.lexists(target):
            with suppress(InvalidRequestError):
                if Lock.read(target).digest == self.digest:
                    return target
            raise InvalidRequestError(
                f"{target} is there already and is not this lock ({self.digest}), and may be "
                "cited: give another file, or replace it with overwrite=True (--overwrite)"
            )
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            beside.write_text(f"{self}\n", encoding="utf-8")
            beside.replace(target)
        except OSError as error:
            raise output_error(error, target) from error
        finally:
            with suppress(OSError):
                beside.unlink()
        return target

    @classmethod
    def read(cls, given: Lock | Mapping[str, Any] | str | os.PathLike[str]) -> Lock:
        """Read a lock from a file, or from what `to_dict` gave.

        Raises
        ------
        InvalidRequestError
            It is none, or was changed since it was written.
        """
        if isinstance(given, Lock):
            return given
        where = "the lock" if isinstance(given, Mapping) else os.fspath(given)
        try:
            plain = given if isinstance(given, Mapping) else json.loads(_text(given))
            version = plain["format"]
            if version != FORMAT:
                raise InvalidRequestError(
                    f"{where} has format {version!r}, this library reads {FORMAT}: update it"
                )
            made = cls(
                archive=plain["archive"],
                request=dict(plain["request"]),
                partitions=tuple(LockedPartition(**each) for each in plain["partitions"]),
                library=plain["library"],
            )
            for each in made.partitions:
                check_key(each.key)
            same = plain == made.to_dict()
        except InvalidRequestError:
            raise
        except OSError as error:
            raise InvalidRequestError(
                f"{where} cannot be read ({error.strerror or error}); `cvpilot lock` writes one"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InvalidRequestError(f"{where} is no lock; `cvpilot lock` writes one") from None
        if not same:
            raise InvalidRequestError(
                f"{where} is not as it was written: its digest does not hold; take the original, "
                "or write a new one with `cvpilot lock`"
            )
        return made

    def holds(self, layout: Layout, manifest: Manifest) -> bool:
        """Say whether a committed partition is as it was locked."""
        return any(
            each.key == manifest.key and each.difference(layout, manifest) is None
            for each in self.partitions
        )

    def check(self, layout: Layout, keys: Iterable[str], manifests: Iterable[Manifest]) -> None:
        """Compare what was committed with what was locked.

        Raises
        ------
        LockMismatchError
            Something differs; the message says what.
        """
        known = {each.key: each for each in self.partitions}
        there = {manifest.key: manifest for manifest in manifests}
        differences: dict[str, str] = {}
        for key in keys:
            said = (
                known[key].difference(layout, there.get(key))
                if key in known
                else "it is not in the lock"
            )
            if said is not None:
                differences[key] = said
        if differences:
            shown = "\n".join(f"  {key}: {said}" for key, said in [*differences.items()][:5])
            more = f"\n  and {len(differences) - 5} more" if len(differences) > 5 else ""
            raise LockMismatchError(
                f"{amount(len(differences), 'partition is', 'partitions are')} not as the lock "
                f"{self.digest[:12]} (library {self.library}, this one is {__version__}) names "
                f"them:\n{shown}{more}\n"
                "Without lock= the rows of now are given; `cvpilot lock` writes them down",
                differences,
            )


def lock_of(layout: Layout, request: Mapping[str, str], manifests: Iterable[Manifest]) -> Lock:
    """Lock what is committed."""
    made = tuple(LockedPartition.of(layout, manifest) for manifest in manifests)
    return Lock(layout.identity, dict(request), made, __version__)


def _cut(digests: str, number: int) -> str:
    return digests[number * DIGITS : (number + 1) * DIGITS]


def _text(path: str | os.PathLike[str]) -> str:
    return Path(path).expanduser().read_text(encoding="utf-8")


def _rows(rows: Mapping[str, int]) -> str:
    return ", ".join(
        f"{amount(number, 'row')} of {name}" for name, number in sorted(rows.items())
    ) or ("no rows")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
