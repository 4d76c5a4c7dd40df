//! What the checks of a database find by SQL.

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Role,
        sql::{CheckSql, Validation},
    },
    application::Component,
};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{
    Bound, Fault, Sim,
    wire::{Door, Side},
};

/// How many rows every table of the simulated application has.
const ROWS: u64 = 1_000;

/// Makes the checks: they pass unless the data of the database was spoilt.
pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &CheckSql,
) -> Result<Progress, CallError> {
    let bound = Bound::database(call)?;
    let side = Side::Data(bound.on.region(action.at.unwrap_or(Role::Active)));
    sim.ask(now, Door { service: "postgres", operation: "check-sql", side })?;
    let Some(Component::Database(database)) = bound.on.component else {
        return Err(super::no_outside(call));
    };
    if database.sql.is_none() || database.checks.is_empty() {
        let reason = format!("`{}` declares no `sql` or no `checks`", database.name);
        return Ok(Progress::Refused { reason });
    }
    let is_spoilt = sim.faults.at(now).any(|fault| {
        matches!(fault, Fault::DataSpoilt { application, database }
            if (application, database) == (&bound.key.0, &bound.key.1))
    });
    let names: Vec<&str> = database.checks.iter().map(|check| check.name.as_str()).collect();
    if is_spoilt {
        let reason = format!("{0} of {0} checks: {1}", names.len(), names.join(", "));
        return Ok(Progress::Failed { reason });
    }
    let said: Vec<String> = names.iter().map(|name| format!("`{name}` passed")).collect();
    let proves_data = database.checks.iter().any(|check| check.kind.proves_data());
    let mut done = Done::with([
        ("validation", json!(Validation::Succeeded)),
        ("proves_data", json!(proves_data)),
        ("checks", json!(said)),
        ("rows", json!(format!("orders {ROWS}"))),
    ]);
    if !action.is_of_restored() {
        done.rows.insert("orders".to_owned(), ROWS);
    }
    Ok(Progress::Done(done))
}
