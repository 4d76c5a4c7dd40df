//! Actions that look into the data itself.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{Component, Database, sql::Check, sql::CheckKind, sql::quoted},
    shell::command,
    value::words,
};

words! {
    /// What the checks of a database said together.
    Validation {
        /// None failed, and at least one was made.
        Succeeded = "succeeded",
        /// At least one failed.
        Failed = "failed",
    }
}

action! {
    /// Makes the checks of a database by SQL: in the source, or in a cluster that was restored from it. Fails when one of them does.
    CheckSql = "check-sql", Reads, on: &[ComponentKind::Databases], needs_active: true, global: false,
    with {
        /// The side whose cluster is asked; the active one unless said otherwise.
        at: Option<Role>,
        /// Where a restored cluster listens, as `host` or `host:port`; the cluster's own reader without it.
        endpoint: Option<String>,
        /// The identifier or ARN of a restored cluster; the source without it.
        cluster: Option<String>,
        /// The ARN of the secret that holds the restored cluster's user and password.
        secret: Option<String>,
        /// The instant that the restored data should be from; the age of a canary counts against it.
        data_time: Option<Timestamp>,
    }
    gives {
        /// `succeeded`; a check that fails fails the step.
        validation: Validation,
        /// Whether a check passed that says something about the data.
        proves_data: bool,
        /// What each check said, in a sentence.
        checks: Vec<String>,
        /// The rows that were counted, table by table.
        rows: String,
    }
}

impl CheckSql {
    /// Whether it looks at something that was restored, and not at the source.
    pub fn is_of_restored(&self) -> bool {
        self.endpoint.is_some() || self.cluster.is_some()
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(Component::Database(database)) = on.component else {
            return Description::default();
        };
        if database.sql.is_none() {
            let effect = vec![format!("sql: none, `{}` says nothing about SQL", database.name)];
            return Description { effect, ..Description::default() };
        }
        let Reached { place, connection, permissions } = self.reached(on, database);
        let names: Vec<&str> = database.checks.iter().map(|check| check.name.as_str()).collect();
        Description {
            effect: vec![format!("sql {place}: {} (reads)", names.join(", "))],
            by_hand: database
                .checks
                .iter()
                .map(|check| command!("psql {} -c {}", connection, by_hand(database, check)))
                .collect(),
            permissions,
        }
    }

    /// Where it looks, as its description says it; nowhere in a database that says nothing about SQL.
    pub(super) fn reached(&self, on: &On<'_>, database: &Database) -> Reached {
        let region = on.region(self.at.unwrap_or(Role::Active));
        let Some(sql) = &database.sql else { return Reached::default() };
        let own = sql.endpoint(region).filter(|_| self.cluster.is_none());
        let at = self.endpoint.as_deref().or(own);
        let place = at.map_or_else(|| format!("ENDPOINT of {region}"), str::to_owned);
        let mut permissions = Vec::new();
        if at.is_none() {
            permissions.push("rds:DescribeDBClusters".to_owned());
        }
        if self.secret.is_some() || !sql.login.secret.is_empty() {
            permissions.push("secretsmanager:GetSecretValue".to_owned());
        }
        let user = sql.login.user.as_deref().unwrap_or("USER");
        let connection = format!("host={place} dbname={} user={user}", sql.database);
        Reached { place, connection, permissions }
    }
}

/// Where an action looks into a database.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// The endpoint, or in words which one.
    pub(super) place: String,
    /// What `psql` is told.
    pub(super) connection: String,
    /// What reaching it needs.
    pub(super) permissions: Vec<String>,
}

action! {
    /// Makes the checks of a database by SQL in a cluster that was restored from it. Fails when one of them does.
    CheckRestored = "check-restored", Reads, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side where the cluster is.
        at: Role,
        /// The identifier of the cluster. Without one nothing is checked, and the source least of all.
        cluster: String,
        /// The ARN of the secret that holds its user and password; the login that is declared for the database
        /// without it.
        secret: Option<String>,
        /// The instant that its data should be from; the age of a canary counts against it.
        data_time: Timestamp,
    }
    gives {
        /// `succeeded`; a check that fails fails the step.
        validation: Validation,
        /// Whether a check passed that says something about the data.
        proves_data: bool,
        /// What each check said, in a sentence.
        checks: Vec<String>,
        /// The rows that were counted, table by table.
        rows: String,
    }
}

impl CheckRestored {
    /// The same checks, made there.
    pub fn check(&self) -> CheckSql {
        CheckSql {
            at: Some(self.at),
            endpoint: None,
            cluster: Some(self.cluster.clone()),
            secret: self.secret.clone(),
            data_time: Some(self.data_time),
        }
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        self.check().describe(on)
    }
}

/// The statement by which a person makes the same check.
fn by_hand(database: &Database, check: &Check) -> String {
    match &check.kind {
        CheckKind::Rows(rows) => format!("select count(*) from {}", rows.table.quoted()),
        CheckKind::Sentinel { query: sql, .. } | CheckKind::Query { sql, .. } => sql.clone(),
        CheckKind::Extensions(_) => "select extname from pg_extension".to_owned(),
        CheckKind::Roles(_) => "select rolname from pg_roles".to_owned(),
        CheckKind::CanaryAge { .. } => {
            let schema = database.canary.as_ref().map_or("SCHEMA", |canary| &canary.schema);
            format!("select max(written_at) from {}.canary", quoted(schema))
        }
    }
}
