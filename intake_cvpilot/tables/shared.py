"""Columns that all message tables share."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from intake_cvpilot.tables.column import ENUM, TIMESTAMP, Column

__all__ = ["CLOSING", "LOG_DIRECTIONS", "OPENING", "SERIAL", "TIME_BASES", "double", "enum", "text"]

TIME_BASES: Final = ("generated", "generated_ambiguous", "payload", "received", "folder")
"""What event_time was read from."""
LOG_DIRECTIONS: Final = ("in", "out")
"""THEA's ``kind``."""


def double(name: str, unit: str, description: str, standard: str = "", portal: str = "") -> Column:
    """A measured quantity."""
    return Column(name, pa.float64(), description, unit, standard, portal_name=portal)


def enum(
    name: str,
    description: str,
    standard: str = "",
    portal: str = "",
    categories: tuple[str, ...] | None = None,
) -> Column:
    """An enumeration; closed when it has categories."""
    return Column(
        name, ENUM, description, standard=standard, portal_name=portal, categories=categories
    )


def text(name: str, description: str, standard: str = "", portal: str = "") -> Column:
    """Text."""
    return Column(name, pa.string(), description, standard=standard, portal_name=portal)


def _whole(name: str, kind: pa.DataType, description: str, field: str, portal: str) -> Column:
    return Column(name, kind, description, standard=field, portal_name=portal)


SERIAL: Final = ("stream_id", "bundle_id", "bundle_size", "record_id", "serial_number")
"""Columns of the logging, in which repeats may differ."""

OPENING: Final = (
    Column(
        "event_time",
        TIMESTAMP,
        "When the message was generated, as far as the record says; time_basis says from what.",
        unit="UTC",
        standard="ODE metadata.recordGeneratedAt",
        nullable=False,
        portal_name="metadata_generatedAt",
    ),
    Column(
        "time_basis",
        ENUM,
        "What event_time was read from; received: the receiver's clock, folder: only the hour.",
        nullable=False,
        categories=TIME_BASES,
    ),
    Column(
        "sent_time",
        TIMESTAMP,
        "The instant nearest to event_time that agrees with the message's second mark (BSM only).",
        unit="UTC",
        standard="DE_DSecond",
    ),
    Column(
        "received_time",
        TIMESTAMP,
        "When the record reached the operational data environment, UTC.",
        unit="UTC",
        standard="ODE metadata.odeReceivedAt",
        portal_name="metadata_receivedAt",
    ),
    _whole(
        "schema_version",
        pa.int16(),
        "Schema version as that source numbers it.",
        "ODE metadata.schemaVersion",
        "metadata_schemaVersion",
    ),
    enum(
        "generated_by",
        "Kind of device that generated the record.",
        "ODE metadata.recordGeneratedBy",
        "metadata_generatedBy",
    ),
    enum(
        "record_type",
        "Kind of log that the record comes from.",
        "ODE metadata.recordType",
        "metadata_recordType",
    ),
    text(
        "log_file",
        "Log file that the record comes from.",
        "ODE metadata.logFileName",
        "metadata_logFileName",
    ),
    enum(
        "log_direction",
        "Whether the roadside unit received (in) or sent (out) the message.",
        "THEA metadata.kind",
        "metadata_kind",
        LOG_DIRECTIONS,
    ),
    enum(
        "security_result",
        "Result of checking the message's signature.",
        "ODE metadata.securityResultCode",
        "metadata_securityResultCode",
    ),
    Column(
        "sanitized",
        pa.bool_(),
        "Whether the privacy filter was applied.",
        standard="ODE metadata.sanitized",
        portal_name="metadata_sanitized",
    ),
    text(
        "stream_id",
        "Stream of the operational data environment.",
        "ODE metadata.serialId.streamId",
        "metadata_serialId_streamId",
    ),
    _whole(
        "bundle_id",
        pa.int64(),
        "Bundle within the stream.",
        "ODE metadata.serialId.bundleId",
        "metadata_serialId_bundleId",
    ),
    _whole(
        "bundle_size",
        pa.int32(),
        "Records in the bundle.",
        "ODE metadata.serialId.bundleSize",
        "metadata_serialId_bundleSize",
    ),
    _whole(
        "record_id",
        pa.int64(),
        "Record within the bundle.",
        "ODE metadata.serialId.recordId",
        "metadata_serialId_recordId",
    ),
    _whole(
        "serial_number",
        pa.int64(),
        "Record within the stream.",
        "ODE metadata.serialId.serialNumber",
        "metadata_serialId_serialNumber",
    ),
    double(
        "receiver_latitude",
        "deg",
        "Latitude of the receiving device.",
        "ODE receivedMessageDetails",
        "metadata_rmd_latitude",
    ),
    double(
        "receiver_longitude",
        "deg",
        "Longitude of the receiving device.",
        "ODE receivedMessageDetails",
        "metadata_rmd_longitude",
    ),
    double(
        "receiver_elevation",
        "m",
        "Elevation of the receiving device.",
        "ODE receivedMessageDetails",
        "metadata_rmd_elevation",
    ),
    double(
        "receiver_speed",
        "m/s",
        "Speed of the receiving device.",
        "ODE receivedMessageDetails",
        "metadata_rmd_speed",
    ),
    double(
        "receiver_heading",
        "deg",
        "Heading of the receiving device, clockwise from north.",
        "ODE receivedMessageDetails",
        "metadata_rmd_heading",
    ),
    enum(
        "receiver_source",
        "Way on which the receiving device got the message.",
        "ODE receivedMessageDetails.rxSource",
        "metadata_rmd_rxSource",
    ),
    enum(
        "rsu_id", "Roadside unit that logged the message.", "THEA metadata.RSUID", "metadata_RSUID"
    ),
)
"""The first columns of each message table: time, origin and receiver."""

CLOSING: Final = (
    Column(
        "is_repeat",
        pa.bool_(),
        "Whether the row repeats another of the partition's block in all but what logging adds.",
        nullable=False,
    ),
    text(
        "extra",
        "What the record carries beyond the columns, as canonical JSON; null for an ordinary one.",
    ),
    Column(
        "object_id",
        pa.int64(),
        "First 8 bytes of the SHA-256 of the archive's key, signed, big-endian.",
        nullable=False,
    ),
    Column(
        "line",
        pa.int32(),
        "Line of the object at which the record begins; the first is 1.",
        nullable=False,
    ),
)
"""The last columns of each message table: what else there was, and where it stands."""
