"""The proxy: numbers each call, writes it down, and lets the first fault that meets it happen.

Control, JSON over HTTP on the same port:

    POST   /_faults/kill      {"pid", "at": N, "when": "before" | "after"}
    POST   /_faults/silence   {"region", "service", "operation", "skip", "times",
                              "how": "hang" | "reset", "hold_secs"}; all have defaults
    POST   /_faults/lose      {"region", "service", "operation", "skip", "times": 1}
    POST   /_faults/throttle  {"region", "service", "operation", "times" | "secs"}
    GET    /_faults/faults    the standing ones, each with its id and how many calls it met
    DELETE /_faults/faults    ends all of them, or one with ?id=N; held connections are reset
    GET    /_faults/calls     ?after=N: {number, at, method, path, service, operation, region,
                              fate, status}; `at` in real seconds since 1970
    DELETE /_faults/calls     forgets the calls; the next one is number 1

Standing faults are asked in the order they came, then microburst's rules (`/_microburst/rules`, all
but their `request:` part). A call's fate is `passed`, `hang`, `reset`, `reply-lost`,
`killed-before`, `killed-after`, or the words of microburst's rule, such as `error:Throttling`.
"""

import asyncio
import os
import signal
import time
from dataclasses import asdict

import microburst.detection
import microburst.rules
from aiohttp import web
from microburst.app import make_control_app
from microburst.core.context import RequestContext
from microburst.core.pipeline import Microburst
from microburst.effects import apply_decision

from .rules import HELD_MAX, KINDS, Call, Kill, Lose, Silence

#: How often a held connection looks whether its caller is still there.
LOOK_SECS = 0.1
#: Enough for the longest test; beyond it a test is running away.
CALLS_MAX = 200_000
#: Belong to one connection and are not passed on.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"}


class Proxy:
    """The faults that stand, and the calls that came."""

    def __init__(self, upstream: str):
        # Every caller addresses loopback, and to look a host up loads all services' models: 5 s.
        microburst.detection.parse_host = lambda _host: (None, None, None)
        self.microburst = Microburst(upstream)
        self.faults: dict[int, Kill | Silence | Lose] = {}
        self.calls: list[dict] = []
        self._last_id = 0
        self._held = 0

    def app(self) -> web.Application:
        app = make_control_app(self.microburst)
        app.on_startup.append(self.microburst.start)
        app.on_cleanup.append(self.microburst.stop)
        app.router.add_post("/_faults/throttle", self._throttle)
        app.router.add_post("/_faults/{kind}", self._add)
        app.router.add_get("/_faults/faults", self._list)
        app.router.add_delete("/_faults/faults", self._end)
        app.router.add_get("/_faults/calls", self._calls)
        app.router.add_delete("/_faults/calls", self._forget_calls)
        app.router.add_route("*", "/{tail:.*}", self._pass)
        return app

    # Calls

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        call, seen, body = await self._identify(request)
        entry = {**asdict(call), "at": time.time(), "fate": "passed", "status": None}
        self.calls.append(entry)
        fault_id, fault = next(((i, f) for i, f in self.faults.items() if f.meets(call)), (0, None))
        if fault is None:
            return await self._by_rule(request, seen, body, entry)
        if isinstance(fault, Silence):
            entry["fate"] = fault.how
            if fault.how == "hang":
                await self._hold(request, fault_id, fault.hold_secs)
            return cut(request)
        if isinstance(fault, Lose):
            entry["fate"], entry["status"] = "reply-lost", await self._take_effect(request, body)
            return cut(request)
        entry["fate"] = f"killed-{fault.when}"
        if fault.when == "after":
            entry["status"] = await self._take_effect(request, body)
        os.kill(fault.pid, signal.SIGKILL)
        return cut(request)

    async def _by_rule(
        self, request: web.Request, seen: RequestContext, body: bytes | None, entry: dict
    ) -> web.StreamResponse:
        """Passes the call on, unless a rule of microburst's answers instead or spoils the answer.

        microburst's own handler would read the body a second time, and find it empty.
        """
        decision = self.microburst.engine.decide(seen)
        answer = None
        if decision is not None:
            seen.decision, entry["fate"] = decision, microburst.rules.describe(decision)
            answer = await apply_decision(request, seen, decision)
        if answer is None:
            spoilt = decision.response_fault if decision is not None else None
            answer = await self.microburst.upstream.relay(request, body, mutator=spoilt)
        entry["status"] = answer.status
        return answer

    async def _identify(self, request: web.Request) -> tuple[Call, RequestContext, bytes | None]:
        """Who is called. The body is read only where the operation stands in it: uploads stream."""
        path, query = request.rel_url.raw_path, request.rel_url.query
        look = microburst.detection.detect
        seen, body = look(request.headers, request.method, path, query, None), None
        fits = microburst.detection.should_buffer(
            seen.service, seen.operation, request.content_length
        )
        if request.can_read_body and fits:
            body = await request.read()
            seen = look(request.headers, request.method, path, query, body)
        if len(self.calls) >= CALLS_MAX:
            raise web.HTTPInsufficientStorage(
                text=f"more than {CALLS_MAX} calls: a test is running away"
            )
        number = len(self.calls) + 1
        call = Call(number, request.method, path, seen.service, seen.operation, seen.region)
        return call, seen, body

    async def _take_effect(self, request: web.Request, body: bytes | None) -> int:
        """Carries the call out and drops the answer; its status is for the record."""
        upstream = self.microburst.upstream
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        async with upstream.session.request(
            request.method,
            upstream.base_url + request.rel_url.raw_path_qs,
            headers=headers,
            data=request.content if body is None else body,
            allow_redirects=False,
        ) as answer:
            await answer.read()
            return answer.status

    async def _hold(self, request: web.Request, fault_id: int, secs: float) -> None:
        """Gives no answer until the caller leaves, the fault is ended, or the time is over."""
        if self._held >= HELD_MAX:
            return
        self._held += 1
        until = time.monotonic() + secs
        try:
            while fault_id in self.faults and time.monotonic() < until:
                if request.transport is None or request.transport.is_closing():
                    return
                await asyncio.sleep(LOOK_SECS)
        finally:
            self._held -= 1

    # Control

    async def _add(self, request: web.Request) -> web.Response:
        kind = KINDS.get(request.match_info["kind"])
        if kind is None:
            raise web.HTTPNotFound(text=f"no such fault; there are {', '.join(KINDS)}, throttle")
        try:
            fault = kind(**await request.json())
        except (TypeError, ValueError) as why:
            raise web.HTTPBadRequest(text=str(why)) from why
        self._last_id += 1
        self.faults[self._last_id] = fault
        return web.json_response({"id": self._last_id})

    async def _throttle(self, request: web.Request) -> web.Response:
        """RDS and Route 53 answer 400 `Throttling` with "Rate exceeded" (facts §8, Rates)."""
        wanted = await request.json()
        rule = {name: wanted[name] for name in ("region", "operation", "times") if name in wanted}
        rule["service"] = wanted.get("service", "*")
        if "secs" in wanted:
            rule["ttl_s"] = wanted["secs"]
        slow_down = {
            "code": "SlowDown",
            "status": 503,
            "message": "Please reduce your request rate.",
        }
        throttling = {"code": "Throttling", "status": 400, "message": "Rate exceeded"}
        rule["error"] = slow_down if rule["service"] == "s3" else throttling
        self.microburst.engine.add_rules([rule])
        return web.json_response(rule)

    async def _list(self, _: web.Request) -> web.Response:
        standing = [
            {"id": i, "kind": type(f).__name__.lower(), **asdict(f)} for i, f in self.faults.items()
        ]
        return web.json_response({"faults": standing, "held": self._held})

    async def _end(self, request: web.Request) -> web.Response:
        if "id" in request.query:
            self.faults.pop(int(request.query["id"]), None)
        else:
            self.faults.clear()
            self.microburst.engine.set_rules([])
        return web.json_response({})

    async def _calls(self, request: web.Request) -> web.Response:
        return web.json_response(self.calls[int(request.query.get("after", "0")) :])

    async def _forget_calls(self, _: web.Request) -> web.Response:
        self.calls.clear()
        return web.json_response({})


def cut(request: web.Request) -> web.Response:
    """Breaks the connection: the answer made here is never written."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
