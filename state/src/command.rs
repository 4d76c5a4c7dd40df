//! What people and doors ask of the engine, and how it refuses.

mod refusal;

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{
        Outputs,
        control::{PersonRole, Risk},
    },
    name::{ApplicationName, ComponentName, Region, RunId, ScheduleId, StepId},
    plan::Frozen,
    request::Request,
};
use serde::Serialize;

pub use refusal::Refusal;

use crate::{catalog::Finding, event::Seal, lease::Granted};

/// An authenticated person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// The name that stands in the audit trail.
    pub name: String,
    /// What the person may do.
    pub role: PersonRole,
}

/// Something to be done to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Steer {
    /// Approve a step that asks for it.
    Approve {
        /// The step.
        step: StepId,
        /// The risks that the person accepts.
        accepts: Vec<Risk>,
        /// The hash of the plan that the person saw.
        plan_hash: String,
    },
    /// Open approvals that others sealed beforehand, because nobody else can be reached.
    BreakGlass {
        /// The step.
        step: StepId,
        /// The risks that the person accepts, and every seal with them.
        accepts: Vec<Risk>,
        /// The hash of the plan that the person saw.
        plan_hash: String,
        /// How many seals of different people it takes.
        needed: usize,
        /// The seals, each verified at the door.
        seals: Vec<Seal>,
    },
    /// Decline it.
    Decline {
        /// The step.
        step: StepId,
    },
    /// Begin nothing new.
    Pause,
    /// Go on.
    Resume,
    /// Try a failed step again.
    Retry {
        /// The step.
        step: StepId,
    },
    /// Go past a step.
    Skip {
        /// The step.
        step: StepId,
    },
    /// A person did the step's work, or opens a gate.
    Done {
        /// The step.
        step: StepId,
        /// What it gave.
        outputs: Outputs,
    },
    /// Go on although nobody can read whose the lease is.
    OverrideLease,
    /// Write something down.
    Note,
    /// Take the forced variants from here on.
    Force,
    /// Give the run up.
    Abandon {
        /// Whether the `undo` steps run.
        undo: bool,
    },
}

/// What the engine is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make a run of a request.
    Admit(Box<Admission>),
    /// Keep a request for a person to start.
    Propose {
        /// The id that the proposal shall have.
        id: RunId,
        /// What was asked for.
        request: Box<Request>,
        /// Until when it can be started.
        expires_at: Timestamp,
        /// Why it is not a run.
        because: String,
        /// What was asked for, as a hash.
        asked: Option<String>,
    },
    /// Steer a run.
    Steer {
        /// The run.
        run: RunId,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// What.
        steer: Steer,
    },
    /// The run that a step wants cannot be started.
    Unstarted {
        /// The run that the step is of.
        run: RunId,
        /// The step.
        step: StepId,
        /// Why not.
        because: String,
    },
    /// Begin nothing anywhere.
    Off {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// Act again.
    On {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// An occurrence of a schedule did not run.
    Missed {
        /// The schedule.
        schedule: ScheduleId,
        /// The occurrence.
        due_at: Timestamp,
        /// Why.
        because: String,
    },
    /// Somebody was refused at a door. Only recorded.
    Refused {
        /// Who, as far as it is known.
        who: String,
        /// What was asked for.
        what: String,
        /// Why not.
        because: String,
    },
    /// Somebody saw from where an application is served.
    Active {
        /// The application.
        application: ApplicationName,
        /// The region.
        region: Region,
        /// By what it was seen.
        evidence: String,
    },
    /// A check found something, or found that it is gone.
    Finding {
        /// The application.
        application: ApplicationName,
        /// The finding; `Err` holds the id of one that is gone.
        finding: Result<Finding, String>,
    },
    /// The configuration allows the canary of a database; its writes follow once this is durable.
    Canary {
        /// The application.
        application: ApplicationName,
        /// The database.
        database: ComponentName,
        /// Where it will be written.
        region: Region,
        /// The schema that holds nothing else.
        schema: String,
    },
    /// Somebody saw how strong a workload is where it serves.
    Peak {
        /// The application.
        application: ApplicationName,
        /// The workload.
        workload: ComponentName,
        /// Where it serves.
        region: Region,
        /// The most replicas of each set in the last day, by kind and name.
        sets: BTreeMap<String, u32>,
    },
    /// Somebody says something about an application that detection heeds.
    Mark {
        /// The application.
        application: ApplicationName,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// What.
        mark: Mark,
    },
    /// The lease is ours; what is sent under it follows once this is durable.
    Grant(Granted),
    /// Keep a recovery point whatever the policy says, or no longer.
    Keep {
        /// The application.
        application: ApplicationName,
        /// What.
        keep: Keep,
    },
    /// Say something about a finding.
    Care {
        /// The application.
        application: ApplicationName,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// What.
        care: Care,
    },
    /// Let nothing change an application until then.
    Freeze {
        /// The application.
        application: ApplicationName,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// It ends by itself then.
        until: Timestamp,
    },
    /// Let something change it again.
    Thaw {
        /// The application.
        application: ApplicationName,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
    },
    /// An event said that work in progress may have moved: look sooner.
    Nudge {
        /// The id that the notice shall have.
        id: RunId,
        /// Two with the same key are one.
        dedupe_key: String,
        /// The principal it came from.
        source: String,
        /// What it was about.
        about: String,
        /// What it said, in a line for people.
        says: Option<String>,
        /// What it was about, as a hash.
        asked: Option<String>,
    },
}

/// A word about an application that detection heeds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mark {
    /// Its last move is known and settled.
    Acknowledged,
    /// It is down on purpose.
    Down {
        /// When that ends by itself.
        until: Timestamp,
    },
    /// It no longer is.
    Up,
}

/// A word about a finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Care {
    /// A person found something. It stands until people settle it.
    Raise(Finding),
    /// Somebody is to look after it.
    Assign {
        /// The finding's id.
        id: String,
        /// Who looks after it.
        owner: String,
        /// Until when it is to be settled.
        due_at: Timestamp,
        /// Where more is written about it.
        ticket: Option<String>,
    },
    /// It is settled. Only for what people, or a broken glass, raised.
    Settle {
        /// The finding's id.
        id: String,
    },
}

/// A word about a hold on a recovery point.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    /// The point's ARN.
    pub point: String,
    /// What the hold is called.
    pub name: String,
    /// Who.
    pub by: Person,
    /// Why.
    pub reason: String,
    /// Whether it stands from now on, or no longer.
    pub holds: bool,
}

/// A request with the plan that was made for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// The id that the run shall have.
    pub id: RunId,
    /// Why and what.
    pub request: Request,
    /// The plan.
    pub plan: Frozen,
    /// The proposal it was started from.
    pub proposal: Option<RunId>,
    /// What was asked for, as a hash over what came through the door.
    pub asked: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Accepted {
    /// The run or notice that it is about.
    pub run: Option<RunId>,
    /// Whether it had been done before, by a request with the same key.
    pub repeated: bool,
}
