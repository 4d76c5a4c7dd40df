//! `run-job`: a real API server and its controllers, and a stand-in for the node behind them.

use muster::{clock::Clock, world::real::Real};
use muster_runbooks::{application::Application, request::Mode};
use muster_state::call::{Answer, Call, Progress};
use muster_tests::{
    daemon::pause,
    emulator::{EAST, WEST, calls},
    kubernetes::{Clusters, Kubelet},
};
use serde_json::{Value, json};

use super::real;

fn shop(uids: &Value) -> Application {
    let mut shop = serde_json::to_value(calls::application(json!({}))).expect("JSON");
    shop["workloads"] = json!([{
        "name": "api", "namespace": "shop", "contexts": { EAST: EAST, WEST: WEST }, "clusters": uids,
        "exports": { "buckets": { EAST: "exports-east", WEST: "exports-west" }, "prefix": "objects" },
        "jobs": [{
            "name": "warm", "image": "registry.{region}.example/warm:1", "limit": "10m",
            "command": ["/bin/warm", "--key", "{token}"], "env": { "REGION": "{region}" },
            "env_from_secrets": ["database"], "service_account": "warmer", "kept_for": "1h",
        }],
    }]);
    serde_json::from_value(shop).expect("an application")
}

fn call(shop: &Application, attempt: u32) -> Call {
    let with = json!({ "at": "standby", "job": "warm" });
    let mut call = calls::call_at(Clock::Real.now(), shop, "run-job", with);
    call.attempt = attempt;
    call.token = muster_runbooks::name::Token::new(&call.run, &call.step, attempt, false);
    call
}

async fn look(real: &Real, call: &Call) -> Progress {
    real.observe(call).await.expect("an answer").progress
}

/// The job's pod, once its controller has made one.
async fn pod(clusters: &Clusters, call: &Call) -> String {
    let which = format!("job-name={}", call.token);
    for _ in 0..1_200 {
        let arguments =
            ["get", "pods", "-n", "shop", "-l", &which, "-o", "jsonpath={.items[0].metadata.name}"];
        // Without a pod kubectl prints nothing, or says that there is no first one.
        let list =
            clusters.kubectl(WEST, &["get", "pods", "-n", "shop", "-l", &which, "-o", "name"], "");
        if !list.trim().is_empty() {
            return clusters.kubectl(WEST, &arguments, "");
        }
        pause().await;
    }
    panic!("no pod is made for {}", call.token)
}

/// Puts the pod on the stand-in's node, and has it end.
fn end(clusters: &Clusters, name: &str, phase: &str) {
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name },
        "target": { "apiVersion": "v1", "kind": "Node", "name": "stand-in" },
    });
    let place = format!("/api/v1/namespaces/shop/pods/{name}/binding");
    clusters.kubectl(WEST, &["create", "--raw", &place, "-f", "-"], &binding.to_string());
    let mut pod = clusters.get(WEST, "pod", name, "shop");
    let code = if phase == "Succeeded" { 0 } else { 3 };
    pod["status"] = json!({
        "phase": phase,
        "containerStatuses": [{ "name": "job", "image": "i", "imageID": "", "ready": false,
            "restartCount": 0, "state": { "terminated": { "exitCode": code } } }],
    });
    let place = format!("/api/v1/namespaces/shop/pods/{name}/status");
    clusters.kubectl(WEST, &["replace", "--raw", &place, "-f", "-"], &pod.to_string());
}

/// What a look says, once the job's controller has said how it ended.
async fn ended(real: &Real, call: &Call) -> Progress {
    for _ in 0..1_200 {
        let seen = look(real, call).await;
        if !matches!(seen, Progress::InProgress { .. }) {
            return seen;
        }
        pause().await;
    }
    panic!("{} does not end", call.token)
}

/// Goal: a job runs once in the declared cluster under our name, as its file says; its end is the step's
/// end, with the last that it wrote and no secret of it; one that is not ours is left alone.
/// Method: real controllers make and judge the pods; a stand-in for the kubelet holds the log.
#[tokio::test]
async fn a_job_runs_once_and_its_end_is_the_steps() {
    let Some(clusters) = Clusters::start() else { return };
    let Some(_kubelet) = Kubelet::join(&clusters, WEST) else { return };
    clusters.kubectl(WEST, &["create", "namespace", "shop"], "");
    let uids = json!({ EAST: clusters.uid(EAST), WEST: clusters.uid(WEST) });
    let (real, shop) = (real(Some(clusters.kubeconfig())).await, shop(&uids));

    let first = call(&shop, 1);
    assert_eq!(look(&real, &first).await, Progress::not_started());
    for _ in 0..2 {
        assert_eq!(real.begin(&first).await.expect("taken"), Answer::Accepted);
    }
    let job = clusters.get(WEST, "job", first.token.as_str(), "shop");
    let spec = &job["spec"];
    assert_eq!(
        // This server is older than `ttlSecondsAfterFinished`, and drops it.
        json!([spec["backoffLimit"], spec["activeDeadlineSeconds"]]),
        json!([0, 600])
    );
    let pod_spec = &spec["template"]["spec"];
    assert_eq!(pod_spec["serviceAccountName"], "warmer");
    let container = &pod_spec["containers"][0];
    assert_eq!(container["image"], format!("registry.{WEST}.example/warm:1"));
    assert_eq!(container["command"], json!(["/bin/warm", "--key", first.token]));
    assert_eq!(container["env"], json!([{ "name": "REGION", "value": WEST }]));
    assert_eq!(container["envFrom"], json!([{ "secretRef": { "name": "database" } }]));

    let name = pod(&clusters, &first).await;
    let open = look(&real, &first).await.to_string();
    assert!(open.contains("active, 0 failed"), "{open}");
    end(&clusters, &name, "Succeeded");
    let Progress::Done(done) = ended(&real, &first).await else { panic!("it succeeded") };
    assert_eq!((&done.outputs["succeeded"], &done.outputs["pod"]), (&json!(1), &json!(name)));
    let note = &done.notes[0];
    let start = format!("`{name}` wrote: line 12 / ");
    assert!(note.starts_with(&start) && note.ends_with(" / line 30 / DB_PASSWORD=…"), "{note}");

    let second = call(&shop, 2);
    assert_eq!(real.begin(&second).await.expect("taken"), Answer::Accepted);
    let name = pod(&clusters, &second).await;
    end(&clusters, &name, "Failed");
    let Progress::Failed { reason } = ended(&real, &second).await else { panic!("it failed") };
    assert!(reason.starts_with("BackoffLimitExceeded: "), "{reason}");
    assert!(reason.contains(&format!("; `{name}` wrote: ")), "{reason}");

    let third = call(&shop, 3);
    let mut strange = clusters.get(WEST, "job", second.token.as_str(), "shop");
    strange["metadata"] = json!({ "name": third.token, "namespace": "shop" });
    strange["spec"]["selector"].take();
    strange["spec"]["template"]["metadata"].take();
    strange["status"].take();
    clusters.kubectl(WEST, &["create", "-f", "-"], &strange.to_string());
    let saw = look(&real, &third).await;
    assert!(matches!(saw, Progress::Foreign { .. }), "{saw}");

    // The context leads to another cluster than the declared one; and nothing runs in a drill.
    let swapped = self::shop(&json!({ EAST: uids[WEST], WEST: uids[EAST] }));
    let why = real.begin(&call(&swapped, 4)).await.expect_err("another cluster").to_string();
    assert!(why.contains("the context leads to the cluster"), "{why}");
    let mut drill = call(&shop, 5);
    drill.mode = Mode::Drill;
    let why = real.begin(&drill).await.expect_err("it is not for real").to_string();
    assert!(why.contains("live runs only"), "{why}");
    let jobs = clusters.kubectl(WEST, &["get", "jobs", "-n", "shop", "-o", "name"], "");
    assert_eq!(jobs.lines().count(), 3, "{jobs}");
}
