//! Everything that is known, folded from commits. The read model of the API, the rows that sled
//! keeps, and what the engine starts from are this one fold.

mod application;
mod schedule;
mod seen;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::Application,
    name::{ApplicationName, ComponentName, Region, RunId, ScheduleId},
    request::{Request, Trigger},
};
use serde::{Deserialize, Serialize};

pub use schedule::{EndedOccurrence, MISSED_KEPT, ScheduleState};
pub use seen::{Active, Counted, Downtime, Lost, Moved, Peak};

use crate::{
    catalog::{Assigned, Finding, RecoveryPoint},
    command::Refusal,
    event::{AccessEvent, Claim, Commit, Entry, Event, NoticeEvent, RunEvent, Stream},
    freeze::Freeze,
    lease::Granted,
    run::{Illegal, Run},
};

/// How long claims that age are kept (facts §9: 48 h at least).
pub const CLAIMS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is known of a claim.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Held {
    /// The run or notice that holds it.
    pub holder: RunId,
    /// When it was taken.
    pub at: Timestamp,
    /// What was asked for under a dedupe key, as a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

impl Held {
    /// Whether somebody who asks for `asked` under this key asks for the same again. What an older
    /// journal does not say is not held against anybody.
    pub fn is_same(&self, asked: Option<&str>) -> bool {
        self.asked.as_deref().zip(asked).is_none_or(|(held, asked)| held == asked)
    }
}

/// What is known of an application beyond its configuration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ApplicationState {
    /// Where it was last seen to be served from, when, and by what.
    pub active: Option<Active>,
    /// Its recovery points by ARN.
    pub points: BTreeMap<String, RecoveryPoint>,
    /// What is wrong with it, by the finding's id, each with the time since when.
    pub findings: BTreeMap<String, (Timestamp, Finding)>,
    /// Who looks after each finding that somebody was given, by the finding's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub assigned: BTreeMap<String, Assigned>,
    /// Who raised each finding that people settle, by the finding's id. Every other one closes by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub raised: BTreeMap<String, String>,
    /// The open maintenance window: its run and when it closes.
    pub window: Option<(RunId, Timestamp)>,
    /// The rows that were last counted in the source, by database.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<ComponentName, Counted>,
    /// How strong each workload was at its strongest in the last day.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peaks: BTreeMap<ComponentName, Peak>,
    /// The last live run that moved it, or tried to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// What the last move lost of each database, as it was counted afterwards.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<ComponentName, Lost>,
    /// When somebody last said that a move is known and settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
    /// Downtime that somebody declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// What a person said last about freezing it; over once its time is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Freeze>,
}

/// A proposal that nobody has started.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Proposal {
    /// What was asked for.
    pub request: Request,
    /// Until when it can be started.
    pub expires_at: Timestamp,
    /// Why it is no run.
    pub because: String,
}

/// One line about a run that has ended. Its details are read from the log.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EndedRun {
    /// Its id.
    pub id: RunId,
    /// The runbook.
    pub runbook: String,
    /// The application.
    pub application: Option<ApplicationName>,
    /// Its last status.
    pub status: crate::run::Status,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The sequence number of its first record.
    pub first_seq: u64,
    /// The sequence number of its last record.
    pub last_seq: u64,
    /// How many records it has.
    pub len: u64,
}

/// What is known, without the ended runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Open runs.
    pub runs: BTreeMap<RunId, Run>,
    /// The sequence number of the first and the last record of each open run.
    pub spans: BTreeMap<RunId, (u64, u64)>,
    /// Claims by key.
    pub claims: BTreeMap<String, Held>,
    /// Applications.
    pub applications: BTreeMap<ApplicationName, ApplicationState>,
    /// Schedules.
    pub schedules: BTreeMap<ScheduleId, ScheduleState>,
    /// Proposals that nobody has started.
    pub proposals: BTreeMap<RunId, Proposal>,
    /// Whether Muster is switched off, by whom and why.
    pub off: Option<(String, String)>,
    /// The epoch of the process that wrote last.
    pub epoch: u64,
    /// The lease that was taken last, as far as this journal knows.
    pub granted: Option<Granted>,
    /// The sequence number behind the last record.
    pub end: u64,
    /// When the last commit was written that says more than that a process opened the journal.
    pub last_at: Option<Timestamp>,
}

/// A part of [`Progress`] that a commit touched, and so a row that sled has to rewrite.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Row {
    /// An open run, or one that has just ended and left.
    Run(RunId),
    /// A claim.
    Claim(String),
    /// An application.
    Application(ApplicationName),
    /// A schedule.
    Schedule(ScheduleId),
    /// A proposal.
    Proposal(RunId),
    /// The off switch, the epoch, the head.
    Head,
}

/// What a commit changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Touched {
    /// The rows to rewrite; some may be named twice.
    pub rows: Vec<Row>,
    /// The runs that ended, each for one index row.
    pub ended: Vec<EndedRun>,
}

/// A commit that does not follow from what is known: a bug, or a damaged journal.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// The sequence has a gap or a repetition.
    #[error("record {found} stands where {expected} was expected")]
    Sequence {
        /// The number that was expected.
        expected: u64,
        /// The number that stands there.
        found: u64,
    },
    /// A newer program wrote it.
    #[error("record {seq} has version {found}; this program reads up to {known}")]
    Version {
        /// Where.
        seq: u64,
        /// Its version.
        found: u16,
        /// The newest version that this program knows.
        known: u16,
    },
    /// An event on the wrong stream.
    #[error("record {seq} is not of its stream `{stream}`")]
    Stream {
        /// Where.
        seq: u64,
        /// The stream.
        stream: Stream,
    },
    /// An event of a run that is not open.
    #[error("record {seq} is of run `{run}`, which is not open")]
    NoRun {
        /// Where.
        seq: u64,
        /// The run.
        run: RunId,
    },
    /// An event that its run cannot take.
    #[error("record {seq} does not follow")]
    Illegal {
        /// Where.
        seq: u64,
        /// Why.
        source: Illegal,
    },
}

impl Progress {
    /// Where an application is served from: where that was last seen, and its home as long as nobody has looked.
    pub fn served_from<'a>(&'a self, application: &'a Application) -> &'a Region {
        let state = self.applications.get(&application.name);
        let active = state.and_then(|state| state.active.as_ref());
        active.map_or(&application.home, |active| &active.region)
    }

    /// Whether an application has a standing finding.
    pub fn has_finding(&self, application: &ApplicationName, finding: &str) -> bool {
        let state = self.applications.get(application);
        state.is_some_and(|state| state.findings.contains_key(finding))
    }

    /// Who was answered under a dedupe key, if anybody was.
    ///
    /// # Errors
    ///
    /// When the key was used for something else.
    pub fn answered(
        &self,
        dedupe_key: &str,
        asked: Option<&str>,
    ) -> Result<Option<&RunId>, Refusal> {
        match self.claims.get(&Claim::dedupe_key(dedupe_key)) {
            Some(held) if held.is_same(asked) => Ok(Some(&held.holder)),
            Some(held) => Err(Refusal::KeyReused { by: held.holder.clone() }),
            None => Ok(None),
        }
    }

    /// Takes one commit in.
    pub fn apply(&mut self, commit: &Commit) -> Result<Touched, Misfit> {
        if commit.seq != self.end {
            return Err(Misfit::Sequence { expected: self.end, found: commit.seq });
        }
        if commit.v > crate::event::VERSION {
            let known = crate::event::VERSION;
            return Err(Misfit::Version { seq: commit.seq, found: commit.v, known });
        }
        let mut touched = Touched::default();
        touched.rows.push(Row::Head);
        for (seq, entry) in (commit.seq..).zip(&commit.entries) {
            self.entry(seq, commit.at, entry, &mut touched)?;
        }
        self.claim(commit, &mut touched);
        self.end = commit.end();
        // To open the journal is no sign of life: a process that died before it could say that nothing
        // was written for too long must not hide that from the next one (design §3.4).
        if !commit.entries.iter().all(is_opening) {
            self.last_at = Some(commit.at);
        }
        Ok(touched)
    }

    fn claim(&mut self, commit: &Commit, touched: &mut Touched) {
        for key in &commit.free {
            self.claims.remove(key);
            touched.rows.push(Row::Claim(key.clone()));
        }
        for claim in &commit.take {
            let held =
                Held { holder: claim.holder.clone(), at: commit.at, asked: claim.asked.clone() };
            self.claims.insert(claim.key.clone(), held);
            touched.rows.push(Row::Claim(claim.key.clone()));
        }
        // Only a commit that takes a claim can make the table grow, so only it sweeps.
        if !commit.take.is_empty() {
            let old = commit.at - CLAIMS_KEPT;
            self.claims.retain(|key, held| {
                let keep = !Claim::ages(key) || held.at >= old;
                if !keep {
                    touched.rows.push(Row::Claim(key.clone()));
                }
                keep
            });
        }
    }

    fn entry(
        &mut self,
        seq: u64,
        at: Timestamp,
        entry: &Entry,
        touched: &mut Touched,
    ) -> Result<(), Misfit> {
        match (&entry.stream, &entry.event) {
            (Stream::Run(id), Event::Run(event)) => self.run(seq, at, id, event, touched),
            (Stream::Application(name), Event::Application(event)) => {
                self.applications.entry(name.clone()).or_default().apply(event, at);
                touched.rows.push(Row::Application(name.clone()));
                Ok(())
            }
            (Stream::Schedule(id), Event::Schedule(event)) => {
                self.schedules.entry(id.clone()).or_default().apply(event, at);
                touched.rows.push(Row::Schedule(id.clone()));
                Ok(())
            }
            (Stream::Access, Event::Access(event)) => {
                self.access(event);
                Ok(())
            }
            (Stream::Notice(id), Event::Notice(event)) => {
                self.notice(id, event);
                touched.rows.push(Row::Proposal(id.clone()));
                Ok(())
            }
            (
                Stream::Run(_)
                | Stream::Application(_)
                | Stream::Schedule(_)
                | Stream::Access
                | Stream::Notice(_),
                _,
            ) => Err(Misfit::Stream { seq, stream: entry.stream.clone() }),
        }
    }

    fn run(
        &mut self,
        seq: u64,
        at: Timestamp,
        id: &RunId,
        event: &RunEvent,
        touched: &mut Touched,
    ) -> Result<(), Misfit> {
        let illegal = |source| Misfit::Illegal { seq, source };
        touched.rows.push(Row::Run(id.clone()));
        if matches!(event, RunEvent::Admitted { .. }) {
            if self.runs.contains_key(id) {
                return Err(illegal(Illegal::Admission { run: id.clone() }));
            }
            self.runs.insert(id.clone(), Run::admitted(id, event, at).map_err(illegal)?);
            self.spans.insert(id.clone(), (seq, seq));
            return Ok(());
        }
        let run = self.runs.get_mut(id).ok_or_else(|| Misfit::NoRun { seq, run: id.clone() })?;
        run.apply(event, at).map_err(illegal)?;
        let span = self.spans.entry(id.clone()).or_insert((seq, seq));
        span.1 = seq;
        if let Some(ended) = run.ended {
            if let Trigger::Schedule { schedule, due_at } = &run.request.trigger {
                let occurrence = EndedOccurrence {
                    due_at: *due_at,
                    run: id.clone(),
                    started_at: run.admitted_at,
                    ended_at: ended.at,
                    succeeded: ended.outcome.is_well(),
                };
                self.schedules.entry(schedule.clone()).or_default().ended(occurrence);
                touched.rows.push(Row::Schedule(schedule.clone()));
            }
            if let Some(name) = run.application().filter(|_| run.moves_for_real()) {
                let state = self.applications.entry(name.clone()).or_default();
                state.moved = Some(Moved { run: id.clone(), at: ended.at });
                touched.rows.push(Row::Application(name.clone()));
            }
            touched.ended.push(EndedRun {
                id: id.clone(),
                runbook: run.plan.runbook.to_string(),
                application: run.application().cloned(),
                status: run.status(),
                admitted_at: run.admitted_at,
                ended_at: ended.at,
                first_seq: span.0,
                last_seq: seq,
                len: run.len,
            });
            self.runs.remove(id);
            self.spans.remove(id);
        }
        Ok(())
    }

    fn access(&mut self, event: &AccessEvent) {
        match event {
            AccessEvent::Opened { epoch, .. } => self.epoch = *epoch,
            AccessEvent::Granted { epoch, holder } => {
                self.epoch = *epoch;
                self.granted = Some(Granted { epoch: *epoch, holder: holder.clone() });
            }
            AccessEvent::SwitchedOff { by, reason } => {
                self.off = Some((by.clone(), reason.clone()))
            }
            AccessEvent::SwitchedOn { .. } => self.off = None,
            AccessEvent::Refused { .. }
            | AccessEvent::TailCut { .. }
            | AccessEvent::Repaired { .. } => {}
        }
    }

    fn notice(&mut self, id: &RunId, event: &NoticeEvent) {
        match event {
            NoticeEvent::Proposed { request, expires_at, because } => {
                let proposal = Proposal {
                    request: request.as_ref().clone(),
                    expires_at: *expires_at,
                    because: because.clone(),
                };
                self.proposals.insert(id.clone(), proposal);
            }
            NoticeEvent::Taken { .. } | NoticeEvent::Expired => {
                self.proposals.remove(id);
            }
            NoticeEvent::Nudged { .. } => {}
        }
    }
}

/// Whether an entry only says that a process opened the journal, and what it had to cut for that.
fn is_opening(entry: &Entry) -> bool {
    let Event::Access(event) = &entry.event else { return false };
    matches!(event, AccessEvent::Opened { .. } | AccessEvent::TailCut { .. })
}

#[cfg(test)]
mod tests;
