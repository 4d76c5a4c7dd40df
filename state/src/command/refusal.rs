//! How the engine refuses.

use jiff::Timestamp;
use muster_runbooks::{
    action::control::{PersonRole, Risk},
    name::{ApplicationName, RunId, ScheduleId, StepId},
};

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
    /// No finding of this id stands.
    #[error("no finding `{id}` stands")]
    UnknownFinding {
        /// The id.
        id: String,
    },
    /// A text or an instant cannot be taken.
    #[error("{what}: {because}")]
    Unfit {
        /// Which one.
        what: &'static str,
        /// Why not.
        because: String,
    },
    /// Whoever broke the glass does not review it.
    #[error("`{who}` broke this glass and cannot review it")]
    OwnGlass {
        /// Who.
        who: String,
    },
    /// Too few sealed approvals that count.
    #[error("{have} of {needed} sealed approvals of different people who did not ask for the run")]
    FewSeals {
        /// How many count.
        have: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A seal was opened before.
    #[error("the seal `{id}` of `{by}` was opened in run `{run}`")]
    SealOpened {
        /// The seal.
        id: String,
        /// Whose approval it was.
        by: String,
        /// The run.
        run: RunId,
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
