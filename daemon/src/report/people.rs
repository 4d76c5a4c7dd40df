//! Part 2: by which plan and program, and who took part with what. Approvals and notices of part 1.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::control::{Notify, Risk},
    name::StepId,
};
use muster_state::{
    event::{Event, Record, RunEvent},
    run::PauseCause,
    step::Change,
};
use serde::{Deserialize, Serialize};

use super::{
    List, clip,
    facts::{Facts, Opened, RunFacts},
};

/// The most people, and the most deeds of one of them, that are listed.
const PEOPLE_MAX: usize = 50;

/// The most approvals, notices and programs that are listed.
const LINES_MAX: usize = 50;

/// By which plan and program, and who took part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Means {
    /// The runbook.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// SHA-256 of the plan byte for byte, as it stands in the first record of the run. Approvals are bound
    /// to it.
    pub plan_hash: String,
    /// How many steps the plan has.
    pub steps: usize,
    /// The runbook that leads back.
    pub way_back: Option<String>,
    /// The programs that carried it out, oldest first; nothing where the journal does not say.
    pub programs: List<Program>,
    /// Who took part, with what.
    pub people: List<Person>,
}

/// A program that carried a run out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Program {
    /// Its version, with the id of its sources.
    pub program: String,
    /// The number of the record that says that it took the journal over.
    pub seq: u64,
    /// When.
    pub from_at: Timestamp,
}

/// Somebody who took part. The journal knows names; which post somebody holds, a person must add.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Person {
    /// The name, as their token says.
    pub name: String,
    /// What they did, in order.
    pub did: List<String>,
}

/// One approval that was given.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Approval {
    /// The step that asked.
    pub step: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The risks that were accepted with it, each by its name.
    pub accepts: Vec<String>,
    /// Whether the same person asked for the run or forced it: then it does not count.
    pub by_requester: bool,
    /// Whether the run was forced afterwards: then it was asked for again.
    pub withdrawn: bool,
}

/// Somebody was told.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Notice {
    /// The step that told them.
    pub step: String,
    /// What it is for.
    pub title: String,
    /// Where it stands.
    pub state: String,
    /// When it had been told; nothing where it was not.
    pub told_at: Option<Timestamp>,
}

impl Means {
    /// By which means a run was carried out.
    pub fn make(one: &RunFacts, facts: &Facts<'_>) -> Means {
        let plan = &one.run.plan;
        Means {
            runbook: plan.runbook.to_string(),
            title: plan.title.clone(),
            plan_hash: one.run.hash.clone(),
            steps: plan.steps.len(),
            way_back: plan.way_back.as_ref().map(ToString::to_string),
            programs: List::first(LINES_MAX, programs(one, &facts.around.programs)),
            people: people(&one.records),
        }
    }
}

/// The process that admitted the run, and every one that took it over before it ended.
fn programs(one: &RunFacts, opened: &[Opened]) -> Vec<Program> {
    let Some((first, last)) = one.span() else { return Vec::new() };
    let admitted_by = opened.iter().rposition(|open| open.seq < first);
    let from = admitted_by.unwrap_or(0);
    let during = opened.iter().skip(from).filter(|open| open.seq <= last);
    let program =
        |open: &Opened| Program { program: open.program.clone(), seq: open.seq, from_at: open.at };
    during.map(program).collect()
}

fn people(records: &[Record]) -> List<Person> {
    let mut did: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        let Event::Run(event) = &record.event else { continue };
        if let Some((who, what)) = deed(event) {
            did.entry(who).or_default().push(what);
        }
    }
    let person = |(name, did)| Person { name, did: List::first(PEOPLE_MAX, did) };
    List::first(PEOPLE_MAX, did.into_iter().map(person))
}

/// Who did what, when the event is somebody's word.
fn deed(event: &RunEvent) -> Option<(String, String)> {
    let (who, what) = match event {
        RunEvent::Admitted { request, .. } => {
            return Some((request.trigger.who(), "asked for the run".to_owned()));
        }
        RunEvent::Approved { step, by, .. } => (by, format!("approved `{step}`")),
        RunEvent::GlassBroken { step, by, .. } => (by, format!("broke the glass for `{step}`")),
        RunEvent::Declined { step, by, .. } => (by, format!("declined `{step}`")),
        RunEvent::Paused { cause: PauseCause::Operator { who, .. } } => {
            (who, "paused it".to_owned())
        }
        RunEvent::Resumed { by, .. } => (by, "resumed it".to_owned()),
        RunEvent::Forced { by, .. } => (by, "forced it".to_owned()),
        RunEvent::LeaseOverridden { by, .. } => (by, "let it go on without the lease".to_owned()),
        RunEvent::Noted { by, .. } => (by, "wrote a note".to_owned()),
        RunEvent::Abandoned { by, .. } => (by, "gave it up".to_owned()),
        RunEvent::UndoDecided { by, undo: true } => (by, "had the undo steps run".to_owned()),
        RunEvent::UndoDecided { by, undo: false } => (by, "wanted no undo".to_owned()),
        RunEvent::Step { step, change } => match change {
            Change::Retried { by, .. } => (by, format!("had `{step}` tried again")),
            Change::Skipped { by, .. } => (by, format!("went past `{step}`")),
            Change::DoneByHand { by, .. } => (by, format!("did `{step}` by hand")),
            Change::Started { .. }
            | Change::Aimed { .. }
            | Change::Begun { .. }
            | Change::Held { .. }
            | Change::Delayed { .. }
            | Change::Succeeded { .. }
            | Change::SeenAgain { .. }
            | Change::Failed { .. }
            | Change::Superseded { .. }
            | Change::Previewed { .. }
            | Change::Reset => return None,
        },
        RunEvent::Paused { cause: PauseCause::Gate { .. } | PauseCause::Failover { .. } }
        | RunEvent::ChildAdmitted { .. }
        | RunEvent::ChildEnded { .. }
        | RunEvent::Ended { .. } => return None,
    };
    Some((who.clone(), what))
}

/// Every approval, also those that a later word made void.
pub fn approvals(one: &RunFacts) -> List<Approval> {
    let forced_at = one
        .records
        .iter()
        .rfind(|record| matches!(record.event, Event::Run(RunEvent::Forced { .. })));
    let forced_at = forced_at.map(|record| record.seq);
    let approval =
        |record: &Record, step: &StepId, by: &str, accepts: &[Risk], reason: &str| Approval {
            step: step.to_string(),
            by: by.to_owned(),
            at: record.at,
            reason: clip(reason),
            accepts: accepts.iter().map(ToString::to_string).collect(),
            by_requester: one.run.requesters.iter().any(|requester| requester == by),
            withdrawn: forced_at.is_some_and(|forced| record.seq < forced),
        };
    let given = one.records.iter().flat_map(|record| match &record.event {
        Event::Run(RunEvent::Approved { step, by, accepts, reason }) => {
            vec![approval(record, step, by, accepts, reason)]
        }
        Event::Run(RunEvent::GlassBroken { step, by, accepts, seals, reason }) => {
            let reason = format!("sealed beforehand, and opened by {by}: {reason}");
            seals.iter().map(|seal| approval(record, step, &seal.by, accepts, &reason)).collect()
        }
        Event::Run(_)
        | Event::Application(_)
        | Event::Schedule(_)
        | Event::Access(_)
        | Event::Notice(_) => Vec::new(),
    });
    List::first(LINES_MAX, given)
}

/// The steps that tell somebody, and when each had.
pub fn notices(one: &RunFacts) -> List<Notice> {
    let tells = one.run.steps().filter(|(step, _)| step.task.action == Notify::SPEC.name);
    let notices = tells.map(|(step, state)| Notice {
        step: step.id.to_string(),
        title: step.title.clone(),
        state: state.word().to_owned(),
        told_at: one.records.iter().rev().find_map(|record| match &record.event {
            Event::Run(RunEvent::Step { step: of, change: Change::Succeeded { .. } })
                if *of == step.id =>
            {
                Some(record.at)
            }
            Event::Run(_)
            | Event::Application(_)
            | Event::Schedule(_)
            | Event::Access(_)
            | Event::Notice(_) => None,
        }),
    });
    List::first(LINES_MAX, notices)
}
