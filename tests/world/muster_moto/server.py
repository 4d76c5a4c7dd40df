"""The server: writes each call down, lets the world catch up, and hands the call to moto."""

import io
import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from urllib.parse import parse_qsl

import moto.cloudwatch.models
import moto.elasticache.models
import moto.rds.models
import moto.s3.models
import moto.secretsmanager.models
from microburst.detection import detect
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from multidict import CIMultiDict

from . import buckets, cbor, route53
from .accounts import Accounts
from .builds import Builds
from .caches import Caches
from .clock import Clock
from .clusters import Clusters
from .control import PREFIX, Control
from .datastores import Datastores
from .doors import Doors
from .global_clusters import GlobalClusters
from .history import History
from .metrics import LagSamples
from .nodes import Nodes
from .queues import Queues
from .snapshots import Snapshots
from .world import World

#: Whose times come from the test clock.
STAMPED = (
    moto.rds.models,
    moto.s3.models,
    moto.cloudwatch.models,
    moto.elasticache.models,
    moto.secretsmanager.models,
)
#: Bodies beyond this are objects, not parameters.
PARAMETER_BYTES_MAX = 64 * 1024


class Server:
    """The WSGI application: `/_muster/…` is control, everything else is AWS."""

    def __init__(self, clock: Clock):
        self.world = World(clock)
        for module in STAMPED:
            module.utcnow = self.world.utcnow
        Accounts(self.world).install()
        Snapshots(self.world).install()
        Clusters(self.world).install()
        Caches(self.world).install()
        Datastores(self.world).install()
        Nodes(self.world).install()
        Builds(self.world).install()
        global_clusters = GlobalClusters(self.world)
        global_clusters.install()
        Doors(self.world, global_clusters).install()
        Queues(self.world).install()
        route53.install()
        buckets.install()
        self.history = History(self.world)
        self.lag = LagSamples(self.world)
        self.control = Control(self.world, self.history, self.lag)
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        body = read_body(environ)
        path = environ["PATH_INFO"]
        if path.startswith(PREFIX):
            with self.world.lock:
                self._catch_up()
                status, answer = self.control.answer(
                    environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body
                )
            start_response(
                f"{status} {'OK' if status == 200 else 'NO'}",
                [("Content-Type", "application/json")],
            )
            return [answer]
        call = describe(environ, body)
        if cbor.is_cbor(environ):
            cbor.to_json(environ, body)
            start_response, told = cbor.held_back(start_response)
        else:
            told = None
        with self.world.lock:
            self._catch_up()
        # A long poll may wait 20 s in moto; nobody else shall wait for it.
        polls = call["operation"] == "ReceiveMessage"
        with nullcontext() if polls else self.world.lock:
            stale = call["service"] == "rds" and str(call["operation"]).startswith("Describe")
            with self.history.as_seen() if stale else nullcontext():
                answer = self._ask_moto(environ, start_response, call)
            if call["service"] == "rds" and not stale:
                self.world.changed()
        with self.world.lock:
            self.world.called(call)
        return answer if told is None else told(answer)

    def _catch_up(self) -> None:
        self.world.catch_up()
        self.lag.catch_up()

    def _ask_moto(self, environ: dict, start_response: Callable, call: dict) -> list[bytes]:
        def note(status: str, headers: list, *rest) -> Callable:
            call["status"] = int(status.split()[0])
            return start_response(status, headers, *rest)

        chunks = self.moto(environ, note)
        try:
            answer = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        call["error"] = error_code(answer) if call["status"] >= 400 else None
        return [answer]


def read_body(environ: dict) -> bytes:
    """Reads the body and leaves it for moto to read again; a chunked upload stays unread."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size) if size else b""
    if size:
        environ["wsgi.input"] = io.BytesIO(body)
    return body


def describe(environ: dict, body: bytes) -> dict:
    """Who is called, and with what: the service and region are those that the call was signed for.

    The host is left out: it is loopback, and looking it up would load the models of all services.
    """
    headers = CIMultiDict(
        (name.removeprefix("HTTP_").replace("_", "-"), str(value))
        for name, value in environ.items()
        if (name.startswith("HTTP_") and name != "HTTP_HOST") or name == "CONTENT_TYPE"
    )
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    seen = detect(headers, method, path, query, body)
    return {
        "method": method,
        "service": seen.service,
        "operation": seen.operation,
        "region": seen.region,
        "caller": seen.access_key,
        "parameters": parameters(path, query, headers, body),
        "status": None,
        "error": None,
    }


def parameters(path: str, query: dict, headers: CIMultiDict, body: bytes) -> dict:
    """The form of the query protocol, the JSON of the others, or where a REST call points."""
    if b"Action=" in body[:PARAMETER_BYTES_MAX]:
        return dict(parse_qsl(body.decode(errors="replace")))
    if body[:1] == b"{" and len(body) <= PARAMETER_BYTES_MAX:
        try:
            return json.loads(body)
        except ValueError:
            pass
    conditions = {name: headers[name] for name in ("If-Match", "If-None-Match") if name in headers}
    return {"path": path, **query, **conditions, "body_bytes": len(body)}


def error_code(answer: bytes) -> str | None:
    """The code in an error's XML or JSON, without the namespace that JSON carries."""
    text = answer.decode(errors="replace")
    if "<Code>" in text:
        return text.split("<Code>")[1].split("</Code>")[0]
    if '"__type"' in text:
        return str(json.loads(text)["__type"]).split("#")[-1]
    return None
