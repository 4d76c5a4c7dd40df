//! What stands in the configuration file. AWS itself is configured the AWS way: `AWS_ENDPOINT_URL`,
//! profiles, roles.

mod by_hand;
mod check;
mod copies;
mod glass;
mod home;
mod lease;
mod receiver;
mod reports;
mod ship;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use muster_runbooks::{
    action::control::PersonRole,
    check::Finding,
    name::{Region, RunbookName},
    tree::Place,
};
use serde::Deserialize;

use crate::world::rates::Rates;
use check::Source;

pub use by_hand::ByHand;
pub use copies::Place as CopyPlace;
pub use glass::{BreakGlass, SealKey};
pub use home::Home;
pub use lease::Lease;
pub use receiver::{Receiver, ReceiverKind};
pub use reports::Reports;
pub use ship::Ship;

/// The configuration file is read up to this size.
const BYTES_MAX: u64 = 1024 * 1024;

/// The configuration of one process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The directory that holds the journal. One process at a time.
    pub state: PathBuf,
    /// Where it listens.
    #[serde(default)]
    pub listen: Listen,
    /// Who may use it. Without any, only reads from loopback are answered.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// Files or directories with one application each.
    #[serde(default)]
    pub applications: Vec<PathBuf>,
    /// Files or directories with runbooks of your own.
    #[serde(default)]
    pub runbooks: Vec<PathBuf>,
    /// The file with the schedules.
    #[serde(default)]
    pub schedules: Option<PathBuf>,
    /// The queues that events come through.
    #[serde(default)]
    pub queues: Vec<Queue>,
    /// The kubeconfig whose contexts the applications name; where `KUBECONFIG` says, without it.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// How often AWS is asked, for services whose rates are to be others than the usual.
    #[serde(default)]
    pub rates: Rates,
    /// Who is told when a runbook says `notify`.
    #[serde(default)]
    pub receivers: Vec<Receiver>,
    /// Where people reach the page, such as `https://muster.example`: what they are told links there.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Which process acts. Without it, whichever has the state directory.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Where this process runs; nobody knows whether it is lost with an application, without.
    #[serde(default)]
    pub runs_in: Option<Home>,
    /// Where the log is shipped to, so that it outlives this host.
    #[serde(default)]
    pub ship: Option<Ship>,
    /// Where the pages for doing it by hand are put beside the state directory.
    #[serde(default)]
    pub by_hand: ByHand,
    /// Where it is said outside whether an application is frozen.
    #[serde(default)]
    pub freeze: Freezes,
    /// With which key reports of runs are signed; they are served unsigned without.
    #[serde(default)]
    pub reports: Option<Reports>,
    /// Whose approvals a lone person may open, when they were sealed beforehand; nobody's without.
    #[serde(default)]
    pub break_glass: Option<BreakGlass>,
    /// The text that this was read from, so that what is found later still has its place.
    #[serde(skip)]
    source: Source,
}

/// Where it is said outside whether an application is frozen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freezes {
    /// Buckets that pipelines read, with one object for each application.
    #[serde(default)]
    pub copies: Vec<CopyPlace>,
}

/// Where the process listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// The API and the page.
    pub http: SocketAddr,
    /// Metrics and health, without token and TLS.
    pub metrics: SocketAddr,
    /// Certificate and key; needed beyond loopback.
    pub tls: Option<Tls>,
}

impl Default for Listen {
    fn default() -> Listen {
        Listen {
            http: SocketAddr::from(([127, 0, 0, 1], 8000)),
            metrics: SocketAddr::from(([127, 0, 0, 1], 9090)),
            tls: None,
        }
    }
}

/// PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A bearer token, by its hash only. `muster token` makes one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The person, as the audit trail names them.
    pub name: String,
    /// What they may do.
    pub role: PersonRole,
    /// SHA-256 of the token, in hexadecimal. Tokens are 32 random bytes, so a slow hash gains nothing.
    pub sha256: String,
}

/// A queue that events come through.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The principal that its messages speak for.
    pub principal: String,
    /// Its region.
    pub region: Region,
    /// Its URL.
    pub url: String,
    /// The URL of its dead letters, in the same region. How many lie there is shown; they are left alone.
    #[serde(default)]
    pub dead_letters: Option<String>,
    /// The AWS accounts whose events it may carry.
    pub accounts: Vec<String>,
    /// The runbooks that its messages may start.
    #[serde(default = "Queue::default_runbooks")]
    pub may_start: Vec<RunbookName>,
}

impl Queue {
    /// Backup, snapshot, check: what an event may start unless the file says otherwise.
    pub fn default_runbooks() -> Vec<RunbookName> {
        ["daily-backup", "pre-deployment-snapshot", "replication-check"]
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Files are not what they should be.
    #[error("{}", lines(findings))]
    Invalid {
        /// Everything that is wrong, each with file, line and column.
        findings: Vec<Finding>,
    },
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Config {
    /// Reads a configuration file. Relative paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Config, BadConfig> {
        let text = read(path)?;
        let source = Source::new(path, &text);
        let mut config: Config = serde_saphyr::from_str(&text).map_err(|why| {
            let place = why.location().map_or(Place::START, Place::from);
            let whole = why.without_snippet().to_string();
            let message = whole.split(" at line ").next().unwrap_or_default().to_owned();
            BadConfig::Invalid { findings: vec![source.error(place, "wrong-value", message)] }
        })?;
        config.source = source;
        let base = path.parent().unwrap_or(Path::new("."));
        let resolve = |path: &mut PathBuf| *path = base.join(&*path);
        resolve(&mut config.state);
        config.applications.iter_mut().for_each(resolve);
        config.runbooks.iter_mut().for_each(resolve);
        config.schedules.iter_mut().for_each(resolve);
        config.kubeconfig.iter_mut().for_each(resolve);
        config.reports.iter_mut().for_each(|reports| resolve(&mut reports.key_file));
        if let Some(tls) = &mut config.listen.tls {
            resolve(&mut tls.certificate);
            resolve(&mut tls.key);
        }
        let findings = config.check();
        if !findings.is_empty() {
            return Err(BadConfig::Invalid { findings });
        }
        Ok(config)
    }
}

/// Reads a text file of a sane size.
pub fn read(path: &Path) -> Result<String, BadConfig> {
    let unreadable = |source| BadConfig::Unreadable { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > BYTES_MAX {
        let message = format!("{size} bytes; {BYTES_MAX} at most");
        let findings = vec![Source::new(path, "").error(Place::START, "too-large", message)];
        return Err(BadConfig::Invalid { findings });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
