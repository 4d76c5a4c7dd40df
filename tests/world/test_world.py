"""What all calls share: pages, stale reads, samples, events, and the record of calls."""

import json

import pytest
from botocore.exceptions import ClientError

from conftest import EAST, START, WEST, Aws


def test_pages_hold_every_snapshot_once(aws: Aws):
    aws.cluster(EAST, "orders")
    rds = aws.client("rds")
    names = {f"muster-a-{number}" for number in range(25)}
    for name in names:
        rds.create_db_cluster_snapshot(
            DBClusterIdentifier="orders", DBClusterSnapshotIdentifier=name
        )
    asked = {"SnapshotType": "manual", "MaxRecords": 20}
    first = rds.describe_db_cluster_snapshots(**asked)
    second = rds.describe_db_cluster_snapshots(**asked, Marker=first["Marker"])
    pages = [p["DBClusterSnapshots"] for p in (first, second)]
    assert ([len(p) for p in pages], "Marker" in second) == ([20, 5], False)
    assert {s["DBClusterSnapshotIdentifier"] for p in pages for s in p} == names
    aws.set(page_max=7)
    assert len(rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]) == 7
    aws.cluster(EAST, "users")
    aws.set(page_max=1)
    found = rds.get_paginator("describe_db_clusters").paginate().build_full_result()["DBClusters"]
    assert [c["DBClusterIdentifier"] for c in found] == ["orders", "users"]


def test_stale_reads_show_the_past_and_writes_act_on_the_present(aws: Aws):
    aws.cluster(EAST, "orders")
    aws.set(stale_read_secs=60, snapshot_secs=10)
    rds = aws.client("rds")
    aws.pass_secs(5)
    asked = {"DBClusterIdentifier": "orders", "DBClusterSnapshotIdentifier": "muster-a-1"}
    rds.create_db_cluster_snapshot(**asked)

    def seen() -> list[str]:
        return [
            s["Status"]
            for s in rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
        ]

    aws.pass_secs(59)
    assert seen() == []
    with pytest.raises(ClientError, match="DBClusterSnapshotAlreadyExistsFault"):
        rds.create_db_cluster_snapshot(**asked)
    aws.pass_secs(1)
    assert seen() == ["creating"]
    aws.pass_secs(10)
    assert seen() == ["available"]


def test_a_stale_read_shows_the_old_writer(aws: Aws):
    east, west = aws.global_pair()
    aws.set(stale_read_secs=60)
    aws.pass_secs(1)
    aws.client("rds", WEST).failover_global_cluster(
        GlobalClusterIdentifier="orders", TargetDbClusterIdentifier=west, AllowDataLoss=True
    )
    assert aws.writers() == [east]
    aws.pass_secs(60)
    assert aws.writers() == [west]


def test_lag_samples_come_each_minute_until_they_stop(aws: Aws):
    aws.control("PUT", "lag", {"region": WEST, "cluster": "orders-west", "lag_ms": 800})
    aws.pass_secs(180)
    aws.control("PUT", "lag", {"region": WEST, "cluster": "orders-west", "lag_ms": None})
    aws.pass_secs(300)
    dimensions = [{"Name": "DBClusterIdentifier", "Value": "orders-west"}]
    metric = {
        "Namespace": "AWS/RDS",
        "MetricName": "AuroraGlobalDBRPOLag",
        "Dimensions": dimensions,
    }
    asked = {"Id": "lag", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    times = {"StartTime": aws.now.replace(hour=1), "EndTime": aws.now}
    cloudwatch = aws.client("cloudwatch", WEST)
    data = cloudwatch.get_metric_data(MetricDataQueries=[asked], **times)["MetricDataResults"][0]
    assert data["Values"] == [800.0] * 4
    assert [(t - START).total_seconds() for t in data["Timestamps"]] == [120, 60, 0, -60]
    points = cloudwatch.get_metric_statistics(**metric, **times, Period=60, Statistics=["Maximum"])[
        "Datapoints"
    ]
    assert len(points) == 4


def queue_behind_a_rule(aws: Aws, region: str) -> tuple:
    sqs, events = aws.client("sqs", region), aws.client("events", region)
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    events.put_rule(Name="rds", EventPattern=json.dumps({"source": ["aws.rds"]}))
    events.put_targets(Rule="rds", Targets=[{"Id": "1", "Arn": arn}])
    return sqs, url


def received(queue: tuple) -> list[dict]:
    sqs, url = queue
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(m["Body"]) for m in messages]


def test_events_reach_a_queue_in_the_shape_that_aws_gives_them(aws: Aws):
    aws.cluster(EAST, "orders")
    queue = queue_behind_a_rule(aws, EAST)
    aws.set(snapshot_secs=60, event_copies=2)
    aws.client("rds").create_db_cluster_snapshot(
        DBClusterIdentifier="orders", DBClusterSnapshotIdentifier="muster-a-1"
    )
    aws.pass_secs(61)
    got = received(queue)
    assert [e["detail"]["EventID"] for e in got] == ["RDS-EVENT-0074"] * 2 + ["RDS-EVENT-0075"] * 2
    last, arn = got[3], f"arn:aws:rds:{EAST}:123456789012:cluster-snapshot:muster-a-1"
    assert last["id"] == got[2]["id"]
    assert {
        k: last[k]
        for k in ("version", "detail-type", "source", "account", "time", "region", "resources")
    } == {
        "version": "0",
        "detail-type": "RDS DB Cluster Snapshot Event",
        "source": "aws.rds",
        "account": "123456789012",
        "time": "2026-03-01T02:01:00Z",
        "region": EAST,
        "resources": [arn],
    }
    assert last["detail"] == {
        "EventCategories": ["backup"],
        "SourceType": "CLUSTER_SNAPSHOT",
        "SourceArn": arn,
        "Date": "2026-03-01T02:01:00.000Z",
        "SourceIdentifier": "muster-a-1",
        "Message": "Manual cluster snapshot created",
        "EventID": "RDS-EVENT-0075",
    }


def test_the_events_of_a_failover_say_what_became_of_the_fence(aws: Aws):
    _, west = aws.global_pair()
    queue = queue_behind_a_rule(aws, WEST)
    aws.set(write_fence_holds=False)
    aws.client("rds", WEST).failover_global_cluster(
        GlobalClusterIdentifier="orders", TargetDbClusterIdentifier=west, AllowDataLoss=True
    )
    numbers = [(e["detail"]["EventID"], e["detail"]["SourceType"]) for e in received(queue)]
    assert numbers == [
        ("RDS-EVENT-0391", "DB_INSTANCE"),
        ("RDS-EVENT-0238", "CLUSTER"),
        ("RDS-EVENT-0397", "CLUSTER"),
    ]


def test_every_call_is_written_down_with_its_region_and_its_answer(aws: Aws):
    aws.cluster(EAST, "orders", instances=0)
    s3 = aws.client("s3", WEST)
    s3.create_bucket(Bucket="lease", CreateBucketConfiguration={"LocationConstraint": WEST})
    aws.pass_secs(30)
    s3.put_object(Bucket="lease", Key="epoch", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="lease", Key="epoch", Body=b"2", IfNoneMatch="*")
    calls = aws.control("GET", "calls")
    assert [
        (c["service"], c["operation"], c["region"], c["status"], c["error"]) for c in calls
    ] == [
        ("rds", "CreateDBCluster", EAST, 200, None),
        ("s3", "CreateBucket", WEST, 200, None),
        ("s3", "PutObject", WEST, 200, None),
        ("s3", "PutObject", WEST, 412, "PreconditionFailed"),
    ]
    assert calls[0]["parameters"]["DBClusterIdentifier"] == "orders"
    assert (calls[2]["parameters"]["If-None-Match"], calls[2]["at"]) == (
        "*",
        "2026-03-01T02:00:30.000Z",
    )
    assert s3.head_object(Bucket="lease", Key="epoch")["LastModified"].second == 30
    assert len(aws.control("GET", "calls?after=4")) == 1


def test_a_misspelt_setting_is_refused(aws: Aws):
    with pytest.raises(Exception, match="400"):
        aws.set(snapshot_sec=1)
    with pytest.raises(Exception, match="400"):
        aws.set(snapshot_secs=-1)


def test_a_received_message_comes_again_when_it_was_hidden_long_enough(aws: Aws):
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="one")
    received = {"QueueUrl": url, "VisibilityTimeout": 60}
    assert len(sqs.receive_message(**received)["Messages"]) == 1
    assert "Messages" not in sqs.receive_message(**received)
    sqs.send_message(QueueUrl=url, MessageBody="two")
    aws.set(message_hidden_secs_max=0)
    for _ in range(2):
        [message] = sqs.receive_message(**received)["Messages"]
        assert message["Body"] == "two"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(**received)
