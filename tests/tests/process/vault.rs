//! The nightly backup of a database with a vault, by the real daemon.

use muster_tests::{
    emulator::{EAST, WEST, accounts::VAULT},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::step;

macro_rules! stage {
    () => {
        match Stage::with_vault("[]").await {
            Some(stage) => stage,
            None => return,
        }
    };
}

fn backup() -> Value {
    json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" })
}

/// What happened to snapshots, in order.
async fn told(stage: &Stage) -> Vec<String> {
    let effects = stage.effects().await;
    effects.into_iter().filter(|what| what.starts_with("snapshot")).collect()
}

fn whole() -> Vec<String> {
    [
        "snapshot-created us-east-1".to_owned(),
        "snapshot-copied us-west-2".to_owned(),
        "snapshot-shared us-west-2".to_owned(),
        format!("snapshot-copied us-west-2/{VAULT}"),
        "snapshot-unshared us-west-2".to_owned(),
    ]
    .into()
}

/// Goal: a night leaves a point on each side and one in the other account, told apart by its account, and
/// nothing shared.
/// Method: the shipped backup over copies that take an hour.
#[tokio::test]
async fn a_night_reaches_the_other_account() {
    let mut stage = stage!();
    stage.world.set(json!({ "snapshot_secs": 120, "copy_secs": 3600 })).await;
    stage.tick_secs = 300;
    let run = stage.ask("ana", "one", backup()).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(told(&stage).await, whole());
    assert_eq!(stage.world.shared().await, Vec::<String>::new());
    let points = stage.points().await;
    let places: Vec<(&str, &str)> = points
        .iter()
        .map(|point| (point["region"].as_str().unwrap(), point["account"].as_str().unwrap()))
        .collect();
    for place in [(EAST, "123456789012"), (WEST, "123456789012"), (WEST, VAULT)] {
        assert!(places.contains(&place), "{place:?}: {places:?}");
    }
    let data: Vec<&Value> = points.iter().map(|point| &point["data_at"]).collect();
    assert!(data.windows(2).all(|pair| pair[0] == pair[1]), "{data:?}");
}

/// Goal: a process that dies between the begin of the copy and the end of the share copies once, and takes
/// the share back.
/// Method: kill it when the copy has begun, twice, the second time while it copies.
#[tokio::test]
async fn killed_between_copy_and_end_of_share() {
    let mut stage = stage!();
    stage.world.set(json!({ "copy_secs": 600, "stale_read_secs": 20 })).await;
    let run = stage.ask("ana", "one", backup()).await;
    let begun = format!("snapshot-copied us-west-2/{VAULT}");
    stage.until("the copy has begun", async |stage| told(stage).await.contains(&begun)).await;
    stage.crash();
    stage.revive().await;
    stage.world.pass(60);
    stage.settle().await;
    assert_eq!(stage.world.shared().await.len(), 1, "it is still shared");
    stage.crash();
    stage.revive().await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(told(&stage).await, whole());
    assert_eq!(stage.world.shared().await, Vec::<String>::new());
}

/// Goal: a vault that lets nobody in costs the backup nothing, and leaves nothing shared.
/// Method: close its role for the night.
#[tokio::test]
async fn a_closed_vault_leaves_no_share() {
    let mut stage = stage!();
    stage.world.set(json!({ "roles_closed": true })).await;
    let run = stage.ask("ana", "one", backup()).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded_with_exceptions", "{}", brief(&view));
    let copy = step(&view, "vault-copy-orders");
    assert_eq!(copy["state"], "failed", "{}", brief(&view));
    assert!(copy["fault"].to_string().contains("AccessDenied"), "{copy}");
    let shares = ["snapshot-shared us-west-2", "snapshot-unshared us-west-2"];
    assert_eq!(told(&stage).await[2..], shares);
    assert_eq!(stage.world.shared().await, Vec::<String>::new());
}

/// Goal: a run that is given up while it copies takes the share back too.
/// Method: abandon it once the copy has begun.
#[tokio::test]
async fn a_run_that_is_given_up_leaves_no_share() {
    let mut stage = stage!();
    stage.world.set(json!({ "copy_secs": 3600 })).await;
    let run = stage.ask("ana", "one", backup()).await;
    let begun = format!("snapshot-copied us-west-2/{VAULT}");
    stage.until("the copy has begun", async |stage| told(stage).await.contains(&begun)).await;
    assert_eq!(stage.world.shared().await.len(), 1);
    stage.say("ana", &run, "abandon").await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["open"], false, "{}", brief(&view));
    assert_eq!(stage.world.shared().await, Vec::<String>::new(), "{}", brief(&view));
}
