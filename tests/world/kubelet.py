"""Stands in for a node's kubelet where a command is run in a container: nothing is run.

    python kubelet.py CERTIFICATE KEY      prints `ready PORT`, then a line of JSON for each command

The API server hands the upgrade on untouched, so this end speaks what kubelets speak: a websocket of
the protocol `v4.channel.k8s.io`, a channel number before each message, and on channel 3 a `Status` when
the command has ended. The command itself says how it ends:

    exit CODE [OUT [ERR]]      writes, and ends with this code
    hang                       never ends

Every container has the same log, see `logs_of`.

Ends when its standard input does.
"""

import asyncio
import json
import ssl
import sys

from aiohttp import web

STDOUT, STDERR, STATUS = b"\x01", b"\x02", b"\x03"


def status(code: str) -> dict:
    """How a kubelet says that a command has ended."""
    if code == "0":
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": code}]},
    }


async def exec_in(request: web.Request) -> web.WebSocketResponse:
    command = request.query.getall("command")
    told = dict(request.match_info) | {"command": command}
    print(json.dumps(told), flush=True)
    socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
    await socket.prepare(request)
    if command[0] == "exit":
        code, *written = command[1:]
        for channel, text in zip((STDOUT, STDERR), written):
            await socket.send_bytes(channel + text.encode())
        await socket.send_bytes(STATUS + json.dumps(status(code)).encode())
        await socket.close()
        return socket
    # Until the other end goes away.
    async for _ in socket:
        pass
    return socket


async def logs_of(request: web.Request) -> web.Response:
    """Whatever ran wrote thirty lines, and one that it should not have."""
    lines = [f"line {number}" for number in range(1, 31)] + ["DB_PASSWORD=hunter2"]
    last = int(request.query.get("tailLines", len(lines)))
    return web.Response(text="".join(f"{line}\n" for line in lines[-last:]))


async def serve(certificate: str, key: str) -> None:
    app = web.Application()
    app.router.add_get("/exec/{namespace}/{pod}/{container}", exec_in)
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs_of)
    runner = web.AppRunner(app)
    await runner.setup()
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secure.load_cert_chain(certificate, key)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secure)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(f"ready {port}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(serve(*sys.argv[1:3]))
