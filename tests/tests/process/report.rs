//! The report of a run by the real process: signed with the configured key, verified when it is gone.

use std::{fs, path::Path, process::Command};

use muster_tests::daemon::{Setup, binary, pause};
use serde_json::{Value, json};

/// What a command prints, and how it ends.
fn muster(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let said = Command::new(binary()).args(words).current_dir(folder).output().expect("it starts");
    let text = [said.stdout, said.stderr].concat();
    (said.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Goal: what a daemon has signed is verified on another machine when the daemon is gone, and holds what its
/// journal holds; a page that somebody has touched does not pass.
/// Method: a rehearsal by the real process, its report in both forms, the process ended, the files spoilt;
/// the link of the chain is looked for in an export of the journal.
#[tokio::test]
async fn a_report_outlives_its_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let (code, said) = muster(at, &["report", "key", "--out", "report.key"]);
    assert_eq!(code, Some(0), "{said}");
    let key = said.lines().find_map(|line| line.strip_prefix("key: ")).expect("a key").to_owned();
    let mut setup = Setup::write(at, "reports: { key_file: report.key }\n");
    let env = [("AWS_REGION", "us-west-2"), ("AWS_EC2_METADATA_DISABLED", "true")];
    setup.env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut daemon = setup.start().await;
    let request = json!({ "runbook": "rehearsal", "reason": "practice" });
    let (status, accepted) = daemon.post("ana", "/v1/requests", request).await.expect("an answer");
    assert_eq!(status, 202, "{accepted}");
    let run = accepted["run"].as_str().expect("a run").to_owned();
    let done = format!("/v1/runs/{run}/steps/crash-now/done");
    while daemon.post("ana", &done, json!({ "reason": "go on" })).await.is_none_or(|it| it.0 != 200)
    {
        pause().await;
    }
    while daemon.run(&run).await.is_none_or(|view| view["status"] != "succeeded_with_exceptions") {
        pause().await;
    }
    for format in ["html", "json"] {
        let out = format!("report.{format}");
        let words =
            ["--server", daemon.base(), "report", &run, "--format", format, "--out", out.as_str()];
        let (code, said) = muster(at, &words);
        assert_eq!(code, Some(0), "{said}");
    }
    daemon.kill();

    let verify = |file: &str, key: &str| muster(at, &["report", "verify", file, "--key", key]);
    for (file, page) in [("report.html", "to the last byte"), ("report.json", "the envelope")] {
        let (code, said) = verify(file, &key);
        assert_eq!((code, said.contains(page)), (Some(0), true), "{said}");
    }
    let page = fs::read_to_string(at.join("report.html")).expect("a page");
    fs::write(at.join("spoilt.html"), page.replace("practice", "a flood")).expect("written");
    let (code, said) = verify("spoilt.html", &key);
    assert_eq!((code, said.contains("NOT VERIFIED")), (Some(1), true), "{said}");
    assert_eq!(verify("report.json", &"0".repeat(64)).0, Some(1));
    assert_eq!(verify("report.json", "no key").0, Some(2));
    assert_eq!(verify("gone.json", &key).0, Some(2));
    assert_eq!(muster(at, &["--server", "http://127.0.0.1:1", "report", &run]).0, Some(3));

    let words = ["--output", "json", "report", "verify", "report.json", "--key", &key];
    let (_, said) = muster(at, &words);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let report = &said["report"];
    assert_eq!(report["run"]["heading"]["status"], "succeeded_with_exceptions");
    assert_eq!(report["run"]["deviations"]["list"]["items"][0]["kind"], "by hand");
    assert_eq!(report["run"]["means"]["programs"]["items"].as_array().map(Vec::len), Some(1));
    let hash = report["evidence"]["journal_hash"].as_str().expect("a link");
    let (code, said) = muster(at, &["state", "export", "state", "export.jsonl"]);
    assert_eq!(code, Some(0), "{said}");
    let export = fs::read_to_string(at.join("export.jsonl")).expect("an export");
    assert!(export.contains(&format!("{{\"hash\":\"{hash}\"")), "the link is in the journal");
}

/// Goal: a key that cannot be used stops the start with its place in the file, and not the first report.
/// Method: no file, and a file that holds something else.
#[tokio::test]
async fn a_bad_key_is_found_at_the_start() {
    for kept in [None, Some("no key")] {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(kept) = kept {
            fs::write(folder.path().join("report.key"), kept).expect("written");
        }
        let setup = Setup::write(folder.path(), "reports: { key_file: report.key }\n");
        let mut daemon = setup.launch();
        assert_eq!(daemon.ended().await, Some(2), "{}", daemon.said());
        let said = daemon.said();
        for part in ["muster.yaml:", "report.key", "muster report key --out FILE"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!setup.state().exists(), "nothing is made on disk for it");
    }
}
