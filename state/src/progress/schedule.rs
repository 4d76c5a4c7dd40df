//! What is known of a schedule: what ran, what was missed, and how it ended.

use jiff::Timestamp;
use muster_runbooks::name::RunId;
use serde::{Deserialize, Serialize};

use crate::event::ScheduleEvent;

/// The most missed occurrences that are remembered per schedule; the journal keeps them all.
pub const MISSED_KEPT: usize = 50;

/// What is known of a schedule beyond its configuration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ScheduleState {
    /// The last occurrence that was started or recorded as missed.
    pub last_due: Option<Timestamp>,
    /// The last occurrence that became a run, and the run.
    pub last_run: Option<(Timestamp, RunId)>,
    /// The newest occurrences that did not run, each with its cause.
    pub missed: Vec<(Timestamp, String)>,
    /// The first occurrence that was ever known of.
    #[serde(default)]
    pub first_due: Option<Timestamp>,
    /// When the last run was started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The newest occurrence whose run ended well.
    #[serde(default)]
    pub succeeded: Option<Timestamp>,
    /// The newest occurrence whose run has ended.
    #[serde(default)]
    pub ended: Option<EndedOccurrence>,
}

/// An occurrence of a schedule whose run has ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EndedOccurrence {
    /// The occurrence.
    pub due_at: Timestamp,
    /// Its run.
    pub run: RunId,
    /// When that was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whether it ended well.
    pub succeeded: bool,
}

impl ScheduleState {
    /// Remembers how the run of an occurrence ended. One of an older occurrence may end later.
    pub(super) fn ended(&mut self, occurrence: EndedOccurrence) {
        if occurrence.succeeded {
            self.succeeded = self.succeeded.max(Some(occurrence.due_at));
        }
        if self.ended.as_ref().is_none_or(|ended| ended.due_at <= occurrence.due_at) {
            self.ended = Some(occurrence);
        }
    }

    pub(super) fn apply(&mut self, event: &ScheduleEvent, at: Timestamp) {
        let due_at = match event {
            ScheduleEvent::Started { due_at, run } => {
                self.last_run = Some((*due_at, run.clone()));
                self.started_at = Some(at);
                *due_at
            }
            ScheduleEvent::Missed { due_at, because } => {
                if self.missed.len() == MISSED_KEPT {
                    self.missed.remove(0);
                }
                self.missed.push((*due_at, because.clone()));
                *due_at
            }
        };
        self.first_due = Some(self.first_due.map_or(due_at, |first| first.min(due_at)));
        self.last_due = Some(self.last_due.map_or(due_at, |last| last.max(due_at)));
    }
}
