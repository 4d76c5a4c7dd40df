//! One step, as people see it.

use jiff::Timestamp;
use muster_runbooks::{action::Outputs, plan::Step};
use muster_state::{run::Run, step::StepState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Length, approval, wait, wait::WaitView};
use crate::intake::Sample;

/// One step of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct StepView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// `steps`, `undo` or `finally`.
    pub part: String,
    /// The component it works on.
    pub component: Option<String>,
    /// What it does, in the variant of the run.
    pub action: String,
    /// Where it stands.
    pub state: String,
    /// Its last attempt, 0 before the first.
    pub attempt: u32,
    /// How many attempts it has.
    pub attempts_max: u32,
    /// When the attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took.
    pub took: Option<Length>,
    /// What it waits for.
    pub waiting: Option<WaitView>,
    /// The last look at an open attempt. A sample, not a fact.
    pub sample: Option<SampleView>,
    /// What went wrong.
    pub fault: Option<String>,
    /// Who went past it or did it by hand, and why.
    pub said: Option<SaidView>,
    /// What it gave.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub outputs: Outputs,
    /// What can be seen when it is done.
    pub expect: Option<String>,
    /// What it can cost.
    pub danger: Option<String>,
    /// The outside calls.
    pub effect: Vec<String>,
    /// The same by hand: what to type when Muster cannot.
    pub by_hand: Vec<String>,
}

/// The last look at an open attempt.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct SampleView {
    /// What was seen.
    pub seen: String,
    /// How far it is, from 0 to 100, if the provider says.
    pub percent: Option<u8>,
    /// When it was asked for.
    pub read_at: Timestamp,
    /// How old it is.
    pub age: Length,
}

/// Something that a person said.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct SaidView {
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
    /// When; nothing where only the event knows.
    pub said_at: Option<Timestamp>,
}

/// Builds the view of a step.
pub fn view(
    run: &Run,
    step: &Step,
    state: &StepState,
    sample: Option<Sample>,
    now: Timestamp,
) -> StepView {
    let (started_at, ended_at) = times(state);
    let description = approval::describe(run, step, state).unwrap_or_default();
    let effect = match state {
        StepState::Previewed { effect } => effect.clone(),
        StepState::Pending { .. }
        | StepState::Running(_)
        | StepState::Held { .. }
        | StepState::BackingOff { .. }
        | StepState::Succeeded { .. }
        | StepState::Failed { .. }
        | StepState::Skipped { .. }
        | StepState::DoneByHand { .. }
        | StepState::Superseded { .. } => description.effect,
    };
    let sample = state.attempt().and(sample).map(|sample| SampleView {
        age: Length::between(sample.read_at, now),
        seen: sample.seen,
        percent: sample.percent,
        read_at: sample.read_at,
    });
    StepView {
        id: step.id.to_string(),
        title: step.title.clone(),
        part: step.part.to_string(),
        component: step.component.as_ref().map(ToString::to_string),
        action: step.task(run.manner).action.clone(),
        state: state.word().to_owned(),
        attempt: state.attempts(),
        attempts_max: step.attempts,
        started_at,
        ended_at,
        took: started_at.zip(ended_at).map(|(from, to)| Length::between(from, to)),
        waiting: wait::of_step(run, step, state, now),
        sample,
        fault: fault(state),
        said: said(state),
        outputs: state.outputs().cloned().unwrap_or_default(),
        expect: step.expect.clone(),
        danger: step.danger.map(|danger| danger.to_string()),
        effect,
        by_hand: description.by_hand,
    }
}

fn times(state: &StepState) -> (Option<Timestamp>, Option<Timestamp>) {
    match state {
        StepState::Running(attempt) | StepState::Held { attempt, .. } => {
            (Some(attempt.started_at), None)
        }
        StepState::Succeeded { started_at, at, .. } => (Some(*started_at), Some(*at)),
        StepState::Failed { at, .. } => (None, Some(*at)),
        StepState::Pending { .. }
        | StepState::BackingOff { .. }
        | StepState::Skipped { .. }
        | StepState::DoneByHand { .. }
        | StepState::Previewed { .. }
        | StepState::Superseded { .. } => (None, None),
    }
}

fn fault(state: &StepState) -> Option<String> {
    match state {
        StepState::Failed { fault, .. } => Some(fault.to_string()),
        StepState::BackingOff { reason, .. } => Some(reason.clone()),
        StepState::Superseded { seen, .. } => Some(format!("forced; last seen: {seen}")),
        StepState::Held { risk, .. } => Some(format!("met the risk `{risk}`")),
        StepState::Pending { .. }
        | StepState::Running(_)
        | StepState::Succeeded { .. }
        | StepState::Skipped { .. }
        | StepState::DoneByHand { .. }
        | StepState::Previewed { .. } => None,
    }
}

fn said(state: &StepState) -> Option<SaidView> {
    match state {
        StepState::Skipped { by, reason } | StepState::DoneByHand { by, reason, .. } => {
            Some(SaidView { by: by.clone(), text: reason.clone(), said_at: None })
        }
        StepState::Pending { .. }
        | StepState::Running(_)
        | StepState::Held { .. }
        | StepState::BackingOff { .. }
        | StepState::Succeeded { .. }
        | StepState::Failed { .. }
        | StepState::Previewed { .. }
        | StepState::Superseded { .. } => None,
    }
}
