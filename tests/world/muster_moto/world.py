"""What the parts of the emulated AWS share: the instant, the agenda, the record.

Nothing here runs by itself. Each call first lets the world catch up with the clock: what was due is
done in the order of its instants, as if it had happened then. So a test that sets the clock an hour
forward sees exactly what an hour of AWS would have left, however quickly it runs.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from moto.rds.models import RDSBackend, rds_backends

from .clock import Clock, show
from .settings import Settings

#: The account that moto gives to every caller.
ACCOUNT = "123456789012"
#: moto keeps all global clusters in this region's backend, whatever region is called.
GLOBAL_STORE = "us-east-1"
#: Enough for the longest test; beyond it a test is running away.
RECORDS_MAX = 200_000


class World:
    """One emulated AWS account in all its regions, and those whose roles were taken."""

    def __init__(self, clock: Clock):
        #: Held for every call but a long poll: moto's check-then-write is not safe in threads, and
        #: a conditional write that two callers win would prove nothing.
        self.lock = threading.RLock()
        self.clock = clock
        self._instant: datetime | None = None
        self._order = itertools.count()
        self._after_change: list[Callable[[], None]] = []
        self.forget()

    def forget(self) -> None:
        """Back to an empty world."""
        self.settings = Settings()
        self.agenda: list[tuple[datetime, int, str, Callable[[], None]]] = []
        self.calls: list[dict] = []
        self.effects: list[dict] = []

    # The instant

    def now(self) -> datetime:
        """The instant of what is happening: of the call, or of what fell due before it."""
        return self._instant or self.clock.read()

    def utcnow(self) -> datetime:
        """The same without an offset, as moto keeps its times."""
        return self.now().astimezone(UTC).replace(tzinfo=None)

    @contextmanager
    def at(self, instant: datetime) -> Iterator[None]:
        """Makes `instant` the present, for one thing that happens."""
        before, self._instant = self._instant, instant
        try:
            yield
        finally:
            self._instant = before

    # The agenda

    def later(self, secs: float, what: str, do: Callable[[], None]) -> None:
        """Plans `do` for `secs` from now; with no delay it happens at once."""
        if secs <= 0:
            do()
            return
        due = self.now() + timedelta(seconds=secs)
        heapq.heappush(self.agenda, (due, next(self._order), what, do))

    def catch_up(self) -> None:
        """Does everything that fell due, each thing at its own instant."""
        while self.agenda and self.agenda[0][0] <= self.clock.read():
            due, _, _, do = heapq.heappop(self.agenda)
            with self.at(due):
                do()
                self.changed()

    def when_changed(self, tell: Callable[[], None]) -> None:
        self._after_change.append(tell)

    def changed(self) -> None:
        """Says that the world may look different from here on."""
        for tell in self._after_change:
            tell()

    # The record

    def effect(self, what: str, region: str, name: str) -> None:
        """Writes down that something happened for real, so that tests can count it."""
        self._record(self.effects, {"what": what, "region": region, "name": name})

    def called(self, call: dict) -> None:
        self._record(self.calls, call)

    def _record(self, into: list[dict], entry: dict) -> None:
        if len(into) >= RECORDS_MAX:
            raise RuntimeError(f"more than {RECORDS_MAX} records: a test is running away")
        into.append({"number": len(into) + 1, "at": show(self.now()), **entry})


def rds(region: str) -> RDSBackend:
    """moto's RDS of one region."""
    return rds_backends[ACCOUNT][region]


def every_rds() -> list[RDSBackend]:
    """moto's RDS of every region that was ever called, in every account."""
    return [backend for account in list(rds_backends.values()) for backend in account.values()]


def replace(owner: type, name: str, function: Callable) -> None:
    """Puts `function(self, …)` in the place of a method of moto's."""

    def method(self, *args, **kwargs):
        return function(self, *args, **kwargs)

    method.__name__ = name
    setattr(owner, name, method)
