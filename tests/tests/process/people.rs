//! What people do meanwhile: stay away too long, act by hand, ask twice, ask for something else.

use jiff::SignedDuration;
use muster_tests::{
    emulator::{EAST, WEST, aws::cluster_arn},
    stage::{Stage, brief, strace},
};
use serde_json::{Value, json};

use super::{failover, stage};

fn backup() -> Value {
    json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" })
}

/// Why a run is held up, in its own words.
fn waits(view: &Value) -> String {
    view["waits"][0]["reason"].as_str().unwrap_or_default().to_owned()
}

async fn until_status(stage: &mut Stage, run: &str, status: &str) -> Value {
    stage
        .until(&format!("the run is {status}"), async |stage| {
            stage.daemon.run(run).await.is_some_and(|view| view["status"] == status)
        })
        .await;
    stage.view(run).await
}

/// Goal: never act late: a daemon that was dead for longer than ten minutes changes nothing before
/// somebody has looked (design §3.4); nothing is lost by the wait.
/// Method: killed while the snapshot is taken; eleven minutes on the clock; killed once more before it
/// could write down that it waits.
#[tokio::test]
async fn a_daemon_that_was_dead_for_long_asks_first() {
    let mut stage = stage!("[]");
    stage.world.set(json!({ "snapshot_secs": 300 })).await;
    let run = stage.ask("ana", "one", backup()).await;
    stage
        .until("the snapshot is being taken", async |stage| {
            stage.world.count("snapshot-created").await == 1
        })
        .await;
    stage.crash();
    stage.world.pass(11 * 60);
    if strace::is_there() {
        // The first to come back dies before it has written that it must ask.
        stage.setup.wrapper = strace::at_write(&stage.setup.segment(), 2);
        stage.revive().await;
        stage.daemon.ended().await;
        stage.setup.wrapper.clear();
    }
    stage.revive().await;
    let view = until_status(&mut stage, &run, "paused_by_gate").await;
    assert!(waits(&view).contains("nothing was recorded for 11m"), "{}", brief(&view));
    // It looks, but does not go on.
    let until = stage.world.now() + SignedDuration::from_mins(2);
    stage.until("two minutes pass", async |stage| stage.world.now() >= until).await;
    assert_eq!(stage.world.count("snapshot-copied").await, 0);
    stage.say("ana", &run, "resume").await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(stage.effects().await, ["snapshot-created us-east-1", "snapshot-copied us-west-2"]);
}

/// Goal: whoever failed over by hand is noticed before anything is changed, and what was seen is said;
/// then the run can still be brought to its end.
/// Method: the daemon is killed while it waits for approval; meanwhile somebody has AWS fail over.
#[tokio::test]
async fn somebody_failed_over_by_hand() {
    for manner in ["graceful", "forced"] {
        let mut stage = stage!("[]");
        let run = stage.ask("ana", "one", failover(manner)).await;
        until_status(&mut stage, &run, "awaiting_approval").await;
        stage.crash();
        let west = cluster_arn(WEST, "orders-west");
        let by_hand = [
            ("GlobalClusterIdentifier", "orders"),
            ("TargetDbClusterIdentifier", west.as_str()),
            ("AllowDataLoss", "true"),
        ];
        stage.world.rds(WEST, "FailoverGlobalCluster", &by_hand).await;
        stage.revive().await;
        for who in ["ben", "dan"] {
            stage.daemon.approve(who, &run).await;
        }
        let view = until_status(&mut stage, &run, "paused_by_gate").await;
        let saw = waits(&view);
        let words = if manner == "graceful" { "is not the writer" } else { "it is so already" };
        assert!(saw.contains(words), "{manner}: {saw}");
        let calls = stage.world.calls_after(0).await;
        let changes = ["FailoverGlobalCluster", "SwitchoverGlobalCluster", "PutObject"];
        let changed = calls.iter().filter(|call| changes.iter().any(|it| call["operation"] == *it));
        assert_eq!(changed.count(), 0, "{manner}: nothing is changed before somebody has looked");
        assert_eq!(stage.world.count("writer-moved").await, 1);
        if manner == "graceful" {
            stage.say("ana", &run, "force").await;
        }
        stage.say("ana", &run, "resume").await;
        // Forced anew, it is asked anew; and what it finds done, it shows once more.
        stage
            .until("the run ends", async |stage| {
                let Some(view) = stage.daemon.run(&run).await else { return false };
                if view["status"] == "paused_by_gate" {
                    assert!(waits(&view).contains("it is so already"), "{}", brief(&view));
                    stage.say("ana", &run, "resume").await;
                }
                for who in ["ben", "dan"] {
                    stage.daemon.approve(who, &run).await;
                }
                view["open"] == false
            })
            .await;
        let view = stage.view(&run).await;
        assert_eq!(view["status"], "succeeded", "{manner}: {}", brief(&view));
        assert_eq!(stage.world.count("writer-moved").await, 1, "{manner}");
        assert_eq!(stage.world.calls("FailoverGlobalCluster").await.len(), 0, "{manner}");
    }
}

/// Goal: a request is one run, however often and however simultaneously it is sent with its key; a
/// second failover is refused by the name of the first.
/// Method: twenty posts at once; then two different ones at once.
#[tokio::test]
async fn one_key_is_one_run_and_one_application_has_one_failover() {
    let mut stage = stage!("[]");
    let daemon = &stage.daemon;
    let posts = (0..20).map(|_| daemon.post_once("ana", "/v1/requests", backup(), "the key"));
    let answers: Vec<(u16, Value)> =
        futures::future::join_all(posts).await.into_iter().map(|answer| answer.unwrap()).collect();
    let run = answers[0].1["run"].clone();
    assert!(run.is_string(), "{answers:?}");
    for (status, accepted) in &answers {
        assert_eq!((*status, &accepted["run"]), (202, &run), "{accepted}");
    }
    let fresh = answers.iter().filter(|(_, accepted)| accepted["repeated"] == false);
    assert_eq!(fresh.count(), 1);
    let view = stage.carry(run.as_str().unwrap(), &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(stage.world.count("snapshot-created").await, 1);

    let (one, other) = futures::future::join(
        stage.daemon.post_once("ana", "/v1/requests", failover("graceful"), "one"),
        stage.daemon.post_once("adm", "/v1/requests", failover("forced"), "other"),
    )
    .await;
    let (one, other) = (one.unwrap(), other.unwrap());
    let (taken, refused) = if one.0 == 202 { (one, other) } else { (other, one) };
    assert_eq!((taken.0, refused.0), (202, 409), "{taken:?} {refused:?}");
    assert_eq!(refused.1["type"], "urn:muster:problem:locked");
    assert_eq!(refused.1["run"], taken.1["run"]);
    assert_eq!(stage.open_runs().await.len(), 1);
}

/// Goal: a real failover goes first (design §3.10): it takes the lock over from a drill and makes a
/// backup wait; a backup whose roles no longer hold is not simply gone on with.
/// Method: a drill that waits for its observers and a backup whose copy takes hours are open when the
/// failover is asked for.
#[tokio::test]
async fn a_real_failover_goes_first() {
    let mut stage = stage!("[]");
    // Observers without a word keep the drill open for two minutes.
    stage.observers.set(404);
    stage.world.set(json!({ "copy_secs": 10_000 })).await;
    let mut drill = failover("forced");
    drill["mode"] = json!("drill");
    let drill = stage.ask("ana", "drill", drill).await;
    let backup = stage.ask("ana", "backup", backup()).await;
    stage
        .until("the copy is on its way", async |stage| {
            stage.world.count("snapshot-copied").await == 1
        })
        .await;
    assert_eq!(stage.view(&drill).await["open"], json!(true));
    let real = stage.ask("adm", "real", failover("forced")).await;
    for waiting in [&drill, &backup] {
        let view = stage.view(waiting).await;
        assert_eq!(view["status"], "paused_by_gate", "{}", brief(&view));
        assert!(
            waits(&view).contains(&format!("failover `{real}` goes first")),
            "{}",
            brief(&view)
        );
    }
    let (_, shop) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    assert_eq!(shop["locked_by"], json!(real));
    stage.observers.set(503);
    let view = stage.carry(&real, &["ben", "dan"]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));

    for waiting in [&drill, &backup] {
        let view = stage.view(waiting).await;
        assert_eq!(view["status"], "paused_by_gate", "{}", brief(&view));
        assert_eq!(view["waits"].as_array().map(Vec::len), Some(1), "{}", brief(&view));
        assert!(
            waits(&view).contains("moved the active region since this was planned"),
            "{}",
            brief(&view)
        );
        stage.say("ana", waiting, "abandon").await;
    }
    stage.until("both have ended", async |stage| stage.open_runs().await.is_empty()).await;
    assert_eq!(stage.world.count("snapshot-created").await, 1);

    // The next backup follows the writer.
    stage.world.set(json!({ "copy_secs": 0 })).await;
    let before = stage.world.effects().await.len();
    let next = stage.ask("ana", "next", self::backup()).await;
    let view = stage.carry(&next, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(
        stage.world.effects_after(before).await,
        [format!("snapshot-created {WEST}"), format!("snapshot-copied {EAST}")]
    );
}

/// Goal: nobody's pause ends because a failover did (design §3.9).
/// Method: a backup is paused by a person, then by a failover; the failover is declined and moves
/// nothing.
#[tokio::test]
async fn a_pause_outlives_a_failover() {
    let mut stage = stage!("[]");
    stage.world.set(json!({ "snapshot_secs": 60 })).await;
    let backup = stage.ask("ana", "backup", backup()).await;
    stage
        .until("the snapshot is being taken", async |stage| {
            stage.world.count("snapshot-created").await == 1
        })
        .await;
    stage.say("ana", &backup, "pause").await;
    let real = stage.ask("adm", "real", failover("graceful")).await;
    until_status(&mut stage, &real, "awaiting_approval").await;
    let body = json!({ "step": "approve", "reason": "not today" });
    let declined = stage.daemon.post("ben", &format!("/v1/runs/{real}/decline"), body).await;
    assert_eq!(declined.expect("an answer").0, 200);
    let view = until_status(&mut stage, &real, "failed").await;
    assert_eq!(view["open"], json!(false), "{}", brief(&view));

    let until = stage.world.now() + SignedDuration::from_mins(2);
    stage.until("two minutes pass", async |stage| stage.world.now() >= until).await;
    let view = stage.view(&backup).await;
    assert_eq!(view["status"], "paused_by_operator", "{}", brief(&view));
    assert_eq!(view["waits"].as_array().map(Vec::len), Some(1), "{}", brief(&view));
    assert_eq!(stage.world.count("snapshot-copied").await, 0);
    stage.say("ana", &backup, "resume").await;
    let view = stage.carry(&backup, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
}
