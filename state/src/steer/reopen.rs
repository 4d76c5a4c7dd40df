//! What follows for the steps that are `always` due when a person goes back to a step that they close.
//!
//! What was opened has been closed since: a snapshot that is tried again would be one of an application
//! that works. So what opened it is asked again before, and what closes it is due again after.

use muster_runbooks::{action::Reach, name::StepId, plan::Step};

use crate::{
    command::Refusal,
    event::RunEvent,
    run::Run,
    step::{Change, StepState},
};

/// What follows from another attempt at a step that failed.
pub(super) fn tried_again(run: &Run, id: &StepId) -> Result<Vec<RunEvent>, Refusal> {
    let Some(place) = run.position(id) else { return Ok(Vec::new()) };
    let closing = closing(run, place);
    let mut again = Vec::new();
    // While it backs off, nothing was closed.
    let has_failed = matches!(run.at(place).1, StepState::Failed { .. });
    for at in &closing {
        let (step, state) = run.at(*at);
        if has_failed && matches!(state, StepState::Skipped { .. } | StepState::DoneByHand { .. }) {
            let because = format!(
                "a person ended `{}`, and nothing would close what is opened again; start a new run",
                step.id
            );
            return Err(Refusal::NotNow { what: "retrying", because });
        }
        again.extend(closes_again(run, *at)?);
    }
    if !closing.is_empty() && has_failed {
        let opens = |at: &&usize| {
            let (step, state) = run.at(**at);
            step.component == run.at(place).0.component
                && is_repeatable(run, step)
                && can_be_reset(state)
        };
        let rests_on = run.plan.rests_on(place).unwrap_or_default();
        again.extend(rests_on.iter().filter(opens).map(|at| reset(run, *at)));
    }
    Ok(again)
}

/// What follows when a person goes past a step, or has done its work: what is still to come between may
/// open something that must be closed then.
pub(super) fn gone_past(run: &Run, id: &StepId) -> Result<Vec<RunEvent>, Refusal> {
    let Some(place) = run.position(id) else { return Ok(Vec::new()) };
    let mut again = Vec::new();
    for at in closing(run, place) {
        let rests_on = run.plan.rests_on(at).unwrap_or_default();
        if rests_on.iter().any(|other| *other != place && !run.at(*other).1.is_over()) {
            again.extend(closes_again(run, at)?);
        }
    }
    Ok(again)
}

/// The steps that close what the step at `place`, or one before it, opened.
fn closing(run: &Run, place: usize) -> Vec<usize> {
    let component = &run.at(place).0.component;
    let closes = |(at, (step, _)): &(usize, (&Step, &StepState))| {
        let rests_on = || run.plan.rests_on(*at).unwrap_or_default();
        step.always && step.component == *component && rests_on().contains(&place)
    };
    run.steps().enumerate().filter(closes).map(|(at, _)| at).collect()
}

/// Lets a step that has closed something do so once more.
fn closes_again(run: &Run, at: usize) -> Result<Option<RunEvent>, Refusal> {
    let (step, state) = run.at(at);
    if matches!(state, StepState::BackingOff { .. }) || state.attempt().is_some() {
        let because =
            format!("`{}` is at work on what came of it; wait until that has ended", step.id);
        return Err(Refusal::NotNow { what: "going on from here", because });
    }
    Ok(can_be_reset(state).then(|| reset(run, at)))
}

/// A step that a person ended keeps no count of its attempts and is not asked again.
fn can_be_reset(state: &StepState) -> bool {
    matches!(state, StepState::Succeeded { .. } | StepState::Failed { .. })
}

fn is_repeatable(run: &Run, step: &Step) -> bool {
    step.task(run.manner).spec().is_some_and(|spec| spec.reach == Reach::Repeatable)
}

fn reset(run: &Run, at: usize) -> RunEvent {
    super::change(&run.at(at).0.id, Change::Reset)
}
