//! Part 6: what went otherwise than planned.

use jiff::Timestamp;
use muster_runbooks::value::words;
use muster_state::{
    event::{Event, RunEvent},
    run::PauseCause,
    step::Change,
};
use serde::{Deserialize, Serialize};

use super::{
    Answer, List,
    aftermath::{CleanUp, WayBack},
    clip,
    facts::{Facts, RunFacts},
    timeline::Timeline,
};

/// The most deviations that are listed.
const LINES_MAX: usize = 200;

words! {
    /// What sort of deviation.
    Kind {
        /// A step failed.
        Failure = "failure",
        /// An attempt ended badly, and another was made by itself.
        Retry = "retry",
        /// An open attempt was given up because the run was forced.
        Superseded = "superseded",
        /// A step took longer than was expected.
        OverBudget = "over budget",
        /// A person went past a step.
        Skip = "skip",
        /// A person did a step's work outside the tool.
        ByHand = "by hand",
        /// A person had a step tried again.
        Again = "tried again by a person",
        /// A person accepted a risk by its name.
        Risk = "risk accepted",
        /// A lone person opened approvals that others had sealed beforehand.
        Glass = "glass broken",
        /// It stood still.
        Pause = "pause",
        /// A person let it go on.
        Resume = "resume",
        /// A person gave the active side up.
        Forced = "forced",
        /// A person let it go on although nobody could read whose the lease is.
        LeaseOverridden = "lease overridden",
        /// An approver said no.
        Declined = "declined",
        /// A person gave it up.
        Abandoned = "given up",
        /// A person wrote something down, such as what was done outside.
        Note = "note",
    }
}

/// What went otherwise than planned.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Deviations {
    /// Each of them, in order.
    pub list: List<Deviation>,
    /// What was made for a while, and whether it is gone.
    pub clean_up: CleanUp,
    /// The way back; nothing for a run whose runbook names none.
    pub way_back: Option<WayBack>,
}

/// One deviation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Deviation {
    /// What sort.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
    /// The step.
    pub step: Option<String>,
    /// Who, where it was somebody's word.
    pub by: Option<String>,
    /// What happened, or why.
    pub text: String,
}

impl Deviations {
    /// The deviations of a run.
    pub fn make(one: &RunFacts, timeline: &Timeline, facts: &Facts<'_>) -> Deviations {
        let told = one.records.iter().filter_map(|record| {
            let Event::Run(event) = &record.event else { return None };
            let (kind, step, by, text) = otherwise(event)?;
            Some(Deviation { kind, at: record.at, step, by, text: clip(&text) })
        });
        let mut all: Vec<Deviation> = told.collect();
        all.extend(over_budget(timeline));
        all.sort_by_key(|one| one.at);
        Deviations {
            list: List::first(LINES_MAX, all),
            clean_up: CleanUp::make(one, timeline, facts),
            way_back: WayBack::make(one, facts),
        }
    }
}

type Told = (Kind, Option<String>, Option<String>, String);

/// What an event says that no plan says.
fn otherwise(event: &RunEvent) -> Option<Told> {
    let by = |by: &String| Some(by.clone());
    let told = match event {
        RunEvent::Step { step, change } => {
            let (kind, by, text) = changed(change)?;
            (kind, Some(step.to_string()), by, text)
        }
        RunEvent::Approved { step, by: who, accepts, reason } if !accepts.is_empty() => {
            let risks: Vec<&str> = accepts.iter().map(|risk| risk.word()).collect();
            let text = format!("{}: {reason}", risks.join(", "));
            (Kind::Risk, Some(step.to_string()), by(who), text)
        }
        RunEvent::GlassBroken { step, by: who, seals, reason, .. } => {
            let of: Vec<&str> = seals.iter().map(|seal| seal.by.as_str()).collect();
            let text = format!("the seals of {}: {reason}", of.join(", "));
            (Kind::Glass, Some(step.to_string()), by(who), text)
        }
        RunEvent::Declined { step, by: who, reason } => {
            (Kind::Declined, Some(step.to_string()), by(who), reason.clone())
        }
        RunEvent::Paused { cause } => match cause {
            PauseCause::Operator { who, reason } => (Kind::Pause, None, by(who), reason.clone()),
            PauseCause::Gate { saw } => (Kind::Pause, None, None, saw.clone()),
            PauseCause::Failover { run } => {
                (Kind::Pause, None, None, format!("failover `{run}` went first"))
            }
        },
        RunEvent::Resumed { by: who, reason } => (Kind::Resume, None, by(who), reason.clone()),
        RunEvent::Forced { by: who, reason } => (Kind::Forced, None, by(who), reason.clone()),
        RunEvent::LeaseOverridden { by: who, reason } => {
            (Kind::LeaseOverridden, None, by(who), reason.clone())
        }
        RunEvent::Noted { by: who, text } => (Kind::Note, None, by(who), text.clone()),
        RunEvent::Abandoned { by: who, reason, .. } => {
            (Kind::Abandoned, None, by(who), reason.clone())
        }
        RunEvent::Approved { .. }
        | RunEvent::Admitted { .. }
        | RunEvent::UndoDecided { .. }
        | RunEvent::ChildAdmitted { .. }
        | RunEvent::ChildEnded { .. }
        | RunEvent::Ended { .. } => return None,
    };
    Some(told)
}

fn changed(change: &Change) -> Option<(Kind, Option<String>, String)> {
    let told = match change {
        Change::Delayed { attempt, reason, .. } => {
            (Kind::Retry, None, format!("attempt {attempt}: {reason}"))
        }
        Change::Failed { attempt, fault } => {
            (Kind::Failure, None, format!("attempt {attempt}: {fault}"))
        }
        Change::Superseded { attempt, seen } => {
            (Kind::Superseded, None, format!("attempt {attempt}, last seen: {seen}"))
        }
        Change::Retried { by, reason } => (Kind::Again, Some(by.clone()), reason.clone()),
        Change::Skipped { by, reason } => (Kind::Skip, Some(by.clone()), reason.clone()),
        Change::DoneByHand { by, reason, .. } => (Kind::ByHand, Some(by.clone()), reason.clone()),
        Change::Started { .. }
        | Change::Aimed { .. }
        | Change::Begun { .. }
        | Change::Held { .. }
        | Change::Succeeded { .. }
        | Change::SeenAgain { .. }
        | Change::Previewed { .. }
        | Change::Reset => return None,
    };
    Some(told)
}

fn over_budget(timeline: &Timeline) -> impl Iterator<Item = Deviation> {
    let over = timeline.steps.iter().filter(|step| step.over_budget == Answer::Yes);
    over.filter_map(|step| {
        let (took, budget) = (step.took.as_ref()?, step.budget.as_ref()?);
        Some(Deviation {
            kind: Kind::OverBudget,
            at: step.ended_at?,
            step: Some(step.id.clone()),
            by: None,
            text: format!("took {}, expected {}", took.text, budget.text),
        })
    })
}
