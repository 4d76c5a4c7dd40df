//! Part 6: what went otherwise than planned, what was taken away again, and the way back.

use jiff::Timestamp;
use muster_runbooks::{action::restore::MAKE, value::words};
use muster_state::{
    engine::LEAK,
    event::{Event, RunEvent},
    run::{PauseCause, Status},
    step::Change,
};
use serde::{Deserialize, Serialize};

use super::{
    Answer, List, clip,
    facts::{Facts, RunFacts},
    timeline::Timeline,
};

/// The most deviations, and the most runs back, that are listed.
const LINES_MAX: usize = 200;

/// What takes away or sets back what a run made for a while.
const CLEANS: &[&str] =
    &["find-leaks", "remove-instance", "remove-cluster", "unshare-snapshot", "close-window"];

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

/// Whether what was made for a while is gone.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CleanUp {
    /// Whether nothing of it is left.
    pub clean: Answer,
    /// Why that is the answer.
    pub because: String,
    /// The steps that took away, looked, or set back.
    pub steps: List<Cleaned>,
    /// What stands as left behind when the report is made.
    pub leaks: List<String>,
    /// What it cost. Muster reads no bill, so it does not know.
    pub cost: String,
}

/// A step that took something away, looked for it, or set it back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Cleaned {
    /// The step.
    pub step: String,
    /// What it does.
    pub action: String,
    /// Where it stands.
    pub state: String,
    /// When it ended.
    pub at: Option<Timestamp>,
    /// What went wrong.
    pub fault: Option<String>,
}

/// The way back of a run that moved an application.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct WayBack {
    /// The runbook that leads back.
    pub runbook: String,
    /// Whether a later run of it ended well.
    pub done: Answer,
    /// Why that is the answer.
    pub because: String,
    /// The later runs of it.
    pub runs: List<Returned>,
}

/// A later run on the way back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Returned {
    /// The run.
    pub run: String,
    /// Where it stood when the report was made.
    pub status: String,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
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
            clean_up: clean_up(one, timeline, facts),
            way_back: way_back(one, facts),
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

fn clean_up(one: &RunFacts, timeline: &Timeline, facts: &Facts<'_>) -> CleanUp {
    let always =
        |id: &str| one.run.plan.steps.iter().any(|step| step.always && step.id.as_str() == id);
    let cleaning = timeline
        .steps
        .iter()
        .filter(|step| CLEANS.contains(&step.action.as_str()) || always(&step.id));
    let cleaned: Vec<Cleaned> = cleaning
        .map(|step| Cleaned {
            step: step.id.clone(),
            action: step.action.clone(),
            state: step.state.clone(),
            at: step.ended_at,
            fault: step.fault.clone(),
        })
        .collect();
    let findings = facts.around.application.iter().flat_map(|known| &known.findings);
    let leaks: Vec<String> = findings
        .filter(|(id, _)| id.starts_with(LEAK) && id.contains(one.run.id.as_str()))
        .map(|(_, (_, finding))| clip(&finding.message))
        .collect();
    let made = timeline
        .steps
        .iter()
        .any(|step| MAKE.contains(&step.action.as_str()) && !step.tries.is_empty());
    let (clean, because) = if !leaks.is_empty() {
        (Answer::No, "something of this run still stands as left behind")
    } else if cleaned.iter().any(|one| one.state == "failed") {
        (Answer::No, "a step that takes away or sets back failed")
    } else if cleaned.iter().any(|one| ["skipped", "done_by_hand"].contains(&one.state.as_str())) {
        (Answer::Unknown, "a person went past a step that takes away or sets back")
    } else if cleaned.iter().any(|one| one.state != "succeeded") {
        (Answer::Unknown, "not every step that takes away or sets back was carried out")
    } else if cleaned.is_empty() && made {
        (Answer::Unknown, "no step took away what was made")
    } else if made {
        (Answer::Yes, "every step that takes away what was made saw that it is gone")
    } else if cleaned.is_empty() {
        (Answer::Yes, "no step made anything that has to go again")
    } else {
        (Answer::Yes, "every step that takes away or sets back succeeded")
    };
    CleanUp {
        clean,
        because: because.to_owned(),
        steps: List::first(LINES_MAX, cleaned),
        leaks: List::first(LINES_MAX, leaks),
        cost: "unknown: Muster reads no bill".to_owned(),
    }
}

fn way_back(one: &RunFacts, facts: &Facts<'_>) -> Option<WayBack> {
    let runbook = one.run.plan.way_back.as_ref()?.to_string();
    let after = one.run.ended.map(|ended| ended.at);
    let is_later = |at: Timestamp| after.is_some_and(|after| at >= after);
    let open = facts.around.open.iter().filter(|run| run.runbook == runbook);
    let open = open.filter(|run| is_later(run.admitted_at)).map(|run| Returned {
        run: run.id.to_string(),
        status: "open".to_owned(),
        admitted_at: run.admitted_at,
        ended_at: None,
    });
    let ended = || facts.around.ended.iter().filter(|run| run.runbook == runbook);
    let later = ended().filter(|run| is_later(run.admitted_at));
    let well = later.clone().any(|run| is_well(run.status));
    let (done, because) = if !one.run.moves_for_real() {
        (Answer::Unknown, "it moved nothing for real, so there is no way to go back")
    } else if after.is_none() {
        (Answer::Unknown, "it is still open")
    } else if well {
        (Answer::Yes, "a later run of it ended well")
    } else if facts.around.ended_cut {
        (Answer::Unknown, "more runs have ended since than were looked through")
    } else {
        (Answer::No, "no later run of it has ended well")
    };
    let later = later.rev().map(|run| Returned {
        run: run.id.to_string(),
        status: run.status.to_string(),
        admitted_at: run.admitted_at,
        ended_at: Some(run.ended_at),
    });
    let runs = List::first(LINES_MAX, later.chain(open));
    Some(WayBack { runbook, done, because: because.to_owned(), runs })
}

/// Whether a run reached its end, with exceptions or without.
pub(super) fn is_well(status: Status) -> bool {
    match status {
        Status::Succeeded | Status::SucceededWithExceptions => true,
        Status::AwaitingApproval
        | Status::Running
        | Status::PausedByOperator
        | Status::PausedByFailedStep
        | Status::PausedByGate
        | Status::VerifyingHealth
        | Status::Failed
        | Status::Abandoned => false,
    }
}
