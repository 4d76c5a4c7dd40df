"""Names are answered from record sets, and a marker object moves the traffic (facts §5.3)."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest
from dnslib import DNSRecord

from conftest import EAST, WEST, Aws, ask, started

HOME, AWAY = "192.0.2.1", "198.51.100.1"


class Names:
    def __init__(self, port: int):
        self.port = port

    def ask(self, name: str, kind: str = "A", tcp: bool = False) -> DNSRecord:
        return DNSRecord.parse(
            DNSRecord.question(name, kind).send("127.0.0.1", self.port, tcp=tcp, timeout=5)
        )

    def values(self, name: str, kind: str = "A", tcp: bool = False) -> list[str]:
        return [str(record.rdata) for record in self.ask(name, kind, tcp).rr]


@pytest.fixture
def names(aws: Aws, tmp_path) -> Iterator[Names]:
    """The name server; the marker's host leads to a bucket in the standby region."""
    url_map = tmp_path / "urls.json"
    url_map.write_text(json.dumps({"marker.example.com": f"http://127.0.0.1:{aws.port}/marker"}))
    with started(
        "dns.py",
        "--route53",
        f"http://127.0.0.1:{aws.port}",
        "--clock-file",
        str(aws.clock),
        "--url-map",
        str(url_map),
    ) as (port, _):
        yield Names(port)


def zone(aws: Aws, *records: dict) -> None:
    route53 = aws.client("route53")
    made = route53.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    plain = [{"Type": "A", **({} if "AliasTarget" in r else {"TTL": 60}), **r} for r in records]
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in plain]
    route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": changes})


def holds(*values: str) -> dict:
    return {"ResourceRecords": [{"Value": value} for value in values]}


def check(aws: Aws, **how) -> str:
    config = {
        "Type": "HTTP",
        "FullyQualifiedDomainName": "marker.example.com",
        "ResourcePath": "/failed-over",
        "RequestInterval": 10,
        "FailureThreshold": 3,
        **how,
    }
    made = aws.client("route53").create_health_check(
        CallerReference=json.dumps(how), HealthCheckConfig=config
    )
    return made["HealthCheck"]["Id"]


def bucket(aws: Aws):
    s3 = aws.client("s3", WEST)
    s3.create_bucket(Bucket="marker", CreateBucketConfiguration={"LocationConstraint": WEST})
    return s3


def test_plain_records_are_answered_over_both_transports(aws: Aws, names: Names):
    alias = {"HostedZoneId": "Z1", "DNSName": "app.example.com", "EvaluateTargetHealth": False}
    zone(
        aws,
        {"Name": "app.example.com", **holds(HOME, AWAY)},
        {"Name": "example.com", "AliasTarget": alias},
        {"Name": "www.example.com", "Type": "CNAME", **holds("app.example.com")},
        {"Name": "txt.example.com", "Type": "TXT", **holds('"v=1"')},
    )
    assert names.values("app.example.com") == [HOME, AWAY]
    assert names.values("app.example.com", tcp=True) == [HOME, AWAY]
    assert names.values("WWW.example.com") == ["app.example.com.", HOME, AWAY]
    assert names.values("example.com") == [HOME, AWAY]
    assert names.ask("app.example.com").header.aa == 1
    assert len(names.values("example.com", "NS")) == 4
    assert len(names.values("example.com", "SOA")) == 1
    assert names.ask("none.example.com").header.rcode == 3
    assert (
        names.ask("app.example.com", "TXT").header.rcode,
        names.values("app.example.com", "TXT"),
    ) == (0, [])
    assert names.ask("example.org").header.rcode == 5


def test_a_marker_in_the_standby_region_takes_the_traffic_there(aws: Aws, names: Names):
    s3 = bucket(aws)
    guard = check(aws, Inverted=True)
    zone(
        aws,
        {
            "Name": "app.example.com",
            "SetIdentifier": "e",
            "Failover": "PRIMARY",
            "HealthCheckId": guard,
            **holds(HOME),
        },
        {"Name": "app.example.com", "SetIdentifier": "w", "Failover": "SECONDARY", **holds(AWAY)},
    )
    assert names.values("app.example.com") == [HOME]
    s3.put_object(Bucket="marker", Key="failed-over", Body=b"1", ACL="public-read")
    assert names.values("app.example.com") == [HOME]
    aws.pass_secs(29)
    assert names.values("app.example.com") == [HOME]
    aws.pass_secs(1)
    assert names.values("app.example.com") == [AWAY]
    s3.delete_object(Bucket="marker", Key="failed-over")
    assert names.values("app.example.com") == [AWAY]
    aws.pass_secs(30)
    assert names.values("app.example.com") == [HOME]


def test_with_both_sides_unhealthy_the_primary_is_answered(aws: Aws, names: Names):
    bucket(aws)
    broken = check(aws)
    zone(
        aws,
        {
            "Name": "app.example.com",
            "SetIdentifier": "e",
            "Failover": "PRIMARY",
            "HealthCheckId": broken,
            **holds(HOME),
        },
        {
            "Name": "app.example.com",
            "SetIdentifier": "w",
            "Failover": "SECONDARY",
            "HealthCheckId": broken,
            **holds(AWAY),
        },
    )
    assert names.values("app.example.com") == [HOME]


def test_weights_share_the_answers_and_zero_gets_none(aws: Aws, names: Names):
    zone(
        aws,
        {"Name": "app.example.com", "SetIdentifier": "e", "Weight": 90, **holds(HOME)},
        {"Name": "app.example.com", "SetIdentifier": "w", "Weight": 10, **holds(AWAY)},
        {"Name": "app.example.com", "SetIdentifier": "x", "Weight": 0, **holds("203.0.113.1")},
    )
    seen = Counter(names.values("app.example.com")[0] for _ in range(60))
    assert set(seen) == {HOME, AWAY}
    assert seen[HOME] > 40


def test_answers_go_on_when_route_53_is_silent(aws: Aws):
    zone(aws, {"Name": "app.example.com", **holds(HOME)})
    upstream = f"http://127.0.0.1:{aws.port}"
    urls = aws.clock.parent / "no-urls.json"
    urls.write_text("{}")
    with started("proxy.py", "--upstream", upstream) as (proxy, _):
        behind = (
            "--route53",
            f"http://127.0.0.1:{proxy}",
            "--clock-file",
            str(aws.clock),
            "--url-map",
            str(urls),
        )
        with started("dns.py", *behind) as (port, _):
            assert Names(port).values("app.example.com") == [HOME]
            ask(proxy, "POST", "/_faults/silence", {"region": EAST, "how": "reset"})
            assert Names(port).values("app.example.com") == [HOME]
