//! A stand-in for scheduler and nodes: pods are placed as long as there is room, and are then ready.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Clusters;

/// The node that everything is placed on.
const NODE: &str = "room";

impl Clusters {
    /// Gives every pod of a namespace a place, up to so many in all, and says of the others that no node
    /// has room for them. Answers how many have one.
    ///
    /// # Panics
    ///
    /// When the cluster does not take it.
    pub fn place(&self, cluster: &str, namespace: &str, room: usize, now: Timestamp) -> usize {
        let list = ["get", "pods", "--namespace", namespace, "-o", "json"];
        let pods: Value = serde_json::from_str(&self.kubectl(cluster, &list, "")).expect("JSON");
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let mut placed = 0;
        for pod in pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()) {
            let name = pod["metadata"]["name"].as_str().expect("a pod has a name");
            let has_place = pod["spec"]["nodeName"].is_string();
            if !has_place && placed < room {
                let binding = json!({
                    "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name },
                    "target": { "apiVersion": "v1", "kind": "Node", "name": NODE },
                });
                let place = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
                self.kubectl(
                    cluster,
                    &["create", "--raw", &place, "-f", "-"],
                    &binding.to_string(),
                );
            }
            if has_place || placed < room {
                placed += 1;
                self.say(cluster, namespace, name, "Running", &[("Ready", "True", "")], now);
            } else {
                let no_room =
                    [("PodScheduled", "False", "0/1 nodes are available: 1 Insufficient cpu.")];
                self.say(cluster, namespace, name, "Pending", &no_room, now);
            }
        }
        placed
    }

    /// Writes a pod's status, and keeps since when each condition is so.
    fn say(
        &self,
        cluster: &str,
        namespace: &str,
        name: &str,
        phase: &str,
        conditions: &[(&str, &str, &str)],
        now: Timestamp,
    ) {
        let mut pod = self.get(cluster, "pod", name, namespace);
        let before = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let dated = conditions.iter().map(|(kind, status, why)| {
            let same = before.iter().find(|one| one["type"] == **kind && one["status"] == **status);
            let since =
                same.map_or_else(|| json!(second(now)), |one| one["lastTransitionTime"].clone());
            let reason = if why.is_empty() { "" } else { "Unschedulable" };
            json!({
                "type": kind, "status": status, "reason": reason, "message": why,
                "lastTransitionTime": since,
            })
        });
        pod["status"] = json!({ "phase": phase, "conditions": dated.collect::<Vec<_>>() });
        let place = format!("/api/v1/namespaces/{namespace}/pods/{name}/status");
        self.kubectl(cluster, &["replace", "--raw", &place, "-f", "-"], &pod.to_string());
    }
}

/// Kubernetes knows whole seconds.
fn second(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
