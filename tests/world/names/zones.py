"""What Route 53 holds: the zones, their record sets and the health checks, as last read."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Zones:
    """Reads the emulator's Route 53 at every question, and keeps the answer for when it is gone."""

    def __init__(self, endpoint: str):
        self._route53 = boto3.client(
            "route53",
            endpoint_url=endpoint,
            region_name="us-east-1",
            # Stands in the emulator's record of calls, so that tests can leave these out.
            aws_access_key_id="test-world-dns",
            aws_secret_access_key="none",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=2),
        )
        #: zone name with its final dot -> its record sets
        self._records: dict[str, list[dict]] = {}
        self._checks: dict[str, dict] = {}

    def refresh(self) -> None:
        try:
            pages = self._route53.get_paginator("list_hosted_zones").paginate().build_full_result()
            records = {zone["Name"]: self._records_of(zone["Id"]) for zone in pages["HostedZones"]}
            listed = (
                self._route53.get_paginator("list_health_checks").paginate().build_full_result()
            )
            checks = {check["Id"]: check["HealthCheckConfig"] for check in listed["HealthChecks"]}
        except (BotoCoreError, ClientError) as why:
            print(
                f"route 53 does not answer, going on with what it said last: {why}", file=sys.stderr
            )
            return
        self._records, self._checks = records, checks

    def _records_of(self, zone: str) -> list[dict]:
        pages = self._route53.get_paginator("list_resource_record_sets")
        return pages.paginate(HostedZoneId=zone).build_full_result()["ResourceRecordSets"]

    def zone_of(self, name: str) -> str | None:
        """The zone with the longest name that `name` ends with."""
        inside = [zone for zone in self._records if name == zone or name.endswith("." + zone)]
        return max(inside, key=len, default=None)

    def records(self, zone: str, name: str) -> list[dict]:
        """All record sets of one name; Route 53 keeps names in lower case."""
        return [record for record in self._records[zone] if record["Name"].lower() == name]

    def check(self, check_id: str) -> dict | None:
        return self._checks.get(check_id)
