//! Who writes: switchover, failover with the old region gone, failover inside a region.

use muster_state::call::{CallError, Progress};
use muster_tests::emulator::{
    EAST, Emulator, WEST,
    aws::cluster_arn,
    calls::{application, call, carry_out, look},
};
use serde_json::{Value, json};

use super::world;

async fn pair(world: &Emulator) {
    world.global_pair().await;
    world.lag(WEST, "orders-west", json!(1_500)).await;
}

/// Goal: a planned switch is asked of the writer's region, watched from the target's, and done only
/// when an instance there writes.
/// Method: registration, waiting and switching take their time; the state is empty at first.
#[tokio::test]
async fn a_switchover_moves_the_writer() {
    let mut world = world!();
    pair(&world).await;
    world
        .set(json!({ "global_register_secs": 5, "global_pending_secs": 5, "switchover_secs": 20 }))
        .await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let with = json!({ "to": "standby" });
    let mut switching = call(&world, &shop, "switchover-database", with);
    let moved = carry_out(&mut world, &real, &mut switching, 4).await;
    assert!(
        moved.seen.iter().any(|seen| seen.starts_with("switching-over to")),
        "{:?}",
        moved.seen
    );
    assert_eq!(moved.done.outputs["writer"], json!(cluster_arn(WEST, "orders-west")));
    assert_eq!(moved.done.outputs["data_loss"], json!("0s"));
    assert_eq!(world.count("writer-moved").await, 1);
    let calls = world.calls("SwitchoverGlobalCluster").await;
    assert!(calls.iter().all(|call| call["region"] == EAST), "{calls:?}");
    // A request before it is registered meets the fault that AWS has for it, and waits.
    assert!(
        moved.begins > 1 && moved.seen.iter().any(|seen| seen.starts_with("busy")),
        "{moved:?}"
    );

    // The way back, from the other side.
    let with = json!({ "to": "active" });
    let mut back = call(&world, &shop, "switchover-database", with);
    let back = carry_out(&mut world, &real, &mut back, 4).await;
    assert_eq!(back.done.outputs["writer"], json!(cluster_arn(EAST, "orders-east")));
    assert_eq!(world.calls("SwitchoverGlobalCluster").await.last().unwrap()["region"], WEST);
}

/// Goal: a failover needs nothing of the region that is lost (facts §5.2), and its reply may be lost.
/// Method: us-east-1 takes calls and never answers; so does Route 53, which signs for it. The reply to
/// the one irreversible call is lost.
#[tokio::test]
async fn a_failover_needs_nothing_of_the_old_region() {
    let mut world = world!();
    pair(&world).await;
    world.set(json!({ "failover_secs": 60 })).await;
    world.fault("silence", json!({ "region": EAST, "how": "hang" })).await;
    world.fault("lose", json!({ "service": "rds", "operation": "FailoverGlobalCluster" })).await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);

    let mut predicting = call(&world, &shop, "predict-loss", json!({}));
    let predicted = carry_out(&mut world, &real, &mut predicting, 1).await.done;
    assert_eq!(predicted.outputs["data_loss"], json!("1m 1s 500ms"));
    assert_eq!(predicted.outputs["path"], json!("failover"));

    // The old side does not answer: nothing is proven, and nobody waits long.
    let mut fencing = call(&world, &shop, "fence", json!({}));
    fencing.best_effort = true;
    assert!(matches!(look(&world, &real, &mut fencing).await, Progress::InProgress { .. }));
    world.pass(20);
    let Progress::Done(fenced) = look(&world, &real, &mut fencing).await else { panic!() };
    assert_eq!(fenced.outputs["verdict"], json!("impossible"));

    let with = json!({ "to": "standby", "data_loss_max": "5m" });
    let mut failing = call(&world, &shop, "failover-database", with);
    let moved = carry_out(&mut world, &real, &mut failing, 5).await;
    let lost = format!("no answer from rds {WEST} to FailoverGlobalCluster");
    assert!(moved.seen[1].starts_with(&lost), "{:?}", moved.seen);
    assert_eq!(moved.begins, 1, "{:?}", moved.seen);
    assert_eq!(moved.done.outputs["writer"], json!(cluster_arn(WEST, "orders-west")));
    assert_eq!(world.count("global-failover-begun").await, 1);
    // Counted up to the moment at which the new writer was seen, from the sample before the request.
    let lost = moved.done.outputs["data_loss"].as_str().unwrap();
    assert!(lost.parse::<muster_runbooks::value::Span>().unwrap().secs() >= 120, "{lost}");
    assert!(moved.done.notes[0].contains("made no write of its own"));
    let calls = world.calls("FailoverGlobalCluster").await;
    assert!(calls.iter().all(|call| call["region"] == WEST), "{calls:?}");

    // The region comes back: the old side says itself that it only reads.
    world.heal().await;
    let Progress::Done(fenced) = look(&world, &real, &mut fencing).await else { panic!() };
    assert_eq!(fenced.outputs["verdict"], json!("proven"));
}

/// Goal: what was lost is not what users wait for: a promotion that is seen is done.
/// Method: the standby's metrics do not answer from the request on.
#[tokio::test]
async fn a_promotion_does_not_wait_for_its_figures() {
    let mut world = world!();
    pair(&world).await;
    world.fault("silence", json!({ "service": "cloudwatch", "how": "reset" })).await;
    let real = world.real(Vec::new()).await;
    let with = json!({ "to": "standby", "data_loss_max": "5m" });
    let mut failing = call(&world, &application(Value::Null), "failover-database", with);
    let moved = carry_out(&mut world, &real, &mut failing, 5).await;
    assert_eq!(moved.done.outputs["writer"], json!(cluster_arn(WEST, "orders-west")));
    assert_eq!(moved.done.outputs["data_loss"], json!("unknown"), "and never zero");
    let by = moved.done.outputs["measured_by"].as_str().unwrap();
    assert!(by.contains("cloudwatch us-west-2 does not answer"), "{by}");
    assert_eq!(world.count("writer-moved").await, 1);
}

/// Goal: stale reads neither end a failover early nor start a second one.
/// Method: every description is 30 seconds old, and so "nothing in progress" for long.
#[tokio::test]
async fn stale_reads_start_no_second_failover() {
    let mut world = world!();
    pair(&world).await;
    world.set(json!({ "failover_secs": 60, "stale_read_secs": 30 })).await;
    let real = world.real(Vec::new()).await;
    let with = json!({ "to": "standby", "data_loss_max": null });
    let mut failing = call(&world, &application(Value::Null), "failover-database", with);
    let moved = carry_out(&mut world, &real, &mut failing, 10).await;
    assert!(moved.begins > 1, "{moved:?}");
    assert_eq!(world.count("global-failover-begun").await, 1);
    assert_eq!(world.count("writer-moved").await, 1);
}

/// Goal: an operation that somebody else began is not taken for ours.
#[tokio::test]
async fn somebody_elses_failover_is_not_ours() {
    let world = world!();
    pair(&world).await;
    world.set(json!({ "failover_secs": 60 })).await;
    let west = cluster_arn(WEST, "orders-west");
    let with = [
        ("GlobalClusterIdentifier", "orders"),
        ("TargetDbClusterIdentifier", west.as_str()),
        ("AllowDataLoss", "true"),
    ];
    world.rds(WEST, "FailoverGlobalCluster", &with).await;
    let real = world.real(Vec::new()).await;
    let with = json!({ "to": "standby" });
    let mut switching = call(&world, &application(Value::Null), "switchover-database", with);
    let seen = look(&world, &real, &mut switching).await;
    assert!(seen.to_string().contains("data loss allowed"), "{seen}");
}

/// Goal: a failover inside a region is sent once, whatever becomes of the answer (facts §8: a second
/// call fails over again).
/// Method: lose the reply, and look on until the other instance writes.
#[tokio::test]
async fn a_failover_inside_a_region_happens_once() {
    let mut world = world!();
    pair(&world).await;
    world.set(json!({ "instance_failover_secs": 30 })).await;
    world.fault("lose", json!({ "service": "rds", "operation": "FailoverDBCluster" })).await;
    let real = world.real(Vec::new()).await;
    let with = json!({ "at": "active" });
    let mut failing = call(&world, &application(Value::Null), "failover-in-region", with);
    let moved = carry_out(&mut world, &real, &mut failing, 5).await;
    assert_eq!(moved.begins, 1, "{:?}", moved.seen);
    assert_eq!(moved.done.outputs["writer"], json!("orders-east-2"));
    assert_eq!(failing.aim.unwrap().before, json!({ "writer": "orders-east-1" }));
    assert_eq!(world.calls("FailoverDBCluster").await.len(), 1);
    assert_eq!(world.count("instance-failover-done").await, 1);
}

/// Goal: readiness is what both sides and fresh samples say; unknown is never ready.
/// Method: no sample, then one, then a sick cluster, then a dead region.
#[tokio::test]
async fn readiness_is_never_guessed() {
    let mut world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let mut checking = call(&world, &shop, "check-readiness", json!({ "lag_max": "2m" }));
    let seen = look(&world, &real, &mut checking).await.to_string();
    assert!(seen.contains("the lag is unknown"), "{seen}");
    let mut replicating = call(&world, &shop, "check-replication", json!({ "lag_max": "2m" }));
    let seen = look(&world, &real, &mut replicating).await;
    assert!(matches!(seen, Progress::Failed { .. }), "{seen}");
    let mut predicting = call(&world, &shop, "predict-loss", json!({}));
    let Progress::Done(predicted) = look(&world, &real, &mut predicting).await else { panic!() };
    assert_eq!(predicted.outputs["data_loss"], json!("unknown"));

    world.lag(WEST, "orders-west", json!(1_500)).await;
    let ready = carry_out(&mut world, &real, &mut checking, 5).await.done;
    assert_eq!(ready.outputs["path"], json!("switchover"));
    assert!(matches!(look(&world, &real, &mut replicating).await, Progress::Done(_)));
    // The samples end; eleven minutes later nothing is known again.
    world.lag(WEST, "orders-west", Value::Null).await;
    world.pass(11 * 60);
    let seen = look(&world, &real, &mut replicating).await;
    assert!(seen.to_string().contains("the lag is unknown"), "{seen}");

    world.status(WEST, "instance", "orders-west-1", "failed").await;
    world.status(WEST, "instance", "orders-west-2", "failed").await;
    let seen = look(&world, &real, &mut checking).await;
    assert!(seen.to_string().contains("no available instance"), "{seen}");
    world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    // What was listed within the last second would still do.
    world.pass(2);
    checking.asked_at = world.now();
    let why = real.observe(&checking).await.unwrap_err();
    assert!(matches!(why, CallError::NoAnswer { .. }), "{why}");
}

/// Goal: where a database is written is known as long as one side answers, and unknown after that.
/// Method: ask with both sides, with one, with none, and after the writer has moved.
#[tokio::test]
async fn the_writer_is_found_from_either_side() {
    let mut world = world!();
    pair(&world).await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let written = async || real.locate(&shop).await.writers.into_values().next().unwrap();
    let (east, west) = (Ok(EAST.parse().unwrap()), Ok(WEST.parse().unwrap()));
    assert_eq!(written().await, east);
    world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    world.pass(2);
    assert_eq!(written().await, east, "the standby says it too");

    let with = json!({ "to": "standby", "data_loss_max": "5m" });
    let mut failing = call(&world, &shop, "failover-database", with);
    carry_out(&mut world, &real, &mut failing, 5).await;
    assert_eq!(written().await, west);
    world.fault("silence", json!({ "region": WEST, "how": "reset" })).await;
    world.pass(2);
    let why = written().await.unwrap_err();
    assert_eq!(why, "no answer from rds us-east-1 to DescribeGlobalClusters");
    let users = real.locate(&shop).await.users;
    assert_eq!(users, None, "no traffic is declared");
}
