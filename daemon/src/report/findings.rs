//! Part 7: what is wrong with the application, and what became so or well again while the run was open.

use jiff::Timestamp;
use muster_runbooks::value::words;
use muster_state::{
    event::{ApplicationEvent, Event},
    progress::ApplicationState,
};
use serde::{Deserialize, Serialize};

use super::{List, clip, facts::Facts};

/// The most findings, and the most changes of them, that are listed.
const LINES_MAX: usize = 200;

words! {
    /// What became of a finding.
    Turn {
        /// It was opened, or said anew in other words.
        Opened = "opened",
        /// A person raised it.
        Raised = "raised by a person",
        /// Somebody was to look after it.
        Assigned = "assigned",
        /// It was closed.
        Closed = "closed",
        /// A person settled it.
        Settled = "settled by a person",
    }
}

/// The findings of the application.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Findings {
    /// When that was so: when the report was made, and not when the run ended.
    pub as_of_at: Timestamp,
    /// Whether anything is known of an application; a run without one has no findings to show.
    pub known: bool,
    /// What stands, the longest first.
    pub standing: List<Standing>,
    /// What was opened and closed between the first and the last record of the run.
    pub meanwhile: List<Turned>,
    /// Whether more happened to the application meanwhile than was looked through.
    pub meanwhile_cut: bool,
}

/// A finding that stands. How grave it is, a person must add.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it began while the run was open.
    pub during: bool,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Who looks after it; nothing while nobody was given it.
    pub care: Option<Care>,
}

/// Who looks after a finding.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Care {
    /// Who.
    pub owner: String,
    /// Until when it is to be settled.
    pub due_at: Timestamp,
    /// Whether that was over when the report was made.
    pub overdue: bool,
    /// Where more is written about it.
    pub ticket: Option<String>,
}

/// A finding that was opened or closed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Turned {
    /// The number of the record.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Its id.
    pub id: String,
    /// What became of it.
    pub turn: Turn,
    /// What was wrong, or who said what about it; nothing where a check closed it.
    pub message: Option<String>,
}

impl Findings {
    /// The findings around a run.
    pub fn make(facts: &Facts<'_>) -> Findings {
        let run = &facts.run.run;
        let until = facts.until();
        let known = facts.around.application.as_ref();
        let care = |state: &ApplicationState, id: &str| {
            state.assigned.get(id).map(|assigned| Care {
                owner: clip(&assigned.owner),
                due_at: assigned.due_at,
                overdue: assigned.due_at < facts.made_at,
                ticket: assigned.ticket.as_deref().map(clip),
            })
        };
        let stands = |state: &'_ ApplicationState| {
            let all = state.findings.iter().map(|(id, (since, finding))| Standing {
                id: id.clone(),
                since: *since,
                during: (run.admitted_at..=until).contains(since),
                message: clip(&finding.message),
                hint: clip(&finding.hint),
                care: care(state, id),
            });
            all.collect::<Vec<Standing>>()
        };
        let mut standing = known.map(stands).unwrap_or_default();
        standing.sort_by_key(|one| one.since);
        let meanwhile = facts.around.meanwhile.records.iter().filter_map(|record| {
            let Event::Application(event) = &record.event else { return None };
            let (id, turn, message) = turned(event)?;
            Some(Turned { seq: record.seq, at: record.at, id, turn, message })
        });
        Findings {
            as_of_at: facts.made_at,
            known: known.is_some(),
            standing: List::first(LINES_MAX, standing),
            meanwhile: List::first(LINES_MAX, meanwhile),
            meanwhile_cut: facts.around.meanwhile.cut,
        }
    }
}

fn turned(event: &ApplicationEvent) -> Option<(String, Turn, Option<String>)> {
    match event {
        ApplicationEvent::FindingOpened { finding } => {
            Some((finding.id.clone(), Turn::Opened, Some(clip(&finding.message))))
        }
        ApplicationEvent::FindingRaised { finding, by, reason } => {
            let said = clip(&format!("{by}: {} ({reason})", finding.message));
            Some((finding.id.clone(), Turn::Raised, Some(said)))
        }
        ApplicationEvent::FindingAssigned { id, owner, due_at, by, .. } => {
            let said = clip(&format!("{by}: {owner}, until {due_at}"));
            Some((id.clone(), Turn::Assigned, Some(said)))
        }
        ApplicationEvent::FindingSettled { id, by, reason } => {
            Some((id.clone(), Turn::Settled, Some(clip(&format!("{by}: {reason}")))))
        }
        ApplicationEvent::FindingClosed { id } => Some((id.clone(), Turn::Closed, None)),
        ApplicationEvent::ActiveObserved { .. }
        | ApplicationEvent::PointRecorded { .. }
        | ApplicationEvent::PointMarked { .. }
        | ApplicationEvent::PointDeleted { .. }
        | ApplicationEvent::PointVerified { .. }
        | ApplicationEvent::PointTested { .. }
        | ApplicationEvent::PointHeld { .. }
        | ApplicationEvent::PointReleased { .. }
        | ApplicationEvent::WindowOpened { .. }
        | ApplicationEvent::WindowClosed { .. }
        | ApplicationEvent::Frozen { .. }
        | ApplicationEvent::Thawed { .. }
        | ApplicationEvent::RowsCounted { .. }
        | ApplicationEvent::LossCounted { .. }
        | ApplicationEvent::PeakSeen { .. }
        | ApplicationEvent::Acknowledged { .. }
        | ApplicationEvent::DowntimeBegan { .. }
        | ApplicationEvent::DowntimeEnded { .. }
        | ApplicationEvent::CanaryGranted { .. } => None,
    }
}
