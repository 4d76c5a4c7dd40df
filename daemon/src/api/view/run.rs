//! A run, as people see it, and the line about it in a list.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::name::StepId;
use muster_state::{
    child::Child,
    progress::EndedRun,
    run::{Run, Status},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Length,
    approval::{self, ApprovalView},
    banner,
    drill::{self, DrillView},
    figures::{self, LossesView, RecoveryView},
    leaving::LeavingView,
    next::{self, NextView},
    step::{self, SaidView, StepView},
    wait::{self, Stops, WaitView},
    way_back::{self, WayBackView},
};
use crate::intake::Sample;

/// One line about a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RunLine {
    /// Its id.
    pub id: String,
    /// The runbook.
    pub runbook: String,
    /// The application.
    pub application: Option<String>,
    /// `DRILL` or `PREVIEW` in front of everything that is not the real thing. Known for open runs.
    pub banner: Option<String>,
    /// Where it stands.
    pub status: String,
    /// Whether it is still open.
    pub open: bool,
    /// Whether it waits for a person.
    pub needs_person: bool,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took, or has taken so far.
    pub took: Length,
}

/// Everything about a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// The runbook.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// The application.
    pub application: Option<String>,
    /// `DRILL` or `PREVIEW` in front of everything that is not the real thing.
    pub banner: Option<String>,
    /// `live`, `preview` or `drill`.
    pub mode: String,
    /// `graceful` or `forced`.
    pub manner: String,
    /// How it came out as a drill; nothing for a run that is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillView>,
    /// Where it stands.
    pub status: String,
    /// Whether it is still open.
    pub open: bool,
    /// The region that was active when it was planned.
    pub active: Option<String>,
    /// The other region.
    pub standby: Option<String>,
    /// Who asked for it.
    pub requested_by: String,
    /// The run whose step started it.
    pub parent: Option<String>,
    /// The runs that its steps started, in the order of their start.
    pub children: Vec<ChildView>,
    /// Why.
    pub reason: String,
    /// The values it was started with.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub inputs: BTreeMap<String, Value>,
    /// When the trouble began, if the requester said so.
    pub symptom_at: Option<Timestamp>,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its last event was written.
    pub last_event_at: Timestamp,
    /// How long it took, or has taken so far.
    pub took: Length,
    /// The hash of the plan. Approvals are bound to it.
    pub plan_hash: String,
    /// The runbook that leads back.
    pub way_back: Option<String>,
    /// What holds the whole run up.
    pub waits: Vec<WaitView>,
    /// The decisions it waits for.
    pub approvals: Vec<ApprovalView>,
    /// The applications that it moves, each by a run of its own; only while it is open.
    pub leaving: Vec<LeavingView>,
    /// How long the recovery took; only for runs that move an application.
    pub recovery: Option<RecoveryView>,
    /// The ways back that its snapshots are meant as, and what taking one would lose.
    pub ways_back: Vec<WayBackView>,
    /// What would be and was lost; only for runs that promote a database.
    pub losses: Option<LossesView>,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepView>,
    /// What people wrote down, newest last.
    pub notes: Vec<SaidView>,
    /// How many events it has.
    pub events: u64,
    /// What to type next, the most urgent first.
    pub next: Vec<NextView>,
}

/// A run that a step started.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ChildView {
    /// Its id.
    pub run: String,
    /// The step that started it.
    pub step: String,
    /// How it ended; nothing while it is open.
    pub outcome: Option<String>,
}

impl RunView {
    /// Whether a person has to do something before it goes on.
    pub fn needs_person(&self) -> bool {
        let steps = self.steps.iter().filter_map(|step| step.waiting.as_ref());
        self.waits.iter().chain(steps).any(|wait| wait.needs_person)
    }
}

/// Builds the view of a run at an instant.
pub fn view(
    run: &Run,
    stops: &Stops,
    sample: impl Fn(&StepId) -> Option<Sample>,
    now: Timestamp,
) -> RunView {
    let binding = run.plan.binding.as_ref();
    let ended_at = run.ended.map(|ended| ended.at);
    RunView {
        id: run.id.to_string(),
        runbook: run.plan.runbook.to_string(),
        title: run.plan.title.clone(),
        application: run.application().map(ToString::to_string),
        banner: banner(run.plan.mode),
        mode: run.plan.mode.to_string(),
        manner: run.manner.to_string(),
        drill: drill::view(run),
        status: run.status().to_string(),
        open: run.ended.is_none(),
        active: binding.map(|binding| binding.active.to_string()),
        standby: binding.map(|binding| binding.standby.to_string()),
        requested_by: run.request.trigger.who(),
        parent: run.parent().map(|(run, _)| run.to_string()),
        children: run.children.iter().map(child).collect(),
        reason: run.request.reason.clone(),
        inputs: run.plan.inputs.clone(),
        symptom_at: run.request.symptom_at,
        admitted_at: run.admitted_at,
        ended_at,
        last_event_at: run.last_at,
        took: Length::between(run.admitted_at, ended_at.unwrap_or(now)),
        plan_hash: run.hash.clone(),
        way_back: run.plan.way_back.as_ref().map(ToString::to_string),
        waits: wait::of_run(run, stops),
        approvals: approval::all(run, now),
        leaving: Vec::new(),
        recovery: figures::recovery(run, now),
        ways_back: way_back::all(run, now),
        losses: figures::losses(run, now),
        steps: run
            .steps()
            .map(|(step, state)| step::view(run, step, state, sample(&step.id), now))
            .collect(),
        notes: run.notes.iter().map(said).collect(),
        events: run.len,
        next: next::steps(run, stops, now),
    }
}

fn child(child: &Child) -> ChildView {
    ChildView {
        run: child.run.to_string(),
        step: child.step.to_string(),
        outcome: child.ended.map(|ended| ended.outcome.to_string()),
    }
}

fn said(said: &muster_state::run::Said) -> SaidView {
    SaidView { by: said.by.clone(), text: said.text.clone(), said_at: Some(said.at) }
}

/// The line about an open run.
pub fn line(run: &Run, now: Timestamp) -> RunLine {
    let waits = wait::of_run(run, &Stops::default());
    let steps = run.steps().filter_map(|(step, state)| wait::of_step(run, step, state, now));
    RunLine {
        id: run.id.to_string(),
        runbook: run.plan.runbook.to_string(),
        application: run.application().map(ToString::to_string),
        banner: banner(run.plan.mode),
        status: run.status().to_string(),
        open: run.ended.is_none(),
        needs_person: waits.into_iter().chain(steps).any(|wait| wait.needs_person),
        admitted_at: run.admitted_at,
        ended_at: run.ended.map(|ended| ended.at),
        took: Length::between(run.admitted_at, run.ended.map_or(now, |ended| ended.at)),
    }
}

/// The line about a run that has ended.
pub fn ended_line(run: &EndedRun) -> RunLine {
    RunLine {
        id: run.id.to_string(),
        runbook: run.runbook.clone(),
        application: run.application.as_ref().map(ToString::to_string),
        banner: None,
        status: run.status.to_string(),
        open: false,
        needs_person: false,
        admitted_at: run.admitted_at,
        ended_at: Some(run.ended_at),
        took: Length::between(run.admitted_at, run.ended_at),
    }
}

/// Whether a status is one that a run ends with.
pub fn is_final(status: Status) -> bool {
    match status {
        Status::Succeeded
        | Status::SucceededWithExceptions
        | Status::Failed
        | Status::Abandoned => true,
        Status::AwaitingApproval
        | Status::Running
        | Status::PausedByOperator
        | Status::PausedByFailedStep
        | Status::PausedByGate
        | Status::VerifyingHealth => false,
    }
}
