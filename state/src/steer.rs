//! What a person may do to a run, and the events it becomes.

mod glass;
mod reopen;

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Action, Outputs, Reach,
        control::{PersonRole, Risk},
    },
    name::StepId,
    plan::{Part, Step},
    request::Manner,
};
use serde_json::json;

use crate::{
    approval,
    command::{Person, Refusal, Steer},
    event::RunEvent,
    run::{Approved, PauseCause, Run},
    step::{Change, StepState},
};

use glass::Broken;
pub use glass::{GLASS, review};

/// The longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 2_000;

/// Judges what `by` wants, and says what becomes of it.
pub fn steer(
    now: Timestamp,
    run: &Run,
    by: &Person,
    reason: &str,
    steer: &Steer,
) -> Result<Vec<RunEvent>, Refusal> {
    with_reason(reason)?;
    let (who, why) = (by.name.clone(), reason.to_owned());
    match steer {
        Steer::Approve { step, accepts, plan_hash } => {
            let approval = Given { step, accepts, plan_hash };
            approve(now, run, by, reason, &approval)
        }
        Steer::BreakGlass { step, accepts, plan_hash, needed, seals } => {
            let broken = Broken { step, accepts, plan_hash, needed: *needed, seals };
            glass::open(now, run, by, reason, &broken)
        }
        Steer::Decline { step } => {
            let needs = asked(now, run, step)?.0;
            require(by, needs)?;
            Ok(vec![RunEvent::Declined { step: step.clone(), by: who, reason: why }])
        }
        Steer::Pause => {
            require(by, PersonRole::Operator)?;
            if run.pauses.iter().any(|cause| matches!(cause, PauseCause::Operator { .. })) {
                return not_now("pausing", "the run is paused already");
            }
            Ok(vec![RunEvent::Paused { cause: PauseCause::Operator { who, reason: why } }])
        }
        Steer::Resume => resume(run, by, why),
        Steer::Retry { step } => {
            require(by, PersonRole::Operator)?;
            let state = find(run, step)?.1;
            if let Some(attempt) = never_seen(run, state) {
                let seen = format!("{who} looked, and it was not sent: {why}");
                return Ok(vec![change(step, Change::Superseded { attempt, seen })]);
            }
            if !matches!(state, StepState::Failed { .. } | StepState::BackingOff { .. }) {
                return not_now("retrying", &format!("`{step}` is {}", state.word()));
            }
            let retried = change(step, Change::Retried { by: who, reason: why });
            Ok(reopen::tried_again(run, step)?.into_iter().chain([retried]).collect())
        }
        Steer::Skip { step } => {
            require(by, PersonRole::Operator)?;
            not_a_guard(run, step, "skipping it")?;
            still_open(run, step, "skipping")?;
            let skipped = change(step, Change::Skipped { by: who, reason: why });
            Ok(reopen::gone_past(run, step)?.into_iter().chain([skipped]).collect())
        }
        Steer::Done { step, outputs } => done(run, by, why, step, outputs),
        Steer::OverrideLease => {
            require(by, PersonRole::Approver)?;
            if run.lease_overridden.is_some() {
                return not_now("overriding the lease", "it is overridden for this run already");
            }
            Ok(vec![RunEvent::LeaseOverridden { by: who, reason: why }])
        }
        Steer::Note => {
            require(by, PersonRole::Operator)?;
            Ok(vec![RunEvent::Noted { by: who, text: why }])
        }
        Steer::Force => {
            require(by, PersonRole::Operator)?;
            force(run, who, why)
        }
        Steer::Abandon { undo } => {
            require(by, PersonRole::Operator)?;
            if run.abandoned.is_some() {
                return not_now("abandoning", "the run was abandoned already");
            }
            Ok(vec![RunEvent::Abandoned { by: who, reason: why, undo: *undo }])
        }
    }
}

/// Whether somebody may say what needs a role and a reason.
pub(crate) fn may_say(by: &Person, needs: PersonRole, reason: &str) -> Result<(), Refusal> {
    require(by, needs)?;
    with_reason(reason)
}

fn with_reason(reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::NoReason);
    }
    Ok(())
}

fn require(by: &Person, needs: PersonRole) -> Result<(), Refusal> {
    if by.role >= needs {
        return Ok(());
    }
    Err(Refusal::Role { who: by.name.clone(), needs, has: by.role })
}

fn not_now<T>(what: &'static str, because: &str) -> Result<T, Refusal> {
    Err(Refusal::NotNow { what, because: because.to_owned() })
}

fn change(step: &StepId, change: Change) -> RunEvent {
    RunEvent::Step { step: step.clone(), change }
}

fn find<'a>(run: &'a Run, id: &StepId) -> Result<(&'a Step, &'a StepState), Refusal> {
    let unknown = || Refusal::UnknownStep { run: run.id.clone(), step: id.clone() };
    Ok(run.at(run.position(id).ok_or_else(unknown)?))
}

fn still_open(run: &Run, id: &StepId, what: &'static str) -> Result<(), Refusal> {
    let (step, state) = find(run, id)?;
    let is_failed = matches!(state, StepState::Failed { .. });
    if state.is_over() && !is_failed {
        return not_now(what, &format!("`{id}` is {}", state.word()));
    }
    if is_failed && step.part != Part::Steps {
        return not_now(what, &format!("`{id}` has failed and holds nothing up"));
    }
    Ok(())
}

/// Approval, fence and the checks that approvals rest on are passed by an approval or not at all.
fn not_a_guard(run: &Run, id: &StepId, what: &'static str) -> Result<(), Refusal> {
    let (step, _) = find(run, id)?;
    if is_guard(&step.task(run.manner).action) {
        Err(Refusal::Guard { step: id.clone(), what })
    } else {
        Ok(())
    }
}

/// Whether no person can skip the action of this name, or mark it done.
pub fn is_guard(action: &str) -> bool {
    let guards =
        ["approval", "fence", "predict-loss", "check-readiness", "check-observers", "open-window"];
    guards.contains(&action)
}

/// The role and the offered risks of a step that waits for approval, and the risks it insists on.
fn asked(
    now: Timestamp,
    run: &Run,
    id: &StepId,
) -> Result<(PersonRole, Vec<Risk>, Vec<Risk>), Refusal> {
    let (step, state) = find(run, id)?;
    if let StepState::Held { risk, .. } = state {
        return Ok((PersonRole::Approver, vec![*risk], vec![*risk]));
    }
    match state.attempt().and_then(|attempt| approval::asked(run, step, attempt, now)) {
        Some(asked) => Ok((asked.role, approval::offers(&asked), approval::risks(&asked))),
        None => not_now("approving", &format!("`{id}` is {} and asks nobody", state.word())),
    }
}

/// An approval as somebody gives it.
struct Given<'a> {
    step: &'a StepId,
    accepts: &'a [Risk],
    plan_hash: &'a str,
}

fn approve(
    now: Timestamp,
    run: &Run,
    by: &Person,
    reason: &str,
    given: &Given<'_>,
) -> Result<Vec<RunEvent>, Refusal> {
    let (needs, offers, insists) = asked(now, run, given.step)?;
    require(by, needs)?;
    if run.requesters.contains(&by.name) {
        return Err(Refusal::OwnRequest { who: by.name.clone() });
    }
    may_approve(run, given.step, &by.name, &insists)?;
    ticked(run, given.step, given.accepts, given.plan_hash, &offers, insists)?;
    Ok(vec![RunEvent::Approved {
        step: given.step.clone(),
        by: by.name.clone(),
        accepts: given.accepts.to_vec(),
        reason: reason.to_owned(),
    }])
}

/// Each counts once, but for a risk that is asked about again, or that came up since.
fn may_approve(run: &Run, id: &StepId, who: &str, insists: &[Risk]) -> Result<(), Refusal> {
    let is_held = matches!(find(run, id)?.1, StepState::Held { .. });
    let counts = |approved: &&Approved| approved.by == who && approved.covers(insists);
    if !is_held && run.approvers(id).iter().any(counts) {
        return Err(Refusal::Twice { who: who.to_owned(), step: id.clone() });
    }
    Ok(())
}

/// Whether what was ticked is what must be, in the plan that this run carries out.
fn ticked(
    run: &Run,
    id: &StepId,
    accepts: &[Risk],
    plan_hash: &str,
    offers: &[Risk],
    insists: Vec<Risk>,
) -> Result<(), Refusal> {
    if plan_hash != run.hash {
        return Err(Refusal::OtherPlan);
    }
    if let Some(risk) = accepts.iter().find(|risk| !offers.contains(risk)) {
        return Err(Refusal::RiskNotOffered { step: id.clone(), risk: *risk });
    }
    let risks: Vec<Risk> = insists.into_iter().filter(|risk| !accepts.contains(risk)).collect();
    if !risks.is_empty() {
        return Err(Refusal::RiskNotAccepted { step: id.clone(), risks });
    }
    Ok(())
}

fn resume(run: &Run, by: &Person, reason: String) -> Result<Vec<RunEvent>, Refusal> {
    require(by, PersonRole::Operator)?;
    if run.awaits_undo() && run.pauses.is_empty() {
        return Ok(vec![RunEvent::UndoDecided { by: by.name.clone(), undo: true }]);
    }
    if !run.pauses.is_empty() {
        return Ok(vec![RunEvent::Resumed { by: by.name.clone(), reason }]);
    }
    match run.failed_step() {
        Some(step) => {
            let because = format!("`{}` has failed: retry it, skip it or mark it done", step.id);
            not_now("resuming", &because)
        }
        None => not_now("resuming", "the run is not paused"),
    }
}

fn done(
    run: &Run,
    by: &Person,
    reason: String,
    id: &StepId,
    outputs: &Outputs,
) -> Result<Vec<RunEvent>, Refusal> {
    require(by, PersonRole::Operator)?;
    let (step, state) = find(run, id)?;
    if let StepState::Running(attempt) = state
        && matches!(*attempt.action, Action::Gate(_))
    {
        let outputs: Outputs = [("opened_by".to_owned(), json!(by.name))].into();
        let outputs = Arc::new(outputs);
        let opened = Change::Succeeded { attempt: attempt.number, outputs };
        let note =
            RunEvent::Noted { by: by.name.clone(), text: format!("opened `{id}`: {reason}") };
        return Ok(vec![note, change(id, opened)]);
    }
    not_a_guard(run, id, "marking it done")?;
    still_open(run, id, "marking it done")?;
    for (name, value) in outputs {
        let kind = step.task(run.manner).output(name);
        let fits = kind.is_some_and(|kind| kind.check(value).is_ok());
        if !fits {
            return not_now(
                "marking it done",
                &format!("`{name}` is no output of `{id}` that fits"),
            );
        }
    }
    let (by, outputs) = (by.name.clone(), Arc::new(outputs.clone()));
    let done = change(id, Change::DoneByHand { by, reason, outputs });
    Ok(reopen::gone_past(run, id)?.into_iter().chain([done]).collect())
}

/// The open attempt at something that must not be done twice, of which nobody knows whether it was
/// sent. Muster never sends it again by itself; a person who has looked may say that it was not.
fn never_seen(run: &Run, state: &StepState) -> Option<u32> {
    let attempt = state.attempt()?;
    let at_gate = run.pauses.iter().any(|cause| matches!(cause, PauseCause::Gate { .. }));
    let is_open = attempt.aim.is_some() && attempt.begun_at.is_none();
    let is_once = attempt.action.spec().reach == Reach::Once;
    (at_gate && is_open && is_once).then_some(attempt.number)
}

/// Turns the run into a forced one. What was approved was approved for another loss: the approvals
/// and the checks that they rest on are asked again.
fn force(run: &Run, by: String, reason: String) -> Result<Vec<RunEvent>, Refusal> {
    if run.manner == Manner::Forced {
        return not_now("forcing", "the run is forced already");
    }
    if run.plan.steps.iter().all(|step| step.forced.is_none()) {
        return not_now("forcing", "no step of this runbook has a forced variant");
    }
    if run.failing || run.abandoned.is_some() {
        return not_now("forcing", "the run is on its way out");
    }
    let mut events = vec![RunEvent::Forced { by, reason }];
    let asked_again = asked_again(run);
    for (step, state) in run.steps().filter(|(step, _)| step.part == Part::Steps) {
        let is_variant = step.forced.is_some();
        match state {
            StepState::Running(attempt) | StepState::Held { attempt, .. }
                if attempt.action.spec().reach == Reach::Inside
                    && (is_variant || asked_again.contains(&step.id)) =>
            {
                let seen = "nothing was decided".to_owned();
                events.push(change(&step.id, Change::Superseded { attempt: attempt.number, seen }));
            }
            // It was approved under other conditions. What is only set waits for the new word, and is set
            // again; what may have begun for good is never left alone like that.
            StepState::Running(attempt)
                if !is_variant
                    && attempt.action.spec().reach == Reach::SetLike
                    && rests_on(run, step, &asked_again) =>
            {
                let seen = "it waits for the approval that is asked for again".to_owned();
                events.push(change(&step.id, Change::Superseded { attempt: attempt.number, seen }));
            }
            // What only looked is looked at again its forced way: a fence stands in such a place.
            StepState::Succeeded { .. }
                if asked_again.contains(&step.id) || is_variant && only_looks(step) =>
            {
                events.push(change(&step.id, Change::Reset));
            }
            StepState::Failed { .. } if is_variant => events.push(change(&step.id, Change::Reset)),
            StepState::Pending { .. }
            | StepState::Running(_)
            | StepState::Held { .. }
            | StepState::BackingOff { .. }
            | StepState::Succeeded { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. }
            | StepState::Superseded { .. } => {}
        }
    }
    Ok(events)
}

/// Whether a step needs one of these, directly or not.
fn rests_on(run: &Run, step: &Step, on: &BTreeSet<StepId>) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![step]);
    while let Some(step) = next.pop() {
        if step.needs.iter().any(|id| on.contains(id)) {
            return true;
        }
        let unseen = step.needs.iter().filter(|id| seen.insert(*id));
        next.extend(unseen.filter_map(|id| run.plan.step(id)));
    }
    false
}

fn only_looks(step: &Step) -> bool {
    step.task.spec().is_some_and(|spec| spec.reach == Reach::Reads)
}

/// The approvals and the reading steps that they need, directly or not.
fn asked_again(run: &Run) -> BTreeSet<StepId> {
    let is = |step: &Step, wanted: fn(Reach) -> bool| {
        step.task(run.manner).spec().is_some_and(|spec| wanted(spec.reach))
    };
    let is_approval = |step: &&Step| step.task.action == "approval";
    let mut again: BTreeSet<StepId> = BTreeSet::new();
    let mut next: Vec<&Step> = run.plan.steps.iter().filter(is_approval).collect();
    while let Some(step) = next.pop() {
        if !again.insert(step.id.clone()) {
            continue;
        }
        let needed = step.needs.iter().filter_map(|id| run.plan.step(id));
        next.extend(needed.filter(|step| is(step, |reach| reach == Reach::Reads)));
    }
    again
}
