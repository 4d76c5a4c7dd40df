//! Facts, and the streams they belong to. Nothing changes but by one of these.

mod application;

use std::{fmt, str::FromStr, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    action::control::Risk,
    name::{ApplicationName, RunId, ScheduleId, StepId},
    plan::Frozen,
    request::Request,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use application::ApplicationEvent;

use crate::{
    run::{Outcome, PauseCause},
    step::Change,
};

/// The version of the events that this program writes. It reads all older ones.
pub const VERSION: u16 = 7;

/// The sequence of records that one subject has.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stream {
    /// One run.
    Run(RunId),
    /// One application: recovery points, findings, active region, windows.
    Application(ApplicationName),
    /// One schedule: what ran and what was missed.
    Schedule(ScheduleId),
    /// Who was refused what, the off switch, starts of the process.
    Access,
    /// One notice: a proposal, a nudge.
    Notice(RunId),
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stream::Run(id) => write!(f, "run/{id}"),
            Stream::Application(name) => write!(f, "application/{name}"),
            Stream::Schedule(id) => write!(f, "schedule/{id}"),
            Stream::Access => f.write_str("access"),
            Stream::Notice(id) => write!(f, "notice/{id}"),
        }
    }
}

/// A text that names no stream.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a stream")]
pub struct BadStream(String);

impl FromStr for Stream {
    type Err = BadStream;

    fn from_str(text: &str) -> Result<Stream, BadStream> {
        let bad = || BadStream(text.chars().take(80).collect());
        match text.split_once('/') {
            None if text == "access" => Ok(Stream::Access),
            Some(("run", id)) => id.parse().map(Stream::Run).map_err(|_| bad()),
            Some(("application", name)) => name.parse().map(Stream::Application).map_err(|_| bad()),
            Some(("schedule", id)) => id.parse().map(Stream::Schedule).map_err(|_| bad()),
            Some(("notice", id)) => id.parse().map(Stream::Notice).map_err(|_| bad()),
            Some(_) | None => Err(bad()),
        }
    }
}

impl Serialize for Stream {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stream {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Stream, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// One fact.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// About a run.
    Run(RunEvent),
    /// About an application.
    Application(ApplicationEvent),
    /// About a schedule.
    Schedule(ScheduleEvent),
    /// About the process and who may use it.
    Access(AccessEvent),
    /// About a proposal or a nudge.
    Notice(NoticeEvent),
}

/// What happened to a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEvent {
    /// The request became a run. Always the first event.
    Admitted {
        /// Why and what.
        request: Arc<Request>,
        /// The plan, byte for byte.
        plan: Frozen,
    },
    /// A step changed.
    Step {
        /// The step.
        step: StepId,
        /// How.
        change: Change,
    },
    /// A person approved a step that asks for it.
    Approved {
        /// The step.
        step: StepId,
        /// Who.
        by: String,
        /// The risks that were ticked.
        accepts: Vec<Risk>,
        /// Why.
        reason: String,
    },
    /// A lone person opened approvals that others had sealed beforehand. Each counts as one of its approver.
    GlassBroken {
        /// The step.
        step: StepId,
        /// Who opened them.
        by: String,
        /// The risks that were ticked, each of which every seal accepts.
        accepts: Vec<Risk>,
        /// The sealed approvals.
        seals: Vec<Seal>,
        /// Why.
        reason: String,
    },
    /// A person declined. The run fails.
    Declined {
        /// The step.
        step: StepId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Nothing new is begun until the cause is gone.
    Paused {
        /// Why.
        cause: PauseCause,
    },
    /// A person looked and said go on.
    Resumed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// From here on steps take their forced variant, after a new approval.
    Forced {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person let the run go on although nobody can read whose the lease is.
    LeaseOverridden {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody wrote something down.
    Noted {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// A person gave the run up. Nothing more is begun but `undo`, if wanted, and `finally`.
    Abandoned {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Whether the `undo` steps run.
        undo: bool,
    },
    /// A person said whether the `undo` steps of a failed run shall run.
    UndoDecided {
        /// Who.
        by: String,
        /// Whether they run.
        undo: bool,
    },
    /// A step's run was admitted, in the same commit.
    ChildAdmitted {
        /// The step.
        step: StepId,
        /// The run.
        run: RunId,
    },
    /// A step's run has ended, in the same commit.
    ChildEnded {
        /// The run.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// Always the last event.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// An approval that was sealed beforehand, for a night on which nobody else can be reached.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// What tells it from every other one: it is opened once.
    pub id: String,
    /// Whose approval it is.
    pub by: String,
}

/// What happened to a schedule.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleEvent {
    /// An occurrence became a run.
    Started {
        /// The occurrence.
        due_at: Timestamp,
        /// The run.
        run: RunId,
    },
    /// An occurrence did not run and will not.
    Missed {
        /// The occurrence.
        due_at: Timestamp,
        /// Why.
        because: String,
    },
}

/// What happened to the process and to those who use it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessEvent {
    /// A process took the state directory over.
    Opened {
        /// One more than the epoch before it.
        epoch: u64,
        /// The program's version.
        program: String,
    },
    /// A process took the lease. What is written under it names its epoch.
    Granted {
        /// Higher than any before it.
        epoch: u64,
        /// The machine and the state directory.
        holder: String,
    },
    /// Somebody was refused.
    Refused {
        /// Who, as far as it is known.
        who: String,
        /// What was asked for.
        what: String,
        /// Why not.
        because: String,
    },
    /// Nothing new is begun until somebody turns Muster on again.
    SwitchedOff {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Muster acts again.
    SwitchedOn {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The tail of the log was torn by a crash before it was acknowledged, and was cut off.
    TailCut {
        /// The segment file.
        file: String,
        /// How many bytes were set aside.
        bytes: u64,
    },
    /// `muster state repair` cut a damaged log at its last intact record.
    Repaired {
        /// The segment file.
        file: String,
        /// Where the bytes that were set aside are kept.
        kept_in: String,
        /// Why it had to be cut.
        because: String,
    },
}

/// What happened to a notice.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeEvent {
    /// An event asked for something that only a person may start.
    Proposed {
        /// What it asked for.
        request: Box<Request>,
        /// After this it can no longer be started.
        expires_at: Timestamp,
        /// Why it is a proposal.
        because: String,
    },
    /// A person started it.
    Taken {
        /// The run.
        run: RunId,
        /// Who.
        by: String,
    },
    /// Nobody started it in time.
    Expired,
    /// An event said that work in progress may have moved. Its content is never believed.
    Nudged {
        /// The principal it came from.
        source: String,
        /// What it was about, such as a snapshot's ARN.
        about: String,
        /// What it said, in a line for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        says: Option<String>,
    },
}

/// A fact on its stream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The subject.
    pub stream: Stream,
    /// The fact.
    pub event: Event,
}

impl Entry {
    /// An event of a run.
    pub fn run(id: &RunId, event: RunEvent) -> Entry {
        Entry { stream: Stream::Run(id.clone()), event: Event::Run(event) }
    }

    /// An event of an application.
    pub fn application(name: &ApplicationName, event: ApplicationEvent) -> Entry {
        Entry { stream: Stream::Application(name.clone()), event: Event::Application(event) }
    }

    /// An event of the process.
    pub fn access(event: AccessEvent) -> Entry {
        Entry { stream: Stream::Access, event: Event::Access(event) }
    }
}

/// A right that only one holder has at a time: a dedupe key, an application's lock, a due
/// occurrence. Taken and freed in the commit of the events that are the reason.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Such as `dedupe/<key>`, `lock/<application>`, `due/<schedule>/<instant>`.
    pub key: String,
    /// The run or notice that holds it.
    pub holder: RunId,
    /// What was asked for under a dedupe key, as a hash: who uses the key again for something else is
    /// told so. Older journals do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

impl Claim {
    /// The claim on a dedupe key, for what was asked under it.
    pub fn dedupe(key: &str, holder: &RunId, asked: Option<String>) -> Claim {
        Claim { asked, ..Claim::new(Claim::dedupe_key(key), holder) }
    }

    /// The key of the claim on a dedupe key.
    pub fn dedupe_key(key: &str) -> String {
        format!("dedupe/{key}")
    }

    fn new(key: String, holder: &RunId) -> Claim {
        Claim { key, holder: holder.clone(), asked: None }
    }

    /// The one lock of an application.
    pub fn lock(application: &ApplicationName, holder: &RunId) -> Claim {
        Claim::new(Claim::lock_key(application), holder)
    }

    /// The key of an application's lock.
    pub fn lock_key(application: &ApplicationName) -> String {
        format!("lock/{application}")
    }

    /// The claim of the run in which a sealed approval was opened. It is never dropped: nothing opens it again.
    pub fn seal(id: &str, holder: &RunId) -> Claim {
        Claim::new(Claim::seal_key(id), holder)
    }

    /// The key of that claim.
    pub fn seal_key(id: &str) -> String {
        format!("seal/{id}")
    }

    /// The claim on a due occurrence.
    pub fn due(schedule: &ScheduleId, due_at: Timestamp, holder: &RunId) -> Claim {
        Claim::new(format!("due/{schedule}/{due_at}"), holder)
    }

    /// Whether a claim is dropped by itself once it is a week old: a lock is held until it is freed, an
    /// opened seal stays open, and a dedupe key only has to outlive every retry of its sender (facts §9:
    /// 48 h at least).
    pub fn ages(key: &str) -> bool {
        !key.starts_with("lock/") && !key.starts_with("seal/")
    }
}

/// What is to be written in one piece, or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The facts, in order. Never empty.
    pub entries: Vec<Entry>,
    /// Streams that must have exactly so many records before this batch.
    pub expected: Vec<(Stream, u64)>,
    /// Claims to take. One that somebody else holds refuses the batch.
    pub take: Vec<Claim>,
    /// Keys of claims to free, before any is taken.
    pub free: Vec<String>,
}

/// A batch that is on disk.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The version of its events.
    pub v: u16,
    /// The global sequence number of its first record. Dense: the next commit starts right behind.
    pub seq: u64,
    /// When it was written, by the clock of the engine.
    pub at: Timestamp,
    /// Its facts.
    pub entries: Vec<Entry>,
    /// Claims it took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take: Vec<Claim>,
    /// Claims it freed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub free: Vec<String>,
}

impl Commit {
    /// The sequence number behind its last record.
    pub fn end(&self) -> u64 {
        self.seq + self.entries.len() as u64
    }
}

/// One fact as it is read back from the journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Its place in the global sequence.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The subject.
    pub stream: Stream,
    /// The fact.
    pub event: Event,
}
