//! Why nothing moves: every wait has a reason, an owner and a deadline (design §3.9).

use jiff::Timestamp;
use muster_runbooks::{
    action::{Action, Reach},
    plan::{OnFailure, Part, Step},
};
use muster_state::{
    approval::{self, Tally},
    child::Wanted,
    decide::HELD_FOR,
    lease::Missing,
    run::{PauseCause, Run},
    step::{Attempt, StepState},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::intake::Intake;

/// What something waits for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct WaitView {
    /// What must happen, in a sentence.
    pub reason: String,
    /// Who can make it happen.
    pub owner: String,
    /// When it is judged without further waiting; nothing when only a person ends the wait.
    pub deadline_at: Option<Timestamp>,
    /// Whether a person has to do something.
    pub needs_person: bool,
}

impl WaitView {
    fn person(
        reason: impl Into<String>,
        owner: impl Into<String>,
        deadline_at: Option<Timestamp>,
    ) -> WaitView {
        WaitView { reason: reason.into(), owner: owner.into(), deadline_at, needs_person: true }
    }

    fn machine(
        reason: impl Into<String>,
        owner: impl Into<String>,
        deadline_at: Option<Timestamp>,
    ) -> WaitView {
        WaitView { reason: reason.into(), owner: owner.into(), deadline_at, needs_person: false }
    }
}

/// What stops every run.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    /// Who switched Muster off, and why.
    pub off: Option<(String, String)>,
    /// Why this process must not act.
    pub lease: Option<Missing>,
}

impl Stops {
    /// What stops every run at an instant.
    pub fn at(intake: &Intake, now: Timestamp) -> Stops {
        let off = intake.known(|known| known.off.clone());
        Stops { off, lease: intake.lease().forbids(now) }
    }

    /// What of the lease stops a run: some risks a person can take for it.
    pub fn lease_of(&self, run: &Run) -> Option<&Missing> {
        let why = self.lease.as_ref()?;
        (run.lease_overridden.is_none() || !why.may_be_overridden()).then_some(why)
    }
}

/// What holds the whole run up, the most general cause first.
pub fn of_run(run: &Run, stops: &Stops) -> Vec<WaitView> {
    let mut waits = Vec::new();
    if run.ended.is_some() {
        return waits;
    }
    waits.extend(stops.lease_of(run).map(leaseless));
    if let Some((by, reason)) = &stops.off {
        let said = format!("muster was switched off by {by}: {reason}");
        waits.push(WaitView::person(said, "an admin", None));
    }
    for cause in &run.pauses {
        let said = match cause {
            PauseCause::Operator { who, reason } => format!("paused by {who}: {reason}"),
            PauseCause::Gate { saw } => format!("paused to be looked at: {saw}"),
            PauseCause::Failover { run } => {
                format!("failover `{run}` goes first; resume when it has ended")
            }
        };
        waits.push(WaitView::person(said, "an operator", None));
    }
    if let Some(step) = run.failed_step() {
        let said = format!("`{}` has failed: a person decides how it goes on", step.id);
        waits.push(WaitView::person(said, "an operator", None));
    }
    if run.awaits_undo() && run.part() == Part::Undo {
        waits.push(WaitView::person("shall the undo steps run?", "an operator", None));
    }
    waits
}

/// What a run waits for that waits for the lease.
fn leaseless(why: &Missing) -> WaitView {
    match why {
        Missing::Unasked => WaitView::machine(why.to_string(), "muster", None),
        Missing::Taken { holder, free_at, .. } => {
            WaitView::machine(why.to_string(), format!("`{holder}`"), Some(*free_at))
        }
        Missing::Ended { .. } | Missing::Unreadable { .. } => {
            WaitView::person(why.to_string(), "whoever looks after the bucket", None)
        }
        Missing::Behind { .. } | Missing::Apart { .. } => {
            let said = format!("{why}: restore the newer journal here, or let its process act");
            WaitView::person(said, "an admin", None)
        }
    }
}

/// What one step waits for; nothing for a step that has ended or whose part is not the run's turn.
pub fn of_step(run: &Run, step: &Step, state: &StepState, now: Timestamp) -> Option<WaitView> {
    if run.ended.is_some() {
        return None;
    }
    match state {
        StepState::Pending { .. } | StepState::Superseded { .. } => pending(run, step),
        StepState::Running(attempt) => Some(running(run, step, attempt, now)),
        StepState::Held { attempt, risk, .. } => Some(WaitView::person(
            format!("somebody must accept the risk `{risk}`"),
            "an approver",
            Some(attempt.deadline + HELD_FOR),
        )),
        StepState::BackingOff { reason, retry_at, attempt } => Some(WaitView::machine(
            format!("attempt {attempt} ended badly ({reason}); the next one starts"),
            "muster",
            Some(*retry_at),
        )),
        StepState::Failed { .. } => (step.on_failure == OnFailure::Pause
            && step.part == Part::Steps
            && run.failed_step().is_some())
        .then(|| WaitView::person("a person decides how it goes on", "an operator", None)),
        StepState::Succeeded { .. }
        | StepState::Skipped { .. }
        | StepState::DoneByHand { .. }
        | StepState::Previewed { .. } => None,
    }
}

fn pending(run: &Run, step: &Step) -> Option<WaitView> {
    if step.part != run.part() {
        return None;
    }
    let open: Vec<String> = step
        .needs
        .iter()
        .filter(|id| !run.state(id).is_some_and(|state| state.is_over()))
        .map(|id| format!("`{id}`"))
        .collect();
    if !open.is_empty() {
        return Some(WaitView::machine(format!("follows {}", open.join(", ")), "muster", None));
    }
    let held_back = run.position(&step.id).is_some_and(|place| run.is_held_back(place));
    let held = held_back && step.part == Part::Steps;
    held.then(|| WaitView::machine("the run is paused", "an operator", None))
}

fn running(run: &Run, step: &Step, attempt: &Attempt, now: Timestamp) -> WaitView {
    let deadline_at = Some(attempt.deadline);
    if let Some(asked) = approval::asked(run, step, attempt, now) {
        let said = match approval::tally(run, step, &asked) {
            Tally::Enough { approved_by } => format!("approved by {approved_by}"),
            Tally::Missing { said } => said,
        };
        return WaitView::person(
            said,
            format!("a person with the role {}", asked.role),
            deadline_at,
        );
    }
    if let Action::Gate(gate) = &*attempt.action {
        let opens_at = gate.opens_at(attempt.started_at).filter(|at| *at < attempt.deadline);
        let asks = match opens_at {
            Some(_) => format!("{} It opens by itself when its time is over.", gate.asks),
            None => gate.asks.clone(),
        };
        return WaitView::person(asks, "an operator", opens_at.or(deadline_at));
    }
    if Wanted::of(&attempt.action).is_some() {
        let child = run.children.iter().rev().find(|child| child.step == step.id);
        return match child.filter(|child| child.ended.is_none()) {
            Some(child) => {
                let said = format!("run `{}` has to end; see what it waits for", child.run);
                WaitView::machine(said, format!("run `{}`", child.run), deadline_at)
            }
            None => {
                WaitView::machine("its run is started when its turn comes", "muster", deadline_at)
            }
        };
    }
    let spec = attempt.action.spec();
    if spec.reach == Reach::Inside {
        return WaitView::machine("its time has not come", "muster", deadline_at);
    }
    let expects = step.expect.clone();
    let said = expects.unwrap_or_else(|| format!("the result of `{}`", spec.name));
    WaitView::machine(said, "the provider", deadline_at)
}
