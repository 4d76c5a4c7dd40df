"""What an inventory looks at: snapshots of caches, restorable times, replicas of secrets."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from conftest import EAST, START, WEST, Aws


def group(aws: Aws):
    caches = aws.client("elasticache")
    caches.create_replication_group(
        ReplicationGroupId="sessions",
        ReplicationGroupDescription="sessions",
        NumCacheClusters=2,
        CacheNodeType="cache.r6g.large",
    )
    return caches


def test_a_snapshot_of_a_cache_takes_time_and_says_when_it_was_taken(aws: Aws):
    caches = group(aws)
    aws.set(cache_snapshot_secs=60)
    caches.create_snapshot(
        SnapshotName="muster-a-1",
        ReplicationGroupId="sessions",
        Tags=[{"Key": "muster:run", "Value": "a"}],
    )

    def seen() -> dict:
        return caches.describe_snapshots(SnapshotName="muster-a-1")["Snapshots"][0]

    assert seen()["SnapshotStatus"] == "creating"
    aws.pass_secs(60)
    assert seen()["SnapshotStatus"] == "available"
    assert seen()["NodeSnapshots"][0]["SnapshotCreateTime"] == START
    tags = caches.list_tags_for_resource(ResourceName=seen()["ARN"])["TagList"]
    assert tags == [{"Key": "muster:run", "Value": "a"}]
    with pytest.raises(ClientError, match="SnapshotAlreadyExistsFault"):
        caches.create_snapshot(SnapshotName="muster-a-1", ReplicationGroupId="sessions")


def test_a_snapshot_is_deleted_once_it_is_there(aws: Aws):
    caches = group(aws)
    aws.set(cache_snapshot_secs=60)
    caches.create_snapshot(SnapshotName="muster-a-1", ReplicationGroupId="sessions")
    with pytest.raises(ClientError, match="InvalidSnapshotState"):
        caches.delete_snapshot(SnapshotName="muster-a-1")
    aws.pass_secs(60)
    caches.delete_snapshot(SnapshotName="muster-a-1")
    assert caches.describe_snapshots()["Snapshots"] == []
    with pytest.raises(ClientError, match="SnapshotNotFound"):
        caches.delete_snapshot(SnapshotName="muster-a-1")


def test_a_busy_group_is_not_saved(aws: Aws):
    caches = group(aws)
    aws.control(
        "PUT", "status", {"region": EAST, "kind": "cache", "id": "sessions", "status": "modifying"}
    )
    with pytest.raises(ClientError, match="InvalidReplicationGroupState"):
        caches.create_snapshot(SnapshotName="muster-a-1", ReplicationGroupId="sessions")


def test_a_cluster_can_be_restored_to_minutes_ago_and_not_while_it_is_made(aws: Aws):
    aws.cluster(EAST, "orders")
    aws.pass_secs(3600)

    def seen() -> dict:
        return aws.client("rds").describe_db_clusters()["DBClusters"][0]

    assert seen()["EarliestRestorableTime"] == START
    assert seen()["LatestRestorableTime"] == START + timedelta(seconds=3600 - 240)
    aws.control(
        "PUT", "status", {"region": EAST, "kind": "cluster", "id": "orders", "status": "creating"}
    )
    assert "LatestRestorableTime" not in seen() and "EarliestRestorableTime" not in seen()


def test_the_replica_of_a_secret_can_be_out_of_sync(aws: Aws):
    secrets = aws.client("secretsmanager")
    secrets.create_secret(
        Name="shop/database", SecretString="x", AddReplicaRegions=[{"Region": WEST}]
    )

    def status() -> str:
        return secrets.describe_secret(SecretId="shop/database")["ReplicationStatus"][0]["Status"]

    assert status() == "InSync"
    wanted = {"region": EAST, "name": "shop/database", "replica": WEST, "status": "Failed"}
    aws.control("PUT", "secret", wanted)
    assert status() == "Failed"


def test_a_bucket_says_whether_it_keeps_versions(aws: Aws):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="files")
    assert "Status" not in s3.get_bucket_versioning(Bucket="files")
    s3.put_bucket_versioning(Bucket="files", VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket="files")["Status"] == "Enabled"
