"""What an entry of the map of the data portal's names is, and those of the metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from intake_cvpilot.tables.portal_forms import (
    TEXT,
    As,
    FromExtra,
    HourOfDay,
    Nothing,
    Stamp,
)
from intake_cvpilot.tables.portal_stamps import EASTERN

if TYPE_CHECKING:
    from intake_cvpilot.tables.portal_forms import Form

__all__ = [
    "DOUBLE",
    "EXTERNAL_ID",
    "FLAG",
    "RANDOM",
    "WHOLE",
    "PortalColumn",
    "thea_metadata",
    "wydot_metadata",
]

WHOLE: Final = As(pa.int64())
"""A whole number as it stands."""
DOUBLE: Final = As(pa.float64())
"""A number as it stands."""
FLAG: Final = As(pa.bool_())
"""True or false."""
RANDOM: Final = "a random number of the portal's own"


@dataclass(frozen=True, slots=True)
class PortalColumn:
    """One column of the data portal."""

    name: str
    """Its name in the portal's spelling; the API writes it in small letters."""
    columns: tuple[str, ...]
    """Our columns that it is written from; none where it is always null."""
    form: Form
    """How it is written and read."""
    path: str = ""
    """Dotted path of the value in the archive's record; empty where the portal computed it."""
    why_null: str = ""
    """Why it is always null when written; empty where it is not."""

    @property
    def api_name(self) -> str:
        """Its name in the API, in small letters."""
        return self.name.lower()


def wydot_metadata(by: str, package: str) -> tuple[PortalColumn, ...]:
    """Entries of the metadata of Wyoming.

    Parameters
    ----------
    by : str
        The portal's name of the generating device, which differs by message type.
    package : str
        The usual ``payloadType``.
    """
    m, serial = "metadata.", "metadata.serialId."
    place = "metadata.receivedMessageDetails."
    names = ("latitude", "longitude", "elevation", "speed", "heading")
    return (
        PortalColumn("metadata_generatedAt", ("event_time",), Stamp(), m + "recordGeneratedAt"),
        PortalColumn("metadata_receivedAt", ("received_time",), Stamp(), m + "odeReceivedAt"),
        PortalColumn(by, ("generated_by",), TEXT, m + "recordGeneratedBy"),
        PortalColumn("metadata_logFileName", ("log_file",), TEXT, m + "logFileName"),
        PortalColumn(
            "metadata_securityResultCode", ("security_result",), TEXT, m + "securityResultCode"
        ),
        PortalColumn("metadata_sanitized", ("sanitized",), FLAG, m + "sanitized"),
        PortalColumn(
            "metadata_payloadType",
            ("extra",),
            FromExtra(path=m + "payloadType", usual=package),
            m + "payloadType",
        ),
        PortalColumn("metadata_recordType", ("record_type",), TEXT, m + "recordType"),
        PortalColumn("metadata_serialId_streamId", ("stream_id",), TEXT, serial + "streamId"),
        PortalColumn(
            "metadata_serialId_bundleSize", ("bundle_size",), WHOLE, serial + "bundleSize"
        ),
        PortalColumn("metadata_serialId_bundleId", ("bundle_id",), WHOLE, serial + "bundleId"),
        PortalColumn("metadata_serialId_recordId", ("record_id",), WHOLE, serial + "recordId"),
        PortalColumn(
            "metadata_serialId_serialNumber", ("serial_number",), WHOLE, serial + "serialNumber"
        ),
        *(
            PortalColumn(
                f"metadata_rmd_{name}", (f"receiver_{name}",), DOUBLE, f"{place}locationData.{name}"
            )
            for name in names
        ),
        PortalColumn("metadata_rmd_rxSource", ("receiver_source",), TEXT, place + "rxSource"),
        PortalColumn("metadata_schemaVersion", ("schema_version",), WHOLE, m + "schemaVersion"),
    )


def thea_metadata(kind: str, psid: int) -> tuple[PortalColumn, ...]:
    """Entries of the metadata of Tampa; times are Eastern wall time, which the portal does not say.

    Parameters
    ----------
    kind : str
        bsm, spat or tim.
    psid : int
        The usual provider service identifier.
    """
    m = "metadata."
    return (
        PortalColumn(
            "dataType",
            ("extra",),
            FromExtra(path=m + "dataType", usual=kind),
            m + "dataType",
        ),
        PortalColumn(
            "metadata_generatedAt", ("event_time",), Stamp(zone=EASTERN), m + "recordGeneratedAt"
        ),
        PortalColumn(
            "metadata_generatedBy",
            ("generated_by",),
            As(pa.string(), "lower"),
            m + "recordGeneratedBy",
        ),
        PortalColumn("metadata_logFileName", ("log_file",), TEXT, m + "logFileName"),
        PortalColumn("metadata_schemaVersion", ("schema_version",), WHOLE, m + "schemaVersion"),
        PortalColumn("metadata_RSUID", ("rsu_id",), TEXT, m + "RSUID"),
        PortalColumn("metadata_kind", ("log_direction",), TEXT, m + "kind"),
        PortalColumn(
            "metadata_psid", ("extra",), FromExtra(pa.int64(), m + "psid", psid), m + "psid"
        ),
        PortalColumn("randomNum", (), Nothing(pa.float64()), why_null=RANDOM),
        PortalColumn("metadata_generatedAt_timeOfDay", ("event_time",), HourOfDay(zone=EASTERN)),
    )


EXTERNAL_ID: Final = PortalColumn(
    "metadata_externalID",
    ("extra",),
    FromExtra(path="metadata.externalID", usual="NA"),
    "metadata.externalID",
)
"""Of Tampa's messages but traveler information."""
