"""Another account takes copies of what is shared with it, by a role, under a key of its own (facts §2)."""

import boto3
import pytest
from botocore.exceptions import ClientError

from conftest import EAST, WEST, Aws

VAULT = "999988887777"
ROLE = f"arn:aws:iam::{VAULT}:role/muster-vault"


def refused(code: str):
    return pytest.raises(ClientError, match=code)


def inside(aws: Aws, service: str, region: str = EAST):
    """A client with the credentials of the vault's role."""
    given = aws.client("sts", region).assume_role(RoleArn=ROLE, RoleSessionName="a-test")
    keys = given["Credentials"]
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{aws.port}",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def share(aws: Aws, name: str, how: str = "ValuesToAdd") -> None:
    aws.client("rds").modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier=name, AttributeName="restore", **{how: [VAULT]}
    )


def shared_with(aws: Aws, name: str) -> list[str]:
    told = aws.client("rds").describe_db_cluster_snapshot_attributes(
        DBClusterSnapshotIdentifier=name
    )["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"]
    return next(one["AttributeValues"] for one in told if one["AttributeName"] == "restore")


def taken(aws: Aws, **more) -> str:
    """A snapshot `muster-a-1` in the east; answers its ARN."""
    aws.cluster(EAST, "orders", **more)
    made = aws.client("rds").create_db_cluster_snapshot(
        DBClusterIdentifier="orders", DBClusterSnapshotIdentifier="muster-a-1"
    )
    return made["DBClusterSnapshot"]["DBClusterSnapshotArn"]


def test_a_copy_needs_a_share_and_a_key_of_the_receiving_account(aws: Aws):
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    arn = taken(aws, StorageEncrypted=True, KmsKeyId=key)
    vault = inside(aws, "rds")
    theirs = inside(aws, "kms").create_key()["KeyMetadata"]["Arn"]
    assert f":{VAULT}:" in theirs

    def copy(name: str, **more) -> dict:
        return vault.copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=arn,
            TargetDBClusterSnapshotIdentifier=name,
            **more,
        )["DBClusterSnapshot"]

    with refused("DBClusterSnapshotNotFoundFault"):
        copy("muster-b-1", KmsKeyId=theirs)
    share(aws, "muster-a-1")
    share(aws, "muster-a-1")
    assert shared_with(aws, "muster-a-1") == [VAULT]
    for wrong in ({}, {"KmsKeyId": key}):
        with refused("KMSKeyNotAccessibleFault"):
            copy("muster-b-1", **wrong)
    made = copy("muster-b-1", KmsKeyId=theirs, Tags=[{"Key": "run", "Value": "b"}])
    assert f":{VAULT}:" in made["DBClusterSnapshotArn"]
    assert (made["KmsKeyId"], made["SourceDBClusterSnapshotArn"]) == (theirs, arn)
    share(aws, "muster-a-1", "ValuesToRemove")
    assert shared_with(aws, "muster-a-1") == []
    with refused("DBClusterSnapshotNotFoundFault"):
        copy("muster-b-2", KmsKeyId=theirs)
    effects = [what for what in aws.effects() if what.startswith("snapshot-")]
    assert effects == [
        "snapshot-created",
        "snapshot-shared",
        "snapshot-copied",
        "snapshot-unshared",
    ]


def test_an_account_sees_and_counts_its_own_snapshots(aws: Aws):
    arn = taken(aws)
    share(aws, "muster-a-1")
    vault = inside(aws, "rds")
    vault.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=arn, TargetDBClusterSnapshotIdentifier="muster-b-1"
    )

    def names(rds) -> list[str]:
        listed = rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
        return [one["DBClusterSnapshotIdentifier"] for one in listed]

    assert names(aws.client("rds")) == ["muster-a-1"]
    assert names(vault) == ["muster-b-1"]
    assert vault.describe_account_attributes()["AccountQuotas"][0]["Used"] == 1
    aws.client("rds").delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="muster-a-1")
    assert names(vault) == ["muster-b-1"]


def test_what_the_default_key_encrypts_is_not_shared(aws: Aws):
    taken(aws, StorageEncrypted=True)
    with refused("InvalidParameterValue"):
        share(aws, "muster-a-1")
    assert shared_with(aws, "muster-a-1") == []


def test_a_copy_into_another_account_may_cross_regions_too(aws: Aws):
    arn = taken(aws)
    share(aws, "muster-a-1")
    made = inside(aws, "rds", WEST).copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=arn, TargetDBClusterSnapshotIdentifier="muster-b-1"
    )["DBClusterSnapshot"]
    assert made["DBClusterSnapshotArn"].startswith(f"arn:aws:rds:{WEST}:{VAULT}:")


def test_a_role_can_be_closed(aws: Aws):
    aws.set(roles_closed=True)
    with refused("AccessDenied"):
        inside(aws, "rds")
