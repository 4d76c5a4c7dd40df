//! Part 4: what happened and when, in UTC, record by record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    List, clip,
    facts::RunFacts,
    steps::{self, StepRow},
};
use crate::api::view::event;

/// The most records that are shown one by one. A failover has some hundred.
const ENTRIES_MAX: usize = 2_000;

/// What happened, and when.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Timeline {
    /// Each step, planned against actual.
    pub steps: Vec<StepRow>,
    /// The records of the run, in their order.
    pub entries: List<Entry>,
}

/// One record of the run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Entry {
    /// Its number in the journal.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What sort of fact, such as `approved`.
    pub kind: String,
    /// The step it is about.
    pub step: Option<String>,
    /// The attempt it is about.
    pub attempt: Option<u32>,
    /// The person who said it.
    pub by: Option<String>,
    /// What happened, in a sentence.
    pub text: String,
}

impl Timeline {
    /// The timeline of a run.
    pub fn make(one: &RunFacts) -> Timeline {
        let entries = one.records.iter().filter_map(event::view).map(|seen| Entry {
            seq: seen.seq,
            at: seen.recorded_at,
            kind: seen.kind,
            step: seen.step,
            attempt: seen.attempt,
            by: seen.by,
            text: clip(&seen.text),
        });
        Timeline { steps: steps::rows(one), entries: List::first(ENTRIES_MAX, entries) }
    }

    /// The row of a step.
    pub fn step(&self, id: &str) -> Option<&StepRow> {
        self.steps.iter().find(|step| step.id == id)
    }
}
