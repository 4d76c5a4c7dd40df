//! How a drill came out, in the words that auditors know. A drill that was not allowed to begin did not fail,
//! and one that left something behind has not ended well, whatever it found.

use muster_runbooks::{
    action::{Action, drill::Alarms},
    plan::Step,
    request::Mode,
    value::words,
};
use muster_state::{
    run::{Outcome, Run},
    step::StepState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

words! {
    /// How a drill came out.
    DrillOutcome {
        /// It is not over.
        Pending = "pending",
        /// Everything that was tried went well.
        Succeeded = "succeeded",
        /// It came to its end, and some of what was tried did not go well.
        Findings = "succeeded_with_findings",
        /// It ended at something that did not go well.
        Failed = "failed",
        /// Somebody gave it up.
        Interrupted = "interrupted",
        /// Users were to be moved and were not: its hours, a blocked day, or an alarm.
        NotStarted = "not_started",
        /// Something of it is left, or nobody knows whether anything is.
        CleanupIncomplete = "cleanup_incomplete",
    }
}

/// How a drill came out, and why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct DrillView {
    /// The word.
    pub outcome: String,
    /// What it rests on, a line each; nothing where all went well.
    pub because: Vec<String>,
}

/// How a run came out as a drill; nothing for a run that is none.
pub fn view(run: &Run) -> Option<DrillView> {
    let (outcome, because) = judge(run)?;
    Some(DrillView { outcome: outcome.to_string(), because })
}

/// The word and what it rests on.
pub fn judge(run: &Run) -> Option<(DrillOutcome, Vec<String>)> {
    let composes = run.steps().any(|(step, _)| step.task(run.manner).action == "check-calendar");
    if run.plan.mode != Mode::Drill && !(composes && run.plan.mode == Mode::Live) {
        return None;
    }
    let Some(ended) = run.ended else { return Some((DrillOutcome::Pending, Vec::new())) };
    let left: Vec<String> =
        run.steps().filter_map(|(step, state)| leftover(run, step, state)).collect();
    if !left.is_empty() {
        return Some((DrillOutcome::CleanupIncomplete, left));
    }
    let failed = |wanted: fn(&Run, &Step) -> bool| -> Vec<String> {
        let all = run.steps().filter(|(step, _)| wanted(run, step));
        all.filter_map(|(step, state)| {
            let StepState::Failed { fault, .. } = state else { return None };
            Some(format!("`{}`: {fault}", step.id))
        })
        .collect()
    };
    let kept = failed(keeps_from_moving);
    Some(match ended.outcome {
        Outcome::Succeeded => (DrillOutcome::Succeeded, Vec::new()),
        Outcome::SucceededWithExceptions => (DrillOutcome::Findings, failed(|_, _| true)),
        Outcome::Failed if !kept.is_empty() => (DrillOutcome::NotStarted, kept),
        Outcome::Failed => (DrillOutcome::Failed, failed(|_, _| true)),
        Outcome::Abandoned => {
            let given_up = run.abandoned.as_ref();
            let said = given_up.map(|said| format!("given up by {}: {}", said.by, said.text));
            (DrillOutcome::Interrupted, said.into_iter().collect())
        }
    })
}

/// Whether a step asks if users may be moved at all.
fn keeps_from_moving(run: &Run, step: &Step) -> bool {
    let task = step.task(run.manner);
    match task.resolve(&run.plan.inputs, |id| run.outputs(id)) {
        Ok(Action::CheckAlarms(check)) => check.which == Alarms::Blocking,
        Ok(_) | Err(_) => task.action == "check-calendar",
    }
}

/// What a step says of things that the drill left; nothing where it says that there are none.
fn leftover(run: &Run, step: &Step, state: &StepState) -> Option<String> {
    if step.task(run.manner).action != "find-leaks" {
        return None;
    }
    let leaks = state.outputs().and_then(|outputs| outputs.get("leaks")?.as_u64());
    match leaks {
        Some(0) => None,
        Some(leaks) => Some(format!("`{}`: {leaks} objects of drills are left", step.id)),
        // A preview makes nothing, and looks for nothing.
        None if matches!(state, StepState::Previewed { .. }) => None,
        None => Some(format!("`{}` is {}: nobody knows what is left", step.id, state.word())),
    }
}
