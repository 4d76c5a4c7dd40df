//! Hooks around a snapshot: a real daemon, killed while one is asked.

use std::fs;

use muster_tests::{emulator::site::Site, stage::Stage};
use serde_json::{Value, json};

use super::{stage, step};

/// The token of the hooks; it must stand nowhere that people read.
const TOKEN: &str = "a-token-that-nobody-shows";

/// Declares hooks of the stage's database, and starts the daemon anew with them.
async fn declare(stage: &mut Stage, quiesce: &Site, go_on: &Site) {
    let file = stage.folder().join("shop.yaml");
    let mut shop: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let http = |site: &Site| json!({ "url": site.url(), "token_env": "MUSTER_TEST_HOOKS" });
    shop["databases"][0]["hooks"] = json!([
        { "name": "quiesce", "when": "before-snapshot", "limit": "30s", "on_error": "fail",
          "http": http(quiesce) },
        { "name": "go-on", "when": "after-snapshot", "limit": "30s", "on_error": "fail",
          "http": http(go_on) },
    ]);
    fs::write(&file, shop.to_string()).unwrap();
    stage.setup.env.push(("MUSTER_TEST_HOOKS".to_owned(), TOKEN.to_owned()));
    stage.crash();
    stage.revive().await;
}

fn keys(site: &Site) -> Vec<String> {
    let taken = site.taken().into_iter();
    let key = |head: String| {
        let line = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")?.into());
        line.map(str::to_owned).unwrap_or_default()
    };
    taken.map(|taken| key(taken.head)).collect()
}

fn backup() -> Value {
    json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" })
}

/// Goal: a process that dies while a hook is asked leaves an application that knows that it is asked
/// again, one snapshot, and an application that goes on.
/// Method: the site kills the daemon at the first request of a hook and leaves it unanswered; then the
/// same after the snapshot.
#[tokio::test]
async fn a_daemon_that_dies_at_a_hook_asks_again_under_the_same_key() {
    let mut stage = stage!("[]");
    let (quiesce, go_on) = (Site::start(200), Site::start(200));
    declare(&mut stage, &quiesce, &go_on).await;
    quiesce.kill(Some(stage.daemon.pid()), 1);
    let before = stage.world.effects().await.len();
    let restarts = stage.figures.restarts;
    let run = stage.ask("ana", "one", backup()).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{view:#}");
    assert_eq!(stage.figures.restarts, restarts + 1, "it was killed once");
    let left = stage.world.effects_after(before).await;
    assert_eq!(left, ["snapshot-created us-east-1", "snapshot-copied us-west-2"]);
    let key = format!("muster-{run}-before-snapshot-orders-1");
    assert_eq!(keys(&quiesce), [key.clone(), key]);
    assert_eq!(keys(&go_on), [format!("muster-{run}-after-snapshot-orders-1")]);
    assert_eq!(step(&view, "after-snapshot-orders")["outputs"]["ran"], 1);

    go_on.kill(Some(stage.daemon.pid()), 1);
    let run = stage.ask("ana", "two", backup()).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{view:#}");
    let key = format!("muster-{run}-after-snapshot-orders-1");
    assert_eq!(keys(&go_on)[1..], [key.clone(), key]);
    let text = format!("{view} {}", fs::read_to_string(stage.folder().join("shop.yaml")).unwrap());
    assert!(!text.contains(TOKEN) && !stage.daemon.said().contains(TOKEN));
}

/// Goal: without the hook that must not fail there is no snapshot, the application is let go at once
/// although the run waits for a person, and the next attempt begins from the start.
/// Method: a site that says no, and then yes.
#[tokio::test]
async fn no_snapshot_without_its_hook() {
    let mut stage = stage!("[]");
    let (quiesce, go_on) = (Site::start(503), Site::start(200));
    declare(&mut stage, &quiesce, &go_on).await;
    let before = stage.world.effects().await.len();
    let run = stage.ask("ana", "one", backup()).await;
    stage
        .until("it is let go, and waits for a person", async |stage| {
            let view = stage.view(&run).await;
            step(&view, "after-snapshot-orders")["state"] == "succeeded"
        })
        .await;
    let view = stage.view(&run).await;
    assert_eq!(view["status"], "paused_by_failed_step", "{view:#}");
    let said = step(&view, "before-snapshot-orders").to_string();
    assert!(said.contains("failed: hook `quiesce`: it answered 503"), "{said}");
    assert!(stage.world.effects_after(before).await.is_empty());
    assert_eq!((quiesce.taken().len(), go_on.taken().len()), (1, 1));

    quiesce.set(200);
    let path = format!("/v1/runs/{run}/steps/before-snapshot-orders/retry");
    let answer = stage.daemon.post("ana", &path, json!({ "reason": "it is well again" })).await;
    assert_eq!(answer.map(|(status, _)| status), Some(200));
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{view:#}");
    assert_eq!(keys(&quiesce)[1], format!("muster-{run}-before-snapshot-orders-2"));
    assert_eq!(keys(&go_on)[1], format!("muster-{run}-after-snapshot-orders-2"));
}
