//! One object of each kind that may stand in the application's namespace, beside the shipped ones.

use serde_json::{Value, json};

use super::PRODUCTION;

/// What a test adds to the namespace. The workers are a cron job, a deployment and a stateful set.
pub(super) fn yard() -> String {
    let one = |api_version: &str, kind: &str, name: &str, more: Value| {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": { "name": name, "namespace": PRODUCTION },
        });
        for (key, value) in more.as_object().expect("a map") {
            object[key] = value.clone();
        }
        object
    };
    let pod = |app: &str| {
        json!({ "metadata": { "labels": { "app": app } },
                "spec": { "containers": [{ "name": app, "image": format!("{app}:1") }] } })
    };
    let set = |app: &str, more: Value| {
        let mut spec =
            json!({ "selector": { "matchLabels": { "app": app } }, "template": pod(app) });
        for (key, value) in more.as_object().expect("a map") {
            spec[key] = value.clone();
        }
        json!({ "spec": spec })
    };
    // On no node, so that it makes no pods that others would have to place.
    let mut agents = set("agent", json!({}));
    agents["spec"]["template"]["spec"]["nodeSelector"] = json!({ "nowhere": "true" });
    let mut once = pod("once");
    once["spec"]["restartPolicy"] = json!("Never");
    once["metadata"] = json!({});
    // Nobody has such a device, so the quota keeps nothing out.
    let quota = json!({ "spec": { "hard": { "requests.nvidia.com/gpu": "0" } } });
    let range = json!({ "spec": { "limits": [{ "type": "PersistentVolumeClaim", "max": { "storage": "1Ti" } }] } });
    let claim = json!({ "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
        "resources": { "requests": { "storage": "1Gi" } } } });
    let items = [
        one("apps/v1", "Deployment", "consumer", set("consumer", json!({ "replicas": 1 }))),
        one(
            "apps/v1",
            "StatefulSet",
            "queue",
            set("queue", json!({ "replicas": 1, "serviceName": "queue" })),
        ),
        one("apps/v1", "DaemonSet", "agent", agents),
        one("apps/v1", "ReplicaSet", "bare", set("bare", json!({ "replicas": 0 }))),
        one(
            "v1",
            "ReplicationController",
            "old",
            json!({ "spec": { "replicas": 0, "selector": { "app": "old" }, "template": pod("old") } }),
        ),
        one("v1", "PodTemplate", "shape", json!({ "template": pod("shape") })),
        one("v1", "Pod", "alone", json!({ "spec": pod("alone")["spec"] })),
        one("batch/v1", "Job", "once", json!({ "spec": { "template": once } })),
        // The server of the test world serves no newer version.
        one(
            "batch/v1beta1",
            "CronJob",
            "nightly",
            json!({ "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": { "template": once } } } }),
        ),
        one("v1", "LimitRange", "claims", range),
        one("v1", "ResourceQuota", "devices", quota),
        one("v1", "PersistentVolumeClaim", "disk", claim),
        one("v1", "Secret", "database", json!({ "stringData": { "password": "tell-nobody" } })),
        one("vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", "groups", json!({ "spec": {} })),
        one("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", "targets", json!({ "spec": {} })),
        one("external-secrets.io/v1", "PushSecret", "pushed", json!({ "spec": {} })),
    ];
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}
