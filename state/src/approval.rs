//! How many approvals a step needs, whose count, and which risks they must accept.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::{
        Action, Reach,
        control::{Approval, Risk, Shown},
    },
    plan::Step,
    value::Loss,
};

use crate::{
    run::{Approved, Run},
    step::{Attempt, StepState},
};

/// So long after a prediction was last made it is made anew, while people still decide.
pub const PREDICTED_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// What the approvals of a step amount to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tally {
    /// It may go on.
    Enough {
        /// Who, separated by commas.
        approved_by: String,
    },
    /// It may not yet.
    Missing {
        /// How many are there and how many are needed, for people.
        said: String,
    },
}

/// What an open step asks people for at an instant, if it asks. The loss that it shows is the one that was
/// predicted last, with all that could have been lost since.
pub fn asked(run: &Run, step: &Step, attempt: &Attempt, now: Timestamp) -> Option<Approval> {
    let Action::Approval(promised) = &*attempt.action else { return None };
    let mut asked = promised.clone();
    let Some(seen_at) = predictions(run, step, promised).map(|(_, seen_at)| seen_at).min() else {
        return Some(asked);
    };
    if let Some(arg) = step.task(attempt.manner).with.get("data_loss") {
        let anew = arg.value(&run.plan.inputs, |id| run.outputs(id)).ok();
        asked.data_loss = anew.and_then(|anew| anew.as_str()?.parse().ok());
    }
    let since = now.duration_since(seen_at);
    asked.data_loss = asked.data_loss.map(|loss| loss.grown_by(since));
    Some(asked)
}

/// The steps that predicted what an approval shows, by place, and when each last did.
pub fn predictions<'a>(
    run: &'a Run,
    step: &'a Step,
    asked: &Approval,
) -> impl Iterator<Item = (usize, Timestamp)> + use<'a> {
    let needs: &[_] = if asked.data_loss.is_some() { &step.needs } else { &[] };
    needs.iter().filter_map(|id| {
        let place = run.position(id)?;
        let StepState::Succeeded { at, seen_at, outputs, .. } = run.at(place).1 else {
            return None;
        };
        let spec = run.plan.spec_at(place, run.manner);
        let looks = spec.is_some_and(|spec| spec.reach == Reach::Reads);
        (looks && outputs.contains_key("data_loss")).then(|| (place, seen_at.unwrap_or(*at)))
    })
}

/// Whether a step predicted what people are deciding on, so that it is worth predicting again.
pub fn is_decided_on(run: &Run, place: usize) -> bool {
    run.steps().any(|(step, state)| {
        let StepState::Running(attempt) = state else { return false };
        let Action::Approval(asked) = &*attempt.action else { return false };
        predictions(run, step, asked).any(|(predicted, _)| predicted == place)
    })
}

/// The risks that every approver of this step must tick.
pub fn risks(approval: &Approval) -> Vec<Risk> {
    let mut risks = Vec::new();
    // A figure that is asked for and missing is unknown, never zero.
    let loss = approval.data_loss.or(shows(approval, Shown::DataLoss).then_some(Loss::Unknown));
    let over = match (loss, approval.data_loss_max) {
        (Some(loss), Some(max)) => !loss.within(max),
        (Some(Loss::Unknown), None) => true,
        (Some(Loss::AtMost(_)), None) | (None, _) => false,
    };
    if over {
        risks.push(Risk::DataLossOverMax);
    }
    // A verdict that is asked for and missing is no agreement.
    let asks = shows(approval, Shown::Observers) || approval.observers.is_some();
    if asks && approval.observers.as_deref() != Some("lost") {
        risks.push(Risk::ObserversDisagree);
    }
    let named = approval.must_accept.iter().flatten().filter(|risk| !risks.contains(risk));
    let named: Vec<Risk> = named.copied().collect();
    risks.extend(named);
    risks
}

fn shows(approval: &Approval, what: Shown) -> bool {
    approval.shows.as_ref().is_some_and(|shows| shows.contains(&what))
}

/// The risks that an approver of this step may tick.
pub fn offers(approval: &Approval) -> Vec<Risk> {
    approval.may_accept.iter().chain(&approval.must_accept).flatten().copied().collect()
}

/// How many different people must approve: one more when data loss is over the limit or unknown
/// (design §9).
pub fn needed(approval: &Approval) -> usize {
    let more = risks(approval).contains(&Risk::DataLossOverMax);
    approval.approvals.max(1) as usize + usize::from(more)
}

/// Counts. A requester's approval never counts, nor one that did not tick what must be ticked.
pub fn tally(run: &Run, step: &Step, approval: &Approval) -> Tally {
    let risks = risks(approval);
    let counts =
        |approved: &&Approved| !run.requesters.contains(&approved.by) && approved.covers(&risks);
    let who: Vec<&str> = run
        .approvers(&step.id)
        .into_iter()
        .filter(counts)
        .map(|approved| approved.by.as_str())
        .collect();
    let needed = needed(approval);
    if who.len() >= needed {
        return Tally::Enough { approved_by: who.join(", ") };
    }
    Tally::Missing {
        said: format!("{} of {needed} approvals by role {}", who.len(), approval.role),
    }
}
