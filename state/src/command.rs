//! What people and doors ask of the engine, and how it refuses.

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

use crate::{catalog::Finding, lease::Granted};

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
        /// The same as a hash.
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

/// Why something was not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No open run has this id.
    #[error("no open run is called `{run}`")]
    UnknownRun {
        /// The id.
        run: RunId,
    },
    /// The run has no such step.
    #[error("run `{run}` has no step `{step}`")]
    UnknownStep {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// No proposal that can still be started has this id.
    #[error("no open proposal is called `{id}`")]
    UnknownProposal {
        /// The id.
        id: RunId,
    },
    /// The person's role is too low.
    #[error("this needs the role {needs}; `{who}` is {has}")]
    Role {
        /// Who.
        who: String,
        /// The role that is needed.
        needs: PersonRole,
        /// The role that the person has.
        has: PersonRole,
    },
    /// The requester may not approve.
    #[error("`{who}` asked for this run and cannot approve it")]
    OwnRequest {
        /// Who.
        who: String,
    },
    /// The same person approved before.
    #[error("`{who}` has already approved `{step}`")]
    Twice {
        /// Who.
        who: String,
        /// The step.
        step: StepId,
    },
    /// The person saw another plan.
    #[error("the approval is for another plan than the one that this run carries out")]
    OtherPlan,
    /// A risk must be ticked, and was not.
    #[error("approving `{step}` means accepting {}", risks.iter().map(|risk| risk.word()).collect::<Vec<_>>().join(", "))]
    RiskNotAccepted {
        /// The step.
        step: StepId,
        /// The risks.
        risks: Vec<Risk>,
    },
    /// A risk was ticked that this step does not offer.
    #[error("`{step}` does not offer to accept `{risk}`")]
    RiskNotOffered {
        /// The step.
        step: StepId,
        /// The risk.
        risk: Risk,
    },
    /// The step or run is not in a state for this.
    #[error("{what} is not possible: {because}")]
    NotNow {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        because: String,
    },
    /// A guard cannot be skipped or marked done.
    #[error("`{step}` is a guard; it is passed by an approval, not by {what}")]
    Guard {
        /// The step.
        step: StepId,
        /// What was asked for.
        what: &'static str,
    },
    /// Another run has the application's lock.
    #[error("run `{by}` has the lock of `{application}`")]
    Locked {
        /// The application.
        application: ApplicationName,
        /// The run that has it.
        by: RunId,
    },
    /// Nothing may change the application now.
    #[error("`{application}` is frozen: {because}{}", until.map_or_else(String::new, |until| format!(", until {until}")))]
    Frozen {
        /// The application.
        application: ApplicationName,
        /// Why.
        because: String,
        /// Until when; nothing as long as a run moves it.
        until: Option<Timestamp>,
    },
    /// The key stands for another request.
    #[error("this key was used before, for something else: `{by}`")]
    KeyReused {
        /// The run or notice that it stands for.
        by: RunId,
    },
    /// The request came too late.
    #[error("the request was worth starting until {not_after}")]
    TooLate {
        /// Until when.
        not_after: Timestamp,
    },
    /// The occurrence was started or recorded before.
    #[error("this occurrence of `{schedule}` was taken before")]
    OccurrenceTaken {
        /// The schedule.
        schedule: ScheduleId,
    },
    /// The application has no such recovery point.
    #[error("no recovery point is called `{id}`")]
    UnknownPoint {
        /// The id.
        id: String,
    },
    /// The point is not held under this name.
    #[error("`{id}` is not held by `{name}`")]
    UnknownHold {
        /// The point.
        id: String,
        /// The name.
        name: String,
    },
    /// Downtime ends by itself, and soon enough not to be forgotten.
    #[error("downtime ends between now and {latest:.0}, and not at {until:.0}")]
    BadDowntime {
        /// When it was to end.
        until: Timestamp,
        /// When it must have ended.
        latest: Timestamp,
    },
    /// A hold needs a name.
    #[error("say what the hold is called, in 1 to 100 characters such as the number of the case")]
    NoHoldName,
    /// A reason is required.
    #[error("say why: the reason is empty or longer than 2,000 characters")]
    NoReason,
    /// As many runs are open as are allowed.
    #[error("{open} runs are open, the most that are allowed")]
    TooManyRuns {
        /// How many.
        open: usize,
    },
    /// Muster is switched off.
    #[error("muster is switched off")]
    SwitchedOff,
    /// Another process acts, or must.
    #[error("this process does not act: {because}")]
    NotTheActor {
        /// Why not.
        because: String,
    },
    /// The request and its plan do not fit together. A bug at the door.
    #[error("the plan does not fold: {because}")]
    BadPlan {
        /// Why.
        because: String,
    },
}
