"""What the self-tests of the test world share: started servers, one clock, and AWS clients."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

HERE = Path(__file__).parent
START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
EAST, WEST = "us-east-1", "us-west-2"


@contextmanager
def started(*command: str) -> Iterator[tuple[int, subprocess.Popen]]:
    """A server of the test world, from its `ready PORT` until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=HERE, stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        said = process.stdout.readline().split()
        assert said[:1] == ["ready"], f"{command} said {said} instead of `ready PORT`"
        yield int(said[1]), process
    finally:
        process.kill()
        process.wait()


def ask(port: int, method: str, path: str, body: object = None) -> object:
    """One control call; a refusal raises with the server's reason."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def client(port: int, service: str, region: str = EAST, attempts: int = 1, timeout: float = 30):
    """An AWS client that reaches loopback only and tries as often as it is told."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            retries={"total_max_attempts": attempts},
            connect_timeout=timeout,
            read_timeout=timeout,
            s3={"addressing_style": "path"},
        ),
    )


class Aws:
    """The emulated AWS as a test speaks to it."""

    def __init__(self, port: int, clock: Path):
        self.port, self.clock, self.now = port, clock, START

    def start_over(self) -> None:
        self.now = START
        self.pass_secs(0)
        ask(self.port, "POST", "/_muster/reset")

    def client(self, service: str, region: str = EAST):
        return client(self.port, service, region)

    def pass_secs(self, secs: float) -> None:
        """Moves the clock; written aside and renamed, so that nobody reads half an instant."""
        self.now += timedelta(seconds=secs)
        aside = self.clock.with_suffix(".next")
        aside.write_text(self.now.isoformat())
        aside.replace(self.clock)

    def set(self, **settings) -> None:
        ask(self.port, "PUT", "/_muster/settings", settings)

    def control(self, method: str, what: str, body: object = None) -> object:
        return ask(self.port, method, f"/_muster/{what}", body)

    def effects(self) -> list[str]:
        return [effect["what"] for effect in self.control("GET", "effects")]

    def cluster(self, region: str, name: str, instances: int = 1, **more) -> str:
        """A cluster with instances; answers its ARN."""
        login = (
            {}
            if "GlobalClusterIdentifier" in more
            else {
                "MasterUsername": "root",
                "MasterUserPassword": "only-for-tests",
            }
        )
        rds = self.client("rds", region)
        made = rds.create_db_cluster(
            DBClusterIdentifier=name, Engine="aurora-postgresql", **login, **more
        )["DBCluster"]
        for number in range(1, instances + 1):
            rds.create_db_instance(
                DBInstanceIdentifier=f"{name}-{number}",
                DBClusterIdentifier=name,
                DBInstanceClass="db.r6g.large",
                Engine="aurora-postgresql",
            )
        return made["DBClusterArn"]

    def global_pair(self) -> tuple[str, str]:
        """A global cluster `orders` that is written in the east and follows in the west."""
        east = self.cluster(EAST, "orders-east")
        self.client("rds").create_global_cluster(
            GlobalClusterIdentifier="orders", SourceDBClusterIdentifier=east
        )
        west = self.cluster(WEST, "orders-west", GlobalClusterIdentifier="orders")
        return east, west

    def orders(self, region: str = WEST) -> dict:
        """The global cluster as it is described now."""
        return self.client("rds", region).describe_global_clusters(
            GlobalClusterIdentifier="orders"
        )["GlobalClusters"][0]

    def writers(self) -> list[str]:
        return [m["DBClusterArn"] for m in self.orders()["GlobalClusterMembers"] if m["IsWriter"]]


@pytest.fixture(scope="session")
def shared_aws(tmp_path_factory) -> Iterator[Aws]:
    clock = tmp_path_factory.mktemp("clock") / "now"
    clock.write_text(START.isoformat())
    with started("-m", "muster_moto", "--port", "0", "--clock-file", str(clock)) as (port, _):
        yield Aws(port, clock)


@pytest.fixture
def aws(shared_aws: Aws) -> Aws:
    """An empty AWS at two o'clock."""
    shared_aws.start_over()
    return shared_aws
