//! Whether a runbook can hurt: losses nobody approved, ways that lead through the region being
//! left, changes nobody can see or undo.

use serde_json::Value;

use super::graph::Graph;
use crate::{
    action::{Keeper, Reach, Role, Spec, control::PersonRole, hook::RunHooks, restore},
    application::hook::HookTime,
    check::Findings,
    plan::{Arg, Danger, OnFailure, Part},
    request::Manner,
    runbook::{Runbook, StepDefinition, TaskDefinition},
    value::Kind,
};

pub(super) fn check(runbook: &Runbook, graph: &Graph<'_>, out: &mut Findings) {
    for (at, step) in runbook.steps.iter().enumerate() {
        for &manner in runbook.manners() {
            let Some(spec) = step.task(manner).spec() else { continue };
            approved(runbook, graph, at, manner, out);
            locked(runbook, step.task(manner), out);
            if manner == Manner::Forced {
                without_active(step, step.task(manner), spec, out);
            }
            if runbook.exclusive {
                without_global(step.task(manner), spec, manner, out);
            }
            repeated(step, spec, out);
            guarding(step, spec, out);
        }
        visible(step, out);
        always(step, out);
        lets_go(runbook, graph, at, out);
    }
    way_back(runbook, out);
    teardown(runbook, out);
}

/// A step that may lose data runs only after an approver saw the loss and approved it.
fn approved(runbook: &Runbook, graph: &Graph<'_>, at: usize, manner: Manner, out: &mut Findings) {
    let step = &runbook.steps[at];
    // A global cluster that is made anew has what was restored, and nothing that came after that.
    let loses = ["failover-database", "make-global-cluster"]
        .contains(&step.task(manner).action.value.as_str());
    if !loses && step.danger != Some(Danger::DataLoss) {
        return;
    }
    let before = graph.before(at);
    let tasks = before.iter().map(|before| runbook.steps[*before].task(manner));
    let approvals: Vec<&TaskDefinition> = tasks.filter(|task| asks_approvers(task)).collect();
    if approvals.is_empty() {
        let message = format!(
            "`{}` may lose data, and no approver of a {manner} run was asked before",
            step.id
        );
        out.error(step.place, "no-approval", message)
            .hint("let it need an `approval` with the role `approver`, directly or through others");
    } else if loses && !approvals.iter().any(|task| task.with.contains_key("data_loss")) {
        let message = format!("`{}` may lose data, and no approver was shown how much", step.id);
        out.error(step.place, "loss-not-shown", message)
            .hint("give the `approval` the `data_loss` of an earlier step");
    }
}

/// Whether a task asks at least one person who may approve. Only literals count: a request that
/// chose the number or the role could choose nobody.
fn asks_approvers(task: &TaskDefinition) -> bool {
    let enough = literal(task, "approvals").and_then(Value::as_u64).is_some_and(|count| count > 0);
    let role = literal(task, "role").and_then(Value::as_str);
    let may = [PersonRole::Approver, PersonRole::Admin].map(PersonRole::word);
    task.action.value == "approval" && enough && role.is_some_and(|role| may.contains(&role))
}

/// Two hands at one writer, or at one marker, are kept apart by the application's one lock.
fn locked(runbook: &Runbook, task: &TaskDefinition, out: &mut Findings) {
    const MOVES: &[&str] = &[
        "switchover-database",
        "failover-database",
        "make-global-cluster",
        "failover-cache",
        "shift-traffic",
    ];
    let name = task.action.value.as_str();
    if !runbook.exclusive && MOVES.contains(&name) {
        let message = format!("`{name}` moves the application, and the runbook takes no lock");
        out.error(task.action.place, "not-exclusive", message).hint("write `exclusive: true`");
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
    let sides = [Kind::Word(Role::WORDS), Kind::Word(Keeper::WORDS)];
    let roles = spec.parameters.iter().filter(|field| sides.contains(&field.kind));
    let mut given = roles.filter_map(|field| literal(task, field.name));
    given.any(|value| value.as_str() == Some(Role::Active.word()))
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
    // To make a cluster or an instance may need the region of the global control planes (facts §0.7).
    if restore::MAKE.contains(&spec.name) {
        let message = format!("`{}` makes what must already exist in this {manner} run", spec.name);
        out.error(task.action.place, "makes-instances", message);
    }
}

/// What acts a second time when called a second time is never tried twice (design §3.2).
fn repeated(step: &StepDefinition, spec: &Spec, out: &mut Findings) {
    if spec.reach == Reach::Once && step.attempts > 1 {
        let message = format!("`{}` acts again when it is called again", spec.name);
        out.error(step.place, "attempts-once", message).hint("write `attempts: 1`");
    }
}

/// A guard that failed holds the run up; `continue` would let the steps behind it start (design §3.5).
fn guarding(step: &StepDefinition, spec: &Spec, out: &mut Findings) {
    const GUARDS: &[&str] = &["approval", "fence"];
    if step.on_failure == OnFailure::Continue && GUARDS.contains(&spec.name) {
        let message =
            format!("`{}` guards what follows, and the run would go on without it", spec.name);
        out.error(step.place, "guard-continues", message).hint("leave `on_failure` out");
    }
}

/// What is always due starts although what it needs failed, and although nobody approved it.
fn always(step: &StepDefinition, out: &mut Findings) {
    if !step.always {
        return;
    }
    let tasks = step.forced.iter().chain([&step.task]);
    let may = |spec: &&Spec| matches!(spec.reach, Reach::Reads | Reach::Repeatable);
    let bad = tasks.filter_map(TaskDefinition::spec).find(|spec| !may(spec));
    if let Some(spec) = bad {
        let message = format!("`{}` would start although what it needs failed", spec.name);
        out.error(step.place, "always-acts", message)
            .hint("only what reads, tells or asks hooks may be `always`");
    }
    if step.part != Part::Steps {
        let message =
            format!("`always` is for `steps`, and `{}` stands in `{}`", step.id, step.part);
        out.error(step.place, "always-elsewhere", message).hint("`finally` always runs");
    } else if step.needs.is_empty() {
        let message = format!("`{}` is always due, and needs nothing that could end", step.id);
        out.error(step.place, "always-alone", message)
            .hint("`needs:` the step after which it is due, however that ended");
    }
}

/// What was made to stand still before a snapshot is let go, whatever becomes of the snapshot.
fn lets_go(runbook: &Runbook, graph: &Graph<'_>, at: usize, out: &mut Findings) {
    let asks = |step: &StepDefinition, time: HookTime| {
        let when = literal(&step.task, "when").and_then(Value::as_str);
        step.task.action.value == RunHooks::SPEC.name && when == Some(time.word())
    };
    let step = &runbook.steps[at];
    if !asks(step, HookTime::BeforeSnapshot) {
        return;
    }
    let lets_go = (0..runbook.steps.len()).any(|other| {
        let after = &runbook.steps[other];
        after.always && asks(after, HookTime::AfterSnapshot) && graph.before(other).contains(&at)
    });
    if !lets_go {
        let message = format!("what `{}` makes stand still is not let go again", step.id);
        out.error(step.place, "no-letting-go", message).hint(
            "write a step with `do: run-hooks`, `when: after-snapshot` and `always: true` that needs the \
             snapshot",
        );
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
/// with its bucket's lifecycle rule, a rehearsal's note with the process, and what a restore test makes
/// in the run's own `finally`, see [`teardown`].
const LEAVE_NOTHING: &[&str] =
    &["write-canary", "rehearse", "restore-cluster", "rotate-password", "start-instance"];

/// What a drill owns is taken away whatever becomes of the run: an instance that is forgotten costs money
/// for ever, and holds the data of users.
fn teardown(runbook: &Runbook, out: &mut Findings) {
    for (makes, removes) in restore::MAKE.iter().zip(restore::REMOVE) {
        let does = |step: &StepDefinition, name: &str| {
            step.forced.iter().chain([&step.task]).any(|task| task.action.value == name)
        };
        let removed =
            runbook.steps.iter().any(|step| step.part == Part::Finally && does(step, removes));
        let made = runbook.steps.iter().find(|step| does(step, makes));
        if let Some(step) = made.filter(|_| !removed) {
            let message = format!("what `{}` makes is not taken away in the end", step.id);
            out.error(step.place, "no-teardown", message)
                .hint(format!("write a step with `do: {removes}` into `finally`"));
        }
    }
}

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

/// The value of an argument that is no reference.
fn literal<'a>(task: &'a TaskDefinition, parameter: &str) -> Option<&'a Value> {
    match task.with.get(parameter)?.arg.as_ref()? {
        Arg::Literal(value) => Some(value),
        Arg::Input(_) | Arg::Output { .. } | Arg::Worst { .. } => None,
    }
}
