"""The enumerations and bit strings of SAE J2735 (2016-03), each in the standard's order."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ABS",
    "AUX_BRAKES",
    "BRAKE_BOOST",
    "DIRECTIONALITY",
    "EVENTS",
    "EVENT_STATES",
    "FRAME_TYPES",
    "FUEL_TYPES",
    "HPMS_TYPES",
    "INTERSECTION_STATUS",
    "LIGHTS",
    "MUTCD",
    "ROLES",
    "TRANSMISSION",
    "WHEEL_BRAKES",
]

TRANSMISSION: Final = (
    "neutral",
    "park",
    "forwardGears",
    "reverseGears",
    "reserved1",
    "reserved2",
    "reserved3",
)
"""DE_TransmissionState without ``unavailable``."""

ABS: Final = ("off", "on", "engaged")
"""DE_AntiLockBrakeStatus, DE_TractionControlStatus, DE_StabilityControlStatus alike."""

BRAKE_BOOST: Final = ("off", "on")
"""DE_BrakeBoostApplied without ``unavailable``."""

AUX_BRAKES: Final = ("off", "on", "reserved")
"""DE_AuxiliaryBrakeStatus without ``unavailable``."""

WHEEL_BRAKES: Final = ("unavailable", "leftFront", "leftRear", "rightFront", "rightRear")
"""DE_BrakeAppliedStatus, bit 0 first."""

EVENTS: Final = (
    "eventHazardLights",
    "eventStopLineViolation",
    "eventABSactivated",
    "eventTractionControlLoss",
    "eventStabilityControlactivated",
    "eventHazardousMaterials",
    "eventReserved1",
    "eventHardBraking",
    "eventLightsChanged",
    "eventWipersChanged",
    "eventFlatTire",
    "eventDisabledVehicle",
    "eventAirBagDeployment",
)
"""DE_VehicleEventFlags, bit 0 first."""

LIGHTS: Final = (
    "lowBeamHeadlightsOn",
    "highBeamHeadlightsOn",
    "leftTurnSignalOn",
    "rightTurnSignalOn",
    "hazardSignalOn",
    "automaticLightControlOn",
    "daytimeRunningLightsOn",
    "fogLightOn",
    "parkingLightsOn",
)
"""DE_ExteriorLights, bit 0 first."""

ROLES: Final = (
    "basicVehicle",
    "publicTransport",
    "specialTransport",
    "dangerousGoods",
    "roadWork",
    "roadRescue",
    "emergency",
    "safetyCar",
    "none-unknown",
    "truck",
    "motorcycle",
    "roadSideSource",
    "police",
    "fire",
    "ambulance",
    "dot",
    "transit",
    "slowMoving",
    "stopNgo",
    "cyclist",
    "pedestrian",
    "nonMotorized",
    "military",
)
"""DE_BasicVehicleRole."""

HPMS_TYPES: Final = (
    "unknown",
    "special",
    "moto",
    "car",
    "carOther",
    "bus",
    "axleCnt2",
    "axleCnt3",
    "axleCnt4",
    "axleCnt4Trailer",
    "axleCnt5Trailer",
    "axleCnt6Trailer",
    "axleCnt5MultiTrailer",
    "axleCnt6MultiTrailer",
    "axleCnt7MultiTrailer",
)
"""DE_VehicleType without ``none``, which says nothing."""

FUEL_TYPES: Final = (
    "gasoline",
    "ethanol",
    "diesel",
    "electric",
    "hybrid",
    "hydrogen",
    "natGasLiquid",
    "natGasComp",
    "propane",
)
"""DE_FuelType without ``unknownFuel``."""

FRAME_TYPES: Final = ("advisory", "roadSignage", "commercialSignage")
"""DE_TravelerInfoType without ``unknown``."""

MUTCD: Final = ("none", "regulatory", "warning", "maintenance", "motoristService", "guide", "rec")
"""DE_MUTCDCode."""

DIRECTIONALITY: Final = ("forward", "reverse", "both")
"""DE_DirectionOfUse without ``unavailable``."""

EVENT_STATES: Final = (
    "dark",
    "stop-Then-Proceed",
    "stop-And-Remain",
    "pre-Movement",
    "permissive-Movement-Allowed",
    "protected-Movement-Allowed",
    "permissive-clearance",
    "protected-clearance",
    "caution-Conflicting-Traffic",
)
"""DE_MovementPhaseState without ``unavailable``."""

INTERSECTION_STATUS: Final = (
    "manualControlIsEnabled",
    "stopTimeIsActivated",
    "failureFlash",
    "preemptIsActive",
    "signalPriorityIsActive",
    "fixedTimeOperation",
    "trafficDependentOperation",
    "standbyOperation",
    "failureMode",
    "off",
    "recentMAPmessageUpdate",
    "recentChangeInMAPassignedLanesIDsUsed",
    "noValidMAPisAvailableAtThisTime",
    "noValidSPATisAvailableAtThisTime",
)
"""DE_IntersectionStatusObject, bit 0 first."""
