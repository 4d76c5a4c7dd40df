//! A region is left by a run that starts others, through the real door.

use muster_tests::{
    emulator::{EAST, WEST},
    stage::brief,
};
use serde_json::{Value, json};

use super::{stage, step};

/// The first run that a run's step started, if there is one.
fn child(view: &Value) -> Option<String> {
    view["children"][0]["run"].as_str().map(str::to_owned)
}

/// Goal: one approval moves whoever is served from a region, by a run of each application's own, also when
/// the daemon is killed once that has begun; and what the approval does not cover is asked where it is.
/// Method: nobody knows the loss, so the application's run needs one approver more than the one for all.
#[tokio::test]
async fn a_region_is_left_through_a_kill() {
    let mut stage = stage!("[]");
    stage.observers.set(503);
    let request = json!({
        "runbook": "region-evacuation", "manner": "forced", "reason": "the region is gone",
        "inputs": { "region": EAST },
    });
    let run = stage.ask("ana", "evacuation", request).await;
    let view = stage.view(&run).await;
    let leaving = &view["leaving"];
    assert_eq!(leaving.as_array().map(Vec::len), Some(1), "{leaving:#}");
    assert_eq!(leaving[0]["application"], "shop");
    assert_eq!(leaving[0]["leave_out"], format!("muster skip {run} move-shop --reason TEXT"));
    assert!(leaving[0]["expected"]["secs"].is_u64(), "{leaving:#}");
    assert_eq!(child(&view), None, "nobody approved");

    stage.daemon.approve("ben", &run).await;
    let mut own = String::new();
    stage
        .until("what ben said holds for its run", async |stage| {
            let Some(view) = stage.daemon.run(&run).await else { return false };
            let Some(id) = child(&view) else { return false };
            let Some(moves) = stage.daemon.run(&id).await else { return false };
            own = id;
            moves["approvals"][0]["given"][0]["by"] == "ben"
        })
        .await;
    stage.crash();
    stage.revive().await;

    stage
        .until("the evacuation ends", async |stage| {
            stage.daemon.approve("dan", &own).await;
            stage.daemon.run(&run).await.is_some_and(|view| view["open"] == false)
        })
        .await;
    let view = stage.view(&run).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    assert_eq!(step(&view, "move-shop")["outputs"]["run"], own);
    assert_eq!(view["children"].as_array().map(Vec::len), Some(1), "one run, and one alone");
    let moved = stage.view(&own).await;
    assert_eq!((&moved["status"], &moved["parent"]), (&json!("succeeded"), &json!(run)));
    assert_eq!(moved["requested_by"], format!("run:{run}"));
    let (_, shop) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    assert_eq!(shop["active"]["region"], WEST);
    assert_eq!(stage.world.count("writer-moved").await, 1);
}
