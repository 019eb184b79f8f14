"""The cache driven at random against a model of what was committed last."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import world
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import intake_cvpilot as cv
from intake_cvpilot.cache.commit import commit
from intake_cvpilot.cache.layout import MANIFEST
from intake_cvpilot.cache.leftovers import sweep
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.verify import verify
from intake_cvpilot.errors import DamagedError, OfflineError
from intake_cvpilot.partition import partition

DAYS = st.sampled_from(range(len(world.DAYS)))
#: When a listing was made, by the end of the day and by now; whether it was final; is it due?
LISTED = {
    "before it settled": (lambda over, now: over + timedelta(59), False, True),
    "after it settled": (lambda over, now: over + timedelta(61), True, False),
    "within recheck": (lambda over, now: now - timedelta(hours=1), False, False),
    "by a clock that was ahead": (lambda over, now: now + timedelta(1), True, True),
}
HARMS = ("flip", "cut", "unlink", "manifest")


class Cache(RuleBasedStateMachine):
    """Model: of each day the edition that was last committed, or None, whether it is harmed, and
    whether its listing is old enough to be taken again.

    The clock cannot be turned within a process, so the time of a listing is: what counts is how
    far they are apart.
    """

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="cvpilot-model-"))
        self.edition = 0
        world.write_edition(self.root / "archive", 0)
        self.committed = [None, None]
        self.harmed = [False, False]
        self.due = [False, False]

    def teardown(self):
        shutil.rmtree(self.root)

    @initialize()
    def begin(self):
        world.fetch(self.root)
        self.committed = [0, 0]

    @rule(edition=st.sampled_from(sorted(world.EDITIONS)))
    def archive_changes(self, edition):
        world.write_edition(self.root / "archive", edition)
        self.edition = edition

    @rule(day=DAYS, refresh=st.booleans(), when=st.sampled_from([None, *sorted(LISTED)]))
    def fetch(self, day, refresh, when):
        name, key = world.DAYS[day], world.KEYS[day]
        if when is not None and day in self.sound:
            self.time_goes_by(day, when)
        try:
            report = cv.fetch("wydot", "bsm", name, name, refresh=refresh, **world.where(self.root))
        except DamagedError as error:
            # Only a refresh or a repair mends; a plain fetch of a damaged manifest says so.
            if refresh or not self.harmed[day]:
                raise AssertionError("a sound partition is called damaged") from error
            return
        action = report.partitions[0].action
        if self.committed[day] is None:
            assert action == "fetched"
            self.committed[day] = self.edition
        elif refresh or self.due[day]:
            assert action == "fetched" if self.harmed[day] else action in ("fetched", "relisted")
            self.committed[day] = self.edition
        else:
            assert action == "cached"
        if action != "cached":
            self.harmed[day] = self.due[day] = False
        assert report.counts.records == len(world.golden(self.committed[day])[key])

    @precondition(lambda self: any(edition is not None for edition in self.committed))
    @rule(day=DAYS)
    def evict(self, day):
        folder = world.layout(self.root).folder(world.KEYS[day])
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        self.committed[day], self.harmed[day], self.due[day] = None, False, False

    @rule()
    def clear(self):
        shutil.rmtree(self.root / "cache", ignore_errors=True)
        self.committed, self.harmed, self.due = [None, None], [False, False], [False, False]

    @property
    def sound(self):
        """The days that are committed and whole."""
        return [d for d in (0, 1) if self.committed[d] is not None and not self.harmed[d]]

    def time_goes_by(self, day, when):
        """The listing is of a while ago: before the day had settled, after, or of the future."""
        layout, key = world.layout(self.root), world.KEYS[day]
        manifest = load(layout, key)
        instant, closed, self.due[day] = LISTED[when]
        listed = instant(partition(key).ends, datetime.now(UTC))
        commit(layout, msgspec.structs.replace(manifest, listed_at=listed, closed=closed), {})

    @rule(day=DAYS, offline=st.booleans())
    def repair(self, day, offline):
        name, key = world.DAYS[day], world.KEYS[day]
        where = {**world.where(self.root), "offline": offline}
        if offline and self.harmed[day]:
            try:
                cv.repair("wydot", "bsm", name, name, **where)
            except OfflineError:
                return
            raise AssertionError("repaired without an archive")
        done = cv.repair("wydot", "bsm", name, name, **where)
        assert not done.failures
        assert [one.key for one in done.damaged] == ([key] if self.harmed[day] else [])
        assert bool(done.reports) == self.harmed[day]
        if self.harmed[day]:
            assert done.reports[0].actions == {"fetched": 1}
            self.committed[day], self.harmed[day], self.due[day] = self.edition, False, False

    @rule(age=st.sampled_from([0, 1, 40]))
    def sweep(self, age):
        if (self.root / "cache").exists():
            sweep(self.root / "cache", older_than=timedelta(days=age))

    @precondition(lambda self: self.sound)
    @rule(how=st.sampled_from(HARMS), data=st.data())
    def damage(self, how, data):
        day = data.draw(st.sampled_from(self.sound))
        folder = world.layout(self.root).folder(world.KEYS[day])
        path = (
            folder / MANIFEST if how == "manifest" else data.draw(st.sampled_from(self.named(day)))
        )
        if how == "unlink":
            path.unlink()
        else:
            whole = bytearray(path.read_bytes())
            at = data.draw(st.integers(0, len(whole) - 1))
            if how == "cut":
                del whole[at:]
            else:
                whole[at] ^= 1 << data.draw(st.integers(0, 7))
            path.write_bytes(whole)
        self.harmed[day] = True

    def named(self, day):
        """The parts of a day that its manifest names; superseded ones lie beside them."""
        layout, key = world.layout(self.root), world.KEYS[day]
        manifest = load(layout, key)
        return [layout.folder(key) / f.name for f in manifest.files if f.role == "messages"]

    @invariant()
    def readers_see_the_model(self):
        for name, key, edition, harmed in zip(
            world.DAYS, world.KEYS, self.committed, self.harmed, strict=True
        ):
            checked = verify(world.layout(self.root), key, deep=True)
            if harmed:
                assert checked.state == "damaged"
                try:
                    world.rows(self.root, name)
                except DamagedError:
                    continue
                except OfflineError as error:
                    raise AssertionError("damage looked like nothing") from error
                raise AssertionError("damage was read")
            assert checked.state == ("missing" if edition is None else "good")
            assert world.rows(self.root, name) == (
                None if edition is None else world.golden(edition)[key]
            )


FULL = bool(os.environ.get("FULL"))
Cache.TestCase.settings = settings(
    max_examples=150 if FULL else 15,
    stateful_step_count=30 if FULL else 20,
    suppress_health_check=list(HealthCheck),
)
test_the_cache_is_what_the_model_says = Cache.TestCase
