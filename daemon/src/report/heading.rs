//! Part 1: what sort of run it was, why, and who asked for it, approved it and was told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{build::RunBuild, restore::MAKE},
    request::{Manner, Mode, Trigger},
    value::words,
};
use muster_state::{run::Run, step::StepState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::view::drill::{self, DrillView};

use super::{
    Length, List, clip,
    facts::{Facts, RunFacts},
    people::{self, Approval, Notice},
    scope::Scope,
};

words! {
    /// What sort of exercise, or event, a run was.
    Kind {
        /// Everything was printed and nothing begun.
        Tabletop = "tabletop",
        /// A recovery point was brought back beside the application.
        Restore = "restore",
        /// The application moved with both of its sides well.
        Switchover = "switchover",
        /// The application moved, and one of its sides was given up.
        Failover = "failover",
        /// It only looked, or kept the application safe: no exercise of a recovery.
        Upkeep = "upkeep",
    }
}

/// What a run was, and over what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Heading {
    /// Its id.
    pub run: String,
    /// What sort it was: read off its mode, its manner, its steps and the runs that they started.
    pub kind: Kind,
    /// `live`, `preview` or `drill`.
    pub mode: String,
    /// `graceful` or `forced`, as it was last.
    pub manner: String,
    /// Where it stood when the report was made.
    pub status: String,
    /// Whether it was still open then: what is not over is not judged.
    pub open: bool,
    /// How it came out as a drill, and why; nothing for a run that is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillView>,
    /// What the runbook is for.
    pub scenario: String,
    /// Why it was asked for.
    pub reason: String,
    /// Who asked.
    pub requested_by: String,
    /// `person`, `schedule`, `observers`, `event`, or `run` for one that a step of another run started.
    pub requested_through: String,
    /// When the trouble began, if the requester said so.
    pub symptom_at: Option<Timestamp>,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took, or had taken when the report was made.
    pub took: Length,
    /// The values that it was started with.
    pub inputs: BTreeMap<String, Value>,
    /// The application; nothing for a run without one.
    pub scope: Option<Scope>,
    /// Who approved what.
    pub approvals: List<Approval>,
    /// Who was told, and when.
    pub notices: List<Notice>,
}

impl Heading {
    /// The heading of a run.
    pub fn make(one: &RunFacts, facts: &Facts<'_>) -> Heading {
        let run = &one.run;
        let ended_at = run.ended.map(|ended| ended.at);
        let through = match &run.request.trigger {
            Trigger::Person { .. } => "person",
            Trigger::Schedule { .. } => "schedule",
            Trigger::Observers { .. } => "observers",
            Trigger::Event { .. } => "event",
            Trigger::Run { .. } => "run",
        };
        let is_reported = run.id == facts.run.run.id;
        let children = facts.children.iter().filter_map(|child| child.facts.as_ref().ok());
        let children = children.filter(|_| is_reported).map(|child| &child.run);
        Heading {
            run: run.id.to_string(),
            kind: kind(run, children),
            mode: run.plan.mode.to_string(),
            manner: run.manner.to_string(),
            status: run.status().to_string(),
            open: run.ended.is_none(),
            drill: drill::view(run),
            scenario: run.plan.title.clone(),
            reason: clip(&run.request.reason),
            requested_by: run.request.trigger.who(),
            requested_through: through.to_owned(),
            symptom_at: run.request.symptom_at,
            admitted_at: run.admitted_at,
            ended_at,
            took: Length::between(run.admitted_at, ended_at.unwrap_or(facts.made_at)),
            inputs: run.plan.inputs.clone(),
            scope: Scope::of(run),
            approvals: people::approvals(one),
            notices: people::notices(one),
        }
    }
}

/// What sort of run it was. A run that starts others is the most serious of what they were.
pub fn kind<'a>(run: &Run, children: impl Iterator<Item = &'a Run>) -> Kind {
    let own = own_kind(run);
    children.map(own_kind).fold(own, |one, other| if rank(other) > rank(one) { other } else { one })
}

fn own_kind(run: &Run) -> Kind {
    let acted = run.steps().any(|(_, state)| {
        !matches!(
            state,
            StepState::Pending { attempts: 0 }
                | StepState::Previewed { .. }
                | StepState::Skipped { .. }
        )
    });
    let restores = || run.plan.steps.iter().any(|step| MAKE.contains(&step.task.action.as_str()));
    let builds = || run.plan.steps.iter().any(|step| step.task.action == RunBuild::SPEC.name);
    match run.plan.mode {
        Mode::Preview => Kind::Tabletop,
        Mode::Live | Mode::Drill if restores() && !run.plan.exclusive => Kind::Restore,
        // A rebuild in calm moves nobody.
        Mode::Live if builds() && run.manner == Manner::Graceful => Kind::Upkeep,
        Mode::Drill if !acted => Kind::Tabletop,
        Mode::Live | Mode::Drill if run.plan.exclusive => match run.manner {
            Manner::Graceful => Kind::Switchover,
            Manner::Forced => Kind::Failover,
        },
        Mode::Live | Mode::Drill => Kind::Upkeep,
    }
}

fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Upkeep => 0,
        Kind::Tabletop => 1,
        Kind::Restore => 2,
        Kind::Switchover => 3,
        Kind::Failover => 4,
    }
}
