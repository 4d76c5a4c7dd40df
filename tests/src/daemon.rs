//! A real `muster serve` in a process of its own: started, asked, killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
};

use jiff::{SignedDuration, Timestamp};
use muster::clock::Clock;
use serde_json::{Value, json};

/// How long anything here may take before the test gives up.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// How often something is asked for again.
const PAUSE: SignedDuration = SignedDuration::from_millis(20);

/// The `muster` binary beside this test's own.
///
/// # Panics
///
/// When it is missing, or was built from other sources: a stale binary is a false green.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let me = std::env::current_exe().expect("a test knows its own path");
        let folder = me.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
        let path = folder.join("muster");
        let version = Command::new(&path)
            .arg("--version")
            .output()
            .expect("muster is built: cargo build --workspace");
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        assert!(
            version.contains(muster::BUILD_ID),
            "`{}` is stale ({}); build the workspace first",
            path.display(),
            version.trim()
        );
        path
    })
}

/// A port of the loopback address that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// What a daemon is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The folder of its configuration; its state lies below.
    pub folder: PathBuf,
    /// Its API.
    pub port: u16,
    /// Its metrics.
    pub metrics_port: u16,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The file that drives its clock.
    pub clock: Option<PathBuf>,
    /// What it is wrapped in, such as `strace` with its arguments.
    pub wrapper: Vec<String>,
}

/// The people of the tests: name, role, token.
pub const PEOPLE: &[(&str, &str, &str)] = &[
    ("ana", "operator", "token-of-ana-0123456789abcdef0123"),
    ("ben", "approver", "token-of-ben-0123456789abcdef0123"),
    ("eve", "viewer", "token-of-eve-0123456789abcdef0123"),
    ("dan", "approver", "token-of-dan-0123456789abcdef0123"),
    ("adm", "admin", "token-of-adm-0123456789abcdef0123"),
];

impl Setup {
    /// Writes a configuration with the people of the tests into `folder`. `more` is appended to it.
    pub fn write(folder: &Path, more: &str) -> Setup {
        use sha2::Digest;
        let (port, metrics_port) = (free_port(), free_port());
        let mut text = format!(
            "state: state\nlisten:\n  http: 127.0.0.1:{port}\n  metrics: 127.0.0.1:{metrics_port}\ntokens:\n"
        );
        for (name, role, token) in PEOPLE {
            let hash: String = sha2::Sha256::digest(token.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            text += &format!("  - {{ name: {name}, role: {role}, sha256: {hash} }}\n");
        }
        text += more;
        fs::write(folder.join("muster.yaml"), text).expect("the folder can be written");
        Setup {
            folder: folder.to_owned(),
            port,
            metrics_port,
            env: Vec::new(),
            clock: None,
            wrapper: Vec::new(),
        }
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.clone();
        words.push(binary().display().to_string());
        words.extend(["serve".to_owned(), "--config".to_owned()]);
        words.push(self.folder.join("muster.yaml").display().to_string());
        if let Some(clock) = &self.clock {
            words.extend(["--clock-file".to_owned(), clock.display().to_string()]);
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(self.env.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The log that a daemon has written there.
    ///
    /// # Panics
    ///
    /// When there is none, or it has several segments: several files to be killed at.
    pub fn segment(&self) -> PathBuf {
        let mut segments = fs::read_dir(self.state().join("log")).expect("a log").flatten();
        let (segment, none) = (segments.next().expect("a segment").path(), segments.next());
        assert!(none.is_none(), "several segments");
        segment
    }

    /// Starts a daemon and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it ends or is not ready in time.
    pub async fn start(&self) -> Daemon {
        let mut daemon = self.launch();
        let until = Clock::Real.now() + PATIENCE;
        while !daemon.is_ready().await {
            assert!(!daemon.has_ended() && Clock::Real.now() < until, "{}", daemon.last_words());
            pause().await;
        }
        daemon
    }

    /// Starts a daemon without waiting.
    ///
    /// # Panics
    ///
    /// When the process cannot be started.
    pub fn launch(&self) -> Daemon {
        let path = self.folder.join("muster.log");
        let log = fs::File::options().create(true).append(true).open(&path).expect("a log file");
        let said_before = log.metadata().expect("a log file").len();
        let started_at = Clock::Real.now();
        let child = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the daemon starts");
        let http = reqwest::Client::builder()
            .timeout(PATIENCE.unsigned_abs())
            .no_proxy()
            .build()
            .expect("a client");
        let base = format!("http://127.0.0.1:{}", self.port);
        Daemon { child, status: None, http, base, log: path, said_before, started_at }
    }
}

/// A running daemon. Killed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    status: Option<ExitStatus>,
    http: reqwest::Client,
    base: String,
    log: PathBuf,
    said_before: u64,
    started_at: Timestamp,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Daemon {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started, by the machine's clock.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Its API's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Ends it as a power cut of the process would.
    pub fn kill(&mut self) {
        if !self.has_ended() {
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status.is_some()
    }

    /// Waits until the process ends by itself, and says with which code; none after a signal.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn ended(&mut self) -> Option<i32> {
        let until = Clock::Real.now() + PATIENCE;
        while !self.has_ended() {
            assert!(Clock::Real.now() < until, "it does not end: {}", self.last_words());
            pause().await;
        }
        self.status.and_then(|status| status.code())
    }

    /// Whether it was ended by `kill -9`.
    pub fn was_killed(&mut self) -> bool {
        const SIGKILL: i32 = 9;
        self.has_ended() && self.status.is_some_and(|status| status.signal() == Some(SIGKILL))
    }

    /// Whether it takes requests in.
    pub async fn is_ready(&self) -> bool {
        self.get("/health/ready").await.map(|(status, _)| status) == Some(200)
    }

    /// Asks without a token. `None` without an answer.
    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        self.ask(reqwest::Method::GET, path, None, None, &[]).await
    }

    /// Posts as one of the people. `None` without an answer.
    pub async fn post(&self, who: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        self.ask(reqwest::Method::POST, path, Some(who), Some(body), &[]).await
    }

    /// Posts with an idempotency key.
    pub async fn post_once(
        &self,
        who: &str,
        path: &str,
        body: Value,
        key: &str,
    ) -> Option<(u16, Value)> {
        let key = [("Idempotency-Key", key)];
        self.ask(reqwest::Method::POST, path, Some(who), Some(body), &key).await
    }

    async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        who: Option<&str>,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Option<(u16, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(who) = who {
            let token =
                PEOPLE.iter().find(|(name, ..)| *name == who).map_or(who, |(.., token)| token);
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// The view of a run.
    pub async fn run(&self, id: &str) -> Option<Value> {
        let answer = self.get(&format!("/v1/runs/{id}")).await;
        answer.filter(|(status, _)| *status == 200).map(|(_, view)| view)
    }

    /// What this process has logged so far.
    pub fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let mine = text.get(self.said_before as usize..).unwrap_or_default();
        String::from_utf8_lossy(mine).into_owned()
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let Ok(file) = fs::File::open(&self.log) else { return String::new() };
        let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Approves everything that a run asks for, as `who`, ticking what may be ticked. An approval
    /// that is refused, such as a second one of the same person, is left to the others.
    pub async fn approve(&self, who: &str, run: &str) {
        let Some(view) = self.run(run).await else { return };
        for asks in view["approvals"].as_array().into_iter().flatten() {
            let mut accepts = asks["must_accept"].as_array().cloned().unwrap_or_default();
            for risk in asks["may_accept"].as_array().into_iter().flatten() {
                if !accepts.contains(risk) {
                    accepts.push(risk.clone());
                }
            }
            let body = json!({
                "step": asks["step"], "plan_hash": view["plan_hash"], "accepts": accepts,
                "reason": "seen and agreed",
            });
            self.post(who, &format!("/v1/runs/{run}/approve"), body).await;
        }
    }
}

/// Lets the processes under test work. The only place where a test waits without being told: it
/// bounds how often another process is asked, and decides nothing.
pub async fn pause() {
    Clock::Real.sleep(PAUSE).await;
}
