//! A stand-in for a node of a cluster, and pods on it that are said to be running.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use super::Clusters;
use crate::emulator::{python, skip};

/// The node's name.
const NODE: &str = "stand-in";

/// A node on which commands can be run: what they do is in `tests/world/kubelet.py`.
#[derive(Debug)]
pub struct Kubelet {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Kubelet {
    /// Starts one and makes it a node of a cluster; `None`, and a skip, without the python of the test
    /// world.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn join(clusters: &Clusters, cluster: &str) -> Option<Kubelet> {
        let Some(python) = python() else {
            skip("kubelet", "no python to run it: tests/world/setup.sh");
            return None;
        };
        let keys = clusters.folder(cluster).join("pki");
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("world/kubelet.py"))
            .args([keys.join("server.crt"), keys.join("server.key")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut said = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let port: u16 =
            line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok()).expect("a port");
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": NODE },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }],
                "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
            },
        });
        clusters.kubectl(cluster, &["create", "-f", "-"], &node.to_string());
        Some(Kubelet { child, said })
    }

    /// Makes a pod on the node with a label `app` and one container for each name, in a phase.
    ///
    /// # Panics
    ///
    /// When the cluster does not take it.
    pub fn pod(clusters: &Clusters, cluster: &str, name: &str, containers: &[&str], ready: bool) {
        let containers: Vec<Value> =
            containers.iter().map(|name| json!({ "name": name, "image": "none" })).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": "shop", "labels": { "app": "api" } },
            "spec": { "nodeName": NODE, "containers": containers },
        });
        clusters.kubectl(cluster, &["create", "-f", "-"], &pod.to_string());
        let mut pod = clusters.get(cluster, "pod", name, "shop");
        let is = if ready { "True" } else { "False" };
        pod["status"] =
            json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": is }] });
        let place = format!("/api/v1/namespaces/shop/pods/{name}/status");
        clusters.kubectl(cluster, &["replace", "--raw", &place, "-f", "-"], &pod.to_string());
    }

    /// The next command that it was asked to run. Waits until there is one.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn asked(&mut self) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it says what it is asked");
        serde_json::from_str(&line).expect("a line of JSON")
    }
}
