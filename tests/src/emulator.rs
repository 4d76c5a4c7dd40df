//! The emulated AWS, its fault proxy and its name server, as a test speaks to them. What they can do
//! stands in `tests/world/README.md`.

pub mod accounts;
pub mod aws;
pub mod calls;
pub mod ministack;
mod protection;
pub mod site;

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use jiff::{SignedDuration, Timestamp};
use muster::{
    clock::Clock,
    world::{
        aws::Access,
        notify::Receiver,
        rates::{Rates, Service},
        real::{Real, Settings},
    },
};
use serde_json::{Value, json};

use crate::kubernetes::Clusters;

/// The home of the application.
pub const EAST: &str = "us-east-1";
/// Its standby.
pub const WEST: &str = "us-west-2";

/// When every test begins.
const START: &str = "2026-03-01T02:00:00Z";

/// One emulated world, for one test.
#[derive(Debug)]
pub struct Emulator {
    aws: Server,
    proxy: Server,
    names: Option<Server>,
    http: reqwest::Client,
    folder: tempfile::TempDir,
    now: Timestamp,
}

#[derive(Debug)]
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(python: &Path, arguments: &[&str]) -> Server {
        let mut child = Command::new(python)
            .args(arguments)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("world"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the python of the test world starts");
        let mut said = String::new();
        let stdout = child.stdout.take().expect("its output is a pipe");
        BufReader::new(stdout).read_line(&mut said).expect("a server says that it is ready");
        let port = said.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("{arguments:?} said `{said}`"));
        Server { child, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The python of the test world: as `tests/run` says, or as an earlier run of it left it.
pub fn python() -> Option<PathBuf> {
    let found = match std::env::var_os("MUSTER_TEST_PYTHON") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/test-world-venv/bin/python"),
    };
    found.is_file().then_some(found)
}

/// Says that a test could not run; `tests/run` prints it, and fails where skips are failures.
pub fn skip(name: &str, reason: &str) {
    let Some(path) = std::env::var_os("MUSTER_SKIPS") else { return };
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| writeln!(file, "{name}: {reason}")).expect("the skip is written down");
}

/// Rates under which nobody waits: the clock of a test stands still between its steps, and turns come with it.
fn unhurried() -> Rates {
    let rate = json!({ "looks": u16::MAX, "acts": u16::MAX });
    let all: Value = Service::WORDS.iter().map(|word| ((*word).to_owned(), rate.clone())).collect();
    serde_json::from_value(all).expect("a table")
}

impl Emulator {
    /// An empty AWS at two o'clock; `None`, and a skip, where its python is missing.
    pub fn start() -> Option<Emulator> {
        let Some(python) = python() else {
            skip("emulated-aws", "the python of the test world is missing: tests/world/setup.sh");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder for the clock");
        let now = START.parse().expect("an instant");
        std::fs::write(folder.path().join("now"), START).expect("the clock is written");
        let clock = folder.path().join("now").display().to_string();
        let aws = Server::start(&python, &["-m", "muster_moto", "--clock-file", &clock]);
        let proxy = Server::start(&python, &["proxy.py", "--upstream", &aws.url()]);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Some(Emulator { aws, proxy, names: None, http, folder, now })
    }

    /// Starts the name server. Health checks of `marker.example.com` look into `bucket`.
    pub fn serve_names(&mut self, bucket: &str) {
        let map = self.folder.path().join("urls");
        let urls = json!({ "marker.example.com": format!("{}/{bucket}", self.aws.url()) });
        std::fs::write(&map, urls.to_string()).expect("the map is written");
        let (route53, clock) = (self.aws.url(), self.clock_file().display().to_string());
        let map = map.display().to_string();
        let arguments =
            ["dns.py", "--route53", &route53, "--clock-file", &clock, "--url-map", &map];
        let python = python().expect("it started the others");
        self.names = Some(Server::start(&python, &arguments));
    }

    /// Where the name server answers, once it was started.
    pub fn name_servers(&self) -> Vec<String> {
        self.names.iter().map(|names| format!("127.0.0.1:{}", names.port)).collect()
    }

    /// The world under test: it reaches AWS through the proxy.
    pub async fn real(&self, receivers: Vec<Receiver>) -> Real {
        Real::new(self.settings(receivers)).await.expect("the clients are made")
    }

    /// The same world, which reaches clusters too.
    pub async fn real_beside(&self, clusters: &Clusters) -> Real {
        self.real_by(clusters.kubeconfig()).await
    }

    /// The same world, which reaches clusters as the users of a kubeconfig.
    pub async fn real_by(&self, kubeconfig: PathBuf) -> Real {
        let settings = Settings { kubeconfig: Some(kubeconfig), ..self.settings(Vec::new()) };
        Real::new(settings).await.expect("the clients are made")
    }

    fn settings(&self, receivers: Vec<Receiver>) -> Settings {
        Settings {
            access: Access::Emulator { endpoint: self.proxy.url() },
            kubeconfig: None,
            receivers,
            rates: unhurried(),
            clock: Clock::File(self.clock_file()),
            epoch: 7,
            comparisons: Some(self.folder.path().join("comparisons")),
        }
    }

    /// Where AWS is reached by way of the faults.
    pub fn endpoint(&self) -> String {
        self.proxy.url()
    }

    /// Where AWS is reached past the faults.
    pub fn aws_url(&self) -> String {
        self.aws.url()
    }

    /// What a program needs in its environment to reach it by way of the faults.
    pub fn env(&self) -> Vec<(String, String)> {
        crate::aws::env(&self.endpoint())
    }

    /// The folder of this world, for what belongs to one test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file that drives every clock.
    pub fn clock_file(&self) -> PathBuf {
        self.folder.path().join("now")
    }

    /// The present instant of every clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass. Written aside and renamed, so that nobody reads half an instant.
    pub fn pass(&mut self, secs: i64) {
        self.now += SignedDuration::from_secs(secs);
        let aside = self.folder.path().join("next");
        std::fs::write(&aside, self.now.to_string()).expect("the clock is written");
        std::fs::rename(&aside, self.clock_file()).expect("the clock moves");
    }

    /// Sets what AWS does, such as `snapshot_secs`.
    pub async fn set(&self, settings: Value) {
        self.ask(&self.aws, "PUT", "/_muster/settings", &settings).await;
    }

    /// Gives a standby cluster a replication lag, one sample a minute; none with `null`.
    pub async fn lag(&self, region: &str, cluster: &str, lag_ms: Value) {
        let body = json!({ "region": region, "cluster": cluster, "lag_ms": lag_ms });
        self.ask(&self.aws, "PUT", "/_muster/lag", &body).await;
    }

    /// Puts a cluster, snapshot or instance in a state.
    pub async fn status(&self, region: &str, kind: &str, id: &str, status: &str) {
        let body = json!({ "region": region, "kind": kind, "id": id, "status": status });
        self.ask(&self.aws, "PUT", "/_muster/status", &body).await;
    }

    /// What happened for real, each effect as often as it happened.
    pub async fn effects(&self) -> Vec<String> {
        let effects = self.ask(&self.aws, "GET", "/_muster/effects", &json!({})).await;
        let what = |effect: &Value| effect["what"].as_str().unwrap_or_default().to_owned();
        effects.as_array().into_iter().flatten().map(what).collect()
    }

    /// What happened after the first `after` effects, in words and in order: what and where.
    pub async fn effects_after(&self, after: usize) -> Vec<String> {
        let path = format!("/_muster/effects?after={after}");
        let effects = self.ask(&self.aws, "GET", &path, &json!({})).await;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let said =
            |effect: &Value| format!("{} {}", word(&effect["what"]), word(&effect["region"]));
        effects.as_array().into_iter().flatten().map(said).collect()
    }

    /// How often an effect happened.
    pub async fn count(&self, effect: &str) -> usize {
        self.effects().await.iter().filter(|what| *what == effect).count()
    }

    /// How often an operation came to the proxy, whatever became of it.
    pub async fn calls(&self, operation: &str) -> Vec<Value> {
        let calls = self.ask(&self.proxy, "GET", "/_faults/calls", &json!({})).await;
        let is_it = |call: &&Value| call["operation"] == operation;
        calls.as_array().into_iter().flatten().filter(is_it).cloned().collect()
    }

    /// The calls that came to the proxy after number `after`, each with its number and its fate.
    pub async fn calls_after(&self, after: u64) -> Vec<Value> {
        let path = format!("/_faults/calls?after={after}");
        let calls = self.ask(&self.proxy, "GET", &path, &json!({})).await;
        calls.as_array().cloned().unwrap_or_default()
    }

    /// How often an operation reached AWS itself, whatever it answered.
    pub async fn arrived(&self, operation: &str) -> usize {
        let calls = self.ask(&self.aws, "GET", "/_muster/calls", &json!({})).await;
        let is_it = |call: &&Value| call["operation"] == operation;
        calls.as_array().into_iter().flatten().filter(is_it).count()
    }

    /// The calls that reached AWS itself after number `after`, each with its parameters.
    pub async fn recorded(&self, after: usize) -> Vec<Value> {
        let path = format!("/_muster/calls?after={after}");
        let calls = self.ask(&self.aws, "GET", &path, &json!({})).await;
        calls.as_array().cloned().unwrap_or_default()
    }

    /// How many calls the proxy keeps waiting.
    pub async fn connections_held(&self) -> u64 {
        let faults = self.ask(&self.proxy, "GET", "/_faults/faults", &json!({})).await;
        faults["held"].as_u64().unwrap_or_default()
    }

    /// Kills a process at the call with this number, `before` it is passed on or `after` it took
    /// effect.
    pub async fn kill(&self, pid: u32, at: u64, when: &str) {
        let how = json!({ "pid": pid, "at": at, "when": when });
        self.ask(&self.proxy, "POST", "/_faults/kill", &how).await;
    }

    /// Everything that came to the proxy since it was told to forget, as service and operation; what
    /// the proxy has no word for as its method and path.
    pub async fn called(&self) -> Vec<(String, String)> {
        let calls = self.ask(&self.proxy, "GET", "/_faults/calls", &json!({})).await;
        let word = |call: &Value, name: &str| call[name].as_str().unwrap_or_default().to_owned();
        let both = |call: &Value| match word(call, "operation") {
            none if none.is_empty() => {
                let path = format!("{} {}", word(call, "method"), word(call, "path"));
                (word(call, "service"), path)
            }
            operation => (word(call, "service"), operation),
        };
        calls.as_array().into_iter().flatten().map(both).collect()
    }

    /// Forgets what came to the proxy.
    pub async fn forget_calls(&self) {
        self.ask(&self.proxy, "DELETE", "/_faults/calls", &json!({})).await;
    }

    /// Lets a fault stand: `silence`, `lose`, `throttle`.
    pub async fn fault(&self, kind: &str, how: Value) {
        self.ask(&self.proxy, "POST", &format!("/_faults/{kind}"), &how).await;
    }

    /// Spoils answers by a rule of microburst's, such as `{"response": {"abort_frac": 0.5}}`.
    pub async fn spoil(&self, rule: Value) {
        self.ask(&self.proxy, "PATCH", "/_microburst/rules", &json!([rule])).await;
    }

    /// Ends all faults.
    pub async fn heal(&self) {
        self.ask(&self.proxy, "DELETE", "/_faults/faults", &json!({})).await;
    }

    async fn ask(&self, server: &Server, method: &str, path: &str, body: &Value) -> Value {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}{path}", server.url())).json(body);
        let answer = request.send().await.expect("the test world answers");
        let status = answer.status();
        let text = answer.text().await.expect("an answer");
        assert!(status.is_success(), "{path} {body}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}
