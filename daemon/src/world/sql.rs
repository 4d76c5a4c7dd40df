//! PostgreSQL as the rest of the program sees it: one session at a time, with a limit on everything.
//!
//! A password is read when a connection is made and is kept nowhere (proofs, I23). A server that
//! does not answer is no answer; one that refuses says so with its SQLSTATE.

pub mod canary;
pub mod check;
pub mod divergence;
pub mod hook;
pub(in crate::world) mod login;
mod tls;

use std::{future::Future, time::Duration};

use futures::{TryStreamExt as _, future::BoxFuture};
use jiff::SignedDuration;
use muster_runbooks::{
    application::{
        Database,
        sql::{Address, Sql, SslMode},
    },
    name::Region,
    value::Span,
};
use muster_state::call::{BoxError, CallError};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, error::ErrorPosition};

pub use login::Account;

use super::{
    aws::endpoint::{Door, endpoint},
    real::Real,
};
use crate::clock::Clock;

/// A server that has not let us in by then is no answer.
const CONNECT_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// What a server gets on top of a statement's own limit to say that it was over.
const GRACE: SignedDuration = SignedDuration::from_secs(2);

/// The most rows that are kept of an answer; every statement here wants fewer.
const ROWS_MAX: usize = 1_000;

/// Where a session leads.
#[derive(Clone, Debug)]
pub struct Target {
    /// The database, in messages.
    pub name: String,
    /// Its region.
    pub region: Region,
    /// Where it listens.
    pub address: Address,
    /// The database inside it.
    pub database: String,
    /// The PEM file of its authority.
    pub ca_file: Option<String>,
    /// How sure the other end must be.
    pub sslmode: SslMode,
    /// For how long one statement may run.
    pub statement_limit: Span,
    /// What the server calls the session in its lists and logs.
    pub application_name: String,
}

impl Target {
    /// A place of a database.
    pub fn new(name: &str, region: &Region, address: Address, sql: &Sql) -> Target {
        Target {
            name: name.to_owned(),
            region: region.clone(),
            address,
            database: sql.database.clone(),
            ca_file: sql.ca_file.clone(),
            sslmode: sql.sslmode,
            statement_limit: sql.statement_limit,
            application_name: "muster".to_owned(),
        }
    }

    /// The place of a database in a region where one of its two doors is: as the file says, or as the
    /// region does.
    async fn find(
        real: &Real,
        database: &Database,
        sql: &Sql,
        region: &Region,
        door: Door,
    ) -> Result<Target, CallError> {
        let name = &database.name;
        let unfit = |message: String| CallError::Refused {
            service: "muster".to_owned(),
            operation: CONNECT,
            code: "NotConfigured".to_owned(),
            message,
        };
        let address = match sql.endpoint(region) {
            Some(text) => Some(text.parse::<Address>().map_err(unfit)?),
            None => {
                let cluster = database.clusters.get(region.as_str());
                let cluster =
                    cluster.ok_or_else(|| unfit(format!("`{name}` has no cluster in {region}")))?;
                endpoint(&real.aws, region, cluster, door).await?
            }
        };
        let address = address.ok_or_else(|| CallError::NoAnswer {
            service: format!("rds {region}"),
            operation: "DescribeDBClusters",
            source: format!("the cluster of `{name}` has no such endpoint").into(),
        })?;
        Ok(Target::new(name.as_str(), region, address, sql))
    }

    /// What errors and people call it.
    fn service(&self) -> String {
        format!("postgres `{}` {}", self.name, self.region)
    }
}

/// What a session may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Reads; the server refuses everything else.
    Read,
    /// Writes the canary, or does what a hook says.
    Write,
}

/// One connection. It works only while somebody waits for it, and is good for nothing once something
/// went wrong that is not the server's own word about one statement.
pub struct Session {
    client: Client,
    connection: BoxFuture<'static, Result<(), tokio_postgres::Error>>,
    service: String,
    statement_limit: SignedDuration,
}

/// Why a statement gave nothing.
#[derive(Debug)]
pub enum Trouble {
    /// The server said no to this one statement.
    Said(Box<Refusal>),
    /// The connection is gone, or nothing can be said about it.
    Gone(BoxError),
}

/// The server's word about a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub code: String,
    /// The server's words.
    pub message: String,
    /// Where in the statement, in characters from 1, if the server says.
    pub position: Option<u32>,
}

impl Session {
    /// Connects and settles what may be done.
    pub async fn open(
        target: &Target,
        account: &Account,
        purpose: Purpose,
    ) -> Result<Session, CallError> {
        let config = config(target, account, purpose);
        let service = target.service();
        let tls = tls::connector(target)?;
        let connecting = async {
            Ok(match tls {
                Some(tls) => {
                    let (client, connection) = config.connect(tls).await?;
                    (client, boxed(connection))
                }
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    (client, boxed(connection))
                }
            })
        };
        let connected = within(CONNECT_WITHIN, connecting).await;
        let (client, connection) = match connected.map(|done| done.map_err(trouble)) {
            Some(Ok(both)) => both,
            Some(Err(why)) => return Err(why.at(service, CONNECT)),
            None => {
                let source = format!("it did not let us in within {CONNECT_WITHIN:#}").into();
                return Err(CallError::NoAnswer { service, operation: CONNECT, source });
            }
        };
        let statement_limit = target.statement_limit.duration();
        Ok(Session { client, connection, service, statement_limit })
    }

    /// Runs something on the connection, for as long as one statement may take.
    async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Trouble> {
        let limit = self.statement_limit + GRACE;
        let Session { client, connection, .. } = self;
        tokio::select! {
            biased;
            done = work(client) => done.map_err(trouble),
            ended = connection => Err(match ended {
                Ok(()) => Trouble::Gone("the connection was closed".into()),
                Err(why) => match trouble(why) {
                    // Whatever it said, it said goodbye.
                    Trouble::Said(said) => Trouble::Gone(said.to_string().into()),
                    gone @ Trouble::Gone(_) => gone,
                },
            }),
            () = Clock::Real.sleep(limit) => {
                Err(Trouble::Gone(format!("nothing came within {limit:#}").into()))
            }
        }
    }

    /// Runs one statement and gives its values as texts, of so many rows at most.
    pub async fn rows(&mut self, statement: &str) -> Result<Vec<Vec<Option<String>>>, Trouble> {
        self.run(async |client| {
            let mut answer = std::pin::pin!(client.simple_query_raw(statement).await?);
            let mut rows = Vec::new();
            while let Some(message) = answer.try_next().await? {
                if let SimpleQueryMessage::Row(row) = message
                    && rows.len() < ROWS_MAX
                {
                    rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                }
            }
            Ok(rows)
        })
        .await
    }

    /// Has the server parse a statement: more than one is refused, and so is what is no SQL.
    pub async fn parse(&mut self, statement: &str) -> Result<(), Trouble> {
        self.run(async |client| client.prepare(statement).await).await.map(drop)
    }

    /// What this connection's server is called.
    pub fn service(&self) -> &str {
        &self.service
    }
}

const CONNECT: &str = "connect";

fn boxed(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
) -> BoxFuture<'static, Result<(), tokio_postgres::Error>> {
    Box::pin(connection)
}

/// What comes of it in time. The machine's time, whatever the clock of the process says: it is about
/// a socket.
pub(super) async fn within<T>(limit: SignedDuration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = Clock::Real.sleep(limit) => None,
    }
}

fn config(target: &Target, account: &Account, purpose: Purpose) -> Config {
    let millis = target.statement_limit.duration().as_millis();
    let reads = if purpose == Purpose::Read { "on" } else { "off" };
    let options = format!(
        "-c statement_timeout={millis} -c lock_timeout={millis} \
         -c idle_in_transaction_session_timeout=60000 -c default_transaction_read_only={reads}"
    );
    let mut config = Config::new();
    config
        .host(&target.address.host)
        .port(target.address.port)
        .dbname(&target.database)
        .user(account.user())
        .password(account.password())
        .application_name(&target.application_name)
        .options(options)
        .ssl_mode(match target.sslmode {
            SslMode::VerifyFull | SslMode::Require => tokio_postgres::config::SslMode::Require,
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
        })
        .connect_timeout(Duration::from_secs(5))
        .tcp_user_timeout(Duration::from_secs(20))
        .keepalives_idle(Duration::from_secs(10));
    config
}

/// Tells the server's word about a statement from the end of the connection.
fn trouble(error: tokio_postgres::Error) -> Trouble {
    let Some(said) = error.as_db_error() else { return Trouble::Gone(Box::new(error)) };
    let position = match said.position() {
        Some(ErrorPosition::Original(at)) => Some(*at),
        // Inside a function of theirs: not a place in our statement.
        Some(ErrorPosition::Internal { .. }) | None => None,
    };
    let refusal = Refusal {
        code: said.code().code().to_owned(),
        message: said.message().to_owned(),
        position,
    };
    match refusal.class() {
        Class::Unavailable => Trouble::Gone(refusal.to_string().into()),
        Class::Login | Class::Statement | Class::TooLong | Class::Wrong => {
            Trouble::Said(Box::new(refusal))
        }
    }
}

impl Trouble {
    /// As the engine hears it.
    pub fn at(self, service: String, operation: &'static str) -> CallError {
        match self {
            Trouble::Gone(source) => CallError::NoAnswer { service, operation, source },
            Trouble::Said(said) => match said.class() {
                Class::Login => CallError::Credentials { service, operation, code: said.code },
                Class::Unavailable | Class::Statement | Class::TooLong | Class::Wrong => {
                    CallError::Refused {
                        service,
                        operation,
                        code: said.code.clone(),
                        message: said.words(),
                    }
                }
            },
        }
    }
}

/// What an SQLSTATE means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// The server cannot now: it starts, stops, recovers, is full, or gave way to its replica.
    Unavailable,
    /// It does not know us.
    Login,
    /// The statement itself is wrong, and will be wrong again.
    Statement,
    /// The statement was stopped at its limit.
    TooLong,
    /// The statement is sound, and what it asks for is not so.
    Wrong,
}

impl Refusal {
    /// What it means.
    pub fn class(&self) -> Class {
        match self.code.as_str() {
            "57014" => Class::TooLong,
            "28P01" | "28000" => Class::Login,
            // Not an unknown function or column: that may be what was lost.
            "42601" | "42803" | "42804" | "42P02" | "42P18" => Class::Statement,
            code if ["08", "53", "57", "40", "25P03"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Class::Unavailable
            }
            _ => Class::Wrong,
        }
    }

    /// The server's words, with the place. What it says about values that do not fit quotes them, and
    /// they are nobody's business here.
    pub fn words(&self) -> String {
        if self.code.starts_with("22") {
            return "a value does not fit what is done with it".to_owned();
        }
        match self.position {
            Some(at) => format!("{} at character {at}", self.message),
            None => self.message.clone(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.words(), self.code)
    }
}

impl Real {
    /// Opens a session to a target with the login that the file declares for it.
    pub(super) async fn session(
        &self,
        target: &Target,
        login: &muster_runbooks::application::sql::Login,
        purpose: Purpose,
    ) -> Result<Session, CallError> {
        let account = login::account(&self.aws, &target.region, &target.service(), login).await?;
        Session::open(target, &account, purpose).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what passes by itself is no answer, what a person must mend stops, and the rest is a
    /// verdict about the data.
    #[test]
    fn what_a_sqlstate_means() {
        let table = [
            ("57P03", Class::Unavailable),
            ("57P01", Class::Unavailable),
            ("53300", Class::Unavailable),
            ("08006", Class::Unavailable),
            ("40001", Class::Unavailable),
            ("57014", Class::TooLong),
            ("28P01", Class::Login),
            ("28000", Class::Login),
            ("42601", Class::Statement),
            ("42883", Class::Wrong),
            ("42P01", Class::Wrong),
            ("42501", Class::Wrong),
            ("3D000", Class::Wrong),
            ("25006", Class::Wrong),
            ("XX001", Class::Wrong),
        ];
        for (code, class) in table {
            let said = Refusal { code: code.to_owned(), message: String::new(), position: None };
            assert_eq!(said.class(), class, "{code}");
        }
    }
}
