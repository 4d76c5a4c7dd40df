//! What of an object is worth keeping: what somebody declared, not what the cluster made of it, and
//! never what a Secret holds.

use kube::api::DynamicObject;
use serde_json::{Map, Value};

/// Kinds that a cluster makes by itself, and that would be wrong in another one.
const MADE_BY_CLUSTER: &[&str] = &[
    "Binding",
    "ComponentStatus",
    "ControllerRevision",
    "EndpointSlice",
    "Endpoints",
    "Event",
    "Lease",
    "PodMetrics",
];

/// Objects that every namespace has without anybody's doing.
const IN_EVERY_NAMESPACE: &[(&str, &str)] =
    &[("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];

/// What the server writes into the metadata of an object.
const SERVERS_METADATA: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "ownerReferences",
    "selfLink",
    "clusterName",
    "generateName",
];

/// Annotations that the cluster writes, or that repeat the object. `kubectl apply` keeps the whole
/// object in one, and so the contents of a Secret.
const DROPPED_ANNOTATIONS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "control-plane.alpha.kubernetes.io/leader",
];

/// Labels that tie a job's pods to the one cluster that ran it.
const DROPPED_LABELS: &[&str] =
    &["controller-uid", "batch.kubernetes.io/controller-uid", "job-name"];

/// Where the keys of a Secret are named, for the person who has to bring it.
pub const SECRET_KEYS: &str = "muster/secret-keys";

/// An object as it is exported; `None` for what is not.
pub fn cleaned(object: DynamicObject) -> Option<Value> {
    let kind = object.types.as_ref()?.kind.clone();
    let name = object.metadata.name.clone()?;
    let owners = object.metadata.owner_references.iter().flatten();
    let has_owner = owners.into_iter().any(|owner| owner.controller == Some(true));
    let is_made = MADE_BY_CLUSTER.contains(&kind.as_str())
        || IN_EVERY_NAMESPACE.contains(&(kind.as_str(), name.as_str()));
    if has_owner || is_made || object.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let Ok(Value::Object(mut value)) = serde_json::to_value(object) else { return None };
    if kind == "Secret" && !bare_secret(&mut value) {
        return None;
    }
    value.remove("status");
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        clean_metadata(metadata);
    }
    if let Some(Value::Object(spec)) = value.get_mut("spec") {
        clean_spec(&kind, spec);
    }
    if kind == "ServiceAccount" {
        value.remove("secrets");
    }
    Some(Value::Object(value))
}

/// Takes the contents out of a Secret and leaves the names of its keys. `false` for the tokens that
/// a cluster issues itself.
fn bare_secret(value: &mut Map<String, Value>) -> bool {
    if value.get("type").and_then(Value::as_str) == Some("kubernetes.io/service-account-token") {
        return false;
    }
    let mut keys: Vec<String> = Vec::new();
    for held in ["data", "stringData"] {
        if let Some(Value::Object(held)) = value.remove(held) {
            keys.extend(held.into_iter().map(|(key, _)| key));
        }
    }
    keys.sort();
    let metadata = value.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    // Any annotation may hold what the data held: tools keep checksums and whole copies in them.
    metadata["annotations"] = serde_json::json!({ SECRET_KEYS: keys.join(" ") });
    true
}

fn clean_metadata(metadata: &mut Map<String, Value>) {
    for key in SERVERS_METADATA {
        metadata.remove(*key);
    }
    for (key, dropped) in [("annotations", DROPPED_ANNOTATIONS), ("labels", DROPPED_LABELS)] {
        let Some(Value::Object(map)) = metadata.get_mut(key) else { continue };
        map.retain(|name, _| !dropped.contains(&name.as_str()));
        if map.is_empty() {
            metadata.remove(key);
        }
    }
}

/// What a cluster assigned and another one will assign anew.
fn clean_spec(kind: &str, spec: &mut Map<String, Value>) {
    match kind {
        "Service" => {
            let is_headless = spec.get("clusterIP").and_then(Value::as_str) == Some("None");
            spec.remove("healthCheckNodePort");
            if !is_headless {
                spec.remove("clusterIP");
                spec.remove("clusterIPs");
            }
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Value::Object(port) = port {
                    port.remove("nodePort");
                }
            }
        }
        "PersistentVolumeClaim" => {
            spec.remove("volumeName");
        }
        "Pod" => {
            spec.remove("nodeName");
        }
        "Job" => {
            // Chosen by the cluster unless a person said so.
            if spec.get("manualSelector").and_then(Value::as_bool) != Some(true) {
                spec.remove("selector");
            }
            if let Some(Value::Object(labels)) = spec
                .get_mut("template")
                .and_then(|template| template.pointer_mut("/metadata/labels"))
            {
                labels.retain(|name, _| !DROPPED_LABELS.contains(&name.as_str()));
            }
        }
        "Namespace" => {
            spec.clear();
        }
        _ => {}
    }
}

/// In which order objects are created: what others need comes first.
pub fn rank(kind: &str) -> usize {
    const ORDER: &[&str] = &[
        "Namespace",
        "CustomResourceDefinition",
        "ResourceQuota",
        "LimitRange",
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "Role",
        "RoleBinding",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Service",
    ];
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn clean(object: Value) -> Option<Value> {
        cleaned(serde_json::from_value(object).unwrap())
    }

    /// Goal: nothing that a Secret holds leaves its cluster, wherever in the object it stands (I23).
    #[test]
    fn a_secret_is_bare() {
        let secret = clean(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {
                "name": "database",
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":\"c2VjcmV0\"}",
                    "tool/copy": "c2VjcmV0",
                },
            },
            "data": { "password": "c2VjcmV0" },
            "stringData": { "user": "c2VjcmV0" },
        }));
        let secret = secret.unwrap();
        assert!(!secret.to_string().contains("c2VjcmV0"), "{secret}");
        assert_eq!(secret["metadata"]["annotations"][SECRET_KEYS], json!("password user"));
        assert_eq!(secret["type"], json!("Opaque"));
        let token = clean(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token" },
            "type": "kubernetes.io/service-account-token", "data": { "token": "x" },
        }));
        assert_eq!(token, None);
    }

    /// Goal: what a controller made is left to its controller, and what is being deleted stays gone.
    #[test]
    fn what_is_made_by_others_is_not_exported() {
        let owned = json!({ "controller": true, "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u" });
        let named = |kind: &str, metadata: Value| {
            clean(json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata }))
        };
        assert_eq!(named("Pod", json!({ "name": "web-1-x", "ownerReferences": [owned] })), None);
        assert_eq!(named("Endpoints", json!({ "name": "web" })), None);
        assert_eq!(named("ConfigMap", json!({ "name": "kube-root-ca.crt" })), None);
        let going = json!({ "name": "web", "deletionTimestamp": "2026-03-01T02:00:00Z" });
        assert_eq!(named("Service", going), None);
        assert!(named("Pod", json!({ "name": "by-hand" })).is_some());
    }

    /// Goal: an object fits another cluster: nothing in it was assigned by the one it comes from.
    #[test]
    fn what_a_cluster_assigned_is_dropped() {
        let service = |spec: Value| {
            clean(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": { "name": "web", "uid": "u", "resourceVersion": "7", "labels": { "app": "web" } },
                "spec": spec, "status": { "loadBalancer": {} },
            }))
        };
        let web = service(
            json!({ "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "ports": [{ "port": 80, "nodePort": 31000 }] }),
        );
        assert_eq!(
            web.unwrap(),
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": { "name": "web", "labels": { "app": "web" } },
                "spec": { "ports": [{ "port": 80 }] },
            })
        );
        // Without an address by choice, and that is part of what it is.
        let headless = service(json!({ "clusterIP": "None" })).unwrap();
        assert_eq!(headless["spec"]["clusterIP"], json!("None"));
        let claim = clean(json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": "data", "annotations": { "pv.kubernetes.io/bind-completed": "yes" } },
            "spec": { "volumeName": "pvc-1", "accessModes": ["ReadWriteOnce"] },
        }));
        assert_eq!(
            claim.unwrap(),
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" },
                "spec": { "accessModes": ["ReadWriteOnce"] },
            })
        );
        let job = clean(json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "once", "labels": { "controller-uid": "u" } },
            "spec": { "selector": { "matchLabels": { "controller-uid": "u" } },
                      "template": { "metadata": { "labels": { "controller-uid": "u", "app": "once" } } } },
        }));
        let job = job.unwrap();
        assert_eq!(
            job["spec"],
            json!({ "template": { "metadata": { "labels": { "app": "once" } } } })
        );
        assert_eq!(job["metadata"], json!({ "name": "once" }));
    }
}
