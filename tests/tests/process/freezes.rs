//! Whether an application is frozen, for a pipeline that reaches no daemon.

use std::process::Command;

use muster::clock::Clock;
use muster_tests::{
    daemon::{PATIENCE, binary, pause},
    emulator::{EAST, WEST},
    stage::Stage,
};
use serde_json::{Value, json};

/// What `muster freeze check` says out of a bucket: the exit code and the words.
fn checked(stage: &Stage, region: &str, application: &str) -> (Option<i32>, String) {
    let from = format!("s3://said-{region}/freezes/");
    let mut muster = Command::new(binary());
    muster.args(["freeze", "check", application, "--from", &from]);
    // Nobody listens there: what is read from a bucket asks no daemon.
    muster.env("MUSTER_SERVER", "http://127.0.0.1:1").envs(stage.setup.env.iter().cloned());
    let said = muster.env("AWS_REGION", region).output().expect("it starts");
    let text = [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (said.status.code(), text.concat())
}

/// Waits until both buckets say the same. Who asks is a process of its own, which the stage does not wait
/// for, so time is let pass here.
async fn until(stage: &mut Stage, code: i32) {
    let until = Clock::Real.now() + PATIENCE;
    while ![EAST, WEST].iter().all(|region| checked(stage, region, "shop").0 == Some(code)) {
        assert!(Clock::Real.now() < until, "{:?}", checked(stage, WEST, "shop"));
        stage.world.pass(1);
        pause().await;
    }
}

/// Goal: a pipeline that reaches only a bucket learns within seconds whether it may change anything, and takes
/// whatever is no answer for no leave: an object that nobody renews, and one that is not there. A bucket that
/// takes nothing is a finding.
/// Method: the real daemon and the real command line; a person freezes and thaws; one bucket goes away; the
/// daemon dies and its word grows old.
#[tokio::test]
async fn a_bucket_says_whether_it_is_frozen() {
    let Some(mut stage) = Stage::with_freezes().await else { return };
    // The command line has the clock of the machine, and the daemon's is brought there.
    let ahead = Clock::Real.now().duration_since(stage.world.now());
    stage.world.pass(ahead.as_secs());
    stage.tick_secs = 1;
    until(&mut stage, 0).await;
    let (code, said) = checked(&stage, WEST, "till");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("take it for frozen"), "{said}");

    let word = json!({ "until": Clock::Real.now() + jiff::SignedDuration::from_hours(4), "reason": "the sale" });
    let path = "/v1/applications/shop/freeze";
    let (status, said) = stage.daemon.post("ana", path, word).await.expect("an answer");
    assert_eq!(status, 200, "{said}");
    until(&mut stage, 1).await;
    let (_, said) = checked(&stage, EAST, "shop");
    assert!(said.contains("FROZEN") && said.contains("ana: the sale"), "{said}");

    let unwell = json!({ "operation": "PutObject", "region": EAST, "how": "reset" });
    stage.world.fault("silence", unwell).await;
    let (status, _) = stage
        .daemon
        .post("ana", "/v1/applications/shop/thaw", json!({ "reason": "it is over" }))
        .await
        .expect("an answer");
    assert_eq!(status, 200);
    let finding = async |stage: &Stage| -> Option<Value> {
        let (_, shop) = stage.daemon.get("/v1/applications/shop").await?;
        shop["findings"].as_array()?.iter().find(|one| one["id"] == "freeze-object").cloned()
    };
    stage.until("it is a finding", async |stage| finding(stage).await.is_some()).await;
    assert_eq!(checked(&stage, WEST, "shop").0, Some(0), "the other bucket says what holds");
    assert_eq!(checked(&stage, EAST, "shop").0, Some(1), "this one still what held");
    stage.world.heal().await;
    until(&mut stage, 0).await;
    stage.until("it is none any more", async |stage| finding(stage).await.is_none()).await;

    stage.crash();
    let text = stage.world.get(WEST, "said-us-west-2/freezes/shop.json").await;
    let mut old: Value = serde_json::from_str(&text).expect("JSON");
    old["good_until"] = json!(Clock::Real.now());
    stage.world.put_text(WEST, "said-us-west-2/freezes/shop.json", old.to_string()).await;
    let (code, said) = checked(&stage, WEST, "shop");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("nobody has renewed it"), "{said}");
}
