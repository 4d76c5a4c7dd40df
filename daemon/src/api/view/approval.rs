//! What an approver is shown before the decision.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{Action, Description, On, control},
    name::{StepId, Token},
    plan::{Part, Step},
    request::Mode,
    value::{Loss, Span},
};
use muster_state::{
    approval,
    decide::HELD_FOR,
    run::Run,
    step::{Attempt, StepState},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Length, LossFigure, figures};

/// A decision that waits for people.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ApprovalView {
    /// The step that asks.
    pub step: String,
    /// What it is for.
    pub title: String,
    /// The role that an approver needs.
    pub role: String,
    /// How many different people must approve.
    pub needed: u32,
    /// Who has.
    pub given: Vec<GivenView>,
    /// How many are missing.
    pub missing: u32,
    /// The risks that every approver must accept by name.
    pub must_accept: Vec<String>,
    /// The risks that can be accepted here.
    pub may_accept: Vec<String>,
    /// What would be lost.
    pub data_loss: Option<LossFigure>,
    /// Over this, one more person must approve.
    pub data_loss_max: Option<Length>,
    /// The verdict of the observers, if one was asked for.
    pub observers: Option<String>,
    /// How long what remains is expected to take.
    pub recovery_time: Option<Length>,
    /// What would be done outside.
    pub effects: Vec<EffectView>,
    /// When it is too late.
    pub deadline_at: Timestamp,
}

/// One approval that was given.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct GivenView {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The risks that were accepted with it.
    pub accepts: Vec<String>,
    /// When.
    pub approved_at: Timestamp,
    /// Whether it counts: a requester's does not, nor one that left a risk out.
    pub counts: bool,
}

/// The outside calls of one step.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct EffectView {
    /// The step.
    pub step: String,
    /// A line for each call.
    pub effect: Vec<String>,
}

/// Every decision that the run waits for.
pub fn all(run: &Run, now: Timestamp) -> Vec<ApprovalView> {
    if run.ended.is_some() {
        return Vec::new();
    }
    run.steps().filter_map(|(step, state)| of_step(run, step, state, now)).collect()
}

fn of_step(run: &Run, step: &Step, state: &StepState, now: Timestamp) -> Option<ApprovalView> {
    match state {
        StepState::Running(attempt) => {
            let asked = approval::asked(run, step, attempt, now)?;
            Some(asked_for(run, step, attempt, &asked))
        }
        StepState::Held { attempt, risk, .. } => Some(ApprovalView {
            step: step.id.to_string(),
            title: step.title.clone(),
            role: control::PersonRole::Approver.to_string(),
            needed: 1,
            given: Vec::new(),
            missing: 1,
            must_accept: vec![risk.to_string()],
            may_accept: vec![risk.to_string()],
            data_loss: figures::losses(run, now).and_then(|losses| losses.predicted),
            data_loss_max: None,
            observers: None,
            recovery_time: remaining(run).map(Length::from),
            effects: effects(run),
            deadline_at: attempt.deadline + HELD_FOR,
        }),
        StepState::Pending { .. }
        | StepState::BackingOff { .. }
        | StepState::Succeeded { .. }
        | StepState::Failed { .. }
        | StepState::Skipped { .. }
        | StepState::DoneByHand { .. }
        | StepState::Previewed { .. }
        | StepState::Superseded { .. } => None,
    }
}

fn asked_for(run: &Run, step: &Step, attempt: &Attempt, asked: &control::Approval) -> ApprovalView {
    let risks = approval::risks(asked);
    let needed = u32::try_from(approval::needed(asked)).unwrap_or(u32::MAX);
    let given: Vec<GivenView> = run
        .approvers(&step.id)
        .into_iter()
        .map(|approved| GivenView {
            by: approved.by.clone(),
            reason: approved.reason.clone(),
            accepts: approved.accepts.iter().map(ToString::to_string).collect(),
            approved_at: approved.at,
            counts: !run.requesters.contains(&approved.by) && approved.covers(&risks),
        })
        .collect();
    let counted = given.iter().filter(|given| given.counts).count();
    let shows = |what| asked.shows.as_ref().is_some_and(|shows| shows.contains(&what));
    let loss = asked.data_loss.or(shows(control::Shown::DataLoss).then_some(Loss::Unknown));
    ApprovalView {
        step: step.id.to_string(),
        title: step.title.clone(),
        role: asked.role.to_string(),
        needed,
        missing: needed.saturating_sub(u32::try_from(counted).unwrap_or(u32::MAX)),
        given,
        must_accept: risks.iter().map(ToString::to_string).collect(),
        may_accept: approval::offers(asked).iter().map(ToString::to_string).collect(),
        data_loss: loss.map(|loss| figures::predicted(run, Some(loss))),
        data_loss_max: asked.data_loss_max.map(Length::from),
        observers: asked
            .observers
            .clone()
            .or_else(|| shows(control::Shown::Observers).then(|| "unknown".to_owned())),
        recovery_time: remaining(run).map(Length::from),
        effects: effects(run),
        deadline_at: attempt.deadline,
    }
}

/// What the steps that remain would do outside.
fn effects(run: &Run) -> Vec<EffectView> {
    run.steps()
        .filter(|(step, state)| step.part == Part::Steps && !state.is_over())
        .filter(|(step, _)| step.task(run.manner).spec().is_some_and(|spec| spec.reach.mutates()))
        .map(|(step, state)| EffectView {
            step: step.id.to_string(),
            effect: describe(run, step, state).map_or_else(
                || {
                    vec![format!(
                        "{}: its arguments are not known yet",
                        step.task(run.manner).action
                    )]
                },
                |description| description.effect,
            ),
        })
        .collect()
}

/// What a step would do, and how a person would do it; nothing before its arguments are known.
pub fn describe(run: &Run, step: &Step, state: &StepState) -> Option<Description> {
    let action = match state.attempt() {
        Some(attempt) => Action::clone(&attempt.action),
        None => step.task(run.manner).resolve(&run.plan.inputs, |id| run.outputs(id)).ok()?,
    };
    let binding = run.plan.binding.as_ref()?;
    let component = step.component.as_ref().and_then(|name| run.plan.component(name));
    let number = state.attempt().map_or(state.attempts() + 1, |attempt| attempt.number);
    let is_drill = run.plan.mode == Mode::Drill || action.spec().is_drill_owned();
    let token = Token::new(&run.id, &step.id, number, is_drill);
    Some(action.describe(&On {
        application: &binding.application,
        active: &binding.active,
        standby: &binding.standby,
        component: component.as_ref(),
        token: token.as_str(),
    }))
}

/// The longest chain of what remains: a step counts with its budget, or its limit where it has none.
fn remaining(run: &Run) -> Option<Span> {
    let mut ends: BTreeMap<&StepId, u64> = BTreeMap::new();
    let main = || run.steps().filter(|(step, _)| step.part == Part::Steps);
    // Needs point to steps of the same part; as many rounds as steps settle any order of the file.
    for _ in 0..main().count() {
        let before = ends.clone();
        for (step, state) in main() {
            let own = if state.is_over() { 0 } else { step.budget.unwrap_or(step.limit).secs() };
            let needed = step.needs.iter().filter_map(|id| ends.get(id)).max().copied();
            ends.insert(&step.id, own + needed.unwrap_or(0));
        }
        if before == ends {
            break;
        }
    }
    let longest = ends.values().max().copied()?;
    Some(u32::try_from(longest).map_or(Span::from_secs(u32::MAX), Span::from_secs))
}
