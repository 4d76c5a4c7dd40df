"""Starts the emulated AWS on loopback and says `ready PORT`; see the package's own description."""

import argparse
import os

import moto.backends
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from .clock import Clock
from .server import Server, describe

#: Loaded before `ready`, or the first call of each would take a second and trip a time-out.
SERVICES = (
    *("rds", "s3", "route53", "sqs", "sts", "cloudwatch", "events", "iam", "kms", "sns"),
    *("elasticache", "secretsmanager", "codebuild"),
)


class Quiet(MotoRequestHandler):
    """The calls are in the record; a line for each on stderr would bury what matters."""

    def log_request(self, *_args) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(prog="muster_moto", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--clock-file", required=True, help="file with one RFC 3339 instant")
    asked = parser.parse_args()

    server = Server(Clock(asked.clock_file))
    listener = make_server("127.0.0.1", asked.port, server, threaded=True, request_handler=Quiet)
    # moto calls itself for some services and must know where.
    os.environ["MOTO_PORT"] = str(listener.server_port)
    for service in SERVICES:
        moto.backends.get_backend(service)
        describe(example_call(service), b"")
    print(f"ready {listener.server_port}", flush=True)
    listener.serve_forever()


def example_call(service: str) -> dict:
    """A call that makes the detection load the model of `service`."""
    scope = f"Credential=a/20260301/us-east-1/{service}/aws4_request"
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}",
    }


if __name__ == "__main__":
    main()
