//! A region is lost: the failover by request, approval and proof.

use muster_tests::{
    emulator::{EAST, WEST},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::{failover, stage, step};

/// The seconds of a length in a view.
fn secs(length: &Value) -> u64 {
    length["secs"].as_u64().unwrap_or_else(|| panic!("a length: {length}"))
}

/// What every failover must have left behind, as AWS, the name servers and the view say it.
async fn has_moved(stage: &mut Stage, view: &Value) {
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let recovery = &view["recovery"];
    assert!(recovery["verified_at"].is_string(), "{recovery:#}");
    let parts = &recovery["parts"];
    let known = ["decide", "promote", "traffic", "verify"].map(|part| secs(&parts[part]));
    let detected = if parts["detect"].is_null() { 0 } else { secs(&parts["detect"]) };
    assert_eq!(secs(&recovery["total"]), detected + known.iter().sum::<u64>(), "{recovery:#}");
    assert_eq!(recovery["within_objective"], json!(true), "{recovery:#}");

    let marker = stage.world.get(WEST, "markers/moved").await;
    assert!(marker.contains(&format!("run={}\n", view["id"].as_str().unwrap())), "{marker}");
    assert_eq!(step(view, "shift-traffic")["outputs"]["answers"], "us-west-2 (198.51.100.1)");
    assert_eq!(step(view, "verify-database-orders")["outputs"]["writer"], WEST);
    assert_eq!(step(view, "verify-application")["outputs"]["status"], json!(200));
    let described = stage.world.rds(WEST, "DescribeGlobalClusters", &[]).await;
    let writer =
        described.split("<GlobalClusterMember>").find(|member| member.contains("<IsWriter>true<"));
    assert!(writer.is_some_and(|member| member.contains("orders-west")), "{described}");
    assert_eq!(stage.world.count("writer-moved").await, 1);
    assert_eq!(stage.world.arrived("FailoverDBCluster").await, 0);

    let (_, shop) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    assert_eq!(
        (&shop["active"]["region"], &shop["active"]["at_home"]),
        (&json!(WEST), &json!(false))
    );
    let duties = shop["findings"].as_array().expect("findings");
    assert!(duties.iter().any(|finding| finding["id"] == "reprotect-traffic"), "{duties:#?}");
    assert_eq!(shop["locked_by"], Value::Null);
    // The on-call was told how it ended, once.
    assert_eq!(stage.pager.taken().len(), 1);
}

/// Goal: with the home and every global endpoint gone, a person asks, another one approves what it
/// costs, and users are served from the standby; the two figures are there with their parts.
/// Method: the region takes calls and never answers; Route 53's control plane, IAM and the global STS
/// sign for it and are as silent. The observers see it lost. Ana asks, and may not approve.
#[tokio::test]
async fn forced_while_the_region_is_silent() {
    let mut stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 60 })).await;
    stage.observers.set(503);
    let symptom_at = stage.world.now();
    stage.world.pass(120);
    let before = stage.last_call().await;
    stage.world.fault("silence", json!({ "region": EAST, "how": "hang" })).await;
    let mut request = failover("forced");
    request["symptom_at"] = json!(symptom_at);
    let run = stage.ask("ana", "lost", request).await;

    stage
        .until("somebody is asked", async |stage| {
            let view = stage.view(&run).await;
            view["status"] == "awaiting_approval"
        })
        .await;
    let view = stage.view(&run).await;
    let asked = &view["approvals"][0];
    assert_eq!((&asked["step"], &asked["observers"]), (&json!("approve"), &json!("lost")));
    assert!(asked["data_loss"]["secs"].is_u64() && asked["recovery_time"].is_object(), "{asked:#}");
    assert_eq!(stage.world.count("global-failover-begun").await, 0);
    let body = json!({
        "step": "approve", "plan_hash": view["plan_hash"], "reason": "my own",
        "accepts": ["unproven-fence"],
    });
    let own = stage.daemon.post("ana", &format!("/v1/runs/{run}/approve"), body).await;
    assert_eq!(own.expect("an answer").0, 403);

    let view = stage.carry(&run, &["ben"]).await;
    has_moved(&mut stage, &view).await;
    assert_eq!((&view["requested_by"], &view["manner"]), (&json!("ana"), &json!("forced")));
    assert_eq!(step(&view, "approve")["outputs"]["approved_by"], "ben");
    assert_eq!(step(&view, "settle-old-side-orders")["outputs"]["verdict"], "impossible");
    assert_eq!(secs(&view["recovery"]["parts"]["detect"]), 120);
    assert_eq!(stage.world.arrived("FailoverGlobalCluster").await, 1);
    assert_eq!(stage.world.arrived("SwitchoverGlobalCluster").await, 0);

    // What may be lost was said before, and what may have been lost after: never less than the truth,
    // which is a second and a half of lag at the last sample.
    let losses = &view["losses"];
    let (predicted, measured) = (&losses["predicted"]["secs"], &losses["measured"]["secs"]);
    assert!(predicted.as_u64() >= Some(2) && measured.as_u64() >= predicted.as_u64(), "{losses:#}");
    assert!(losses["measured"]["by"].as_str().is_some_and(|by| by.contains("lag of 1s 500ms")));
    println!("forced: {:#}\n{losses:#}", view["recovery"]);

    // Nothing but the best-effort look at the old side was ever sent there.
    let calls = stage.world.calls_after(before).await;
    let east = calls.iter().filter(|call| call["region"] == EAST);
    for call in east {
        let operation = call["operation"].as_str().unwrap_or_default();
        assert!(operation.starts_with("Describe") && call["fate"] == "hang", "{call}");
    }
}

/// Goal: in calm the same request moves the application without loss, by a switchover.
/// Method: no fault; both sides answer, and the switch takes its time.
#[tokio::test]
async fn graceful_without_a_fault() {
    let mut stage = stage!("[]");
    stage.world.set(json!({ "global_register_secs": 5, "switchover_secs": 40 })).await;
    let run = stage.ask("ana", "planned", failover("graceful")).await;
    let view = stage.carry(&run, &["ben"]).await;
    has_moved(&mut stage, &view).await;
    assert_eq!(step(&view, "promote-database-orders")["action"], "switchover-database");
    assert_eq!(step(&view, "promote-database-orders")["outputs"]["data_loss"], "0s");
    assert_eq!(stage.world.arrived("FailoverGlobalCluster").await, 0);
    assert_eq!(view["recovery"]["counted_from"], "admission");
}

/// Goal: a graceful run whose region dies in the middle is forced by a person, approved anew, and ends
/// well (design §6, force).
/// Method: the region falls silent after the approval and before the switchover has registered, so
/// that its call is lost without effect.
#[tokio::test]
async fn graceful_until_the_region_dies() {
    let mut stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 30 })).await;
    let run = stage.ask("ana", "planned", failover("graceful")).await;
    let switches = json!({ "operation": "SwitchoverGlobalCluster", "how": "reset" });
    stage.world.fault("silence", switches).await;
    stage
        .until("the switchover was asked for", async |stage| {
            stage.daemon.approve("ben", &run).await;
            !stage.world.calls("SwitchoverGlobalCluster").await.is_empty()
        })
        .await;
    stage.world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    stage.observers.set(503);
    stage.say("ana", &run, "force").await;
    let view = stage.carry(&run, &["ben", "dan"]).await;
    has_moved(&mut stage, &view).await;
    assert_eq!(view["manner"], "forced");
    assert_eq!(step(&view, "promote-database-orders")["action"], "failover-database");
    assert_eq!(stage.world.arrived("SwitchoverGlobalCluster").await, 0);
    assert_eq!(stage.world.arrived("FailoverGlobalCluster").await, 1);
}
