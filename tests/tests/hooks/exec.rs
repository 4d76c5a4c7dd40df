//! Hooks in a container: a real API server, and a stand-in for the node behind it.

use muster_runbooks::application::Application;
use muster_tests::{
    emulator::{EAST, WEST},
    kubernetes::{Clusters, Kubelet},
};
use serde_json::{Value, json};

use super::{hook, real, said, shop};

fn with_workload(uids: &Value, hooks: &[Value]) -> Application {
    let mut shop = serde_json::to_value(shop(hooks)).expect("JSON");
    shop["workloads"] = json!([{
        "name": "api", "namespace": "shop", "contexts": { EAST: EAST, WEST: WEST }, "clusters": uids,
        "exports": { "buckets": { EAST: "exports-east", WEST: "exports-west" }, "prefix": "objects" },
    }]);
    serde_json::from_value(shop).expect("an application")
}

/// Goal: a command runs in one ready pod, the same each time, of the declared cluster and no other; its
/// exit code is its answer; at its limit it is given up; and only its last words are written down.
/// Method: a real API server that hands the connection on to a stand-in for the kubelet, with a pod
/// that is not ready, an old and a young one that are.
#[tokio::test]
async fn a_command_runs_in_one_ready_pod() {
    let Some(clusters) = Clusters::start() else { return };
    let Some(mut kubelet) = Kubelet::join(&clusters, EAST) else { return };
    clusters.kubectl(EAST, &["create", "namespace", "shop"], "");
    let uids = json!({ EAST: clusters.uid(EAST), WEST: clusters.uid(WEST) });
    let real = real(Some(clusters.kubeconfig())).await;
    let asked = async |uids: &Value, limit: &str, container: Value, command: Value| {
        let mut exec = json!({ "workload": "api", "selector": "app=api", "command": command });
        if !container.is_null() {
            exec["container"] = container;
        }
        let hooks = [hook("rest", limit, "fail", json!({ "exec": exec }))];
        said(&real, &with_workload(uids, &hooks)).await
    };
    let none = asked(&uids, "20s", json!(null), json!(["exit", "0"])).await;
    assert_eq!(none, "failed: hook `rest`: no pod `app=api` in shop is running and ready");

    Kubelet::pod(&clusters, EAST, "a-sick", &["api"], false);
    Kubelet::pod(&clusters, EAST, "z-old", &["api", "proxy"], true);
    // Ages are whole seconds, and among equals the name decides.
    Kubelet::pod(&clusters, EAST, "zz-young", &["api", "proxy"], true);
    let api = json!("api");
    let yes =
        asked(&uids, "20s", api.clone(), json!(["exit", "0", "noise", "noise", "{token}"])).await;
    assert_eq!(yes, "ran 1; ");
    assert_eq!(
        kubelet.asked(),
        json!({ "namespace": "shop", "pod": "z-old", "container": "api",
            "command": ["exit", "0", "noise", "noise", "muster-r00000000001-run-hooks-1"] })
    );

    let words = "first\n\u{1b}[31mcannot\trest\u{7}\n\n";
    let no = asked(&uids, "20s", api.clone(), json!(["exit", "3", "out", words])).await;
    assert_eq!(no, "failed: hook `rest`: exit code 3 in `z-old`: [31mcannot rest");
    let long = "x".repeat(3_000);
    let no = asked(&uids, "20s", api.clone(), json!(["exit", "1", "out", long])).await;
    assert!(no.len() < 300 && no.ends_with('…'), "{no}");
    let hangs = asked(&uids, "2s", api.clone(), json!(["hang"])).await;
    assert_eq!(hangs, "failed: hook `rest`: no answer within 2s");
    // A pod with two containers, and nobody says which.
    let which = asked(&uids, "20s", json!(null), json!(["exit", "0"])).await;
    let refused =
        "failed: hook `rest`: kubernetes us-east-1 refused CONNECT pods/exec (BadRequest): ";
    assert!(which.starts_with(refused), "trying again does not help: {which}");

    // The context leads to another cluster than the declared one, or nobody has declared one.
    let swapped = json!({ EAST: uids[WEST], WEST: uids[EAST] });
    let wrong = asked(&swapped, "20s", api.clone(), json!(["exit", "0"])).await;
    assert!(wrong.contains("the context leads to the cluster"), "{wrong}");
    let undeclared = asked(&json!({}), "20s", api, json!(["exit", "0"])).await;
    assert!(undeclared.contains("does not say which cluster is meant"), "{undeclared}");
    for wanted in [json!("exit"), json!("exit"), json!("hang")] {
        assert_eq!(kubelet.asked()["command"][0], wanted);
    }
}
