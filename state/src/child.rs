//! Runs that a step of another run started, and what the step makes of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Action, Outputs,
        child::{MoveApplication, NOT_WANTED, StartRun},
    },
    name::{RunId, StepId},
    plan::Step,
    request::{Mode, Request, Trigger},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    run::{Ended, Outcome, Run},
    step::{Attempt, Fault, StepState},
};

/// A run that a step started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Child {
    /// The step that started it.
    pub step: StepId,
    /// The run.
    pub run: RunId,
    /// How and when it ended.
    pub ended: Option<Ended>,
    /// The step's attempt that was open when it ended: whose result that is.
    pub result_of: Option<u32>,
}

/// What a step wants a run for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Another runbook for the same application.
    Start(&'a StartRun),
    /// One of several applications that move.
    Move(&'a MoveApplication),
}

impl<'a> Wanted<'a> {
    /// What an action wants, if it is one that waits for a run.
    pub fn of(action: &'a Action) -> Option<Wanted<'a>> {
        if let Action::StartRun(start) = action {
            return Some(Wanted::Start(start));
        }
        if let Action::MoveApplication(moves) = action {
            return Some(Wanted::Move(moves));
        }
        None
    }

    fn is_none(self) -> bool {
        matches!(self, Wanted::Start(start) if !start.is_wanted())
    }

    /// How many runs of its run may be open when this one is started.
    fn at_once(self) -> usize {
        match self {
            Wanted::Start(_) => usize::MAX,
            Wanted::Move(moves) => moves.at_once.max(1) as usize,
        }
    }
}

/// What a step's own run means for its attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// Nobody has started it yet.
    Unborn,
    /// It goes on.
    Open(RunId),
    /// There is nothing to wait for, or it ended well.
    Over(Outputs),
    /// It ended otherwise.
    Fell(Fault),
}

impl Run {
    /// The run whose step started this one.
    pub fn parent(&self) -> Option<(&RunId, &StepId)> {
        match &self.request.trigger {
            Trigger::Run { run, step, .. } => Some((run, step)),
            Trigger::Schedule { .. }
            | Trigger::Person { .. }
            | Trigger::Observers { .. }
            | Trigger::Event { .. } => None,
        }
    }

    /// The runs of its steps that go on.
    pub fn open_children(&self) -> impl Iterator<Item = &RunId> {
        self.children.iter().filter(|child| child.ended.is_none()).map(|child| &child.run)
    }

    /// The steps that wait for somebody to start their runs now. Nothing new is started for a run that is
    /// paused or on its way out, and of those that go one after the other no more than may be open at once.
    pub fn wants_started(&self) -> Vec<(&Step, Wanted<'_>)> {
        let mut wants = Vec::new();
        if self.is_paused() || self.is_on_its_way_out() {
            return wants;
        }
        let mut open = self.open_children().count();
        for (step, state) in self.steps() {
            let StepState::Running(attempt) = state else { continue };
            let Some(wanted) = Wanted::of(&attempt.action) else { continue };
            if open < wanted.at_once() && standing(self, step, attempt) == Standing::Unborn {
                open += 1;
                wants.push((step, wanted));
            }
        }
        wants
    }

    /// What is asked for when a step's run is started. One that moves an application because of the trouble
    /// that this run is about counts from when that began.
    pub fn request_of(&self, step: &Step, wanted: Wanted<'_>) -> Request {
        let (runbook, application, mode, manner, symptom_at) = match wanted {
            Wanted::Start(start) => {
                let application = self.application().cloned();
                (&start.runbook, application, start.mode(), start.manner(), None)
            }
            Wanted::Move(moves) => {
                let application = moves.application.clone();
                let symptom_at = self.request.symptom_at;
                (&moves.runbook, application, Mode::Live, moves.manner(), symptom_at)
            }
        };
        Request {
            runbook: runbook.clone(),
            application,
            inputs: BTreeMap::new(),
            trigger: Trigger::Run {
                run: self.id.clone(),
                step: step.id.clone(),
                asked_by: self.requesters.clone(),
            },
            mode,
            manner,
            reason: self.request.reason.clone(),
            dedupe_key: None,
            symptom_at,
            not_after: None,
        }
    }

    /// Takes in that a step's run has ended.
    pub(crate) fn child_ended(&mut self, run: &RunId, outcome: Outcome, at: Timestamp) -> bool {
        let is_it = |child: &Child| child.run == *run && child.ended.is_none();
        let Some(place) = self.children.iter().position(is_it) else { return false };
        let attempt = self.state(&self.children[place].step).and_then(StepState::attempt);
        let result_of = attempt.map(|open| open.number);
        let child = &mut self.children[place];
        (child.ended, child.result_of) = (Some(Ended { outcome, at }), result_of);
        true
    }
}

/// Where the run of an attempt stands. One that an earlier attempt started and that is still open is this
/// attempt's too: nothing is started twice because a step had too little time.
pub(crate) fn standing(run: &Run, step: &Step, attempt: &Attempt) -> Standing {
    if Wanted::of(&attempt.action).is_some_and(Wanted::is_none) {
        return Standing::Over([("outcome".to_owned(), json!(NOT_WANTED))].into());
    }
    let counts = |child: &&Child| {
        child.step == step.id && (child.ended.is_none() || child.result_of == Some(attempt.number))
    };
    let Some(child) = run.children.iter().rev().find(counts) else { return Standing::Unborn };
    let id = &child.run;
    match child.ended.map(|ended| ended.outcome) {
        None => Standing::Open(id.clone()),
        Some(outcome) if outcome.is_well() => Standing::Over(
            [("run".to_owned(), json!(id)), ("outcome".to_owned(), json!(outcome))].into(),
        ),
        Some(outcome) => {
            let reason = format!("run `{id}` ended {outcome}; see `muster status {id}`");
            Standing::Fell(Fault::Failed { reason })
        }
    }
}
