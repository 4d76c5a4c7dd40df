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
/// the daemon is killed once that has begun.
/// Method: ben approves the evacuation and nobody anything else; the daemon dies as soon as the application's
/// own run is there.
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
    assert!(leaving[0]["ahead"]["expected"]["secs"].is_u64(), "{leaving:#}");
    assert_eq!(child(&view), None, "nobody approved");

    stage.daemon.approve("ben", &run).await;
    let mut own = String::new();
    stage
        .until("its own run is there", async |stage| {
            let view = stage.daemon.run(&run).await;
            own = view.as_ref().and_then(child).unwrap_or_default();
            !own.is_empty()
        })
        .await;
    stage.crash();
    stage.revive().await;

    stage
        .until("the evacuation ends", async |stage| {
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
    assert_eq!(step(&moved, "approve")["outputs"]["approved_by"], "ben", "nobody was asked twice");
    let (_, shop) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    assert_eq!(shop["active"]["region"], WEST);
    assert_eq!(stage.world.count("writer-moved").await, 1);
}
