"""The control API of the test world, `/_muster/…`: JSON in, JSON out, 400 with a reason otherwise.

GET  state                 {now, settings, agenda: [{at, what}], calls, effects}; counts last
PUT  settings              any of `settings.py`; answers all of them
PUT  lag                   {"region", "cluster", "lag_ms": number | null}; null ends the samples
PUT  status                {"region", "kind": "cluster" | "snapshot" | "instance" | "cache", "id", "status"}
PUT  secret                {"region", "name", "replica": region, "status"}: a replica's state
GET  calls?after=N         calls with a number above N: {number, at, method, service, operation,
                           region, caller, parameters, status, error}; the caller is the
                           access key, `test-world-dns` for the name server's own calls
GET  effects?after=N       effects likewise: {number, at, what, region, name}
DELETE calls               forgets calls and effects; numbers begin again at 1
POST reset                 forgets everything
"""

import json
from collections.abc import Callable
from urllib.parse import parse_qs

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.elasticache.models import elasticache_backends

from .caches import set_replica
from .clock import show
from .history import History
from .metrics import LagSamples
from .world import ACCOUNT, World, rds

PREFIX = "/_muster/"


class Control:
    """Answers the control calls of tests; the caller holds the world's lock."""

    def __init__(self, world: World, history: History, lag: LagSamples):
        self.world, self.history, self.lag = world, history, lag
        self._routes: dict[tuple[str, str], Callable[[dict, int], object]] = {
            ("GET", "state"): self._state,
            ("PUT", "settings"): self._settings,
            ("PUT", "lag"): self._lag,
            ("PUT", "status"): self._status,
            ("PUT", "secret"): self._secret,
            ("GET", "calls"): lambda _, after: self.world.calls[after:],
            ("GET", "effects"): lambda _, after: self.world.effects[after:],
            ("DELETE", "calls"): self._forget_calls,
            ("POST", "reset"): self._reset,
        }

    def answer(self, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for one control call."""
        route = self._routes.get((method, path.removeprefix(PREFIX)))
        if route is None:
            return 404, b'{"error": "no such control call"}'
        try:
            after = int(parse_qs(query).get("after", ["0"])[0])
            answer = route(json.loads(body or b"{}"), after)
        except (KeyError, TypeError, ValueError) as why:
            return 400, json.dumps({"error": f"{type(why).__name__}: {why}"}).encode()
        return 200, json.dumps(answer).encode()

    def _state(self, _: dict, __: int) -> dict:
        return {
            "now": show(self.world.now()),
            "settings": self.world.settings.show(),
            "agenda": [
                {"at": show(due), "what": what} for due, _, what, _ in sorted(self.world.agenda)
            ],
            "calls": len(self.world.calls),
            "effects": len(self.world.effects),
        }

    def _settings(self, wanted: dict, _: int) -> dict:
        self.world.settings.change(wanted)
        self.world.changed()
        return self.world.settings.show()

    def _lag(self, wanted: dict, _: int) -> dict:
        self.lag.set(wanted["region"], wanted["cluster"], wanted["lag_ms"])
        return wanted

    def _status(self, wanted: dict, _: int) -> dict:
        backend = rds(wanted["region"])
        things = {
            "cluster": backend.clusters,
            "snapshot": backend.cluster_snapshots,
            "instance": backend.databases,
            "cache": elasticache_backends[ACCOUNT][wanted["region"]].replication_groups,
        }[wanted["kind"]]
        things[wanted["id"]].status = wanted["status"]
        self.world.changed()
        return wanted

    def _secret(self, wanted: dict, _: int) -> dict:
        set_replica(wanted["region"], wanted["name"], wanted["replica"], wanted["status"])
        return wanted

    def _forget_calls(self, _: dict, __: int) -> dict:
        self.world.calls.clear()
        self.world.effects.clear()
        return {}

    def _reset(self, _: dict, __: int) -> dict:
        BackendDict.reset()
        reset_model_data()
        self.world.forget()
        self.history.forget()
        self.lag.forget()
        return {}
