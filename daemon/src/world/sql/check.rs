//! The checks of a database: made one after the other on one connection, each in a transaction that
//! cannot write.
//!
//! A check that cannot be judged is "not done". It is never taken for passed, and what none of the
//! checks could say anything about has failed.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Role,
        sql::{CheckRestored, CheckSql, Validation},
    },
    application::{
        Database,
        sql::{Address, CANARY_TABLE, Check, CheckKind, Login, Rows, Sql, quoted},
    },
    name::Region,
    value::Span,
};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{Class, Purpose, Session, Target, Trouble};
use crate::world::{
    aws::{
        Arn, cluster_in, database,
        endpoint::{Door, endpoint},
    },
    real::{Real, on},
};

const OPERATION: &str = "check-sql";

/// What a check came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// It was made and is so.
    Passed,
    /// It was made and is not so.
    Failed,
    /// Something that it depends on is not there.
    NotDone,
}

/// What one check said.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Said {
    verdict: Verdict,
    words: String,
}

impl Said {
    fn passed(words: impl Into<String>) -> Said {
        Said { verdict: Verdict::Passed, words: words.into() }
    }

    fn failed(words: impl Into<String>) -> Said {
        Said { verdict: Verdict::Failed, words: words.into() }
    }

    fn not_done(words: impl Into<String>) -> Said {
        Said { verdict: Verdict::NotDone, words: words.into() }
    }

    fn judged(is_so: bool, words: impl Into<String>) -> Said {
        if is_so { Said::passed(words) } else { Said::failed(words) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::NotDone => "not done",
        })
    }
}

/// Why the checks end before the last one.
enum Stop {
    /// The step ends so.
    Ends(Progress),
    /// There is no answer, or nobody let us in.
    Call(CallError),
}

/// Makes every check that the database declares in a cluster that was restored from it.
pub async fn restored(
    real: &Real,
    call: &Call,
    action: &CheckRestored,
) -> Result<Progress, CallError> {
    observe(real, call, &action.check()).await
}

/// Makes every check that the database declares.
pub async fn observe(real: &Real, call: &Call, action: &CheckSql) -> Result<Progress, CallError> {
    let database = database(call)?;
    let name = &database.name;
    let refused = |reason: String| Ok(Progress::Refused { reason });
    let Some(sql) = &database.sql else {
        return refused(format!("`{name}` does not say how it is reached: no `sql` is declared"));
    };
    if database.checks.is_empty() {
        return refused(format!("`{name}` declares no `checks`: nothing would be proven"));
    }
    let (target, login) = match place(real, call, action, sql).await? {
        Ok(both) => both,
        Err(progress) => return Ok(progress),
    };
    let mut session = real.session(&target, &login, Purpose::Read).await?;
    let mut work = Work { session: &mut session, database, call, action, rows: BTreeMap::new() };
    let mut said = Vec::new();
    for check in &database.checks {
        match work.make(check).await {
            Ok(one) => said.push((check, one)),
            Err(Stop::Ends(progress)) => return Ok(progress),
            Err(Stop::Call(why)) => return Err(why),
        }
    }
    Ok(verdict(&said, work.rows, action))
}

/// Where the checks are made and as whom, or why that cannot be said yet.
pub(super) async fn place(
    real: &Real,
    call: &Call,
    action: &CheckSql,
    sql: &Sql,
) -> Result<Result<(Target, Login), Progress>, CallError> {
    let (on, database) = (on(call)?, database(call)?);
    let arn = |text: &Option<String>| text.as_deref().and_then(Arn::parse).map(|arn| arn.region);
    let own = || on.region(action.at.unwrap_or(Role::Active)).clone();
    let region = arn(&action.cluster).or_else(|| arn(&action.secret)).unwrap_or_else(own);
    let login = match &action.secret {
        Some(arn) => {
            let secret = [(region.to_string(), arn.clone())].into();
            Login { secret, ..Login::default() }
        }
        None => sql.login.clone(),
    };
    let given = action.endpoint.as_deref();
    let address = match given.or(sql.endpoint(&region).filter(|_| action.cluster.is_none())) {
        Some(text) => match text.parse::<Address>() {
            Ok(address) => Some(address),
            Err(reason) => return Ok(Err(Progress::Refused { reason })),
        },
        None => {
            let (cluster, door) = match &action.cluster {
                Some(restored) => (restored.as_str(), Door::Writer),
                None => (cluster_in(call, database, &region)?, Door::Reader),
            };
            endpoint(&real.aws, &region, cluster, door).await?
        }
    };
    Ok(match address {
        Some(address) => Ok((Target::new(database.name.as_str(), &region, address, sql), login)),
        None => Err(waits(&region, action)),
    })
}

fn waits(region: &Region, action: &CheckSql) -> Progress {
    let cluster = action.cluster.as_deref().unwrap_or("the cluster");
    Progress::in_progress(format!("`{cluster}` in {region} has no endpoint yet"))
}

/// What all checks come to together.
fn verdict(said: &[(&Check, Said)], rows: BTreeMap<String, u64>, action: &CheckSql) -> Progress {
    let line = |(check, said): &(&Check, Said)| {
        format!("`{}` {}: {}", check.name, said.verdict, said.words)
    };
    let of = |verdict| said.iter().filter(move |(_, said)| said.verdict == verdict);
    let failed: Vec<String> = of(Verdict::Failed).map(line).collect();
    if !failed.is_empty() {
        let reason = format!("{} of {} checks: {}", failed.len(), said.len(), failed.join("; "));
        return Progress::Failed { reason };
    }
    if of(Verdict::Passed).next().is_none() {
        let all: Vec<String> = said.iter().map(line).collect();
        return Progress::Failed { reason: format!("no check was made: {}", all.join("; ")) };
    }
    let proves_data = of(Verdict::Passed).any(|(check, _)| check.kind.proves_data());
    let mut notes: Vec<String> = of(Verdict::NotDone).map(line).collect();
    if !proves_data {
        notes.push("no check that passed says anything about the data".to_owned());
    }
    let counted: Vec<String> = rows.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    Progress::Done(Done {
        notes,
        rows: if action.is_of_restored() { BTreeMap::new() } else { rows },
        ..Done::with([
            ("validation", json!(Validation::Succeeded)),
            ("proves_data", json!(proves_data)),
            ("checks", json!(said.iter().map(line).collect::<Vec<_>>())),
            ("rows", json!(counted.join(", "))),
        ])
    })
}

/// The checks while they are made.
struct Work<'a> {
    session: &'a mut Session,
    database: &'a Database,
    call: &'a Call,
    action: &'a CheckSql,
    rows: BTreeMap<String, u64>,
}

type Values = Vec<Vec<Option<String>>>;

impl Work<'_> {
    async fn make(&mut self, check: &Check) -> Result<Said, Stop> {
        match &check.kind {
            CheckKind::Rows(rows) => self.count(rows).await,
            CheckKind::Sentinel { query: sql, equals } | CheckKind::Query { sql, equals } => {
                self.compare(check, sql, equals).await
            }
            CheckKind::Extensions(names) => self.named("pg_extension", "extname", names).await,
            CheckKind::Roles(names) => self.named("pg_roles", "rolname", names).await,
            CheckKind::CanaryAge { max } => self.canary(*max).await,
        }
    }

    /// Asks in a transaction that cannot write. What the server says no to is a check that failed;
    /// without an answer nothing is known.
    async fn ask(&mut self, statement: &str) -> Result<Result<Values, Said>, Stop> {
        let asked = async {
            self.session.rows("begin transaction read only").await?;
            let values = match self.session.rows(statement).await {
                Err(gone @ Trouble::Gone(_)) => return Err(gone),
                other => other,
            };
            self.session.rows("rollback").await?;
            values
        };
        match asked.await {
            Ok(values) => Ok(Ok(values)),
            Err(Trouble::Said(said)) if said.class() == Class::TooLong => {
                let limit = self.database.sql.as_ref().map(|sql| sql.statement_limit);
                let limit = limit.unwrap_or_default();
                Ok(Err(Said::failed(format!(
                    "it was stopped after {limit}, its `statement_limit`"
                ))))
            }
            Err(Trouble::Said(said)) if said.class() != Class::Login => {
                Ok(Err(Said::failed(said.to_string())))
            }
            Err(trouble) => Err(Stop::Call(self.ends(trouble))),
        }
    }

    fn ends(&self, trouble: Trouble) -> CallError {
        trouble.at(self.session.service().to_owned(), OPERATION)
    }

    async fn count(&mut self, rows: &Rows) -> Result<Said, Stop> {
        let statement = format!("select count(*) from {}", rows.table.quoted());
        let values = match self.ask(&statement).await? {
            Ok(values) => values,
            Err(said) => return Ok(said),
        };
        let Some(count) = single(&values).and_then(|text| text.parse::<u64>().ok()) else {
            return Ok(Said::failed(format!("`{}` could not be counted", rows.table)));
        };
        self.rows.insert(rows.table.to_string(), count);
        let last = self.call.counted.as_ref();
        let last = last.and_then(|last| Some((last.at, *last.rows.get(&rows.table.to_string())?)));
        Ok(judge(rows, count, last, self.action.is_of_restored()))
    }

    /// A statement of the file's own. One that is no SQL is its author's mistake, not the data's.
    async fn compare(&mut self, check: &Check, sql: &str, equals: &str) -> Result<Said, Stop> {
        match self.session.parse(sql).await {
            Ok(()) => {}
            Err(Trouble::Said(said)) if said.class() == Class::Statement => {
                let reason = format!("the SQL of check `{}` is wrong: {said}", check.name);
                return Err(Stop::Ends(Progress::Refused { reason }));
            }
            Err(Trouble::Said(said)) if said.class() != Class::Login => {
                return Ok(Said::failed(said.to_string()));
            }
            Err(trouble) => return Err(Stop::Call(self.ends(trouble))),
        }
        let values = match self.ask(sql).await? {
            Ok(values) => values,
            Err(said) => return Ok(said),
        };
        let [row] = values.as_slice() else {
            return Ok(Said::failed(format!("it gives {} rows, not one", values.len())));
        };
        let [value] = row.as_slice() else {
            return Ok(Said::failed(format!("it gives {} values, not one", row.len())));
        };
        Ok(match value {
            Some(value) if value == equals => Said::passed("it is what it should be"),
            Some(value) => Said::failed(format!("it is {}, not `{equals}`", shown(value))),
            None => Said::failed(format!("it is null, not `{equals}`")),
        })
    }

    async fn named(
        &mut self,
        catalogue: &str,
        column: &str,
        names: &[String],
    ) -> Result<Said, Stop> {
        let list: Vec<String> = names.iter().map(|name| literal(name)).collect();
        let statement =
            format!("select {column} from {catalogue} where {column} in ({})", list.join(", "));
        let values = match self.ask(&statement).await? {
            Ok(values) => values,
            Err(said) => return Ok(said),
        };
        let found: Vec<&str> = values.iter().flatten().flatten().map(String::as_str).collect();
        let is_missing = |name: &&String| !found.contains(&name.as_str());
        let missing: Vec<String> =
            names.iter().filter(is_missing).map(|name| format!("`{name}`")).collect();
        Ok(if missing.is_empty() {
            Said::passed(format!("{} are there", names.len()))
        } else {
            Said::failed(format!("missing: {}", missing.join(", ")))
        })
    }

    async fn canary(&mut self, max: Span) -> Result<Said, Stop> {
        let Some(canary) = &self.database.canary else {
            return Ok(Said::not_done("no canary is declared"));
        };
        let statement = format!(
            "select (extract(epoch from max(written_at)) * 1000)::bigint, \
             (extract(epoch from clock_timestamp()) * 1000)::bigint from {}.{CANARY_TABLE}",
            quoted(&canary.schema)
        );
        let values = match self.ask(&statement).await? {
            Ok(values) => values,
            Err(said) => return Ok(said),
        };
        let instant = |at: usize| {
            let text = values.first()?.get(at)?.as_deref()?;
            Timestamp::from_millisecond(text.parse().ok()?).ok()
        };
        let Some(newest) = instant(0) else { return Ok(Said::failed("no canary is in it")) };
        let until = match self.action.data_time {
            Some(data_time) => Some(data_time),
            None if self.action.is_of_restored() => None,
            None => instant(1),
        };
        let Some(until) = until else {
            return Ok(Said::not_done("nothing says from when the data should be"));
        };
        Ok(aged(newest, until, max))
    }
}

/// Judges a count. The source itself is what others are compared with: its own count says only
/// whether it is enough.
fn judge(rows: &Rows, count: u64, last: Option<(Timestamp, u64)>, restored: bool) -> Said {
    let table = &rows.table;
    if let Some(least) = rows.at_least
        && count < least
    {
        return Said::failed(format!("`{table}` has {count} rows, fewer than {least}"));
    }
    match (rows.within, last) {
        (None, _) => Said::passed(format!("`{table}` has {count} rows")),
        (Some(_), _) if !restored && rows.at_least.is_some() => {
            Said::passed(format!("`{table}` has {count} rows"))
        }
        (Some(_), _) if !restored => Said::not_done(format!(
            "`{table}` has {count} rows, which a restored copy will be compared with"
        )),
        (Some(_), None) => Said::not_done(format!(
            "`{table}` has {count} rows, and nobody has counted them in the source yet"
        )),
        (Some(share), Some((at, expected))) => Said::judged(
            share.covers(expected, count),
            format!("`{table}` has {count} rows, against {expected} of {at} within {share}"),
        ),
    }
}

/// Judges the age of the newest canary. One from long after the instant that the data should be from
/// is as wrong as one from long before: it is other data.
fn aged(newest: Timestamp, until: Timestamp, max: Span) -> Said {
    let age = until.duration_since(newest);
    let words = format!("the newest canary is of {newest}, against {until}, within {max}");
    Said::judged(age <= max.duration() && age >= -max.duration(), words)
}

fn single(values: &Values) -> Option<&str> {
    values.first()?.first()?.as_deref()
}

/// A value as a message may show it: a number says what is wrong, a text may be anybody's.
fn shown(value: &str) -> String {
    let is_plain = value.len() <= 20 && value.parse::<f64>().is_ok();
    if is_plain || value == "t" || value == "f" {
        format!("`{value}`")
    } else {
        format!("another text, of {} characters", value.chars().count())
    }
}

/// A text as it stands in a statement.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
