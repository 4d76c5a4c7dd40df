//! What the wire does: answers lost after the effect, throttling for a minute, reads of the past.

use jiff::SignedDuration;
use muster_tests::stage::{Stage, brief};
use serde_json::json;

use super::{failover, stage, step};

/// Reads show the world of so many seconds ago.
const STALE_SECS: i64 = 120;

/// Lets AWS throttle every call until a minute has passed on the clock.
async fn throttle_for_a_minute(stage: &mut Stage) {
    stage.world.fault("throttle", json!({ "service": "*", "times": 100_000 })).await;
    let until = stage.world.now() + SignedDuration::from_secs(60);
    stage.until("a minute has passed", async |stage| stage.world.now() >= until).await;
    let before = stage.last_call().await;
    assert!(before > 0, "nobody was throttled");
    stage.world.heal().await;
}

/// Goal: nothing is done twice and nothing fails while AWS throttles for a minute, loses the answers to
/// what it has done, and shows the past.
/// Method: all of it in one backup.
#[tokio::test]
async fn a_backup_through_bad_weather() {
    let mut stage = stage!("[]");
    stage
        .world
        .set(json!({ "snapshot_secs": 60, "copy_secs": 600, "stale_read_secs": STALE_SECS }))
        .await;
    let request = json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" });
    let run = stage.ask("ana", "one", request).await;
    throttle_for_a_minute(&mut stage).await;
    for operation in ["CreateDBClusterSnapshot", "CopyDBClusterSnapshot"] {
        stage.world.fault("lose", json!({ "service": "rds", "operation": operation })).await;
    }
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    for id in ["snapshot-orders", "copy-orders"] {
        assert_eq!(step(&view, id)["attempt"], json!(1), "{}", brief(&view));
    }
    assert_eq!(stage.effects().await, ["snapshot-created us-east-1", "snapshot-copied us-west-2"]);
    assert_eq!(stage.points().await.len(), 2);
}

/// Goal: the same for a failover: one writer moves once.
/// Method: throttled before the promotion; the answers to the promotion and to the marker are lost.
#[tokio::test]
async fn a_failover_through_bad_weather() {
    let mut stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 40, "stale_read_secs": STALE_SECS })).await;
    let run = stage.ask("ana", "one", failover("forced")).await;
    throttle_for_a_minute(&mut stage).await;
    for (service, operation) in [("rds", "FailoverGlobalCluster"), ("s3", "PutObject")] {
        stage.world.fault("lose", json!({ "service": service, "operation": operation })).await;
    }
    let view = stage.carry(&run, &["ben", "dan"]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(
        stage.effects().await,
        ["global-failover-begun us-west-2", "writer-moved us-west-2"]
    );
}

/// A runbook of the user's own around the one call that AWS would carry out twice.
const OTHER_WRITER: &str = "
name: other-writer
title: Make another instance of the active cluster the writer
way_back: other-writer
steps:
  - id: approve
    title: Ask for it
    do: approval
    with: { role: approver, approvals: 1 }
    limit: 10m
  - id: move
    title: Make another instance the writer
    each: databases
    do: failover-in-region
    with: { at: active }
    expect: another instance writes
    limit: 10m
    attempts: 1
";

/// Goal: `FailoverDBCluster` is never sent twice, whatever the process and the wire go through.
/// Method: it is killed before the call, after it, and its answer is lost. Where nothing tells whether
/// the call was sent, the run pauses and says so, and a person who has looked has it tried.
#[tokio::test]
async fn the_irreversible_call_is_sent_once() {
    for fate in ["killed before", "killed after", "reply lost"] {
        let Some(mut stage) = Stage::with("[]", OTHER_WRITER).await else { return };
        stage.world.set(json!({ "instance_failover_secs": 30 })).await;
        let request =
            json!({ "runbook": "other-writer", "application": "shop", "reason": "a test" });
        let run = stage.ask("ana", fate, request).await;
        stage.settle().await;
        // What the start has listed is too old by then.
        stage.world.pass(2);
        stage.settle().await;
        let base = stage.last_call().await;
        // The approval asks nobody; then comes one look, and then the call.
        let pid = stage.daemon.pid();
        match fate {
            "killed before" => stage.world.kill(pid, base + 2, "before").await,
            "killed after" => stage.world.kill(pid, base + 2, "after").await,
            _ => stage.world.fault("lose", json!({ "operation": "FailoverDBCluster" })).await,
        }
        let mut asked = false;
        stage
            .until("it has ended, or asks", async |stage| {
                stage.daemon.approve("ben", &run).await;
                let Some(view) = stage.daemon.run(&run).await else { return false };
                asked = view["status"] == "paused_by_gate";
                asked || view["open"] == false
            })
            .await;
        assert_eq!(stage.world.calls("FailoverDBCluster").await.len(), 1, "{fate}");
        let happened = stage.world.count("instance-failover-done").await;
        let view = stage.view(&run).await;
        if fate == "killed before" {
            assert!(asked && happened == 0, "{}", brief(&view));
            let why = view["waits"][0]["reason"].as_str().expect("a reason");
            assert!(why.contains("it may have been sent"), "{why}");
        } else {
            assert!(!asked && happened == 1, "{fate}: {}", brief(&view));
            assert_eq!(view["status"], "succeeded", "{fate}: {}", brief(&view));
        }
    }
}
