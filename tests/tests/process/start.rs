//! How the process starts, does not start, and stops: what it says and with which code it ends.

use std::{fs, process::Command};

use muster_tests::daemon::{Setup, pause};
use serde_json::json;

const DONE: Option<i32> = Some(0);
const REFUSED: Option<i32> = Some(1);
const BAD_USE: Option<i32> = Some(2);

const APPLICATION: &str = "
name: shop
title: Shop
home: us-east-1
standby: us-west-2
objectives: { rto: 15m, rpo: 5m }
";

/// Goal: whoever made a mistake in a file reads where it is; a mistake ends with code 2, and nothing is
/// made on disk for it.
/// Method: one mistake at a time in a configuration that is otherwise right.
#[tokio::test]
async fn mistakes_in_files_are_named() {
    let clash = "applications: [shop.yaml, again.yaml]\n";
    let twice = "schedules: schedules.yaml\napplications: [shop.yaml]\n";
    let region = APPLICATION.replace("us-west-2", "the moon");
    let table: [(&str, &str, &str, &str); 7] = [
        ("stat: elsewhere\n", APPLICATION, "[]", "muster.yaml"),
        ("applications: [missing.yaml]\n", APPLICATION, "[]", "missing.yaml` cannot be read"),
        ("applications: [shop.yaml]\n", &region, "[]", "shop.yaml:5:"),
        ("applications: [shop.yaml]\n", "name: [", "[]", "shop.yaml:"),
        (clash, APPLICATION, "[]", "application `shop`"),
        (
            twice,
            APPLICATION,
            "- { id: x, runbook: nothing, cron: \"0 2 * * *\" }",
            "schedules.yaml:1:",
        ),
        ("listen: { http: \"0.0.0.0:1\" }\n", APPLICATION, "[]", "beyond loopback"),
    ];
    for (more, application, schedules, said) in table {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text);
        for name in ["shop.yaml", "again.yaml"] {
            file(name, application).expect("written");
        }
        file("schedules.yaml", schedules).expect("written");
        let setup = Setup::write(folder.path(), more);
        if more.starts_with("listen") {
            file("muster.yaml", &format!("state: state\n{more}")).expect("written");
        }
        let mut daemon = setup.launch();
        assert_eq!(daemon.ended().await, BAD_USE, "{more}: {}", daemon.said());
        assert!(daemon.said().contains(said), "{more}: {}", daemon.said());
        assert!(!setup.state().exists(), "{more}");
    }
}

/// Goal: a made-up time never reaches a real account.
/// Method: a clock file without an emulator, and with one that is elsewhere.
#[tokio::test]
async fn a_clock_file_is_for_emulators_only() {
    for endpoint in [None, Some("https://rds.us-east-1.amazonaws.com")] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut setup = Setup::write(folder.path(), "");
        setup.clock = Some(folder.path().join("clock"));
        let url = endpoint.map(|url| ("AWS_ENDPOINT_URL".to_owned(), url.to_owned()));
        setup.env.extend(url);
        let mut daemon = setup.launch();
        assert_eq!(daemon.ended().await, BAD_USE, "{}", daemon.said());
        assert!(daemon.said().contains("must never reach a real account"), "{}", daemon.said());
    }
}

/// Goal: told to stop, it stops in good order and at once, in the middle of a run; the next start goes
/// on. An address that is taken is said.
/// Method: SIGTERM while a rehearsal waits; a second daemon with a directory of its own on its port.
#[tokio::test]
async fn it_stops_when_it_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut setup = Setup::write(folder.path(), "");
    let env = [("AWS_REGION", "us-west-2"), ("AWS_EC2_METADATA_DISABLED", "true")];
    setup.env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut daemon = setup.start().await;
    let request = json!({ "runbook": "rehearsal", "reason": "practice" });
    let (status, accepted) = daemon.post("ana", "/v1/requests", request).await.expect("an answer");
    assert_eq!(status, 202, "{accepted}");
    let run = accepted["run"].as_str().expect("a run").to_owned();

    let other = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(folder.path().join("muster.yaml")).expect("read");
    let mut second = Setup::write(other.path(), "");
    fs::write(other.path().join("muster.yaml"), text).expect("written");
    second.env = setup.env.clone();
    let mut refused = second.launch();
    assert_eq!(refused.ended().await, REFUSED, "{}", refused.said());
    assert!(refused.said().contains("cannot listen on 127.0.0.1:"), "{}", refused.said());

    let stop = Command::new("kill").args(["-TERM", &daemon.pid().to_string()]).status();
    assert!(stop.is_ok_and(|status| status.success()));
    assert_eq!(daemon.ended().await, DONE, "{}", daemon.said());
    let said = Command::new(muster_tests::daemon::binary())
        .args(["state", "verify"])
        .arg(setup.state())
        .output();
    let said = String::from_utf8_lossy(&said.expect("it starts").stdout).into_owned();
    assert!(said.contains("intact") && !said.contains("did not stop in good order"), "{said}");

    let daemon = setup.start().await;
    let (status, _) = daemon
        .post("ana", &format!("/v1/runs/{run}/steps/crash-now/done"), json!({ "reason": "go on" }))
        .await
        .expect("an answer");
    assert_eq!(status, 200);
    while daemon.run(&run).await.is_none_or(|view| view["status"] != "succeeded_with_exceptions") {
        pause().await;
    }
}
