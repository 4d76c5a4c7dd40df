//! A region is lost: the failover by request, approval and proof.

use muster_tests::{
    emulator::{EAST, WEST},
    stage::{MARKERS, Stage, brief},
};
use serde_json::{Value, json};

use super::{failover, stage, step};

/// The seconds of a length in a view.
fn secs(length: &Value) -> u64 {
    length["secs"].as_u64().unwrap_or_else(|| panic!("a length: {length}"))
}

/// What every failover must have left behind, as AWS, the name servers and the view say it.
async fn has_moved(stage: &mut Stage, view: &Value) {
    assert_eq!(view["status"], "succeeded", "{}", brief(view));
    let recovery = &view["recovery"];
    assert!(recovery["verified_at"].is_string(), "{recovery:#}");
    let parts = &recovery["parts"];
    let known = ["decide", "promote", "traffic", "verify"].map(|part| secs(&parts[part]));
    let detected = if parts["detect"].is_null() { 0 } else { secs(&parts["detect"]) };
    assert_eq!(secs(&recovery["total"]), detected + known.iter().sum::<u64>(), "{recovery:#}");
    assert_eq!(recovery["within_objective"], json!(true), "{recovery:#}");

    let marker = stage.world.get(WEST, &format!("{MARKERS}/moved")).await;
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
    for who in ["ana", "eve"] {
        let path = format!("/v1/runs/{run}/approve");
        let (status, said) = stage.daemon.post(who, &path, body.clone()).await.expect("an answer");
        assert_eq!(status, 403, "{who}: {said}");
    }

    let view = stage.carry(&run, &["ben"]).await;
    has_moved(&mut stage, &view).await;
    assert_eq!((&view["requested_by"], &view["manner"]), (&json!("ana"), &json!("forced")));
    assert_eq!(step(&view, "approve")["outputs"]["approved_by"], "ben");
    assert_eq!(step(&view, "settle-old-side-orders")["outputs"]["verdict"], "impossible");
    assert_eq!(secs(&view["recovery"]["parts"]["detect"]), 120);
    assert_eq!(stage.world.arrived("FailoverGlobalCluster").await, 1);
    assert_eq!(stage.world.arrived("SwitchoverGlobalCluster").await, 0);

    // What may be lost was said before, and what may have been lost after, by a sample that is younger: never
    // less than the truth, which is a second and a half of lag at the last sample.
    let losses = &view["losses"];
    let (predicted, measured) = (&losses["predicted"]["secs"], &losses["measured"]["secs"]);
    assert!(predicted.as_u64() >= Some(2) && measured.as_u64() >= Some(2), "{losses:#}");
    assert!(losses["measured"]["by"].as_str().is_some_and(|by| by.contains("lag of 1s 500ms")));

    // Nothing but looks was ever sent to the old side, those of the inventory among them.
    let calls = stage.world.calls_after(before).await;
    let east = calls.iter().filter(|call| call["region"] == EAST);
    for call in east {
        let operation = call["operation"].as_str().unwrap_or_default();
        let looks =
            ["Describe", "Get", "Head", "List"].iter().any(|verb| operation.starts_with(verb));
        assert!(looks && call["fate"] == "hang", "{call}");
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

/// A graceful run whose region falls silent once the switchover was asked for; then it is forced, and
/// approved anew. Returns how often it had to be resumed because it met the switch, done.
async fn forced_in_the_middle(mut stage: Stage) -> (Stage, Value, u32) {
    let run = stage.ask("ana", "planned", failover("graceful")).await;
    stage
        .until("the switchover was asked for", async |stage| {
            stage.daemon.approve("ben", &run).await;
            !stage.world.calls("SwitchoverGlobalCluster").await.is_empty()
        })
        .await;
    stage.world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    stage.observers.set(503);
    stage.say("ana", &run, "force").await;
    let mut resumed = 0;
    stage
        .until("the run ends", async |stage| {
            let Some(view) = stage.daemon.run(&run).await else { return false };
            if view["status"] == "paused_by_gate" {
                let why = view["waits"][0]["reason"].as_str().unwrap_or_default();
                assert!(why.contains("it is so already"), "{}", brief(&view));
                stage.say("ana", &run, "resume").await;
                resumed += 1;
            }
            for who in ["ben", "dan"] {
                stage.daemon.approve(who, &run).await;
            }
            view["open"] == false
        })
        .await;
    let view = stage.view(&run).await;
    assert_eq!(view["manner"], "forced");
    has_moved(&mut stage, &view).await;
    (stage, view, resumed)
}

/// Goal: a graceful run whose region dies in the middle is forced by a person, approved anew, and ends
/// well (design §6, force).
/// Method: the region dies before the switchover has registered: the call is lost without effect.
#[tokio::test]
async fn graceful_until_the_region_dies() {
    let stage = stage!("[]");
    stage.world.set(json!({ "failover_secs": 30 })).await;
    let switches = json!({ "operation": "SwitchoverGlobalCluster", "how": "reset" });
    stage.world.fault("silence", switches).await;
    let (stage, view, resumed) = forced_in_the_middle(stage).await;
    assert_eq!(resumed, 0);
    assert_eq!(step(&view, "promote-database-orders")["action"], "failover-database");
    assert_eq!(stage.world.arrived("SwitchoverGlobalCluster").await, 0);
    assert_eq!(stage.world.arrived("FailoverGlobalCluster").await, 1);
}

/// Goal: where the switch is under way at the target, it is watched to its end and no second one is
/// begun beside it. One that cannot be seen yet when the run is forced is given up, and met when it is
/// done: then somebody looks.
/// Method: the region dies while the switchover moves the writer, and while it has not registered.
#[tokio::test]
async fn graceful_until_the_region_dies_while_it_switches() {
    for (register_secs, resumes) in [(0, 0), (10, 1)] {
        let stage = stage!("[]");
        let slow = json!({ "global_register_secs": register_secs, "switchover_secs": 60 });
        stage.world.set(slow).await;
        let (stage, _, resumed) = forced_in_the_middle(stage).await;
        assert_eq!(resumed, resumes, "registered after {register_secs} s");
        assert_eq!(stage.world.arrived("SwitchoverGlobalCluster").await, 1);
        assert_eq!(stage.world.arrived("FailoverGlobalCluster").await, 0);
    }
}
