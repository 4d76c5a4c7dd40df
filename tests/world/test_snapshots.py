"""Snapshots take time, refuse when they must, and are copied the way AWS copies (facts §2)."""

import pytest
from botocore.exceptions import ClientError

from conftest import EAST, START, WEST, Aws


def snapshot(aws: Aws, name: str, region: str = EAST) -> dict:
    found = aws.client("rds", region).describe_db_cluster_snapshots(
        DBClusterSnapshotIdentifier=name
    )
    return found["DBClusterSnapshots"][0]


def take(aws: Aws, name: str, **more) -> dict:
    taken = aws.client("rds").create_db_cluster_snapshot(
        DBClusterIdentifier="orders", DBClusterSnapshotIdentifier=name, **more
    )
    return taken["DBClusterSnapshot"]


def copy(aws: Aws, source: dict, name: str, **more) -> dict:
    copied = aws.client("rds", WEST).copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=source["DBClusterSnapshotArn"],
        TargetDBClusterSnapshotIdentifier=name,
        **more,
    )
    return copied["DBClusterSnapshot"]


def refused(code: str):
    return pytest.raises(ClientError, match=code)


def test_a_snapshot_is_created_by_the_clock_and_stamped_by_it(aws: Aws):
    aws.cluster(EAST, "orders")
    aws.set(snapshot_secs=120)
    taken = take(aws, "muster-a-1")
    assert (taken["Status"], taken["SnapshotCreateTime"]) == ("creating", START)
    aws.pass_secs(60)
    assert (
        snapshot(aws, "muster-a-1")["Status"],
        snapshot(aws, "muster-a-1")["PercentProgress"],
    ) == ("creating", 50)
    aws.pass_secs(60)
    done = snapshot(aws, "muster-a-1")
    cluster = aws.client("rds").describe_db_clusters()["DBClusters"][0]
    assert (done["Status"], done["PercentProgress"]) == ("available", 100)
    assert done["DbClusterResourceId"] == cluster["DbClusterResourceId"]


def test_a_snapshot_is_refused_for_its_name_its_cluster_and_its_quota(aws: Aws):
    aws.cluster(EAST, "orders")
    take(aws, "muster-a-1")
    with refused("DBClusterSnapshotAlreadyExistsFault"):
        take(aws, "muster-a-1")
    with refused("InvalidParameterValue"):
        take(aws, "muster--a")
    aws.control(
        "PUT", "status", {"region": EAST, "kind": "cluster", "id": "orders", "status": "backing-up"}
    )
    with refused("InvalidDBClusterStateFault"):
        take(aws, "muster-a-2")
    aws.control(
        "PUT", "status", {"region": EAST, "kind": "cluster", "id": "orders", "status": "available"}
    )
    aws.set(snapshots_max=1)
    with refused("SnapshotQuotaExceeded"):
        take(aws, "muster-a-2")
    quota = aws.client("rds").describe_account_attributes()["AccountQuotas"][0]
    assert (quota["AccountQuotaName"], quota["Used"], quota["Max"]) == (
        "ManualClusterSnapshots",
        1,
        1,
    )
    assert aws.effects().count("snapshot-created") == 1


def test_a_copy_waits_at_zero_and_bears_its_source_and_its_own_key(aws: Aws):
    keys = [aws.client("kms", region).create_key()["KeyMetadata"]["Arn"] for region in (EAST, WEST)]
    aws.cluster(EAST, "orders", StorageEncrypted=True, KmsKeyId=keys[0])
    aws.set(snapshot_secs=60, copy_zero_secs=3600, copy_secs=100)
    source = take(aws, "muster-a-1", Tags=[{"Key": "run", "Value": "a"}])
    with refused("InvalidDBClusterSnapshotStateFault"):
        copy(aws, source, "muster-a-2", KmsKeyId=keys[1])
    aws.pass_secs(60)
    with refused("KMSKeyNotAccessibleFault"):
        copy(aws, source, "muster-a-2")
    with refused("KMSKeyNotAccessibleFault"):
        copy(aws, source, "muster-a-2", KmsKeyId=keys[0])
    copied = copy(aws, source, "muster-a-2", KmsKeyId=keys[1], CopyTags=True)
    assert copied["SourceDBClusterSnapshotArn"] == source["DBClusterSnapshotArn"]
    assert (copied["KmsKeyId"], copied["TagList"]) == (keys[1], [{"Key": "run", "Value": "a"}])
    aws.pass_secs(3600)
    assert (
        snapshot(aws, "muster-a-2", WEST)["Status"],
        snapshot(aws, "muster-a-2", WEST)["PercentProgress"],
    ) == ("copying", 0)
    aws.pass_secs(50)
    assert snapshot(aws, "muster-a-2", WEST)["PercentProgress"] == 50
    aws.pass_secs(50)
    assert snapshot(aws, "muster-a-2", WEST)["Status"] == "available"
    assert copy(aws, source, "muster-a-3", KmsKeyId=keys[1])["TagList"] == []


def test_the_sixth_copy_queues_until_one_ends(aws: Aws):
    aws.cluster(EAST, "orders")
    source = take(aws, "muster-a-1")
    aws.set(copy_secs=100)
    for number in range(1, 7):
        copy(aws, source, f"copy-{number}")
    aws.pass_secs(50)
    assert [snapshot(aws, f"copy-{n}", WEST)["PercentProgress"] for n in range(1, 7)] == [
        50
    ] * 5 + [0]
    # Deleting a target while it is copying cancels it, and the sixth takes its place.
    aws.client("rds", WEST).delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="copy-1")
    aws.pass_secs(99)
    assert snapshot(aws, "copy-6", WEST)["Status"] == "copying"
    aws.pass_secs(1)
    assert snapshot(aws, "copy-6", WEST)["Status"] == "available"


def test_deleting_takes_time_and_kills_a_copy_under_way(aws: Aws):
    aws.cluster(EAST, "orders")
    source = take(aws, "muster-a-1")
    aws.set(copy_secs=100, delete_secs=10)
    copy(aws, source, "copy-1")
    rds = aws.client("rds")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="muster-a-1")
    assert snapshot(aws, "muster-a-1")["Status"] == "deleting"
    assert snapshot(aws, "copy-1", WEST)["Status"] == "failed"
    aws.pass_secs(10)
    with refused("DBClusterSnapshotNotFoundFault"):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="muster-a-1")


def test_a_restore_is_a_new_cluster_that_takes_its_time(aws: Aws):
    aws.global_pair()
    rds = aws.client("rds")
    rds.create_db_cluster_snapshot(
        DBClusterIdentifier="orders-east", DBClusterSnapshotIdentifier="muster-a-1"
    )
    aws.set(cluster_secs=600)
    wanted = {
        "DBClusterIdentifier": "restored",
        "SnapshotIdentifier": "muster-a-1",
        "Engine": "aurora-postgresql",
    }
    rds.restore_db_cluster_from_snapshot(**wanted)
    restored = rds.describe_db_clusters(DBClusterIdentifier="restored")["DBClusters"][0]
    assert (restored["Status"], restored["DBClusterMembers"]) == ("creating", [])
    with refused("DBClusterAlreadyExistsFault"):
        rds.restore_db_cluster_from_snapshot(**wanted)
    aws.pass_secs(600)
    assert (
        rds.describe_db_clusters(DBClusterIdentifier="restored")["DBClusters"][0]["Status"]
        == "available"
    )
    assert len(aws.orders()["GlobalClusterMembers"]) == 2


def test_a_restored_cluster_has_nothing_of_its_source_but_the_data(aws: Aws):
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    more = {"StorageEncrypted": True, "KmsKeyId": key, "DeletionProtection": True}
    aws.cluster(EAST, "orders", **more, Tags=[{"Key": "team", "Value": "a"}])
    take(aws, "muster-a-1")
    aws.set(cluster_secs=600, instance_secs=300, teardown_secs=120, password_secs=60)
    rds = aws.client("rds")
    wanted = {"SnapshotIdentifier": "muster-a-1", "Engine": "aurora-postgresql"}
    rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="bare", **wanted)
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="placed",
        VpcSecurityGroupIds=["sg-1"],
        DBSubnetGroupName="private",
        Tags=[{"Key": "drill", "Value": "b"}],
        **wanted,
    )

    def one(name: str) -> dict:
        return rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]

    def groups(name: str) -> list:
        return [group["VpcSecurityGroupId"] for group in one(name)["VpcSecurityGroups"]]

    assert (groups("bare"), one("bare")["DBSubnetGroup"]) == (["sg-default"], "default")
    assert (groups("placed"), one("placed")["DBSubnetGroup"]) == (["sg-1"], "private")
    assert (one("bare")["TagList"], one("placed")["TagList"][0]["Value"]) == ([], "b")
    assert (one("placed")["DeletionProtection"], one("placed")["KmsKeyId"]) == (False, key)

    with refused("InvalidDBClusterStateFault"):
        rds.modify_db_cluster(DBClusterIdentifier="placed", ManageMasterUserPassword=True)
    with refused("InvalidDBClusterStateFault"):
        rds.delete_db_cluster(DBClusterIdentifier="placed", SkipFinalSnapshot=True)
    aws.pass_secs(600)
    rds.modify_db_cluster(
        DBClusterIdentifier="placed", ManageMasterUserPassword=True, ApplyImmediately=True
    )
    assert one("placed")["MasterUserSecret"]["SecretStatus"] == "creating"
    assert one("placed")["Status"] == "resetting-master-credentials"
    aws.pass_secs(60)
    assert one("placed")["MasterUserSecret"]["SecretStatus"] == "active"
    rds.modify_db_cluster(
        DBClusterIdentifier="placed", ManageMasterUserPassword=True, ApplyImmediately=True
    )
    assert aws.effects().count("password-managed") == 1

    rds.create_db_instance(
        DBInstanceIdentifier="placed-1",
        DBClusterIdentifier="placed",
        DBInstanceClass="db.r6g.large",
        Engine="aurora-postgresql",
        PubliclyAccessible=False,
    )
    with refused("InvalidDBInstanceState"):
        rds.delete_db_instance(DBInstanceIdentifier="placed-1", SkipFinalSnapshot=True)
    aws.pass_secs(300)
    with refused("InvalidDBClusterStateFault"):
        rds.delete_db_cluster(DBClusterIdentifier="placed", SkipFinalSnapshot=True)
    rds.delete_db_instance(DBInstanceIdentifier="placed-1", SkipFinalSnapshot=True)
    rds.delete_db_cluster(DBClusterIdentifier="placed", SkipFinalSnapshot=True)
    assert one("placed")["Status"] == "deleting"
    aws.pass_secs(120)
    with refused("DBClusterNotFoundFault"):
        one("placed")
    assert rds.describe_db_instances()["DBInstances"][0]["DBInstanceIdentifier"] == "orders-1"
    assert [what for what in aws.effects() if what.endswith("deleted")] == [
        "instance-deleted",
        "cluster-deleted",
    ]
