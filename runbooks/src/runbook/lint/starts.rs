//! What is wrong with the runs that a runbook starts: judged among all runbooks.

use std::collections::BTreeMap;

use crate::{
    action::child::{MoveApplication, StartRun},
    check::{Findings, unknown},
    name::RunbookName,
    plan::Arg,
    runbook::{Runbook, TaskDefinition},
};

/// Adds what is wrong with the runbooks that one names as its steps' runs.
pub(in crate::runbook) fn check(
    runbook: &Runbook,
    all: &BTreeMap<RunbookName, Runbook>,
    out: &mut Findings,
) {
    for task in starts(runbook) {
        let Some(named) = task.with.get("runbook") else { continue };
        let Some(Arg::Literal(value)) = &named.arg else {
            let message =
                "`runbook` is written out, so that whoever reviews this sees what is started";
            out.error(named.place, "hidden-run", message);
            continue;
        };
        let name = value.as_str().unwrap_or_default();
        let Some(other) = all.values().find(|other| other.name.as_str() == name) else {
            let names: Vec<&str> = all.keys().map(RunbookName::as_str).collect();
            unknown(named.place, "no runbook is called", "unknown-runbook", name, &names, out);
            continue;
        };
        if starts(other).next().is_some() {
            let message =
                format!("`{name}` starts runs itself, and runs are started one level deep");
            out.error(named.place, "run-in-run", message);
        }
        if runbook.exclusive && other.exclusive {
            let message = format!("`{name}` would wait for the lock that `{}` holds", runbook.name);
            out.error(named.place, "locked-out", message)
                .hint("let the runs take the lock, and not the runbook that starts them");
        }
    }
}

fn starts(runbook: &Runbook) -> impl Iterator<Item = &TaskDefinition> {
    let tasks = runbook.steps.iter().flat_map(|step| step.forced.iter().chain([&step.task]));
    let names = [StartRun::SPEC.name, MoveApplication::SPEC.name];
    tasks.filter(move |task| names.contains(&task.action.value.as_str()))
}
