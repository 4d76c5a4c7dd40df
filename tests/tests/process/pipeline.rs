//! The line in a pipeline that takes a snapshot before a deployment.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
};

use muster_tests::{
    daemon::{PEOPLE, binary},
    stage::Stage,
};
use serde_json::json;

use super::stage;

/// Types the line as a pipeline would: no terminal, everything else from the environment.
fn line(stage: &Stage, wait: &[&str]) -> Child {
    let (_, _, token) = PEOPLE.iter().find(|(name, ..)| *name == "ana").expect("ana");
    Command::new(binary())
        .args(["run", "pre-deployment-snapshot", "--input", "schema_version=v42"])
        .args(wait)
        .env("MUSTER_SERVER", stage.daemon.base())
        .env("MUSTER_TOKEN", token)
        .env("MUSTER_APPLICATION", "shop")
        .env("MUSTER_REASON", "deploy 7f3a")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command line starts")
}

/// Waits until it has ended, and returns its exit code and what it printed.
async fn ended(stage: &mut Stage, mut line: Child) -> (Option<i32>, String) {
    let mut code = None;
    stage
        .until("the line ends", async |_| {
            code = line.try_wait().expect("it can be waited for");
            code.is_some()
        })
        .await;
    let mut said = String::new();
    for pipe in [
        line.stdout.take().map(|out| Box::new(out) as Box<dyn Read>),
        line.stderr.take().map(|err| Box::new(err) as Box<dyn Read>),
    ] {
        pipe.expect("piped").read_to_string(&mut said).expect("text");
    }
    (code.and_then(|status| status.code()), said)
}

/// Goal: a deployment goes on as soon as its snapshot is there, and not before; the copy goes on
/// behind it. Without the snapshot it stops, and says why.
/// Method: the real command line without a terminal; a snapshot of two minutes and a copy of two
/// hours; then a region that is full.
#[tokio::test]
async fn a_pipeline_waits_for_its_snapshot() {
    let mut stage = stage!("[]");
    stage.world.set(json!({ "snapshot_secs": 120, "copy_secs": 7200 })).await;
    let began = stage.world.now();
    let first = line(&stage, &["--wait-for", "snapshot"]);
    let (code, said) = ended(&mut stage, first).await;
    assert_eq!(code, Some(0), "{said}");
    let took = stage.world.now().duration_since(began).as_secs();
    assert!((120..600).contains(&took), "after {took} s\n{said}");
    for part in [
        "snapshot of orders, schema v42: arn:aws:rds:us-east-1:",
        "restoring it loses every write since",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let open = stage.open_runs().await;
    let id = open[0]["id"].as_str().expect("a run").to_owned();
    assert!(said.contains(&format!("next: muster watch {id}")), "{said}");
    stage.tick_secs = 300;
    let view = stage.carry(&id, &[]).await;
    assert_eq!(view["status"], "succeeded");

    stage.world.set(json!({ "snapshots_max": 1 })).await;
    let second = line(&stage, &["--wait"]);
    let (code, said) = ended(&mut stage, second).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("SnapshotQuotaExceeded"), "{said}");
}
