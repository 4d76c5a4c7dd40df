//! The drill of the quarter by the real process: users are really moved and brought home, unless an alarm says
//! otherwise.

use muster_tests::{
    emulator::{EAST, WEST},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::step;

fn drill() -> Value {
    json!({
        "runbook": "quarterly-drill", "application": "shop", "reason": "the quarter",
        "inputs": { "switchover": true, "lag_max": "5m" },
    })
}

/// Every open run but the drill.
async fn open_runs(stage: &Stage, drill: &str) -> Vec<Value> {
    let Some((200, listed)) = stage.daemon.get("/v1/runs?state=open").await else {
        return Vec::new();
    };
    let runs = listed["items"].as_array().cloned().unwrap_or_default();
    let ids = runs.iter().filter_map(|run| run["id"].as_str()).filter(|id| *id != drill);
    let mut views = Vec::new();
    for id in ids {
        views.extend(stage.daemon.run(id).await);
    }
    views
}

/// A stage with a recovery point to bring back, and a drill that was asked for.
async fn begin(stage: &mut Stage) -> String {
    let request = json!({ "runbook": "daily-backup", "application": "shop", "reason": "a test" });
    let run = stage.ask("ana", "backup", request).await;
    let view = stage.carry(&run, &[]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    stage.tick_secs = 20;
    stage.ask("ana", "drill", drill()).await
}

/// Lets the drill go on until something is so, while people approve what its runs ask and open their gates.
async fn go_on(stage: &mut Stage, run: &str, until: impl AsyncFn(&Stage, &Value) -> bool) -> Value {
    stage
        .until("the drill goes on", async |stage| {
            let Some(view) = stage.daemon.run(run).await else { return false };
            if until(stage, &view).await {
                return true;
            }
            for open in open_runs(stage, run).await {
                let id = open["id"].as_str().unwrap_or_default().to_owned();
                stage.daemon.approve("ben", &id).await;
                for one in open["steps"].as_array().into_iter().flatten() {
                    if one["action"] == "gate" && one["state"] == "running" {
                        let step = one["id"].as_str().unwrap_or_default();
                        let path = format!("/v1/runs/{id}/steps/{step}/done");
                        let body = json!({ "reason": "looked at" });
                        stage.daemon.post("ana", &path, body).await;
                    }
                }
            }
            assert!(view["open"] == true, "it ended before: {}", brief(&view));
            false
        })
        .await;
    stage.view(run).await
}

async fn active(stage: &Stage) -> Value {
    let (_, shop) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    shop["active"]["region"].clone()
}

/// Goal: with `switchover: true` users are moved to the standby and home again, each time by a run that asks
/// approvers of its own, and the drill's account says so.
/// Method: the emulated AWS; ana asks for the drill, ben approves each move, and nothing is left behind.
#[tokio::test]
async fn users_are_moved_and_brought_home() {
    let Some(mut stage) = Stage::drilled().await else { return };
    let run = begin(&mut stage).await;
    let view = go_on(&mut stage, &run, async |_, view| view["open"] == false).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(stage.world.count("writer-moved").await, 2);
    assert_eq!(active(&stage).await, EAST);
    assert_eq!(step(&view, "check-calendar")["outputs"]["calendar"], "open");
    assert_eq!(step(&view, "check-alarms")["outputs"]["seen"], "`before` is OK");
    for moves in ["switchover", "go-home"] {
        let own = step(&view, moves)["outputs"]["run"].as_str().expect("a run").to_owned();
        let own = stage.view(&own).await;
        assert_eq!(own["status"], "succeeded", "{}", brief(&own));
        assert_eq!(step(&own, "approve")["outputs"]["approved_by"], "ben");
    }
}

/// Goal: an alarm that rings beforehand keeps the drill from moving anybody; one that rings while users are
/// moved stops the drill and the move with it, once, and people go on when they have looked.
/// Method: the first drill meets the first alarm; the second one's alarm rings as soon as its run has asked for
/// the switchover.
#[tokio::test]
async fn alarms_are_heeded() {
    let Some(mut stage) = Stage::drilled().await else { return };
    stage.world.alarm(WEST, "before", "ALARM").await;
    let run = begin(&mut stage).await;
    let view = go_on(&mut stage, &run, async |_, view| view["open"] == false).await;
    assert_eq!(view["status"], "failed", "{}", brief(&view));
    let fault = step(&view, "check-alarms")["fault"].to_string();
    assert!(fault.contains("`before` rings"), "{fault}");
    assert_eq!((stage.world.count("writer-moved").await, active(&stage).await), (0, json!(EAST)));

    stage.world.alarm(WEST, "before", "OK").await;
    stage.world.set(json!({ "switchover_secs": 120 })).await;
    let run = stage.ask("ana", "again", drill()).await;
    let asked = async |stage: &Stage, _: &Value| {
        !stage.world.calls("SwitchoverGlobalCluster").await.is_empty()
    };
    go_on(&mut stage, &run, asked).await;
    stage.world.alarm(WEST, "meanwhile", "ALARM").await;
    let paused = async |stage: &Stage, view: &Value| {
        let own = view["children"].as_array().and_then(|all| all.last()?["run"].as_str());
        let Some(own) = stage.daemon.run(own.unwrap_or_default()).await else { return false };
        view["status"] == "paused_by_operator" && own["status"] == "paused_by_operator"
    };
    let view = go_on(&mut stage, &run, paused).await;
    assert!(brief(&view).contains("the alarm meanwhile in us-west-2"), "{}", brief(&view));

    // Who goes on has seen it: the same alarm does not stop this drill again.
    stage.say("ana", &run, "resume").await;
    let home = async |_: &Stage, view: &Value| step(view, "switchover")["state"] == "succeeded";
    let view = go_on(&mut stage, &run, home).await;
    assert_eq!(view["status"], "running", "{}", brief(&view));
    assert_eq!(active(&stage).await, WEST);
}
