"""Stale reads: for a while, what RDS describes is what was (proofs, Faults: "stale reads")."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from moto.rds.models import RDSBackend

from .world import World, every_rds

#: What the Describe calls of moto's RDS read.
HELD = ("clusters", "cluster_snapshots", "databases", "global_clusters")
#: Views kept; older ones than the stale seconds are dropped long before.
VIEWS_MAX = 10_000


class History:
    """Keeps copies of the world while reads are stale, and shows one in the present's place.

    Kept only while `stale_read_secs` is set: the view at that moment stands for all before it.
    """

    def __init__(self, world: World):
        self.world = world
        self.forget()
        world.when_changed(self.keep)

    def forget(self) -> None:
        self._views: list[tuple[datetime, dict]] = []

    def keep(self) -> None:
        """Takes a view of the world as it is from this instant on."""
        secs = self.world.settings.stale_read_secs
        if secs <= 0:
            self.forget()
            return
        horizon = self.world.now() - timedelta(seconds=secs)
        # The newest view at or before the horizon is still the answer to a read; the rest is not.
        while len(self._views) > 1 and (
            self._views[1][0] <= horizon or len(self._views) > VIEWS_MAX
        ):
            self._views.pop(0)
        # Each thing points at its backend, which must stay the real one.
        others = [kept for b in every_rds() for kept in (b, b.kms, b.secretsmanager)]
        pinned = {id(backend): backend for backend in others}
        view = {
            key(backend): {name: getattr(backend, name) for name in HELD}
            for backend in every_rds()
        }
        self._views.append((self.world.now(), copy.deepcopy(view, pinned)))

    @contextmanager
    def as_seen(self) -> Iterator[None]:
        """Makes the past the present, for one Describe call."""
        secs = self.world.settings.stale_read_secs
        if secs <= 0 or not self._views:
            yield
            return
        then = self.world.now() - timedelta(seconds=secs)
        past = [view for instant, view in self._views if instant <= then]
        shown = past[-1] if past else self._views[0][1]
        present = {
            backend: {name: getattr(backend, name) for name in HELD} for backend in every_rds()
        }
        for backend in present:
            for name, held in shown.get(key(backend), {}).items():
                setattr(backend, name, held)
        try:
            with self.world.at(then):
                yield
        finally:
            for backend, held_by_name in present.items():
                for name, held in held_by_name.items():
                    setattr(backend, name, held)


def key(backend: RDSBackend) -> tuple[str, str]:
    """By what views know a backend, which is pinned but not hashed by what it holds."""
    return backend.account_id, backend.region_name
