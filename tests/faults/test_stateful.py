"""The cache driven at random against a model of what was committed last."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import world
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import intake_cvpilot as cv
from intake_cvpilot.cache.layout import MANIFEST
from intake_cvpilot.cache.leftovers import sweep
from intake_cvpilot.cache.manifest import load
from intake_cvpilot.cache.verify import verify
from intake_cvpilot.errors import DamagedError, OfflineError

DAYS = st.sampled_from(range(len(world.DAYS)))
HARMS = ("flip", "cut", "unlink", "manifest")


class Cache(RuleBasedStateMachine):
    """Model: of each day the edition that was last committed, or None, and whether it is harmed."""

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="cvpilot-model-"))
        self.edition = 0
        world.write_edition(self.root / "archive", 0)
        self.committed = [None, None]
        self.harmed = [False, False]

    def teardown(self):
        shutil.rmtree(self.root)

    @rule(edition=st.sampled_from(sorted(world.EDITIONS)))
    def archive_changes(self, edition):
        world.write_edition(self.root / "archive", edition)
        self.edition = edition

    @rule(day=DAYS, refresh=st.booleans())
    def fetch(self, day, refresh):
        name, key = world.DAYS[day], world.KEYS[day]
        try:
            report = cv.fetch("wydot", "bsm", name, name, refresh=refresh, **world.where(self.root))
        except DamagedError as error:
            # Only a refresh repairs; a plain fetch of a damaged manifest is told to do so.
            if refresh or not self.harmed[day]:
                raise AssertionError("a sound partition is called damaged") from error
            return
        action = report.partitions[0].action
        if self.committed[day] is None:
            assert action == "fetched"
            self.committed[day] = self.edition
        elif refresh:
            assert not self.harmed[day] or action == "fetched"
            self.committed[day] = self.edition
        else:
            assert action == "cached"
        if action == "fetched":
            self.harmed[day] = False
        assert report.counts.records == len(world.golden(self.committed[day])[key])

    @precondition(lambda self: any(edition is not None for edition in self.committed))
    @rule(day=DAYS)
    def evict(self, day):
        folder = world.layout(self.root).folder(world.KEYS[day])
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        self.committed[day], self.harmed[day] = None, False

    @rule()
    def clear(self):
        shutil.rmtree(self.root / "cache", ignore_errors=True)
        self.committed, self.harmed = [None, None], [False, False]

    @rule(age=st.sampled_from([0, 1, 40]))
    def sweep(self, age):
        if (self.root / "cache").exists():
            sweep(self.root / "cache", older_than=timedelta(days=age))

    @rule(day=DAYS, how=st.sampled_from(HARMS), data=st.data())
    def damage(self, day, how, data):
        folder = world.layout(self.root).folder(world.KEYS[day])
        if self.committed[day] is None or self.harmed[day]:
            return
        (path,) = [folder / MANIFEST] if how == "manifest" else self.named(day)
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
        """The part of a day that its manifest names; superseded ones lie beside it."""
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
    max_examples=100 if FULL else 6,
    stateful_step_count=30 if FULL else 15,
    suppress_health_check=list(HealthCheck),
)
test_the_cache_is_what_the_model_says = Cache.TestCase
