"""Starts a small authoritative name server on loopback, UDP and TCP, and says `ready PORT`.

    python dns.py --port 0 --route53 http://127.0.0.1:PORT --clock-file CLOCK --url-map MAP
                  [--flip-secs N] [--seed N]

MAP is a JSON file, read at every probe: {"host in a health check": "http://127.0.0.1:PORT/prefix"}.
A check turns when its probes have said otherwise for interval × threshold of the test clock, or for
`--flip-secs`; 0 turns it at the next question. Answers: A, AAAA, CNAME, NS, SOA, TXT and the like,
simple, weighted and failover, aliases inside the zones; always fresh, always authoritative.
"""

import argparse
import random
import sys
import threading
from pathlib import Path

from dnslib import QTYPE, RCODE, RR
from dnslib.dns import DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

from muster_moto.clock import Clock
from names.health import Checks
from names.routing import choose
from names.zones import Zones

#: A chain of names longer than this is a loop.
CHAIN_MAX = 8
#: Tries to find one port that is free for both UDP and TCP.
PORT_TRIES = 20


class Resolver(BaseResolver):
    """Answers one question at a time: the checks' states are not shared between threads."""

    def __init__(self, zones: Zones, checks: Checks, dice: random.Random):
        self._zones, self._checks, self._dice = zones, checks, dice
        self._lock = threading.Lock()

    def resolve(self, request: DNSRecord, _handler: object) -> DNSRecord:
        reply = request.reply(aa=1, ra=0)
        with self._lock:
            try:
                self._zones.refresh()
                self._answer(reply, str(request.q.qname).lower(), QTYPE[request.q.qtype])
            except (
                Exception
            ) as why:  # a question that kills the server would end every test after it
                print(f"cannot answer {request.q}: {why!r}", file=sys.stderr)
                reply.header.rcode = RCODE.SERVFAIL
        return reply

    def _answer(self, reply: DNSRecord, name: str, kind: str) -> None:
        for _ in range(CHAIN_MAX):
            zone = self._zones.zone_of(name)
            if zone is None:
                # A name elsewhere is refused; at the end of a chain the client asks for it.
                reply.header.rcode = RCODE.NOERROR if reply.rr else RCODE.REFUSED
                return
            found = self._zones.records(zone, name)
            record = self._choose(found, kind) or self._choose(found, "CNAME")
            if record is None:
                self._deny(reply, zone, exists=bool(found))
                return
            # An alias is answered under the name that was asked, with what its target holds.
            shown = self._behind_alias(record, kind)
            for value in shown["ResourceRecords"]:
                line = (
                    f"{record['Name']} {shown.get('TTL', 60)} IN {shown['Type']} {value['Value']}"
                )
                reply.add_answer(*RR.fromZone(line))
            if shown["Type"] != "CNAME" or kind == "CNAME":
                return
            name = absolute(shown["ResourceRecords"][0]["Value"])
        raise RecursionError(f"more than {CHAIN_MAX} names in a chain")

    def _behind_alias(self, record: dict, kind: str) -> dict:
        for _ in range(CHAIN_MAX):
            if "AliasTarget" not in record:
                return record
            target = absolute(record["AliasTarget"]["DNSName"])
            zone = self._zones.zone_of(target)
            record = self._choose(self._zones.records(zone, target), kind) if zone else None
            if record is None:
                raise LookupError(f"alias to {target}, which is in no zone here")
        raise RecursionError(f"more than {CHAIN_MAX} aliases in a chain")

    def _choose(self, records: list[dict], kind: str) -> dict | None:
        return choose([r for r in records if r["Type"] == kind], self._healthy, self._dice)

    def _healthy(self, record: dict) -> bool:
        """A record without a check is healthy, and so is one whose check is gone (facts §5.4)."""
        check_id = record.get("HealthCheckId")
        check = self._zones.check(check_id) if check_id else None
        return check is None or self._checks.healthy(check_id, check)

    def _deny(self, reply: DNSRecord, zone: str, exists: bool) -> None:
        reply.header.rcode = RCODE.NOERROR if exists else RCODE.NXDOMAIN
        for soa in self._zones.records(zone, zone):
            if soa["Type"] == "SOA":
                value = soa["ResourceRecords"][0]["Value"]
                reply.add_auth(*RR.fromZone(f"{zone} {soa['TTL']} IN SOA {value}"))


def absolute(name: str) -> str:
    return name.lower().rstrip(".") + "."


def listen(resolver: Resolver, port: int) -> int:
    """Takes one port for UDP and TCP; if it is to be any, tries until one is free for both."""
    quiet = DNSLogger(log="-request,-reply,-truncated,-error", prefix=False)
    for _ in range(PORT_TRIES):
        udp = DNSServer(resolver, port=port, address="127.0.0.1", logger=quiet)
        taken = udp.server.server_address[1]
        try:
            tcp = DNSServer(resolver, port=taken, address="127.0.0.1", tcp=True, logger=quiet)
        except OSError:
            udp.server.server_close()
            if port:
                raise
            continue
        udp.start_thread()
        tcp.start_thread()
        return taken
    raise OSError("no port is free for both UDP and TCP")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--route53", required=True, help="the emulated AWS, on loopback")
    parser.add_argument("--clock-file", required=True, help="file with one RFC 3339 instant")
    parser.add_argument("--url-map", type=Path, required=True, help="JSON file: host to base URL")
    parser.add_argument("--flip-secs", type=float, help="instead of interval × threshold")
    parser.add_argument("--seed", type=int, default=0, help="of the dice behind weighted records")
    asked = parser.parse_args()
    checks = Checks(Clock(asked.clock_file), asked.url_map, asked.flip_secs)
    resolver = Resolver(Zones(asked.route53), checks, random.Random(asked.seed))
    print(f"ready {listen(resolver, asked.port)}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
