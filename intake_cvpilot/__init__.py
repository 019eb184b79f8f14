"""The public connected-vehicle pilot archive as typed, verified, local tables.

Importing the package loads nothing but this file: each public name loads its module on first use.
"""

from __future__ import annotations

import sys

# Not from typing, whose import costs as much as all of the interpreter's own start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from intake_cvpilot.catalog import open_catalog
    from intake_cvpilot.errors import (
        AccessDeniedError,
        ArchiveError,
        CacheError,
        ChangedError,
        CVPilotError,
        DamagedError,
        DecodeError,
        InvalidRequestError,
        LockMismatchError,
        LockTimeoutError,
        MissingExtraError,
        NewerError,
        OfflineError,
        PartitionChangedError,
        PartitionsFailedError,
        RequestTooLargeError,
        SpaceError,
    )
    from intake_cvpilot.fetch import fetch
    from intake_cvpilot.frames import (
        Export,
        export,
        open_arrow,
        open_dask,
        open_duckdb,
        open_geopandas,
        open_pandas,
        open_polars,
        open_raw,
        open_spark,
    )
    from intake_cvpilot.lineage import objects, trace
    from intake_cvpilot.listing import plan
    from intake_cvpilot.lock import Lock, cite, lock
    from intake_cvpilot.maintain.checkup import Checkup, doctor
    from intake_cvpilot.maintain.clearing import Removed, clear, evict
    from intake_cvpilot.maintain.holdings import Status, status
    from intake_cvpilot.maintain.migration import Migrated, migrate
    from intake_cvpilot.maintain.rebuilding import Rebuilt, refresh, repair
    from intake_cvpilot.maintain.sharing import Shared, export_cache, import_cache
    from intake_cvpilot.maintain.verification import Verified, verify
    from intake_cvpilot.mirror import MirrorReport, mirror
    from intake_cvpilot.origin import Trace
    from intake_cvpilot.planned import Plan
    from intake_cvpilot.publish import Publication, publish
    from intake_cvpilot.quality import Quality, quality
    from intake_cvpilot.report import Report

    __version__: str

__all__ = [
    "AccessDeniedError",
    "ArchiveError",
    "CVPilotError",
    "CacheError",
    "ChangedError",
    "Checkup",
    "DamagedError",
    "DecodeError",
    "Export",
    "InvalidRequestError",
    "Lock",
    "LockMismatchError",
    "LockTimeoutError",
    "Migrated",
    "MirrorReport",
    "MissingExtraError",
    "NewerError",
    "OfflineError",
    "PartitionChangedError",
    "PartitionsFailedError",
    "Plan",
    "Publication",
    "Quality",
    "Rebuilt",
    "Removed",
    "Report",
    "RequestTooLargeError",
    "Shared",
    "SpaceError",
    "Status",
    "Trace",
    "Verified",
    "__version__",
    "cite",
    "clear",
    "doctor",
    "evict",
    "export",
    "export_cache",
    "fetch",
    "import_cache",
    "lock",
    "migrate",
    "mirror",
    "objects",
    "open_arrow",
    "open_catalog",
    "open_dask",
    "open_duckdb",
    "open_geopandas",
    "open_pandas",
    "open_polars",
    "open_raw",
    "open_spark",
    "plan",
    "publish",
    "quality",
    "refresh",
    "repair",
    "status",
    "trace",
    "verify",
]

_MODULES = {
    "Export": "frames",
    "Checkup": "maintain.checkup",
    "Migrated": "maintain.migration",
    "MirrorReport": "mirror",
    "Lock": "lock",
    "Plan": "planned",
    "Publication": "publish",
    "Quality": "quality",
    "Rebuilt": "maintain.rebuilding",
    "Removed": "maintain.clearing",
    "Report": "report",
    "Shared": "maintain.sharing",
    "Status": "maintain.holdings",
    "Trace": "origin",
    "Verified": "maintain.verification",
    "cite": "lock",
    "clear": "maintain.clearing",
    "doctor": "maintain.checkup",
    "evict": "maintain.clearing",
    "export": "frames",
    "export_cache": "maintain.sharing",
    "fetch": "fetch",
    "import_cache": "maintain.sharing",
    "migrate": "maintain.migration",
    "lock": "lock",
    "mirror": "mirror",
    "objects": "lineage",
    "open_arrow": "frames",
    "open_catalog": "catalog",
    "open_dask": "frames",
    "open_duckdb": "frames",
    "open_geopandas": "frames",
    "open_pandas": "frames",
    "open_polars": "frames",
    "open_raw": "frames",
    "open_spark": "frames",
    "plan": "listing",
    "publish": "publish",
    "quality": "quality",
    "refresh": "maintain.rebuilding",
    "repair": "maintain.rebuilding",
    "status": "maintain.holdings",
    "trace": "lineage",
    "verify": "maintain.verification",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("intake-cvpilot")
    else:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(type(sys)):  # type: ignore[misc]  # types.ModuleType, without its import
    """The package itself: ``fetch`` is the function, whoever imports the module ``fetch`` first.

    The import system binds a submodule to its name in the package; for a public name that is
    left out, so that it does not depend on the order of imports.  The module itself is had with
    ``from intake_cvpilot.fetch import ...``.
    """

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        from importlib import import_module

        # As cloudpickle, and so dask, does with a module that is one by its type.
        return import_module, (self.__name__,)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, type(sys))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
