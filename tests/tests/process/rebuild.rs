//! A region is built anew by the real process: each build, cluster and instance once, whatever becomes of the
//! process meanwhile.

use muster_tests::{
    emulator::{EAST, WEST},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::step;

fn rebuild(manner: &str) -> Value {
    json!({
        "runbook": "environment-rebuild", "application": "shop", "manner": manner,
        "reason": "it is gone", "inputs": { "data_loss_max": "24h" },
    })
}

/// What AWS does takes its time.
async fn slow(stage: &mut Stage) {
    let times = json!({ "cluster_secs": 600, "instance_secs": 300, "build_secs": 900 });
    stage.world.set(times).await;
    stage.tick_secs = 20;
}

/// Kills the process as soon as something has happened at AWS for so many times.
async fn killed_at(stage: &mut Stage, before: usize, what: &str, times: usize, approver: &str) {
    stage
        .until(what, async |stage| {
            for run in stage.open_runs().await {
                stage.daemon.approve(approver, run["id"].as_str().unwrap_or_default()).await;
            }
            let effects = stage.world.effects_after(before).await;
            effects.iter().filter(|one| one.as_str() == what).count() >= times
        })
        .await;
    stage.crash();
}

/// The effects of one kind, and how many there were.
fn count(effects: &[String], what: &str) -> usize {
    effects.iter().filter(|one| one.as_str() == what).count()
}

/// Goal: when everything is gone, users are served at the standby from its newest recovery point: one build of each
/// kind, one restored cluster with one instance, one global cluster; killed in the middle of each, it finishes.
/// Method: both clusters and the global one are taken away and the active region falls silent; the real process is
/// killed right after each build, the restore and the instance have begun at AWS. The builds are real processes.
#[tokio::test]
async fn everything_is_built_anew_although_the_process_is_killed() {
    let Some(mut stage) = Stage::rebuildable().await else { return };
    let backup = json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" });
    let run = stage.ask("ana", "a backup", backup).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    stage.world.lose_cluster(WEST, "orders-west", "orders").await;
    stage.world.lose_cluster(EAST, "orders-east", "orders").await;
    let gone = [("GlobalClusterIdentifier", "orders")];
    stage.world.rds(EAST, "DeleteGlobalCluster", &gone).await;
    stage.world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    stage.observers.set(503);
    stage.world.pass(120);
    slow(&mut stage).await;

    let before = stage.world.effects().await.len();
    let run = stage.ask("ana", "all is lost", rebuild("forced")).await;
    for (what, times) in [
        ("build-started us-west-2", 1),
        ("cluster-created us-west-2", 1),
        ("build-started us-west-2", 2),
        ("instance-created us-west-2", 1),
    ] {
        killed_at(&mut stage, before, what, times, "ben").await;
    }
    let view = stage.carry(&run, &["ben"]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert!(stage.figures.restarts >= 4);

    let effects = stage.world.effects_after(before).await;
    for (what, times) in [
        ("build-started us-west-2", 2),
        ("build-succeeded us-west-2", 2),
        ("cluster-created us-west-2", 1),
        ("instance-created us-west-2", 1),
    ] {
        assert_eq!(count(&effects, what), times, "{what}: {effects:?}");
    }
    assert_eq!(step(&view, "restore-orders")["outputs"]["made"], "by-restore");
    assert_eq!(step(&view, "start-instance-orders")["outputs"]["made"], "by-this-step");
    let clusters = stage.world.rds(WEST, "DescribeDBClusters", &[]).await;
    assert!(clusters.contains("<DeletionProtection>true<"), "{clusters}");
    assert!(clusters.contains("sg-0000000000000000b") && clusters.contains("muster:run"));
    let described = stage.world.rds(WEST, "DescribeGlobalClusters", &[]).await;
    assert!(
        described.contains("orders-west") && described.contains("<IsWriter>true<"),
        "{described}"
    );
    assert_eq!(step(&view, "shift-traffic")["outputs"]["answers"], "us-west-2 (198.51.100.1)");
    assert_eq!(step(&view, "verify-orders")["outputs"]["writer"], WEST);
}

/// Goal: a standby that was lost is there again, its data by replication: the build makes it a member, nothing is
/// restored, and users stay where they are.
/// Method: its cluster is taken away; the answer to the first StartBuild is lost although it was carried out, and the
/// process is killed while that build runs.
#[tokio::test]
async fn a_lost_standby_is_built_anew_by_one_build() {
    let Some(mut stage) = Stage::rebuildable().await else { return };
    stage.world.lose_cluster(WEST, "orders-west", "orders").await;
    slow(&mut stage).await;
    stage.world.set(json!({ "cluster_secs": 60, "instance_secs": 60 })).await;
    let lost = json!({ "service": "codebuild", "operation": "StartBuild" });
    stage.world.fault("lose", lost).await;

    let before = stage.world.effects().await.len();
    // The world itself was made by one.
    let made = stage.world.arrived("CreateGlobalCluster").await;
    let run = stage.ask("ana", "it is gone", rebuild("graceful")).await;
    killed_at(&mut stage, before, "build-started us-west-2", 1, "ben").await;
    stage.world.heal().await;
    let view = stage.carry(&run, &["ben"]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));

    let effects = stage.world.effects_after(before).await;
    for (what, times) in [
        ("build-started us-west-2", 2),
        ("build-succeeded us-west-2", 2),
        ("cluster-created us-west-2", 1),
        ("instance-created us-west-2", 1),
    ] {
        assert_eq!(count(&effects, what), times, "{what}: {effects:?}");
    }
    assert_eq!(stage.world.arrived("RestoreDBClusterFromSnapshot").await, 0);
    assert_eq!(stage.world.arrived("CreateGlobalCluster").await, made);
    assert_eq!(step(&view, "start-instance-orders")["outputs"]["made"], "by-others");
    assert_eq!(step(&view, "verify-orders")["outputs"]["writer"], EAST);
}
