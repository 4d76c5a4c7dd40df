//! What a report is made of: records of the journal, the fold of them, and what is configured.

use jiff::Timestamp;
use muster_runbooks::{
    name::{RunId, StepId},
    runbook::library::Library,
    schedule::Schedule,
};
use muster_state::{
    event::Record,
    progress::{ApplicationState, EndedRun},
    run::{Outcome, Run},
};

/// Everything that a report is made of.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// When it is made.
    pub made_at: Timestamp,
    /// The program that makes it.
    pub program: &'a str,
    /// The run.
    pub run: RunFacts,
    /// The runs that its steps started.
    pub children: Vec<ChildFacts>,
    /// Where the period begins of which part 9 speaks.
    pub since: Timestamp,
    /// The runbooks, for what each of them is for.
    pub library: &'a Library,
    /// What else the journal knows.
    pub around: Around<'a>,
}

/// A run out of the journal.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The fold of its records.
    pub run: Run,
    /// Its records, in their order.
    pub records: Vec<Record>,
}

/// A run that a step of the reported one started.
#[derive(Clone, Debug)]
pub struct ChildFacts {
    /// The step.
    pub step: StepId,
    /// The run.
    pub run: RunId,
    /// What is known of it, or why it cannot be read.
    pub facts: Result<RunFacts, String>,
}

/// What else the journal knows.
#[derive(Clone, Debug)]
pub struct Around<'a> {
    /// What is known of the application when the report is made; nothing for a run without one.
    pub application: Option<ApplicationState>,
    /// The records of the application that lie between the first and the last of the run.
    pub meanwhile: Part,
    /// The schedules of the application, as they are configured when the report is made.
    pub schedules: Vec<ScheduleFacts<'a>>,
    /// The runs of the application that ended in the period or later, newest first.
    pub ended: Vec<EndedRun>,
    /// Whether there are more of them than were looked through.
    pub ended_cut: bool,
    /// The runs of the application that are open when the report is made.
    pub open: Vec<OpenRun>,
    /// The processes that wrote the journal, oldest first.
    pub programs: Vec<Opened>,
    /// When the first record of the journal was written: nothing is known of what was before.
    pub begins_at: Option<Timestamp>,
    /// The end of the journal when the report was made.
    pub head: Head,
}

/// Some records of a stream.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The records, in their order.
    pub records: Vec<Record>,
    /// Whether there are more than were read.
    pub cut: bool,
}

/// A schedule, and what the journal has of it.
#[derive(Clone, Debug)]
pub struct ScheduleFacts<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// Its records since the beginning of the period.
    pub part: Part,
    /// The first occurrence that was ever known of.
    pub first_due: Option<Timestamp>,
}

/// One line about an open run.
#[derive(Clone, Debug)]
pub struct OpenRun {
    /// Its id.
    pub id: RunId,
    /// Its runbook.
    pub runbook: String,
    /// When it was admitted.
    pub admitted_at: Timestamp,
}

/// A process that opened the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// The sequence number of the record that says so.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Its epoch.
    pub epoch: u64,
    /// The program's version.
    pub program: String,
}

/// Where the journal ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The number behind the last record.
    pub end: u64,
    /// The link of the chain there; nothing where it cannot be read.
    pub hash: Option<String>,
}

impl RunFacts {
    /// The sequence numbers of its first and its last record.
    pub fn span(&self) -> Option<(u64, u64)> {
        Some((self.records.first()?.seq, self.records.last()?.seq))
    }

    /// How it ended; nothing while it is open.
    pub fn outcome(&self) -> Option<Outcome> {
        self.run.ended.map(|ended| ended.outcome)
    }
}

impl Facts<'_> {
    /// Where the period ends: with the run, or now.
    pub fn until(&self) -> Timestamp {
        self.run.run.ended.map_or(self.made_at, |ended| ended.at)
    }
}
