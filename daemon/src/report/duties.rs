//! Part 9: what an application should have on a schedule, and which runbook does it.
//!
//! Read off the steps of runbooks and not off their names, so that one of the user's own counts too.

use std::collections::BTreeMap;

use muster_runbooks::{
    application::Application,
    plan::Arg,
    request::Mode,
    runbook::{Runbook, StepDefinition, library::Library},
    schedule::policy::backs_up,
    value::words,
};
use serde_json::Value;

use super::facts::Facts;

words! {
    /// What an application should have on a schedule.
    Duty {
        /// A backup of its databases.
        Backup = "backup",
        /// The proof that a recovery point restores.
        RestoreTest = "restore test",
        /// A look at the data itself.
        DataCheck = "data check",
        /// A look at how far replication is behind.
        ReplicationCheck = "replication check",
        /// A run that moves it, as an exercise.
        MoveExercise = "exercise of a failover or switchover",
    }
}

/// Every duty, in the order in which they are listed.
pub(super) const DUTIES: &[Duty] =
    &[Duty::Backup, Duty::RestoreTest, Duty::DataCheck, Duty::ReplicationCheck, Duty::MoveExercise];

/// What a run of a runbook starts runs with.
const STARTS: &str = "start-run";

/// Whether an application has what a duty is about.
pub(super) fn is_owed(application: &Application, duty: Duty) -> bool {
    let has_databases = !application.databases.is_empty();
    match duty {
        Duty::Backup | Duty::RestoreTest => has_databases,
        Duty::DataCheck | Duty::ReplicationCheck => {
            has_databases || !application.buckets.is_empty()
        }
        Duty::MoveExercise => true,
    }
}

/// Whether a schedule of the application does a duty, with the values that it starts its runbook with.
pub(super) fn is_scheduled(facts: &Facts<'_>, duty: Duty) -> bool {
    facts.around.schedules.iter().any(|one| {
        let runbook = facts.library.get(&one.schedule.runbook);
        runbook.is_some_and(|runbook| does(facts.library, runbook, &one.schedule.inputs, duty))
    })
}

/// Whether a run of a runbook by hand did a duty. With which values, its row does not say.
pub(super) fn is_done_by(library: &Library, runbook: &str, duty: Duty) -> bool {
    let runbook = runbook.parse().ok().and_then(|name| library.get(&name));
    runbook.is_some_and(|runbook| does_itself(runbook, duty))
}

fn does(
    library: &Library,
    runbook: &Runbook,
    inputs: &BTreeMap<String, Value>,
    duty: Duty,
) -> bool {
    // A runbook that another one starts starts none itself.
    let started = runbook.steps.iter().filter(|step| starts(runbook, step, inputs));
    let started = started.filter_map(|step| library.get(&literal(step, "runbook")?.parse().ok()?));
    does_itself(runbook, duty) || started.into_iter().any(|one| does_itself(one, duty))
}

fn does_itself(runbook: &Runbook, duty: Duty) -> bool {
    let has = |actions: &[&str]| {
        runbook.steps.iter().any(|step| actions.contains(&step.task.action.value.as_str()))
    };
    match duty {
        Duty::Backup => backs_up(runbook).is_some(),
        Duty::RestoreTest => has(&["restore-cluster"]),
        Duty::DataCheck => has(&["check-sql", "check-restored", "compare-buckets"]),
        Duty::ReplicationCheck => has(&["check-replication", "check-bucket-replication"]),
        // A rebuild takes the lock and, in calm, moves nobody.
        Duty::MoveExercise => runbook.exclusive && !runbook.builds(),
    }
}

/// Whether a step starts another runbook for real, with these values: what is only previewed, or not
/// wanted, does nothing.
fn starts(runbook: &Runbook, step: &StepDefinition, inputs: &BTreeMap<String, Value>) -> bool {
    if step.task.action.value != STARTS {
        return false;
    }
    let is_preview = literal(step, "mode").as_deref() == Some(Mode::Preview.word());
    let wanted = match argument(step, "wanted") {
        None => true,
        Some(Arg::Literal(value)) => *value == Value::Bool(true),
        Some(Arg::Input(name)) => {
            let default = || runbook.inputs.get(name).and_then(|input| input.default.as_ref());
            inputs.get(name).or_else(default) == Some(&Value::Bool(true))
        }
        // What a step before it says is not known beforehand.
        Some(Arg::Output { .. } | Arg::Worst { .. }) => false,
    };
    wanted && !is_preview
}

fn argument<'a>(step: &'a StepDefinition, name: &str) -> Option<&'a Arg> {
    step.task.with.get(name)?.arg.as_ref()
}

fn literal(step: &StepDefinition, name: &str) -> Option<String> {
    match argument(step, name)? {
        Arg::Literal(Value::String(text)) => Some(text.clone()),
        Arg::Literal(_) | Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. } => None,
    }
}
