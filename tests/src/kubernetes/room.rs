//! A stand-in for scheduler and nodes: pods are placed as long as there is room, and are then ready.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Clusters;

/// The node that everything is placed on.
pub const NODE: &str = "room";

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
                self.bind(cluster, namespace, name, NODE);
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

    /// Puts a pod on a node, where it is ready. Whether the node is there, nobody asks.
    ///
    /// # Panics
    ///
    /// When the cluster does not take it.
    pub fn stand(&self, cluster: &str, namespace: &str, pod: &str, node: &str, now: Timestamp) {
        self.bind(cluster, namespace, pod, node);
        self.say(cluster, namespace, pod, "Running", &[("Ready", "True", "")], now);
    }

    /// Makes a node.
    ///
    /// # Panics
    ///
    /// When the cluster does not take it.
    pub fn add_node(&self, cluster: &str, node: &str) {
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": node } });
        self.kubectl(cluster, &["create", "-f", "-"], &node.to_string());
    }

    /// A node says whether it is ready (`True`, `False`, `Unknown`), and since when. One of which nothing is heard
    /// for forty seconds is called `Unknown` by its controller.
    ///
    /// # Panics
    ///
    /// When the cluster does not take it.
    pub fn hear_of(
        &self,
        cluster: &str,
        node: &str,
        is_ready: &str,
        since: Timestamp,
        now: Timestamp,
    ) {
        let heard = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": node },
            "status": { "conditions": [{
                "type": "Ready", "status": is_ready, "reason": "Test", "message": "a test says so",
                "lastHeartbeatTime": second(now), "lastTransitionTime": second(since),
            }] },
        });
        let place = format!("/api/v1/nodes/{node}/status");
        self.kubectl(cluster, &["replace", "--raw", &place, "-f", "-"], &heard.to_string());
    }

    fn bind(&self, cluster: &str, namespace: &str, pod: &str, node: &str) {
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let place = format!("/api/v1/namespaces/{namespace}/pods/{pod}/binding");
        self.kubectl(cluster, &["create", "--raw", &place, "-f", "-"], &binding.to_string());
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
