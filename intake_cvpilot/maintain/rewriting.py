"""One partition of an earlier minor table version, rewritten from its own parts and committed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intake_cvpilot import __version__
from intake_cvpilot.account import block_id, blocks_of, read_objects
from intake_cvpilot.archive.base import Unit
from intake_cvpilot.cache import staging
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.folders import storage_error, temporary_name
from intake_cvpilot.cache.manifest import File, Manifest, as_quality
from intake_cvpilot.cache.read import read_part
from intake_cvpilot.decode import shapes_for
from intake_cvpilot.errors import CVPilotError, DamagedError
from intake_cvpilot.partition import TARGET, blocks
from intake_cvpilot.tables import tables_for
from intake_cvpilot.tables.digest import digests
from intake_cvpilot.tables.parts import hashes, write
from intake_cvpilot.tables.upgrade import upgrade

if TYPE_CHECKING:
    from intake_cvpilot.cache.layout import Layout

__all__ = ["Rewriting"]


@dataclass
class Rewriting:
    """Brings the tables of one partition to today's minor version; used once, under its lock.

    It is a commit like any other: new parts under temporary names, then the manifest.  The old
    generation is what readers see until then, and its parts stay for 24 hours.
    """

    layout: Layout
    """The cache and the archive."""
    manifest: Manifest
    """What is committed."""
    versions: Mapping[str, str]
    """This library's table versions."""
    codec: str
    """Compression of the new parts."""
    filled: Counter[str] = field(default_factory=Counter)
    """Cells that hold a value, by ``table.column``."""
    nulls: Counter[str] = field(default_factory=Counter)
    """Cells that are null, by ``table.column``."""

    def run(self) -> None:
        """Rewrite and commit.

        Raises
        ------
        DamagedError
            A part is not what the manifest says, or has other columns than its version.
        SpaceError, CacheError
            It could not be stored; everything is as it was.
        """
        staged: dict[str, Path] = {}
        try:
            made = self._made(staged)
            commit(self.layout, made, staged)
        except CVPilotError:
            raise
        except OSError as error:
            needed = sum(file.bytes for file in self.manifest.files)
            raise storage_error(error, self.manifest.key, self.layout.root, needed) from error
        finally:
            for path in staged.values():
                with suppress(OSError):
                    path.unlink()  # it was not moved into its place

    def _made(self, staged: dict[str, Path]) -> Manifest:
        ids = self._ids()
        figures = {ids[name]: dict(block) for name, block in blocks_of(self.manifest).items()}
        source, message_type = self.manifest.key.split("/")[:2]
        tables = {table.name: table for table in tables_for(source, message_type)}
        shapes = shapes_for(source, message_type)
        files = []
        for file in self.manifest.files:
            block = ids[file.block] if file.block else None
            table = tables.get(file.role.removesuffix(".outside"))
            before = self.manifest.table_versions[table.name] if table else None
            if block is None or table is None or before is None or before == table.version:
                files.append(msgspec.structs.replace(file, block=block))
                continue
            path = self.layout.folder(self.manifest.key) / file.name
            rows = read_part(path, file, words=self.layout.words)
            try:
                done = upgrade(rows, table, before, shapes)
            except ValueError as error:
                raise DamagedError(
                    f"{path} has other columns than its version: {error}. Fetch it again: "
                    f"{self.layout.refresh(self.manifest.key)}"
                ) from error
            files.append(self._written(file, block, done.rows, staged))
            for name, number in done.filled.items():
                self.filled[f"{table.name}.{name}"] += number
                self.nulls[f"{table.name}.{name}"] += len(rows) - number
            _count(figures[block], file.role, table.name, done.nulls, done.notes, done.rows)
            figures[block]["values"] = {
                **figures[block].get("values", {}),
                file.role: digests(done.rows),
            }
        files.sort(key=lambda f: (f.role, f.start or "", f.name))
        return msgspec.structs.replace(
            self.manifest,
            generation=self.manifest.generation + 1,
            files=tuple(files),
            quality_json=as_quality({**self.manifest.quality, "blocks": figures}),
            table_versions=dict(self.versions),
            library=__version__,
        )

    def _written(self, file: File, block: str, rows: pa.Table, staged: dict[str, Path]) -> File:
        path = staging.incoming(self.layout, self.manifest.key) / temporary_name()
        write(rows, path, codec=self.codec, level=None)
        digest, footer = hashes(path)
        name = f"{file.role}-{digest[:16]}.parquet"
        staged[name] = path
        return msgspec.structs.replace(
            file,
            name=name,
            bytes=path.stat().st_size,
            sha256=digest,
            footer_sha256=footer,
            block=block,
        )

    def _ids(self) -> dict[str, str]:
        """Give the new id of each block.

        A block that this library would cut and build the same way gets the id that it would give
        it, so that a refresh keeps it.  Any other gets one that no block has: what another
        release of the library built is built anew when the partition changes, as ever.
        """
        units = [
            Unit(row["key"], row["size"], row["etag"])
            for row in read_objects(self.layout, self.manifest)
            .select(["key", "size", "etag"])
            .to_pylist()
        ]
        cut = blocks(units, f"{self.manifest.key}/", TARGET)
        before = self.manifest.table_versions
        same = {block_id(block, before): block_id(block, self.versions) for block in cut}
        return {
            name: same.get(name) or _hash([name, sorted(self.versions.items())])
            for name in blocks_of(self.manifest)
        }


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _count(
    block: dict[str, Any],
    role: str,
    table: str,
    nulls: Mapping[str, Mapping[str, int]],
    notes: Mapping[str, int],
    rows: pa.Table,
) -> None:
    """Add what is known of the new columns to a block's figures."""
    quality = block["quality"] = dict(block["quality"])
    by_table = quality["nulls"] = dict(quality["nulls"])
    columns = by_table[table] = dict(by_table.get(table, {}))
    for name, reasons in nulls.items():
        columns[name] = dict(Counter(columns.get(name, {})) + Counter(reasons))
    quality["notes"] = dict(Counter(quality["notes"]) + Counter(notes))
    if role == table and "is_repeat" in rows.column_names:
        # What the new column holds is no longer compared as text in ``extra``.
        repeats = pc.sum(rows.column("is_repeat")).as_py() or 0
        quality["repeats"] = {**quality["repeats"], role: repeats}
