"""The data portal's columns of basic safety messages: Wyoming and Tampa."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from intake_cvpilot.decode import j2735, names
from intake_cvpilot.tables.portal_bsm_forms import (
    bit,
    bits,
    centimetres,
    decoded_radius,
    flags,
    mass_step,
    published,
    raw_points,
    raw_radius,
    unavailable,
    zero_or_one,
)
from intake_cvpilot.tables.portal_column import (
    DOUBLE,
    EXTERNAL_ID,
    FLAG,
    RANDOM,
    WHOLE,
    PortalColumn,
    thea_metadata,
    wydot_metadata,
)
from intake_cvpilot.tables.portal_forms import (
    TEXT,
    As,
    Each,
    FromExtra,
    HourOfDay,
    Nothing,
    Point,
    Scaled,
    loads,
)

if TYPE_CHECKING:
    from intake_cvpilot.decode.j2735 import Element

__all__ = ["THEA", "WYDOT"]

C: Final = "payload.data.coreData."
V: Final = "payload.data.partII.VehicleSafetyExtensions."
S: Final = "payload.data.partII.SupplementalVehicleExtensions."
X: Final = "payload.data.partII.SpecialVehicleExtensions."
WHEEL: Final = "coreData_brakes_wheelBrakes_"
BRAKES: Final = {
    "leftFront": "brake_left_front",
    "rightFront": "brake_right_front",
    "leftRear": "brake_left_rear",
    "rightRear": "brake_right_rear",
}
STATES: Final = {
    "traction": "traction",
    "abs": "abs",
    "scs": "scs",
    "brakeBoost": "brake_boost",
    "auxBrakes": "aux_brakes",
}


def _raw(element: Element) -> Scaled:
    return Scaled(unit=element.step)


_SPECIAL: Final = {
    "vehalert_sspRights": "vehicleAlerts.sspRights",
    "vehalert_event_sspRights": "vehicleAlerts.events.sspRights",
    "vehalert_event_events": "vehicleAlerts.events.events",
    "vehalert_lightsUse": "vehicleAlerts.lightsUse",
    "vehalert_multi": "vehicleAlerts.multi",
    "vehalert_responseType": "vehicleAlerts.responseType",
    "vehalert_sirenUse": "vehicleAlerts.sirenUse",
    "event_desc": "description.description",
    "event_extent": "description.extent",
    "event_heading": "description.heading",
    "tr_ssprights": "trailers.sspRights",
    "tr_conn": "trailers.connection",
    "tr_units": "trailers.units",
}

WYDOT: Final = (
    *wydot_metadata("metadata_generatedBy", "us.dot.its.jpo.ode.model.OdeBsmPayload"),
    PortalColumn("metadata_bsmSource", ("bsm_source",), TEXT, "metadata.bsmSource"),
    PortalColumn("coreData_msgCnt", ("msg_count",), WHOLE, C + "msgCnt"),
    PortalColumn("coreData_id", ("vehicle_id",), TEXT, C + "id"),
    PortalColumn("coreData_secMark", ("sec_mark",), WHOLE, C + "secMark"),
    PortalColumn("coreData_position_lat", ("latitude",), DOUBLE, C + "position.latitude"),
    PortalColumn("coreData_position_long", ("longitude",), DOUBLE, C + "position.longitude"),
    PortalColumn("coreData_elevation", ("elevation",), DOUBLE, C + "position.elevation"),
    PortalColumn("coreData_accelset_accelYaw", ("yaw_rate",), DOUBLE, C + "accelSet.accelYaw"),
    PortalColumn(
        "coreData_accuracy_semiMajor", ("accuracy_semi_major",), DOUBLE, C + "accuracy.semiMajor"
    ),
    PortalColumn(
        "coreData_accuracy_semiMinor", ("accuracy_semi_minor",), DOUBLE, C + "accuracy.semiMinor"
    ),
    PortalColumn(
        "coreData_transmission", ("transmission",), As(pa.string(), "upper"), C + "transmission"
    ),
    PortalColumn("coreData_speed", ("speed",), DOUBLE, C + "speed"),
    PortalColumn("coreData_heading", ("heading",), DOUBLE, C + "heading"),
    *(
        PortalColumn(WHEEL + name, (column,), FLAG, f"{C}brakes.wheelBrakes.{name}")
        for name, column in BRAKES.items()
    ),
    PortalColumn(
        WHEEL + "unavailable",
        tuple(BRAKES.values()),
        Each(pa.bool_(), unavailable),
        C + "brakes.wheelBrakes.unavailable",
    ),
    *(
        PortalColumn(f"coreData_brakes_{name}", (column,), TEXT, f"{C}brakes.{name}")
        for name, column in STATES.items()
    ),
    PortalColumn(
        "coreData_size", ("vehicle_width", "vehicle_length"), Each(make=centimetres), C + "size"
    ),
    PortalColumn("part2_vse_events", ("events",), flags(names.EVENTS), V + "events"),
    PortalColumn(
        "part2_vse_ph_crumbdata",
        ("path_history",),
        Each(make=published),
        V + "pathHistory.crumbData",
    ),
    PortalColumn(
        "part2_vse_pp_confidence", ("path_confidence",), DOUBLE, V + "pathPrediction.confidence"
    ),
    PortalColumn(
        "part2_vse_pp_radiusofcurve",
        ("path_radius", "path_straight"),
        Each(pa.float64(), decoded_radius),
        V + "pathPrediction.radiusOfCurve",
    ),
    PortalColumn("part2_vse_lights", ("lights",), flags(names.LIGHTS), V + "lights"),
    PortalColumn("part2_suve_cd_hpmstype", ("hpms_type",), TEXT, S + "classDetails.hpmsType"),
    PortalColumn("part2_suve_cd_role", ("vehicle_role",), TEXT, S + "classDetails.role"),
    PortalColumn("part2_suve_vd_height", ("vehicle_height",), DOUBLE, S + "vehicleData.height"),
    PortalColumn("part2_suve_vd_mass", ("vehicle_mass",), DOUBLE, S + "vehicleData.mass"),
    PortalColumn(
        "part2_suve_vd_trailerweight", ("trailer_weight",), DOUBLE, S + "vehicleData.trailerWeight"
    ),
    *(
        PortalColumn(
            f"part2_spve_{name}", ("extra",), FromExtra(path=X + path, json=True), X + path
        )
        for name, path in _SPECIAL.items()
    ),
    PortalColumn(
        "dataType",
        ("extra",),
        FromExtra(path="payload.dataType", usual="us.dot.its.jpo.ode.plugin.j2735.J2735Bsm"),
        "payload.dataType",
    ),
    PortalColumn("coreData_position", ("longitude", "latitude"), Point()),
    PortalColumn("randomNum", (), Nothing(pa.float64()), why_null=RANDOM),
    PortalColumn("metadata_generatedAt_timeOfDay", ("event_time",), HourOfDay()),
)
"""Wyoming: numbers in SI units and degrees, as the archive has them."""

THEA: Final = (
    *thea_metadata("bsm", 32),
    EXTERNAL_ID,
    PortalColumn("metadata_bsmSource", ("bsm_source",), TEXT, "metadata.bsmSource"),
    PortalColumn("coreData_msgCnt", ("msg_count",), WHOLE, C + "msgCnt"),
    PortalColumn("coreData_id", ("vehicle_id",), TEXT, C + "id"),
    PortalColumn("coreData_secMark", ("sec_mark",), WHOLE, C + "secMark"),
    *(
        PortalColumn(f"coreData_{name}", (column,), _raw(element), C + path)
        for name, column, element, path in (
            ("position_lat", "latitude", j2735.LATITUDE, "lat"),
            ("position_long", "longitude", j2735.LONGITUDE, "long"),
            ("elevation", "elevation", j2735.ELEVATION, "elev"),
            ("accelset_accelYaw", "yaw_rate", j2735.YAW_RATE, "accelSet.yaw"),
            ("accelset_lat", "accel_lat", j2735.ACCELERATION, "accelSet.lat"),
            ("accelset_long", "accel_long", j2735.ACCELERATION, "accelSet.long"),
            ("accelset_vert", "accel_vert", j2735.VERTICAL_ACCELERATION, "accelSet.vert"),
            ("angle", "steering_angle", j2735.STEERING_ANGLE, "angle"),
            (
                "accuracy_orientation",
                "accuracy_orientation",
                j2735.ORIENTATION,
                "accuracy.orientation",
            ),
            ("accuracy_semiMajor", "accuracy_semi_major", j2735.SEMI_AXIS, "accuracy.semiMajor"),
            ("accuracy_semiMinor", "accuracy_semi_minor", j2735.SEMI_AXIS, "accuracy.semiMinor"),
            ("speed", "speed", j2735.SPEED, "speed"),
            ("heading", "heading", j2735.HEADING, "heading"),
        )
    ),
    PortalColumn("coreData_transmission", ("transmission",), TEXT, C + "transmission"),
    *(
        PortalColumn(
            WHEEL + name,
            (column,),
            Each(make=bit, back=zero_or_one),
            f"{C}brakes.wheelBrakes.{name}",
        )
        for name, column in BRAKES.items()
    ),
    PortalColumn(
        WHEEL + "unavailable",
        tuple(BRAKES.values()),
        Each(make=lambda *brakes: "01"[unavailable(*brakes)], back=zero_or_one),
        C + "brakes.wheelBrakes.unavailable",
    ),
    *(
        PortalColumn(f"coreData_brakes_{name}", (column,), TEXT, f"{C}brakes.{name}")
        for name, column in STATES.items()
    ),
    PortalColumn(
        "coreData_size", ("vehicle_width", "vehicle_length"), Each(make=centimetres), C + "size"
    ),
    PortalColumn("part2_suve_classification", ("vehicle_class",), WHOLE, S + "classification"),
    PortalColumn("part2_suve_cd_hpmstype", ("hpms_type",), TEXT, S + "classDetails.hpmsType"),
    PortalColumn("part2_suve_cd_role", ("vehicle_role",), TEXT, S + "classDetails.role"),
    PortalColumn(
        "part2_suve_vd_height",
        ("vehicle_height",),
        _raw(j2735.VEHICLE_HEIGHT),
        S + "vehicleData.height",
    ),
    PortalColumn(
        "part2_suve_vd_mass",
        ("vehicle_mass",),
        Each(pa.int64(), mass_step),
        S + "vehicleData.mass",
    ),
    *(
        PortalColumn(
            f"part2_suve_vd_bumpers_{end}",
            (f"bumper_{end}",),
            _raw(j2735.BUMPER_HEIGHT),
            f"{S}vehicleData.bumpers.{end}",
        )
        for end in ("front", "rear")
    ),
    PortalColumn("part2_vse_events", ("events",), bits(names.EVENTS), V + "events"),
    PortalColumn(
        "part2_vse_ph_crumbdata",
        ("path_history",),
        Each(make=raw_points, back=loads),
        V + "pathHistory.crumbData.PathHistoryPoint",
    ),
    PortalColumn(
        "part2_vse_pp_confidence",
        ("path_confidence",),
        Scaled(unit=Fraction(1, 2)),
        V + "pathPrediction.confidence",
    ),
    PortalColumn(
        "part2_vse_pp_radiusofcurve",
        ("path_radius", "path_straight"),
        Each(pa.int64(), raw_radius),
        V + "pathPrediction.radiusOfCurve",
    ),
    PortalColumn("part2_vse_lights", ("lights",), bits(names.LIGHTS), V + "lights"),
    PortalColumn("coreData_position", ("longitude", "latitude"), Point()),
)
"""Tampa: raw integers of J2735, as the archive has them."""
