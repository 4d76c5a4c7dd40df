//! What stands in the configuration file. AWS itself is configured the AWS way: `AWS_ENDPOINT_URL`,
//! profiles, roles.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use muster_runbooks::{
    action::control::PersonRole,
    name::{Region, RunbookName},
};
use serde::Deserialize;

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
    /// Who is told when a runbook says `notify`.
    #[serde(default)]
    pub receivers: Vec<Receiver>,
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

/// A receiver of notices.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Its name in logs and metrics.
    pub name: String,
    /// The environment variable that holds the URL: a webhook's URL is a secret.
    pub url_from: String,
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
    /// A file is not what it should be.
    #[error("{message}")]
    Invalid {
        /// File, line, column and what is wrong, a line each.
        message: String,
    },
    /// It would listen beyond loopback without protection.
    #[error("`listen.http` is {address}, beyond loopback: that needs `listen.tls` and `tokens`")]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// Two things have one name.
    #[error("{what} `{name}` is declared twice")]
    Clash {
        /// What sort of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
}

impl Config {
    /// Reads a configuration file. Relative paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Config, BadConfig> {
        let text = read(path)?;
        let mut config: Config = serde_saphyr::from_str(&text)
            .map_err(|why| BadConfig::Invalid { message: format!("{}: {why}", path.display()) })?;
        let base = path.parent().unwrap_or(Path::new("."));
        let resolve = |path: &mut PathBuf| *path = base.join(&*path);
        resolve(&mut config.state);
        config.applications.iter_mut().for_each(resolve);
        config.runbooks.iter_mut().for_each(resolve);
        config.schedules.iter_mut().for_each(resolve);
        if let Some(tls) = &mut config.listen.tls {
            resolve(&mut tls.certificate);
            resolve(&mut tls.key);
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), BadConfig> {
        let address = self.listen.http;
        if !address.ip().is_loopback() && (self.listen.tls.is_none() || self.tokens.is_empty()) {
            return Err(BadConfig::Exposed { address });
        }
        let mut names = std::collections::BTreeSet::new();
        for token in &self.tokens {
            if !names.insert(&token.name) {
                return Err(BadConfig::Clash { what: "token", name: token.name.clone() });
            }
            let is_hash =
                token.sha256.len() == 64 && token.sha256.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_hash {
                let message = format!(
                    "token `{}`: `sha256` is not 64 hexadecimal digits; make one with `muster token`",
                    token.name
                );
                return Err(BadConfig::Invalid { message });
            }
        }
        Ok(())
    }
}

/// Reads a text file of a sane size.
pub fn read(path: &Path) -> Result<String, BadConfig> {
    let unreadable = |source| BadConfig::Unreadable { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > BYTES_MAX {
        return Err(BadConfig::Invalid {
            message: format!("{}: {size} bytes; {BYTES_MAX} at most", path.display()),
        });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
