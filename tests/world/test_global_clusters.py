"""Switchover and failover between regions, and failover inside one (facts §1)."""

import pytest
from botocore.exceptions import ClientError

from conftest import EAST, WEST, Aws


def failover(aws: Aws, region: str, target: str, **how) -> dict:
    asked = {"GlobalClusterIdentifier": "orders", "TargetDbClusterIdentifier": target, **how}
    return aws.client("rds", region).failover_global_cluster(**asked)["GlobalCluster"]


def refused(code: str):
    return pytest.raises(ClientError, match=code)


def test_the_source_is_the_writer_and_the_other_follows(aws: Aws):
    east, west = aws.global_pair()
    seen = {
        m["DBClusterArn"]: (m["IsWriter"], m["SynchronizationStatus"])
        for m in aws.orders()["GlobalClusterMembers"]
    }
    assert seen == {east: (True, "connected"), west: (False, "connected")}
    follower = aws.client("rds", WEST).describe_db_clusters()["DBClusters"][0]
    assert [m["IsClusterWriter"] for m in follower["DBClusterMembers"]] == [False]


def test_a_switchover_is_called_at_the_primary_and_shows_a_status_no_sdk_knows(aws: Aws):
    east, west = aws.global_pair()
    aws.set(global_register_secs=5, global_pending_secs=5, switchover_secs=60)
    with refused("InvalidGlobalClusterStateFault"):
        failover(aws, WEST, west, Switchover=True)
    asked = {"GlobalClusterIdentifier": "orders", "TargetDbClusterIdentifier": west}
    aws.client("rds", EAST).switchover_global_cluster(**asked)
    assert "FailoverState" not in aws.orders()
    with refused("InvalidGlobalClusterStateFault"):
        aws.client("rds", EAST).switchover_global_cluster(**asked)
    aws.pass_secs(5)
    assert aws.orders()["FailoverState"]["Status"] == "pending"
    aws.pass_secs(5)
    assert aws.orders()["FailoverState"] == {
        "Status": "switching-over",
        "FromDbClusterArn": east,
        "ToDbClusterArn": west,
        "IsDataLossAllowed": False,
    }
    assert aws.writers() == [east]
    aws.pass_secs(60)
    assert (aws.writers(), "FailoverState" in aws.orders(), aws.orders()["Status"]) == (
        [west],
        False,
        "available",
    )
    promoted = aws.client("rds", WEST).describe_db_clusters()["DBClusters"][0]
    assert (promoted["Status"], promoted["DBClusterMembers"][0]["IsClusterWriter"]) == (
        "available",
        True,
    )
    assert aws.effects().count("writer-moved") == 1


def test_a_failover_with_data_loss_is_called_at_the_target_and_needs_no_healthy_primary(aws: Aws):
    east, west = aws.global_pair()
    aws.set(failover_secs=180, resync_secs=3600)
    aws.control(
        "PUT",
        "status",
        {"region": EAST, "kind": "cluster", "id": "orders-east", "status": "unknown"},
    )
    with refused("InvalidDBClusterStateFault"):
        failover(aws, EAST, west)
    with refused("InvalidGlobalClusterStateFault"):
        failover(aws, EAST, west, AllowDataLoss=True)
    with refused("DBClusterNotFoundFault"):
        failover(aws, WEST, "orders-west", AllowDataLoss=True)
    with refused("InvalidParameterCombination"):
        failover(aws, WEST, west, AllowDataLoss=True, Switchover=True)
    failover(aws, WEST, west, AllowDataLoss=True)
    assert aws.orders()["FailoverState"]["Status"] == "failing-over"
    assert aws.orders()["FailoverState"]["IsDataLossAllowed"] is True
    aws.pass_secs(180)
    assert aws.writers() == [west]
    old = next(m for m in aws.orders()["GlobalClusterMembers"] if m["DBClusterArn"] == east)
    assert old["SynchronizationStatus"] == "pending-resync"
    aws.pass_secs(3600)
    tails = aws.client("rds", EAST).describe_db_cluster_snapshots(SnapshotType="automated")[
        "DBClusterSnapshots"
    ]
    assert any(
        t["DBClusterSnapshotIdentifier"].startswith("rds:unplanned-global-failover-orders-east")
        for t in tails
    )


def test_an_operation_that_fails_leaves_the_old_writer_and_an_empty_state(aws: Aws):
    east, west = aws.global_pair()
    aws.set(failover_secs=60, global_operation_fails=True)
    failover(aws, WEST, west, AllowDataLoss=True)
    aws.pass_secs(60)
    assert (aws.writers(), "FailoverState" in aws.orders()) == ([east], False)


def test_a_headless_target_is_refused(aws: Aws):
    _, west = aws.global_pair()
    aws.control(
        "PUT",
        "status",
        {"region": WEST, "kind": "instance", "id": "orders-west-1", "status": "creating"},
    )
    with refused("InvalidDBClusterStateFault"):
        failover(aws, WEST, west, AllowDataLoss=True)


def test_a_removed_member_stands_alone_and_the_old_primary_still_writes(aws: Aws):
    east, west = aws.global_pair()
    rds = aws.client("rds", WEST)
    with refused("InvalidDBClusterStateFault.*part of a global cluster"):
        aws.client("rds").delete_db_cluster(
            DBClusterIdentifier="orders-east", SkipFinalSnapshot=True
        )
    with refused("InvalidGlobalClusterStateFault"):
        rds.remove_from_global_cluster(GlobalClusterIdentifier="orders", DbClusterIdentifier=east)
    rds.remove_from_global_cluster(GlobalClusterIdentifier="orders", DbClusterIdentifier=west)
    assert aws.writers() == [east]
    alone = rds.describe_db_clusters()["DBClusters"][0]
    assert alone["DBClusterMembers"][0]["IsClusterWriter"] is True
    rds.delete_db_instance(DBInstanceIdentifier="orders-west-1", SkipFinalSnapshot=True)
    rds.delete_db_cluster(DBClusterIdentifier="orders-west", SkipFinalSnapshot=True)
    assert aws.effects()[-1] == "cluster-deleted"


def test_a_second_failover_inside_the_region_moves_the_writer_again(aws: Aws):
    aws.cluster(EAST, "orders", instances=2)
    aws.set(instance_failover_secs=30)
    rds = aws.client("rds")

    def writer() -> str:
        members = rds.describe_db_clusters()["DBClusters"][0]["DBClusterMembers"]
        return next(m["DBInstanceIdentifier"] for m in members if m["IsClusterWriter"])

    first = writer()
    rds.failover_db_cluster(DBClusterIdentifier="orders")
    with refused("InvalidDBClusterStateFault"):
        rds.failover_db_cluster(DBClusterIdentifier="orders")
    aws.pass_secs(30)
    second = writer()
    rds.failover_db_cluster(DBClusterIdentifier="orders")
    aws.pass_secs(30)
    assert (second != first, writer() == first) == (True, True)
    assert aws.effects().count("instance-failover-done") == 2
