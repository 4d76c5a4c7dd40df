//! How a database is reached by SQL, what is checked in it, and the canary that is written into it.
//! A password never stands here: only the name of the environment variable or of the secret does.

mod divergence;
pub mod grant;
mod statement;

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Database;
use crate::{
    name::{ComponentName, Region},
    value::{Span, words},
};
pub use divergence::{Divergence, Ordered};
pub use statement::{one_statement_problem, statement_problem};

words! {
    /// How sure the other end of a connection must be.
    SslMode {
        /// Encrypted, and the certificate is for this name and of the authority in `ca_file`.
        VerifyFull = "verify-full",
        /// The same with a `ca_file`; without one encrypted only, and to loopback only.
        Require = "require",
        /// Plain text, to loopback only.
        Disable = "disable",
    }
}

/// For how long one statement of a check may run, unless the file says otherwise.
pub const STATEMENT_LIMIT: Span = Span::from_secs(30);

/// How often a canary is written, unless the file says otherwise.
pub const CANARY_EVERY: Span = Span::from_secs(5);

/// How many rows a canary has: a slot is written again when the others have had their turn.
pub const CANARY_SLOTS: u8 = 60;

/// The canary's one table.
pub const CANARY_TABLE: &str = "canary";

/// How a database is reached by SQL.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sql {
    /// The database inside the cluster.
    pub database: String,
    /// As whom the checks read.
    #[serde(flatten)]
    pub login: Login,
    /// The PEM file of the authority that signs the server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// How sure the other end must be.
    #[serde(default = "verify_full")]
    pub sslmode: SslMode,
    /// Per region `host:port`; the cluster's own endpoint where none is given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, String>,
    /// For how long one statement may run.
    #[serde(default = "statement_limit")]
    pub statement_limit: Span,
}

fn verify_full() -> SslMode {
    SslMode::VerifyFull
}

fn statement_limit() -> Span {
    STATEMENT_LIMIT
}

/// Who logs in, and where the password comes from when a connection is made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Login {
    /// The role. A secret may name it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The environment variable that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Per region the ARN of a secret in the form in which RDS writes it, with `username` and
    /// `password`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret: BTreeMap<String, String>,
}

impl Login {
    /// Whether the file says nothing about it.
    pub fn is_empty(&self) -> bool {
        *self == Login::default()
    }
}

/// Rows that Muster itself writes every few seconds, so that lag is measured and not believed. Off
/// until it is declared.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Canary {
    /// The schema that holds its one table and nothing else.
    pub schema: String,
    /// How often a row is written. What it measures is as fine as this.
    #[serde(default = "canary_every")]
    pub every: Span,
    /// Who writes and reads it; as the checks do when nothing is said.
    #[serde(flatten)]
    pub login: Login,
}

fn canary_every() -> Span {
    CANARY_EVERY
}

/// Something that is checked by SQL, in the source and in what was restored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What it is called in verdicts.
    pub name: ComponentName,
    /// What is checked.
    #[serde(flatten)]
    pub kind: CheckKind,
}

/// What is checked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// A table has enough rows.
    Rows(Rows),
    /// A row that must be there says what it must.
    Sentinel {
        /// One statement that gives one value.
        query: String,
        /// The value as PostgreSQL writes it.
        equals: String,
    },
    /// Extensions are installed.
    Extensions(Vec<String>),
    /// Roles exist.
    Roles(Vec<String>),
    /// The newest canary is not too old.
    CanaryAge {
        /// The most that its age may be, against the instant that the data should be from.
        max: Span,
    },
    /// Any statement that gives one value.
    Query {
        /// The statement.
        sql: String,
        /// The value as PostgreSQL writes it.
        equals: String,
    },
}

/// How many rows a table must have.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rows {
    /// `schema.table`, or a table that the search path finds.
    pub table: Table,
    /// So many at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// As many as were last counted in the source, give or take this part of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Share>,
}

impl CheckKind {
    /// The key that stands for it in a file.
    pub fn word(&self) -> &'static str {
        match self {
            CheckKind::Rows(_) => "rows",
            CheckKind::Sentinel { .. } => "sentinel",
            CheckKind::Extensions(_) => "extensions",
            CheckKind::Roles(_) => "roles",
            CheckKind::CanaryAge { .. } => "canary_age",
            CheckKind::Query { .. } => "query",
        }
    }

    /// Whether passing it says something about the data. Extensions and roles are there in an empty
    /// database too.
    pub fn proves_data(&self) -> bool {
        match self {
            CheckKind::Rows(_)
            | CheckKind::Sentinel { .. }
            | CheckKind::CanaryAge { .. }
            | CheckKind::Query { .. } => true,
            CheckKind::Extensions(_) | CheckKind::Roles(_) => false,
        }
    }
}

impl Database {
    /// Who writes and reads the canary.
    pub fn canary_login(&self) -> Option<&Login> {
        let canary = self.canary.as_ref()?;
        if canary.login.is_empty() {
            self.sql.as_ref().map(|sql| &sql.login)
        } else {
            Some(&canary.login)
        }
    }
}

impl Sql {
    /// The endpoint that the file gives for a region.
    pub fn endpoint(&self, region: &Region) -> Option<&str> {
        self.endpoints.get(region.as_str()).map(String::as_str)
    }
}

/// A table: one name or two with a dot between them, each as it stands in the catalogue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table(Vec<String>);

impl Table {
    /// The table as it stands in a statement.
    pub fn quoted(&self) -> String {
        self.0.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(".")
    }
}

impl FromStr for Table {
    type Err = String;

    fn from_str(text: &str) -> Result<Table, String> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.len() <= 2 && names.iter().all(|name| is_identifier(name)) {
            return Ok(Table(names));
        }
        Err(format!("`{text}` is not a table such as `public.orders`"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.join("."))
    }
}

/// A part of a hundred, written as `5%`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share(u8);

impl Share {
    /// Whether `count` is as much as `expected`, give or take this share of it.
    pub fn covers(self, expected: u64, count: u64) -> bool {
        u128::from(expected.abs_diff(count)) * 100 <= u128::from(expected) * u128::from(self.0)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<u8>().ok());
        let share = number.filter(|number| *number <= 100).map(Share);
        share.ok_or_else(|| format!("`{text}` is not a share such as `5%`"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

macro_rules! as_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    )+};
}
as_text!(Table, Share);

/// Whether a name needs no thought when it is quoted: letters, digits, `_` and `$`, at most 63.
pub fn is_identifier(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.len() <= 63
        && name.starts_with(first)
        && name.chars().all(|c| first(c) || c.is_ascii_digit() || c == '$')
}

/// A name as it stands in a statement, whatever is in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Where a server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let bad = || format!("`{text}` is not an endpoint such as `db.example.com:5432`");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
                (host, rest.strip_prefix(':'))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Ok(POSTGRES_PORT), str::parse).map_err(|_| bad())?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > 253 || port == 0 || !host.chars().all(fits) {
            return Err(bad());
        }
        Ok(Address { host: host.to_owned(), port })
    }
}

const POSTGRES_PORT: u16 = 5_432;

impl Address {
    /// Whether nothing that is sent there leaves the machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let read = |text: &str| text.parse::<Address>().ok().map(|at| (at.host, at.port));
        let is = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(read("db.example.com:5433"), is("db.example.com", 5433));
        assert_eq!(read("db.example.com"), is("db.example.com", 5432));
        assert_eq!(read("[::1]:6000"), is("::1", 6000));
        for bad in ["", ":5432", "db:0", "db:port", "db:70000", "user@db:1", "a b", "[::1:5"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let near = |text: &str| text.parse::<Address>().unwrap().is_loopback();
        assert!(near("127.0.0.1:1") && near("[::1]:1") && near("localhost"));
        assert!(!near("127.0.0.1.example.com") && !near("10.0.0.1") && !near("localhost.example"));
    }

    #[test]
    fn a_share_is_counted_both_ways() {
        let five: Share = "5%".parse().unwrap();
        for (expected, count, fits) in
            [(100, 95, true), (100, 94, false), (100, 105, true), (100, 106, false), (0, 0, true)]
        {
            assert_eq!(five.covers(expected, count), fits, "{expected} {count}");
        }
        assert!(!five.covers(0, 1));
        for bad in ["5", "%", "101%", "-1%"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
