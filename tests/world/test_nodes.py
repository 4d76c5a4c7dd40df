"""The nodes of a replication group: how many there are, and how the primary moves between them."""

import pytest
from botocore.exceptions import ClientError

from conftest import EAST, Aws


def group(aws: Aws, name: str = "sessions", **more):
    caches = aws.client("elasticache")
    caches.create_replication_group(
        ReplicationGroupId=name,
        ReplicationGroupDescription="sessions",
        CacheNodeType="cache.r6g.large",
        **{"NumCacheClusters": 2, **more},
    )
    return caches


def seen(aws: Aws, name: str = "sessions") -> tuple[str, list[tuple[str, str]]]:
    """The status, and the role of each node."""
    caches = aws.client("elasticache")
    shown = caches.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]
    [shard] = shown["NodeGroups"]
    nodes = shard["NodeGroupMembers"]
    return shown["Status"], [(node["CacheClusterId"], node["CurrentRole"]) for node in nodes]


BEFORE = [("sessions-001", "primary"), ("sessions-002", "replica")]
AFTER = [("sessions-001", "replica"), ("sessions-002", "primary")]


def test_a_group_has_the_nodes_that_were_asked_for_in_two_zones(aws: Aws):
    caches = group(aws, AutomaticFailoverEnabled=True, MultiAZEnabled=True)
    assert seen(aws) == ("available", BEFORE)
    shown = caches.describe_replication_groups()["ReplicationGroups"][0]
    assert (shown["AutomaticFailover"], shown["MultiAZ"]) == ("enabled", "enabled")
    nodes = shown["NodeGroups"][0]["NodeGroupMembers"]
    assert len({node["PreferredAvailabilityZone"] for node in nodes}) == 2


def test_a_promotion_takes_time_and_moves_the_primary(aws: Aws):
    caches = group(aws)
    aws.set(cache_node_secs=60)
    asked = {"ReplicationGroupId": "sessions", "ApplyImmediately": True}
    caches.modify_replication_group(PrimaryClusterId="sessions-002", **asked)
    assert seen(aws) == ("modifying", BEFORE)
    with pytest.raises(ClientError, match="InvalidReplicationGroupState"):
        caches.modify_replication_group(PrimaryClusterId="sessions-002", **asked)
    aws.pass_secs(60)
    assert seen(aws) == ("available", AFTER)
    assert aws.effects() == ["cache-failover-asked", "cache-node-promoted"]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        caches.modify_replication_group(PrimaryClusterId="sessions-002", **asked)


def test_what_promotes_by_itself_is_not_told_to(aws: Aws):
    caches = group(aws, AutomaticFailoverEnabled=True)
    asked = {"ReplicationGroupId": "sessions", "ApplyImmediately": True}
    with pytest.raises(ClientError, match="InvalidReplicationGroupState"):
        caches.modify_replication_group(PrimaryClusterId="sessions-002", **asked)
    # Everything else about a group is changed as before.
    caches.modify_replication_group(AutomaticFailoverEnabled=False, **asked)
    caches.modify_replication_group(PrimaryClusterId="sessions-002", **asked)
    assert seen(aws) == ("available", AFTER)


def test_a_failover_is_tested_where_it_is_automatic(aws: Aws):
    caches = group(aws, AutomaticFailoverEnabled=True)
    aws.set(cache_node_secs=60)
    caches.test_failover(ReplicationGroupId="sessions", NodeGroupId="0001")
    assert seen(aws) == ("modifying", BEFORE)
    aws.pass_secs(60)
    assert seen(aws) == ("available", AFTER)
    with pytest.raises(ClientError, match="NodeGroupNotFoundFault"):
        caches.test_failover(ReplicationGroupId="sessions", NodeGroupId="0002")
    with pytest.raises(ClientError, match="ReplicationGroupNotFoundFault"):
        caches.test_failover(ReplicationGroupId="other", NodeGroupId="0001")
    group(aws, "told")
    with pytest.raises(ClientError, match="InvalidParameterCombination"):
        caches.test_failover(ReplicationGroupId="told", NodeGroupId="0001")


def test_failovers_are_tested_fifteen_times_a_day_and_not_while_they_are_blocked(aws: Aws):
    caches = group(aws, AutomaticFailoverEnabled=True)
    asked = {"ReplicationGroupId": "sessions", "NodeGroupId": "0001"}
    for _ in range(15):
        caches.test_failover(**asked)
        aws.pass_secs(60)
    with pytest.raises(ClientError, match="APICallRateForCustomerExceeded"):
        caches.test_failover(**asked)
    aws.pass_secs(24 * 3600)
    caches.test_failover(**asked)
    aws.set(test_failover_blocked=True)
    with pytest.raises(ClientError, match="TestFailoverNotAvailableFault"):
        caches.test_failover(**asked)
    assert aws.effects().count("cache-node-promoted") == 16


def test_a_busy_group_is_not_tested(aws: Aws):
    caches = group(aws, AutomaticFailoverEnabled=True)
    aws.control(
        "PUT", "status", {"region": EAST, "kind": "cache", "id": "sessions", "status": "snapshotting"}
    )
    with pytest.raises(ClientError, match="InvalidReplicationGroupState"):
        caches.test_failover(ReplicationGroupId="sessions", NodeGroupId="0001")
