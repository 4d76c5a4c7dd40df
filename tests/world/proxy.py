"""Starts the fault proxy on loopback and says `ready PORT`.

    python proxy.py --port 0 --upstream http://127.0.0.1:PORT

What it can do, and its control API, stand in `faults/proxy.py`.
"""

import argparse
import asyncio
from urllib.parse import urlsplit

import microburst.detection
from aiohttp import web

from faults.proxy import Proxy

#: Looked up before `ready`, for the first look at each service loads its model.
SERVICES = ("rds", "s3", "route53", "sqs", "sts", "cloudwatch")


def warm_up() -> None:
    for service in SERVICES:
        scope = f"AWS4-HMAC-SHA256 Credential=a/20260301/us-east-1/{service}/aws4_request"
        microburst.detection.detect({"Authorization": scope}, "GET", "/", {}, None)


async def serve(port: int, upstream: str) -> None:
    runner = web.AppRunner(Proxy(upstream).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    warm_up()
    print(f"ready {runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--upstream", required=True, help="the emulated AWS, on loopback")
    asked = parser.parse_args()
    # Never aim a fault at anything but loopback.
    if urlsplit(asked.upstream).hostname not in ("127.0.0.1", "localhost", "::1"):
        parser.error(f"`{asked.upstream}` is not on loopback")
    asyncio.run(serve(asked.port, asked.upstream))


if __name__ == "__main__":
    main()
