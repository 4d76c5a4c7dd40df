//! A restore test by the real process: what it makes it takes away, whatever becomes of the process and
//! of the restore.

use muster_tests::{
    emulator::WEST,
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::{stage, step};

/// What a restore test leaves at AWS, in order, when nothing goes wrong.
const EFFECTS: &[&str] = &[
    "cluster-created us-west-2",
    "password-managed us-west-2",
    "instance-created us-west-2",
    "instance-deleted us-west-2",
    "cluster-deleted us-west-2",
];

fn ask(runbook: &str) -> Value {
    json!({ "runbook": runbook, "application": "shop", "reason": "a test" })
}

/// A stage with a point at the standby, and things that take their time. Says how many effects there were.
async fn set(stage: &mut Stage) -> usize {
    let run = stage.ask("ana", "a backup", ask("daily-backup")).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let times = json!({
        "cluster_secs": 900, "instance_secs": 400, "teardown_secs": 120, "password_secs": 40,
    });
    stage.world.set(times).await;
    stage.tick_secs = 20;
    stage.world.effects().await.len()
}

/// Waits until something has happened at AWS for so many times.
async fn happened(stage: &mut Stage, before: usize, what: &str, times: usize) {
    stage
        .until(what, async |stage| {
            let effects = stage.world.effects_after(before).await;
            effects.iter().filter(|one| one.as_str() == what).count() >= times
        })
        .await;
}

async fn is_clean(stage: &Stage) -> bool {
    let clusters = stage.world.rds(WEST, "DescribeDBClusters", &[]).await;
    let instances = stage.world.rds(WEST, "DescribeDBInstances", &[]).await;
    assert!(clusters.contains("orders-west") && instances.contains("orders-west-1"));
    !clusters.contains("muster-drill") && !instances.contains("muster-drill")
}

/// What the tested point says.
async fn tested(stage: &Stage) -> Value {
    let points = stage.points().await;
    let mut tested = points.into_iter().filter(|point| !point["tested"].is_null());
    let one = tested.next().expect("a point was tested");
    assert!(tested.next().is_none(), "one point is tested");
    assert_eq!(one["region"], WEST);
    one
}

/// Goal: a restore test survives `kill -9` while the cluster is restored, while the instance starts and
/// while the cluster is deleted: each thing is made once and taken away once, and the point is stamped
/// with what was measured.
/// Method: kill the process right after each of these has begun at AWS, and start it again.
#[tokio::test]
async fn a_restore_test_survives_kills_and_leaves_nothing() {
    let mut stage = stage!("[]");
    let before = set(&mut stage).await;
    let run = stage.ask("ana", "a test", ask("restore-test")).await;
    for what in [EFFECTS[0], EFFECTS[2], EFFECTS[4]] {
        happened(&mut stage, before, what, 1).await;
        stage.crash();
    }
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(stage.world.effects_after(before).await, EFFECTS, "{}", brief(&view));
    assert!(stage.figures.restarts >= 3);
    assert!(is_clean(&stage).await);

    let point = tested(&stage).await;
    let test = &point["tested"];
    assert_eq!(test["run"], json!(run));
    for (part, status) in
        [("restore", "succeeded"), ("validation", "not_done"), ("clean_up", "succeeded")]
    {
        assert_eq!(test[part]["status"], status, "{test:#}");
    }
    let took = test["took"]["secs"].as_u64().expect("a length");
    assert!((1_340..2_400).contains(&took), "{took}");
    assert_eq!(step(&view, "start-orders")["outputs"]["restore_took"], test["took"]["text"]);
    assert_eq!(point["verified_at"], Value::Null, "no check proved its data");
    let metrics = stage.metrics().await;
    let of = "{application=\"shop\",component=\"orders\",region=\"us-west-2\"}";
    for line in [format!("restore_test_seconds{of} {took}.0"), format!("restore_test_well{of} 1.0")]
    {
        assert!(metrics.contains(&format!("muster_{line}")), "{line}: {metrics}");
    }
    assert!(!metrics.contains(&format!("restore_proven_age_seconds{of}")), "nothing is proven");
    // Whatever is written down, read by anybody: no password.
    let events = stage.daemon.get(&format!("/v1/runs/{run}/events?limit=200")).await;
    let (status, events) = events.expect("an answer");
    let said = format!("{status} {events} {view}").to_lowercase();
    assert!(said.contains("secretsmanager") && !said.contains("masteruserpassword"), "{said}");
    assert!(!said.contains("only-for-tests"));
}

/// Goal: a restore that fails is tried again, taken away with what the first try left, stamped as failed,
/// and told.
/// Method: put each restored cluster in a state that it does not leave.
#[tokio::test]
async fn a_restore_that_fails_is_taken_away_too() {
    let mut stage = stage!("[]");
    let before = set(&mut stage).await;
    let run = stage.ask("ana", "a test", ask("restore-test")).await;
    for attempt in 1..=2 {
        happened(&mut stage, before, EFFECTS[0], attempt).await;
        let name = format!("muster-drill-{run}-restore-orders-{attempt}");
        stage.world.status(WEST, "cluster", &name, "incompatible-restore").await;
    }
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded_with_exceptions", "{}", brief(&view));
    let effects = stage.world.effects_after(before).await;
    let wanted = [EFFECTS[0], EFFECTS[0], EFFECTS[4], EFFECTS[4]];
    assert_eq!(effects, wanted, "{}", brief(&view));
    assert!(is_clean(&stage).await);
    let test = tested(&stage).await["tested"].clone();
    assert_eq!(test["restore"]["status"], "failed", "{test:#}");
    assert_eq!(test["clean_up"]["status"], "succeeded", "{test:#}");
    assert!(test["because"].as_str().unwrap().contains("incompatible-restore"), "{test:#}");
    let (_, shop) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    let findings = shop["findings"].as_array().expect("a list");
    let own = findings.iter().find(|one| one["id"] == "restore-test-orders");
    let own = own.unwrap_or_else(|| panic!("no finding of its own: {shop:#}"));
    assert!(own["message"].as_str().unwrap().contains("restore failed"), "{own:#}");
}
