//! What is wrong with the runs that a runbook starts: judged among all runbooks.

use std::collections::BTreeMap;

use crate::{
    action::{
        child::{MoveApplication, StartRun},
        control::Approval,
    },
    check::{Findings, unknown},
    name::RunbookName,
    plan::Arg,
    request::Mode,
    runbook::{Runbook, StepDefinition, TaskDefinition},
};

/// Adds what is wrong with the runbooks that one names as its steps' runs.
pub(in crate::runbook) fn check(
    runbook: &Runbook,
    all: &BTreeMap<RunbookName, Runbook>,
    out: &mut Findings,
) {
    for task in starts(runbook) {
        approval(runbook, task, out);
        let Some(named) = task.with.get("runbook") else { continue };
        let Some(Arg::Literal(value)) = &named.arg else {
            let message =
                "`runbook` is written out, so that whoever reviews this sees what is started";
            out.error(named.place, "hidden-run", message);
            continue;
        };
        let name = value.as_str().unwrap_or_default();
        let Some(other) = name.parse().ok().and_then(|name: RunbookName| all.get(&name)) else {
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

/// Whether one of the runs that a runbook starts moves its application for real.
pub(in crate::runbook) fn moves(runbook: &Runbook, all: &BTreeMap<RunbookName, Runbook>) -> bool {
    let word = |task: &TaskDefinition, name: &str| match &task.with.get(name)?.arg {
        Some(Arg::Literal(value)) => value.as_str().map(str::to_owned),
        Some(Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. }) | None => None,
    };
    starts(runbook).any(|task| {
        let named = word(task, "runbook");
        let other = named.and_then(|name| all.get(&name.parse::<RunbookName>().ok()?));
        let is_preview = word(task, "mode").as_deref() == Some(Mode::Preview.word());
        // What only the request says counts as the worst that it may say.
        !is_preview && other.is_none_or(|other| other.exclusive)
    })
}

/// The approval whose word holds for each of the runs must be one of this runbook.
fn approval(runbook: &Runbook, task: &TaskDefinition, out: &mut Findings) {
    let Some(named) = task.with.get("approval") else { return };
    let Some(Arg::Literal(value)) = &named.arg else { return };
    let is_it = |step: &StepDefinition| {
        value.as_str() == Some(step.id.as_str()) && step.task.action.value == Approval::SPEC.name
    };
    if !runbook.steps.iter().any(is_it) {
        let message = format!("{value} is no approval of this runbook, so each run would ask");
        out.error(named.place, "no-approval", message);
    }
}

fn starts(runbook: &Runbook) -> impl Iterator<Item = &TaskDefinition> {
    let tasks = runbook.steps.iter().flat_map(|step| step.forced.iter().chain([&step.task]));
    let names = [StartRun::SPEC.name, MoveApplication::SPEC.name];
    tasks.filter(move |task| names.contains(&task.action.value.as_str()))
}
