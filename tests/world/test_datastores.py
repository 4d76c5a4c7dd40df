"""Global datastores of ElastiCache: made, described, and promoted while the other side may be away."""

import pytest
from botocore.exceptions import ClientError

from conftest import EAST, WEST, Aws

NAME = "ldgnf-shop"


@pytest.fixture
def pair(aws: Aws) -> Aws:
    """A datastore that is written in the east and follows in the west."""
    group = {"ReplicationGroupDescription": "sessions", "CacheNodeType": "cache.r6g.large"}
    aws.client("elasticache").create_replication_group(
        ReplicationGroupId="sessions-east", NumCacheClusters=2, **group
    )
    aws.client("elasticache").create_global_replication_group(
        GlobalReplicationGroupIdSuffix="shop", PrimaryReplicationGroupId="sessions-east"
    )
    aws.client("elasticache", WEST).create_replication_group(
        ReplicationGroupId="sessions-west", GlobalReplicationGroupId=NAME, **group
    )
    return aws


def seen(aws: Aws) -> tuple[str, list[str]]:
    """The status, and where its primaries are."""
    caches = aws.client("elasticache", WEST)
    asked = {"GlobalReplicationGroupId": NAME, "ShowMemberInfo": True}
    shown = caches.describe_global_replication_groups(**asked)["GlobalReplicationGroups"][0]
    members = shown["Members"]
    assert {m["ReplicationGroupId"] for m in members} == {"sessions-east", "sessions-west"}
    primaries = [m["ReplicationGroupRegion"] for m in members if m["Role"] == "PRIMARY"]
    return shown["Status"], primaries


def promote(aws: Aws, region: str, group: str) -> None:
    aws.client("elasticache", WEST).failover_global_replication_group(
        GlobalReplicationGroupId=NAME, PrimaryRegion=region, PrimaryReplicationGroupId=group
    )


def test_a_promotion_takes_time_and_moves_the_primary(pair: Aws):
    pair.set(cache_failover_secs=60)
    assert seen(pair) == ("available", [EAST])
    promote(pair, WEST, "sessions-west")
    assert seen(pair) == ("modifying", [EAST])
    pair.pass_secs(60)
    assert seen(pair) == ("available", [WEST])
    west = pair.client("elasticache", WEST).describe_replication_groups()["ReplicationGroups"][0]
    info = west["GlobalReplicationGroupInfo"]
    assert info["GlobalReplicationGroupMemberRole"] == "PRIMARY"


def test_several_promotions_are_taken_and_one_wins(pair: Aws):
    pair.set(cache_failover_secs=60)
    promote(pair, WEST, "sessions-west")
    promote(pair, WEST, "sessions-west")
    pair.pass_secs(60)
    assert seen(pair) == ("available", [WEST])
    assert pair.effects().count("cache-promotion-asked") == 2


def test_only_a_secondary_of_a_datastore_is_promoted(pair: Aws):
    for region, group in [(EAST, "sessions-east"), (WEST, "other")]:
        with pytest.raises(ClientError, match="InvalidParameterValue"):
            promote(pair, region, group)
    caches = pair.client("elasticache", WEST)
    with pytest.raises(ClientError, match="GlobalReplicationGroupNotFoundFault"):
        caches.describe_global_replication_groups(GlobalReplicationGroupId="ldgnf-other")
    listed = caches.describe_global_replication_groups()["GlobalReplicationGroups"]
    assert [one["GlobalReplicationGroupId"] for one in listed] == [NAME]
    assert not listed[0].get("Members"), "only when they are asked for"
