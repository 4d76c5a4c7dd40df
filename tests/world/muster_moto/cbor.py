"""CloudWatch as today's SDKs call it: CBOR over `/service/…/operation/…`, which moto does not answer.

A call is turned into the JSON of the same service, and the answer back. Times are tagged numbers in
CBOR (tag 1) and plain numbers in JSON.
"""

import io
import json
import struct
from collections.abc import Callable

from botocore.parsers import RpcV2CBORParser

PREFIX = "/service/GraniteServiceVersion20100801/operation/"
TARGET = "GraniteServiceVersion20100801."
#: Members of answers that hold times.
TIMES = {
    "AlarmConfigurationUpdatedTimestamp",
    "StateTransitionedTimestamp",
    "StateUpdatedTimestamp",
    "Timestamp",
    "Timestamps",
}


#: Members of answers that hold whole numbers; every other number is a double.
WHOLE = {"DatapointsToAlarm", "EvaluationPeriods", "Period"}


def is_cbor(environ: dict) -> bool:
    return environ["PATH_INFO"].startswith(PREFIX)


def to_json(environ: dict, body: bytes) -> None:
    """Rewrites the call in place."""
    operation = environ["PATH_INFO"].removeprefix(PREFIX)
    parser = RpcV2CBORParser()
    asked = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    told = json.dumps(asked, default=lambda time: time.timestamp()).encode()
    environ |= {
        "PATH_INFO": "/",
        "RAW_URI": "/",
        "REQUEST_URI": "/",
        "CONTENT_TYPE": "application/x-amz-json-1.0",
        "CONTENT_LENGTH": str(len(told)),
        "HTTP_X_AMZ_TARGET": TARGET + operation,
        "wsgi.input": io.BytesIO(told),
    }
    environ.pop("HTTP_SMITHY_PROTOCOL", None)


def from_json(answer: bytes) -> bytes:
    return b"".join(encode(json.loads(answer or b"{}")))


def held_back(start_response: Callable) -> tuple[Callable, Callable]:
    """Keeps the status of the JSON answer back until its body was turned."""
    status: list[str] = []

    def note(said: str, _headers: list, *_) -> Callable:
        status[:] = [said]
        return lambda _: None

    def told(answer: list[bytes]) -> list[bytes]:
        turned = from_json(b"".join(answer))
        protocol = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        start_response(status[0], [*protocol, ("Content-Length", str(len(turned)))])
        return [turned]

    return note, told


def encode(value: object, is_time: bool = False):
    """The pieces of one value."""
    match value:
        case None:
            yield b"\xf6"
        case bool():
            yield b"\xf5" if value else b"\xf4"
        case int() | float():
            yield (b"\xc1" if is_time else b"") + b"\xfb" + struct.pack(">d", value)
        case str():
            text = value.encode()
            yield head(3, len(text)) + text
        case list():
            yield head(4, len(value))
            for item in value:
                yield from encode(item, is_time)
        case dict():
            yield head(5, len(value))
            for name, item in value.items():
                yield from encode(name)
                if name in WHOLE and isinstance(item, int):
                    yield head(0, item)
                else:
                    yield from encode(item, name in TIMES)


def head(kind: int, size: int) -> bytes:
    """Type and length of a text, list or map, or a whole number that is not negative."""
    if size < 24:
        return bytes([kind << 5 | size])
    return bytes([kind << 5 | 26]) + struct.pack(">I", size)
