"""The fault proxy: what is lost, silent or killed, and what took effect all the same."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import EAST, HERE, WEST, Aws, ask, client, started


class Proxy:
    def __init__(self, port: int):
        self.port = port

    def client(self, service: str, region: str = EAST, **how):
        return client(self.port, service, region, **how)

    def control(self, method: str, what: str, body: object = None) -> object:
        return ask(self.port, method, f"/_faults/{what}", body)

    def fates(self) -> list[tuple]:
        return [
            (c["service"], c["operation"], c["region"], c["fate"])
            for c in self.control("GET", "calls")
        ]


@pytest.fixture(scope="module")
def shared_proxy(shared_aws: Aws) -> Iterator[Proxy]:
    with started("proxy.py", "--upstream", f"http://127.0.0.1:{shared_aws.port}") as (port, _):
        yield Proxy(port)


@pytest.fixture
def proxy(shared_proxy: Proxy, aws: Aws) -> Proxy:
    """A proxy without faults before an empty AWS."""
    shared_proxy.control("DELETE", "faults")
    shared_proxy.control("DELETE", "calls")
    return shared_proxy


def take(rds, name: str) -> None:
    rds.create_db_cluster_snapshot(DBClusterIdentifier="orders", DBClusterSnapshotIdentifier=name)


def test_a_lost_reply_took_effect_once(proxy: Proxy, aws: Aws):
    aws.cluster(EAST, "orders")
    proxy.control("POST", "lose", {"operation": "CreateDBClusterSnapshot", "skip": 1})
    rds = proxy.client("rds")
    take(rds, "muster-a-1")
    with pytest.raises(BotoCoreError):
        take(rds, "muster-a-2")
    with pytest.raises(ClientError, match="DBClusterSnapshotAlreadyExistsFault"):
        take(rds, "muster-a-2")
    assert aws.effects().count("snapshot-created") == 2
    assert [fate for *_, fate in proxy.fates()] == ["passed", "reply-lost", "passed"]


def test_an_upload_whose_reply_is_lost_arrives_whole(proxy: Proxy):
    s3 = proxy.client("s3", WEST)
    s3.create_bucket(Bucket="lease", CreateBucketConfiguration={"LocationConstraint": WEST})
    proxy.control("POST", "lose", {"service": "s3", "operation": "PutObject"})
    with pytest.raises(BotoCoreError):
        s3.put_object(Bucket="lease", Key="epoch", Body=b"7", IfNoneMatch="*")
    assert s3.get_object(Bucket="lease", Key="epoch")["Body"].read() == b"7"


def test_a_silent_region_takes_the_global_services_with_it(proxy: Proxy, aws: Aws):
    proxy.control("POST", "silence", {"region": EAST, "how": "reset"})
    for service, call in [
        ("rds", "describe_db_clusters"),
        ("route53", "list_hosted_zones"),
        ("iam", "list_roles"),
    ]:
        with pytest.raises(BotoCoreError):
            getattr(proxy.client(service), call)()
    proxy.client("rds", WEST).describe_db_clusters()
    assert aws.control("GET", "state")["calls"] == 1


def test_a_hanging_call_gives_no_answer_and_ends_by_itself(proxy: Proxy):
    proxy.control("POST", "silence", {"region": EAST, "service": "rds", "hold_secs": 0.3})
    with pytest.raises(BotoCoreError, match=r"[Tt]imeout|timed out"):
        proxy.client("rds", timeout=0.1).describe_db_clusters()
    begun = time.monotonic()
    with pytest.raises(BotoCoreError, match=r"closed|reset|aborted"):
        proxy.client("rds").describe_db_clusters()
    assert 0.3 <= time.monotonic() - begun < 5
    proxy.control("DELETE", "faults")
    proxy.client("rds").describe_db_clusters()
    assert [fate for *_, fate in proxy.fates()] == ["hang", "hang", "passed"]


def test_a_healed_region_frees_the_calls_it_held(proxy: Proxy):
    proxy.control("POST", "silence", {"region": EAST, "hold_secs": 100})
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(proxy.client("rds").describe_db_clusters)
        while proxy.control("GET", "faults")["held"] == 0:
            assert time.monotonic() - begun < 10
        proxy.control("DELETE", "faults")
        assert isinstance(asked.exception(timeout=10), BotoCoreError)
    assert proxy.control("GET", "faults") == {"faults": [], "held": 0}


def test_throttling_comes_as_each_service_says_it_and_ends(proxy: Proxy):
    proxy.control("POST", "throttle", {"service": "rds", "region": EAST, "times": 2})
    for _ in range(2):
        with pytest.raises(ClientError, match=r"\(Throttling\).*Rate exceeded"):
            proxy.client("rds").describe_db_clusters()
    proxy.client("rds").describe_db_clusters()
    proxy.control("POST", "throttle", {"service": "s3", "times": 1})
    with pytest.raises(ClientError, match="SlowDown"):
        proxy.client("s3").list_buckets()


@pytest.mark.parametrize(("when", "effects"), [("before", 1), ("after", 2)])
def test_a_process_dies_at_the_call_that_was_named(proxy: Proxy, aws: Aws, when: str, effects: int):
    aws.cluster(EAST, "orders")
    victim = "\n".join(
        [
            "from conftest import client",
            f"rds = client({proxy.port}, 'rds')",
            "for n in range(9):",
            "    rds.create_db_cluster_snapshot(",
            "        DBClusterIdentifier='orders', DBClusterSnapshotIdentifier=f'muster-a-{n}')",
        ]
    )
    process = subprocess.Popen(
        [sys.executable, "-c", "input()\n" + victim], cwd=HERE, stdin=subprocess.PIPE
    )
    proxy.control("POST", "kill", {"pid": process.pid, "at": 2, "when": when})
    process.communicate(b"\n", timeout=30)
    assert process.returncode == -9
    assert aws.effects().count("snapshot-created") == effects
    assert [fate for *_, fate in proxy.fates()] == ["passed", f"killed-{when}"]
