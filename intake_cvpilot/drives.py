"""Invented drives on I-80 as messages: the record shape of the archive, version 6, WYDOT BSM."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import Any, Literal
from uuid import UUID

__all__ = ["messages"]

# Laramie to Cheyenne over the summit: degrees north and east, metres above the sea, all rounded.
_ROUTE = (
    (41.303, -105.560, 2184.0),
    (41.279, -105.520, 2290.0),
    (41.2375, -105.4375, 2634.0),
    (41.166, -105.383, 2495.0),
    (41.124, -105.302, 2439.0),
    (41.100, -105.150, 2240.0),
    (41.105, -104.980, 2020.0),
    (41.113, -104.860, 1860.0),
)
_DEGREE = 111_320.0  # metres along a meridian
_EAST = _DEGREE * math.cos(math.radians(41.2))  # metres along that parallel
_MILESTONES = (
    0.0,
    *accumulate(
        math.hypot((b[0] - a[0]) * _DEGREE, (b[1] - a[1]) * _EAST) for a, b in pairwise(_ROUTE)
    ),
)
# By UTC hour: what a snowy morning leaves of the free speed.
_PACE = (
    *(1.0, 0.99, 0.99, 0.98, 0.97, 0.97, 0.95, 0.93, 0.9, 0.86, 0.8, 0.72),
    *(0.62, 0.55, 0.52, 0.58, 0.67, 0.78, 0.88, 0.94, 0.97, 0.99, 1.0, 1.0),
)
_SLOWEST, _FASTEST = 2.3, 35.7  # m/s: what the archive's privacy filter lets through
_UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class _Vehicle:
    id: str
    """Four characters as hexadecimal ASCII, as the pilot's devices had them."""
    length: int
    """Centimetres."""
    width: int
    """Centimetres."""
    free_speed: float
    """Metres per second on a dry road."""


# Articulated lorries, ploughs and pick-ups.
_FLEET = tuple(
    _Vehicle(
        f"{7000 + n}".encode().hex(),
        *((2190, 259, 28.2), (920, 330, 23.4), (590, 203, 32.6))[n % 3],
    )
    for n in range(24)
)


@dataclass(frozen=True, slots=True)
class _Log:
    """The upload that an object's messages came in."""

    kind: Literal["bsmLogDuringEvent", "bsmTx", "rxMsg"]
    name: str
    stream: str
    bundle: int
    serial: int
    size: int
    received: datetime


@dataclass(frozen=True, slots=True)
class _State:
    """A vehicle at one instant, in the steps that the standard can express."""

    time: datetime
    latitude: float
    longitude: float
    elevation: float
    speed: float
    heading: float


def messages(
    begin: datetime, received: datetime, size: int, random: Random
) -> Iterator[dict[str, Any]]:
    """Give the messages of one log: a vehicle's own, and those that it heard of another.

    Parameters
    ----------
    begin, received : datetime
        The hour that the messages lie in, and when they reached the archive; aware, UTC.
    size : int
        How many.
    random : Random
        Where everything else comes from.

    Yields
    ------
    dict
        A message as it stands in the archive.
    """
    own, other = random.sample(_FLEET, 2)
    log = _log(begin, received, size, random)
    east = random.choice((1, -1))
    step = min(random.choice((0.1, 1.0, 5.0)), 3300 / size)
    clock = random.uniform(0, 3590 - size * step)
    place = random.uniform(0, _MILESTONES[-1])
    pace = _PACE[begin.hour] * random.uniform(0.92, 1.04)
    speed, count = own.free_speed * pace, random.randrange(128)
    for index in range(size):
        speed += 0.1 * (own.free_speed * pace - speed) + random.gauss(0, 0.12)
        speed = min(max(speed, _SLOWEST), _FASTEST)
        place, clock = place + east * speed * step, clock + step
        heard = log.kind == "rxMsg" or (log.kind == "bsmLogDuringEvent" and random.random() < 0.3)
        time = begin + timedelta(milliseconds=round(clock * 1000))
        state = _state(time, place, speed, east)
        if heard:
            ahead = _state(time, place + 70.0 * east, speed, east)
            yield _message(log, index, other, ahead, state, (count + 5 * index) % 128, east, random)
        else:
            yield _message(log, index, own, state, state, (count + index) % 128, east, random)


def _log(begin: datetime, received: datetime, size: int, random: Random) -> _Log:
    kind: Any = random.choice(("bsmLogDuringEvent", "bsmLogDuringEvent", "bsmTx", "rxMsg"))
    device = f"fe80::2d0:ff:fe00:{random.randrange(1, 200):x}"
    return _Log(
        kind=kind,
        name=f"{kind}_{begin.timestamp():.0f}_{device.replace(':', '%3A')}.csv.gz",
        stream=str(UUID(int=random.getrandbits(128), version=4)),
        bundle=random.randrange(400_000),
        serial=random.randrange(20_000_000),
        size=size,
        received=received,
    )


def _state(time: datetime, place: float, speed: float, east: int) -> _State:
    """Return where a vehicle is that has come so far; past the end it turns round."""
    length = _MILESTONES[-1]
    folded = place % (2 * length)
    if folded > length:
        folded, east = 2 * length - folded, -east
    leg = min(bisect_right(_MILESTONES, folded), len(_ROUTE) - 1)
    a, b = _ROUTE[leg - 1], _ROUTE[leg]
    part = (folded - _MILESTONES[leg - 1]) / (_MILESTONES[leg] - _MILESTONES[leg - 1])
    heading = math.degrees(math.atan2((b[1] - a[1]) * _EAST * east, (b[0] - a[0]) * _DEGREE * east))
    return _State(
        time=time,
        latitude=round(a[0] + part * (b[0] - a[0]), 7),
        longitude=round(a[1] + part * (b[1] - a[1]), 7),
        elevation=round(a[2] + part * (b[2] - a[2]), 1),
        speed=round(round(speed / 0.02) * 0.02, 2),
        heading=round(round(heading % 360 / 0.0125) % 28800 * 0.0125, 4),
    )


def _message(
    log: _Log,
    index: int,
    vehicle: _Vehicle,
    state: _State,
    receiver: _State,
    count: int,
    east: int,
    random: Random,
) -> dict[str, Any]:
    heard = receiver is not state
    delay = timedelta(milliseconds=random.randrange(100, 400) if log.kind == "rxMsg" else 0)
    known = log.kind != "rxMsg"  # the receiver of these logs does not say where it was
    return {
        "metadata": {
            "bsmSource": "RV" if heard else "EV",
            "logFileName": log.name,
            "recordType": log.kind,
            "securityResultCode": "success",
            "receivedMessageDetails": {
                "locationData": {
                    name: str(getattr(receiver, name)) if known else "0"
                    for name in ("latitude", "longitude", "elevation", "speed", "heading")
                },
                "rxSource": "NA" if known else "RV",
            },
            "payloadType": "us.dot.its.jpo.ode.model.OdeBsmPayload",
            "serialId": {
                "streamId": log.stream,
                "bundleSize": log.size,
                "bundleId": log.bundle,
                "recordId": index,
                "serialNumber": log.serial + index,
            },
            "odeReceivedAt": _stamp(log.received + timedelta(milliseconds=index // 8)),
            "schemaVersion": 6,
            "recordGeneratedAt": _stamp(state.time + delay),
            "recordGeneratedBy": "OBU",
            "sanitized": True,
        },
        "payload": {
            "dataType": "us.dot.its.jpo.ode.plugin.j2735.J2735Bsm",
            "data": {
                "coreData": _core(vehicle, state, count, random),
                "partII": [
                    {"id": "VehicleSafetyExtensions", "value": _safety(state, east, random)},
                    {"id": "SupplementalVehicleExtensions", "value": {}},
                ],
            },
        },
    }


def _core(vehicle: _Vehicle, state: _State, count: int, random: Random) -> dict[str, Any]:
    position = {"latitude": state.latitude, "longitude": state.longitude}
    if random.random() > 0.02:  # the archive leaves out what is not available
        position["elevation"] = state.elevation
    accuracy = {"semiMajor": random.choice((2.05, 2.9, 12.7)), "semiMinor": 2.05}
    if random.random() < 0.3:
        accuracy["orientation"] = round(random.randrange(65535) * 360 / 65535, 10)
    return {
        "msgCnt": count,
        "id": vehicle.id,
        "secMark": state.time.second * 1000 + state.time.microsecond // 1000,
        "position": position,
        "accelSet": {
            "accelLat": _number(random.gauss(0, 0.3)),
            "accelLong": _number(random.gauss(0, 0.5)),
            "accelVert": _number(random.gauss(0, 0.05)),
            "accelYaw": _number(random.gauss(0, 0.8)),
        },
        "accuracy": accuracy if random.random() > 0.01 else {},
        "transmission": "NEUTRAL",
        "speed": state.speed,
        "heading": state.heading,
        "brakes": {
            "wheelBrakes": {
                "leftFront": False,
                "rightFront": False,
                _UNAVAILABLE: True,
                "leftRear": False,
                "rightRear": False,
            },
            **dict.fromkeys(("traction", "abs", "scs", "brakeBoost", "auxBrakes"), _UNAVAILABLE),
        },
        "size": {"width": vehicle.width, "length": vehicle.length},
    }


def _safety(state: _State, east: int, random: Random) -> dict[str, Any]:
    """Return where the vehicle has been (position minus past position) and where it is bound."""
    bearing = math.radians(state.heading)
    crumbs = []
    for seconds in accumulate(
        random.choice((1.9, 3.4, 5.1)) for _ in range(random.randrange(3, 8))
    ):
        back = state.speed * seconds
        crumbs.append(
            {
                "elevationOffset": random.choice((0, 0.1, -0.3, 0.8)) * east,
                "latOffset": round(back * math.cos(bearing) / _DEGREE, 7),
                "lonOffset": round(back * math.sin(bearing) / _EAST, 7),
                "timeOffset": round(seconds, 2),
            }
        )
    straight = random.random() < 0.8
    return {
        "pathHistory": {"crumbData": crumbs},
        "pathPrediction": {
            "confidence": 100.0 if straight else 50,
            "radiusOfCurve": 0.0 if straight else _number(random.uniform(-900, 900)),
        },
    }


def _number(value: float) -> float:
    """Return a number as it is written there: an integer now and then in a column of floats."""
    rounded = round(value, 2)
    return 0 if rounded == 0 else rounded


def _stamp(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"
