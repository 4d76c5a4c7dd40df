//! A journal that comes back from a bucket.

use std::{
    path::Path,
    process::{Command, Output},
};

use muster_tests::{
    daemon::{self, Setup},
    emulator::{Emulator, WEST},
};
use serde_json::{Value, json};

use super::world;

/// A state directory with a few facts, and its export.
async fn exported(folder: &Path) -> String {
    let setup = Setup::write(folder, "");
    let mut daemon = setup.start().await;
    for number in 0..40 {
        let reason = "x".repeat(1_500);
        let ask = json!({ "runbook": "rehearsal", "reason": format!("{number} {reason}") });
        let (status, answer) = daemon.post("ana", "/v1/requests", ask).await.expect("an answer");
        assert_eq!(status, 202, "{answer}");
    }
    daemon.kill();
    let export = folder.join("all.export");
    let said = muster(&[], &["state", "export", &text(&folder.join("state")), &text(&export)]);
    assert!(said.status.success(), "{said:?}");
    std::fs::read_to_string(export).expect("an export")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn muster(env: &[(String, String)], words: &[&str]) -> Output {
    Command::new(daemon::binary())
        .args(words)
        .envs(env.iter().cloned())
        .output()
        .expect("muster runs")
}

fn restore(world: &Emulator, dir: &Path, from: &str) -> Output {
    muster(&world.env(), &["state", "restore", &text(dir), "--from", from, "--output", "json"])
}

fn head(dir: &Path) -> Value {
    let said = muster(&[], &["state", "verify", &text(dir), "--output", "json"]);
    assert!(said.status.success(), "{said:?}");
    let report: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    json!([report["records"], report["head"]])
}

/// Goal: a journal comes back from a bucket record by record, over a line that breaks; what does not come
/// is said, and leaves nothing behind.
/// Method: the export of a real state directory in an emulated bucket. The first answer is lost, the next
/// are cut off in their middle; then a key that is not there, a place that is none, an export that was
/// changed, and a directory that holds records.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_comes_back_from_a_bucket() {
    let world = world!();
    let folder = tempfile::tempdir().unwrap();
    let export = exported(folder.path()).await;
    assert!(export.len() > 60_000, "enough to be cut: {}", export.len());
    world.bucket(WEST, "backups").await;
    world.put_text(WEST, "backups/all.export", export.clone()).await;
    world
        .put_text(WEST, "backups/forged.export", export.replacen("rehearsal", "rehearsel", 1))
        .await;

    let wanted = head(&folder.path().join("state"));
    let place = folder.path().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    let back = place.join("state");
    world.fault("lose", json!({ "service": "s3", "operation": "GetObject" })).await;
    world.spoil(json!({ "service": "s3", "times": 3, "response": { "abort_frac": 0.4 } })).await;
    let said = restore(&world, &back, "s3://backups/all.export");
    assert!(said.status.success(), "{said:?}");
    let rebuilt: Value = serde_json::from_slice(&said.stdout).expect("one JSON document");
    assert_eq!(json!([rebuilt["records"], rebuilt["head"]]), wanted);
    assert_eq!(head(&back), wanted);
    let asked = world.calls("GetObject").await.len();
    assert!(asked >= 5, "it went on where it was, {asked} times");

    let fresh = place.join("fresh");
    for (from, says) in [
        ("s3://backups/nothing.export", "NoSuchKey"),
        ("s3://nowhere/all.export", "NoSuchBucket"),
        ("s3://backups", "is not the place of an object"),
        ("s3://backups/forged.export", "the chain of hashes is broken"),
    ] {
        let said = restore(&world, &fresh, from);
        let problem: Value = serde_json::from_slice(&said.stdout).expect("JSON");
        assert_eq!(said.status.code(), Some(1), "{from}: {said:?}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{from}: {problem}");
    }
    let said = restore(&world, &back, "s3://backups/all.export");
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("already holds"), "{said:?}");
    assert_eq!(head(&back), wanted, "what is there stays");
    let left: Vec<String> = std::fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
}
