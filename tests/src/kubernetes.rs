//! Two real control planes, one for each region: etcd, kube-apiserver, kube-controller-manager.

mod kubelet;
mod room;

use std::{
    io::{BufRead, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

pub use self::{kubelet::Kubelet, room::NODE as ROOM};
use crate::emulator::{EAST, WEST, skip};

/// How many ports in a row a control plane takes.
const PORTS: u16 = 4;

/// Two clusters, for one test.
#[derive(Debug)]
pub struct Clusters {
    folder: tempfile::TempDir,
    planes: Vec<Child>,
}

impl Drop for Clusters {
    fn drop(&mut self) {
        for plane in &mut self.planes {
            // It ends, and what it started with it, when its input does.
            drop(plane.stdin.take());
            let _ = plane.wait();
        }
    }
}

/// Runs kubectl as whoever a kubeconfig is of, with `input` on its standard input. Answers what it printed.
pub(crate) fn kubectl(kubeconfig: &Path, cluster: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--context", cluster])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("kubectl ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?} with {input}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Clusters {
    /// Two empty clusters, whose contexts are called like their regions; `None`, and a skip, where
    /// their binaries are missing.
    pub fn start() -> Option<Clusters> {
        let binaries = match std::env::var_os("MUSTER_TEST_KUBERNETES") {
            Some(path) => PathBuf::from(path),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/kubernetes"),
        };
        if !binaries.join("kube-apiserver").is_file() {
            skip("kubernetes", "no API server to test with: tests/world/kubernetes/build.sh");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder for the clusters");
        let planes = [EAST, WEST].map(|name| plane(name, &binaries, &folder.path().join(name)));
        let planes = planes.into_iter().map(|(mut plane, root)| {
            let mut said = String::new();
            let stdout = plane.stdout.take().expect("its output is a pipe");
            BufReader::new(stdout).read_line(&mut said).expect("it says that it is ready");
            assert_eq!(said.trim(), "ready", "see {}", root.display());
            plane
        });
        let planes = planes.collect();
        let clusters = Clusters { folder, planes };
        clusters.join_configurations();
        Some(clusters)
    }

    /// The kubeconfig with a context for each.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Where a cluster keeps its keys and its logs.
    pub fn folder(&self, cluster: &str) -> PathBuf {
        self.folder.path().join(cluster)
    }

    /// Runs kubectl in a cluster, with `input` on its standard input. Answers what it printed.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn kubectl(&self, cluster: &str, arguments: &[&str], input: &str) -> String {
        kubectl(&self.kubeconfig(), cluster, arguments, input)
    }

    /// One object as JSON.
    pub fn get(&self, cluster: &str, kind: &str, name: &str, namespace: &str) -> Value {
        let text =
            self.kubectl(cluster, &["get", kind, name, "--namespace", namespace, "-o", "json"], "");
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// What tells a cluster from another one.
    pub fn uid(&self, cluster: &str) -> String {
        let found = self.get(cluster, "namespace", "kube-system", "default");
        found["metadata"]["uid"].as_str().expect("a namespace has a UID").to_owned()
    }

    fn join_configurations(&self) {
        let files = [EAST, WEST].map(|name| self.folder.path().join(name).join("kubeconfig"));
        let files = std::env::join_paths(files).expect("no colon in a temporary folder");
        let joined = Command::new("kubectl")
            .args(["config", "view", "--raw", "--flatten"])
            .env("KUBECONFIG", files)
            .output()
            .expect("kubectl starts");
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
        std::fs::write(self.kubeconfig(), joined.stdout).expect("the kubeconfig is written");
    }
}

fn plane(name: &str, binaries: &Path, root: &Path) -> (Child, PathBuf) {
    std::fs::create_dir(root).expect("a folder for the cluster");
    let child = Command::new("bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("world/kubernetes/up.sh"))
        .arg(name)
        .arg(binaries)
        .arg(root)
        .arg(free_ports().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("bash starts");
    (child, root.to_owned())
}

/// The first of four ports in a row that nobody listens on.
fn free_ports() -> u16 {
    let listens = |port: u16| TcpListener::bind(("127.0.0.1", port));
    loop {
        let first = listens(0).and_then(|one| one.local_addr()).expect("a free port").port();
        let Some(last) = first.checked_add(PORTS - 1) else { continue };
        if (first..=last).all(|port| listens(port).is_ok()) {
            return first;
        }
    }
}
