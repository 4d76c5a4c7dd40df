//! Part 6: whether what a run made for a while is gone, and whether the application went back.

use jiff::Timestamp;
use muster_runbooks::action::restore::MAKE;
use muster_state::{engine::LEAK, run::Status};
use serde::{Deserialize, Serialize};

use super::{
    Answer, List, clip,
    facts::{Facts, RunFacts},
    timeline::Timeline,
};

/// The most steps, leftovers and runs back that are listed.
const LINES_MAX: usize = 200;

/// What takes away or sets back what a run made for a while.
const CLEANS: &[&str] =
    &["find-leaks", "remove-instance", "remove-cluster", "unshare-snapshot", "close-window"];

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

impl CleanUp {
    /// What became of what a run made for a while.
    pub fn make(one: &RunFacts, timeline: &Timeline, facts: &Facts<'_>) -> CleanUp {
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
        } else if cleaned
            .iter()
            .any(|one| ["skipped", "done_by_hand"].contains(&one.state.as_str()))
        {
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
}

impl WayBack {
    /// The way back of a run; nothing where its runbook names none.
    pub fn make(one: &RunFacts, facts: &Facts<'_>) -> Option<WayBack> {
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
}

/// Whether a run reached its end, with exceptions or without.
fn is_well(status: Status) -> bool {
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
