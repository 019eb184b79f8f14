"""One real hour of the public bucket; only with ``pytest -m live``, as it needs the internet."""

from __future__ import annotations

from collections import Counter

import pytest

from intake_cvpilot.archive import open_archive
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.errors import AccessDeniedError

pytestmark = pytest.mark.live

DAY = "wydot/BSM/2021/04/01/"


def test_an_hour_of_the_public_bucket(tmp_path):
    archive = open_archive(policy=Policy(attempts=3, total=120))
    try:
        units = archive.snapshot(DAY).units
    except AccessDeniedError as error:
        pytest.fail(f"the public bucket refuses access from here today: {error}", pytrace=False)
    hours = Counter(unit.key.removeprefix(DAY).partition("/")[0] for unit in units)
    assert hours, "the bucket lists no object for that day any more"
    hour = min(hours, key=lambda name: hours[name])
    wanted = [unit for unit in units if unit.key.startswith(f"{DAY}{hour}/")]
    received = list(archive.read(wanted, tmp_path))
    assert {each.unit for each in received} == set(wanted)
    assert archive.traffic.reads == len(wanted)
