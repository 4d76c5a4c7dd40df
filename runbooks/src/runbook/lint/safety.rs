//! Whether a runbook can hurt: losses nobody approved, ways that lead through the region being
//! left, changes nobody can see or undo.

use super::graph::Graph;
use crate::{
    action::{Reach, Role, Spec},
    check::Findings,
    plan::{Arg, Danger, Part},
    request::Manner,
    runbook::{Runbook, StepDefinition, TaskDefinition},
    value::Kind,
};

pub(super) fn check(runbook: &Runbook, graph: &Graph<'_>, out: &mut Findings) {
    for (at, step) in runbook.steps.iter().enumerate() {
        for &manner in runbook.manners() {
            let Some(spec) = step.task(manner).spec() else { continue };
            approved(runbook, graph, at, manner, out);
            if manner == Manner::Forced {
                without_active(step, step.task(manner), spec, out);
            }
            if runbook.exclusive {
                without_global(step.task(manner), spec, manner, out);
            }
            repeated(step, spec, out);
        }
        visible(step, out);
    }
    way_back(runbook, out);
}

/// A step that may lose data runs only after somebody approved it.
fn approved(runbook: &Runbook, graph: &Graph<'_>, at: usize, manner: Manner, out: &mut Findings) {
    let step = &runbook.steps[at];
    let promotes = step.task(manner).action.value == "failover-database";
    if !promotes && step.danger != Some(Danger::DataLoss) {
        return;
    }
    let asks = |before: &usize| runbook.steps[*before].task(manner).action.value == "approval";
    if !graph.before(at).iter().any(asks) {
        let message = format!(
            "`{}` may lose data, and in a {manner} run nobody has approved it before",
            step.id
        );
        out.error(step.place, "no-approval", message)
            .hint("let it need an `approval` step, directly or through other steps");
    }
}

/// A forced run is for the day when the active region does not answer (design §3.8).
fn without_active(step: &StepDefinition, task: &TaskDefinition, spec: &Spec, out: &mut Findings) {
    if step.best_effort || !(spec.needs_active || names_active(task, spec)) {
        return;
    }
    let message =
        format!("`{}` needs the active region, which a forced run has given up", spec.name);
    out.error(task.action.place, "needs-active", message)
        .hint("give the step a `forced:` variant, or mark it `best_effort`");
}

/// Roles keep their region for the whole run, so `active` is the region being left to the end.
fn names_active(task: &TaskDefinition, spec: &Spec) -> bool {
    spec.parameters.iter().filter(|field| field.kind == Kind::Word(Role::WORDS)).any(|field| {
        match task.with.get(field.name).and_then(|argument| argument.arg.as_ref()) {
            Some(Arg::Literal(value)) => value.as_str() == Some(Role::Active.word()),
            Some(Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. }) | None => false,
        }
    })
}

/// Global control planes live in one region, often the one that is lost (facts §5.1).
fn without_global(task: &TaskDefinition, spec: &Spec, manner: Manner, out: &mut Findings) {
    if spec.global {
        let message = format!(
            "`{}` calls a global control plane, and this {manner} run must not need one",
            spec.name
        );
        out.error(task.action.place, "global-control-plane", message);
    }
    // Actions that create load balancers, clusters or instances belong here too; there are none yet.
}

/// What acts a second time when called a second time is never tried twice (design §3.2).
fn repeated(step: &StepDefinition, spec: &Spec, out: &mut Findings) {
    if spec.reach == Reach::Once && step.attempts > 1 {
        let message = format!("`{}` acts again when it is called again", spec.name);
        out.error(step.place, "attempts-once", message).hint("write `attempts: 1`");
    }
}

/// A change says what can be seen when it is done. `fence` reads and `notify` may be repeated, so
/// neither counts as a change, and both are excepted without a list.
fn visible(step: &StepDefinition, out: &mut Findings) {
    let tasks = step.forced.iter().chain([&step.task]);
    let mut specs = tasks.filter_map(TaskDefinition::spec);
    if step.expect.is_none() && specs.any(|spec| spec.reach.mutates()) {
        let message = format!("`{}` changes something and does not say what to expect", step.id);
        out.error(step.place, "no-expect", message)
            .hint("`expect:` says what an operator can see when it is done");
    }
}

/// Actions that make a named object which asks nothing of anybody afterwards: a canary object goes
/// with its bucket's lifecycle rule, a rehearsal's note with the process.
const LEAVE_NOTHING: &[&str] = &["write-canary", "rehearse"];

/// Who changes something knows the way back before (design §6).
fn way_back(runbook: &Runbook, out: &mut Findings) {
    let tasks = runbook
        .steps
        .iter()
        .filter(|step| step.part == Part::Steps)
        .flat_map(|step| step.forced.iter().chain([&step.task]));
    let change = tasks
        .filter_map(|task| Some((task, task.spec()?)))
        .find(|(_, spec)| spec.reach.mutates() && !LEAVE_NOTHING.contains(&spec.name));
    let undo = runbook.steps.iter().any(|step| step.part == Part::Undo);
    if let Some((task, spec)) = change
        && runbook.way_back.is_none()
        && !undo
    {
        let message = format!("`{}` changes something, and nothing leads back", spec.name);
        out.error(task.action.place, "no-way-back", message)
            .hint("name another runbook as `way_back`, or write an `undo` part");
    }
}
