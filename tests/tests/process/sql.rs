//! The canary and the checks of data: a real daemon, a real PostgreSQL with a replica, emulated AWS.

use std::{fs, process::Command};

use muster_tests::{
    daemon::binary,
    emulator::{EAST, WEST},
    postgres::{Postgres, Side},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::{stage, step};

/// The password of both roles; it must stand nowhere that people read.
const PASSWORD: &str = "a-password-that-nobody-shows";

/// Gives the database of the stage its SQL and whatever `more` says of the application, and starts the
/// daemon anew with that.
pub(super) async fn declare(stage: &mut Stage, postgres: &Postgres, more: impl FnOnce(&mut Value)) {
    let file = stage.folder().join("shop.yaml");
    let mut shop: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    // The emulator replicates no objects, and nobody waits here for some that never come.
    shop["buckets"] = json!([]);
    let database = &mut shop["databases"][0];
    database["sql"] = json!({
        "database": "postgres", "user": "reader", "password_env": "MUSTER_TEST_READER",
        "sslmode": "disable",
        "endpoints": {
            EAST: postgres.endpoint(Side::Primary), WEST: postgres.endpoint(Side::Replica),
        },
    });
    database["canary"] = json!({
        "schema": "muster", "every": "5s", "user": "muster_canary",
        "password_env": "MUSTER_TEST_CANARY",
    });
    database["checks"] = json!([
        { "name": "enough", "rows": { "table": "orders", "at_least": 3 } },
        { "name": "fresh", "canary_age": { "max": "10m" } },
    ]);
    more(&mut shop);
    // A line for each key, as people write a file and `muster canary grant` knows one.
    let lines = shop.as_object().unwrap().iter().map(|(key, value)| format!("{key}: {value}\n"));
    fs::write(&file, lines.collect::<String>()).unwrap();
    let printed = Command::new(binary())
        .args(["canary", "grant", "--application"])
        .arg(&file)
        .output()
        .unwrap();
    let sql = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    postgres.run("create table orders (id int); insert into orders values (1), (2), (3)").await;
    postgres.run(&sql).await;
    postgres
        .run(&format!(
            "alter role muster_canary password '{PASSWORD}';
             create role reader login password '{PASSWORD}';
             grant select on orders to reader;
             grant usage on schema muster to reader; grant select on muster.canary to reader;"
        ))
        .await;
    for variable in ["MUSTER_TEST_READER", "MUSTER_TEST_CANARY"] {
        stage.setup.env.push((variable.to_owned(), PASSWORD.to_owned()));
    }
    stage.crash();
    stage.revive().await;
}

async fn application(stage: &Stage) -> Value {
    let (status, view) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    assert_eq!(status, 200, "{view}");
    view
}

/// Waits until the canary shows a lag, or until it no longer does.
async fn until_canary(stage: &mut Stage, is_known: bool) {
    stage
        .until("the canary is seen, or no longer", async |stage| {
            let view = application(stage).await;
            let canary = &view["canaries"][0];
            assert_ne!(canary["lag"]["text"], json!(""), "{canary}");
            canary["lag"]["secs"].is_null() != is_known
        })
        .await;
}

/// Waits until a finding stands, or until it is gone.
async fn until_found(stage: &mut Stage, id: &str, stands: bool) {
    stage
        .until("a finding is there, or gone", async |stage| {
            application(stage).await["findings"].to_string().contains(id) == stands
        })
        .await;
}

fn request(runbook: &str) -> Value {
    json!({ "runbook": runbook, "application": "shop", "reason": "a test" })
}

const LAG: &str =
    "muster_replication_lag_seconds{application=\"shop\",component=\"orders\",source=\"canary\"}";

/// Goal: an owner runs what `muster canary grant` prints, and from then on the replication check, the
/// API, the page and the metrics say what was measured; when the standby cannot be read they say that
/// nobody knows. The data is checked by a runbook, what it counted is remembered, and a table that
/// lost its rows is a finding until they are back. No password stands anywhere.
/// Method: the real binary over the emulated AWS and a real primary with its replica.
#[tokio::test]
async fn what_is_measured_is_shown() {
    let mut stage = stage!("[]");
    let Some(mut postgres) = Postgres::start().await else { return };
    postgres.replicate().await;
    declare(&mut stage, &postgres, |_| {}).await;
    until_canary(&mut stage, true).await;
    assert!(stage.metrics().await.contains(LAG), "{}", stage.metrics().await);
    let page = stage.daemon.get("/").await.expect("a page").1.to_string();
    assert!(page.contains("Replication, measured") && page.contains("behind"), "{page}");

    let run = stage.ask("ana", "replication", request("replication-check")).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let measured = &step(&view, "measure-lag-orders")["outputs"]["canary_lag"];
    assert!(measured.as_str().is_some_and(|lag| lag != "unknown"), "{measured}");

    let run = stage.ask("ana", "good", request("data-check")).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let outputs = &step(&view, "check-data-orders")["outputs"];
    assert_eq!((&outputs["rows"], &outputs["proves_data"]), (&json!("orders 3"), &json!(true)));
    postgres.run("delete from orders").await;
    postgres.settled().await;
    let run = stage.ask("ana", "bad", request("data-check")).await;
    let view = stage.carry(&run, &[]).await;
    let fault = step(&view, "check-data-orders")["fault"].to_string();
    assert!(fault.contains("`orders` has 0 rows, fewer than 3"), "{}", brief(&view));
    let found = application(&stage).await["findings"].to_string();
    assert!(found.contains("check-sql-orders"), "{found}");
    postgres.run("insert into orders values (1), (2), (3)").await;
    let run = stage.ask("ana", "mended", request("data-check")).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let found = application(&stage).await["findings"].to_string();
    assert!(!found.contains("check-sql-orders"), "{found}");

    postgres.stop(Side::Replica);
    until_canary(&mut stage, false).await;
    assert!(!stage.metrics().await.contains(LAG), "unknown is no number");
    let shown = application(&stage).await["canaries"][0].to_string();
    assert!(shown.contains("us-west-2 cannot be read"), "{shown}");
    until_found(&mut stage, "canary-unknown/orders", true).await;
    postgres.launch(Side::Replica).await;
    until_canary(&mut stage, true).await;
    until_found(&mut stage, "canary-unknown/orders", false).await;

    stage.crash();
    let log = fs::read_to_string(stage.folder().join("muster.log")).unwrap();
    assert!(!log.contains(PASSWORD), "{log}");
    for entry in fs::read_dir(stage.setup.state().join("log")).unwrap().flatten() {
        let bytes = fs::read(entry.path()).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!holds(PASSWORD), "{:?}", entry.path());
        assert!(holds("canary_granted") && holds("rows_counted"), "what was done is recorded");
    }
}
