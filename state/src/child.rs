//! Runs that a step of another run started, and what the step makes of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Action, Outputs,
        child::{NOT_WANTED, StartRun},
    },
    name::{RunId, StepId},
    plan::Step,
    request::{Request, Trigger},
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

    /// The steps that wait for somebody to start their runs. Nothing new is started for a run that is
    /// paused or on its way out.
    pub fn wants_started(&self) -> impl Iterator<Item = (&Step, &StartRun)> {
        let goes_on = !self.is_paused() && !self.failing && self.abandoned.is_none();
        let steps = self.steps().filter(move |_| goes_on);
        steps.filter_map(|(step, state)| {
            let StepState::Running(attempt) = state else { return None };
            let Action::StartRun(start) = &*attempt.action else { return None };
            (standing(self, step, attempt, start) == Standing::Unborn).then_some((step, start))
        })
    }

    /// What is asked for when a step's run is started: it has the reason of this one.
    pub fn request_of(&self, step: &Step, start: &StartRun) -> Request {
        Request {
            runbook: start.runbook.clone(),
            application: self.application().cloned(),
            inputs: BTreeMap::new(),
            trigger: Trigger::Run {
                run: self.id.clone(),
                step: step.id.clone(),
                asked_by: self.requesters.clone(),
            },
            mode: start.mode(),
            manner: start.manner(),
            reason: self.request.reason.clone(),
            dedupe_key: None,
            symptom_at: None,
            not_after: None,
        }
    }

    /// Takes in that a step's run has ended.
    pub(crate) fn child_ended(&mut self, run: &RunId, outcome: Outcome, at: Timestamp) -> bool {
        let is_it = |child: &&mut Child| child.run == *run && child.ended.is_none();
        let Some(place) = self.children.iter_mut().find(is_it).map(|child| child.step.clone())
        else {
            return false;
        };
        let attempt = self.state(&place).and_then(StepState::attempt).map(|open| open.number);
        for child in self.children.iter_mut().filter(|child| child.run == *run) {
            child.ended = Some(Ended { outcome, at });
            child.result_of = attempt;
        }
        true
    }
}

/// Where the run of an attempt stands. One that an earlier attempt started and that is still open is this
/// attempt's too: nothing is started twice because a step had too little time.
pub(crate) fn standing(run: &Run, step: &Step, attempt: &Attempt, start: &StartRun) -> Standing {
    if !start.is_wanted() {
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
