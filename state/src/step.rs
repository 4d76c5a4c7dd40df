//! The life of one step.

mod fault;

use std::sync::Arc;

use jiff::Timestamp;
use muster_runbooks::{
    action::{Action, Outputs, control::Risk},
    request::Manner,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use fault::Fault;

/// Where one step stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum StepState {
    /// Nothing is asked of the outside world. `attempts` were made and taken back.
    Pending {
        /// How many attempts were made before.
        attempts: u32,
    },
    /// The journal has promised this attempt. The provider may or may not have heard of it, so
    /// whoever picks the step up observes before it begins.
    Running(Attempt),
    /// The attempt waits for a person to accept a risk that it met.
    Held {
        /// The attempt.
        attempt: Attempt,
        /// The risk.
        risk: Risk,
        /// What the attempt found, its result once the risk is accepted.
        outputs: Arc<Outputs>,
    },
    /// The attempt is known to have ended badly and another is allowed from `retry_at`.
    BackingOff {
        /// The attempt.
        attempt: u32,
        /// What went wrong.
        reason: String,
        /// When the next one may start.
        retry_at: Timestamp,
    },
    /// It ended well.
    Succeeded {
        /// The attempt.
        attempt: u32,
        /// When it started.
        started_at: Timestamp,
        /// When that was recorded.
        at: Timestamp,
        /// When what it gave was last looked at again; nothing while it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen_at: Option<Timestamp>,
        /// What it gave.
        outputs: Arc<Outputs>,
    },
    /// It ended badly, and only a person can go on from here.
    Failed {
        /// The attempt.
        attempt: u32,
        /// When that was recorded.
        at: Timestamp,
        /// Why.
        fault: Fault,
    },
    /// A person went past it.
    Skipped {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person did its work.
    DoneByHand {
        /// Who.
        by: String,
        /// With what evidence.
        reason: String,
        /// What it gave, as the person says.
        outputs: Arc<Outputs>,
    },
    /// What it would do was printed; nothing was begun.
    Previewed {
        /// What it would do, a line each.
        effect: Vec<String>,
    },
    /// The run was forced while the attempt was open; its variant starts as the next attempt.
    Superseded {
        /// The attempt.
        attempt: u32,
        /// What the last look found.
        seen: String,
    },
}

/// One open attempt.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The variant it takes.
    pub manner: Manner,
    /// When it was promised.
    pub started_at: Timestamp,
    /// After this it is looked at once more and then judged.
    pub deadline: Timestamp,
    /// What it does, with its arguments filled in.
    pub action: Arc<Action>,
    /// What stood before, once that was recorded.
    pub aim: Option<Arc<Aim>>,
    /// When the world took the call, as far as it is known.
    pub begun_at: Option<Timestamp>,
}

/// What an action that must not be begun twice, or not by a stranger, met and means to change.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Aim {
    /// When it was recorded.
    pub at: Timestamp,
    /// What stood before.
    pub before: Value,
    /// The objects it means to change.
    pub targets: Vec<String>,
}

/// What can happen to a step. Every change is a journal record.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// An attempt is promised.
    Started {
        /// Its number.
        attempt: u32,
        /// The variant it takes.
        manner: Manner,
        /// When it is judged.
        deadline: Timestamp,
        /// What it does.
        action: Arc<Action>,
    },
    /// What stood before the first begin.
    Aimed {
        /// The attempt.
        attempt: u32,
        /// What stood before.
        before: Value,
        /// The objects it means to change.
        targets: Vec<String>,
    },
    /// The world took the call.
    Begun {
        /// The attempt.
        attempt: u32,
    },
    /// It met a risk that a person must accept.
    Held {
        /// The attempt.
        attempt: u32,
        /// The risk.
        risk: Risk,
        /// What it found.
        outputs: Arc<Outputs>,
    },
    /// It ended badly, and is tried again later.
    Delayed {
        /// The attempt.
        attempt: u32,
        /// What went wrong.
        reason: String,
        /// When the next may start.
        retry_at: Timestamp,
    },
    /// It ended well.
    Succeeded {
        /// The attempt.
        attempt: u32,
        /// What it gave.
        outputs: Arc<Outputs>,
    },
    /// What it gave was looked at again, while people decide on it.
    SeenAgain {
        /// The attempt that had given it.
        attempt: u32,
        /// What it gives now.
        outputs: Arc<Outputs>,
    },
    /// It ended badly.
    Failed {
        /// The attempt; 0 when none could be started.
        attempt: u32,
        /// Why.
        fault: Fault,
    },
    /// The run was forced while the attempt was open.
    Superseded {
        /// The attempt.
        attempt: u32,
        /// What the last look found.
        seen: String,
    },
    /// A person wants another attempt.
    Retried {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person goes past it.
    Skipped {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person did it.
    DoneByHand {
        /// Who.
        by: String,
        /// With what evidence.
        reason: String,
        /// What it gave.
        outputs: Arc<Outputs>,
    },
    /// What it would do was printed.
    Previewed {
        /// What it would do.
        effect: Vec<String>,
    },
    /// It is asked again, because what it answered was asked under other conditions.
    Reset,
}

/// A change that a step cannot take: a bug, or a damaged journal. Both must stop the run.
#[derive(Debug, thiserror::Error)]
#[error("a step that is {from} cannot take {change:?}")]
pub struct IllegalChange {
    /// The state it was in.
    pub from: &'static str,
    /// The change that came.
    pub change: Box<Change>,
}

impl StepState {
    /// The word for this state, as the API and the metrics say it.
    pub fn word(&self) -> &'static str {
        match self {
            StepState::Pending { .. } => "pending",
            StepState::Running(_) => "running",
            StepState::Held { .. } => "held",
            StepState::BackingOff { .. } => "backing_off",
            StepState::Succeeded { .. } => "succeeded",
            StepState::Failed { .. } => "failed",
            StepState::Skipped { .. } => "skipped",
            StepState::DoneByHand { .. } => "done_by_hand",
            StepState::Previewed { .. } => "previewed",
            StepState::Superseded { .. } => "superseded",
        }
    }

    /// What the step gave, if it ended with outputs.
    pub fn outputs(&self) -> Option<&Outputs> {
        match self {
            StepState::Succeeded { outputs, .. } | StepState::DoneByHand { outputs, .. } => {
                Some(outputs)
            }
            StepState::Pending { .. }
            | StepState::Running(_)
            | StepState::Held { .. }
            | StepState::BackingOff { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::Previewed { .. }
            | StepState::Superseded { .. } => None,
        }
    }

    /// The attempt that is open.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            StepState::Running(attempt) | StepState::Held { attempt, .. } => Some(attempt),
            StepState::Pending { .. }
            | StepState::BackingOff { .. }
            | StepState::Succeeded { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. }
            | StepState::Superseded { .. } => None,
        }
    }

    /// The number of the last attempt.
    pub fn attempts(&self) -> u32 {
        match self {
            StepState::Pending { attempts } => *attempts,
            StepState::Running(attempt) | StepState::Held { attempt, .. } => attempt.number,
            StepState::BackingOff { attempt, .. }
            | StepState::Succeeded { attempt, .. }
            | StepState::Failed { attempt, .. }
            | StepState::Superseded { attempt, .. } => *attempt,
            StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. } => 0,
        }
    }

    /// Whether nothing more happens to it unless a person asks.
    pub fn is_over(&self) -> bool {
        match self {
            StepState::Succeeded { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. } => true,
            StepState::Pending { .. }
            | StepState::Running(_)
            | StepState::Held { .. }
            | StepState::BackingOff { .. }
            | StepState::Superseded { .. } => false,
        }
    }

    /// Returns the state after `change`, which was recorded at `at`.
    ///
    /// There is no `_ =>` arm over changes: a new one does not compile until it has its place here.
    pub fn after(&self, change: &Change, at: Timestamp) -> Result<StepState, IllegalChange> {
        let illegal = || IllegalChange { from: self.word(), change: Box::new(change.clone()) };
        match change {
            Change::Started { attempt, manner, deadline, action } => {
                let may_start = matches!(
                    self,
                    StepState::Pending { .. }
                        | StepState::BackingOff { .. }
                        | StepState::Superseded { .. }
                );
                if !may_start || *attempt != self.attempts() + 1 {
                    return Err(illegal());
                }
                Ok(StepState::Running(Attempt {
                    number: *attempt,
                    manner: *manner,
                    started_at: at,
                    deadline: *deadline,
                    action: Arc::clone(action),
                    aim: None,
                    begun_at: None,
                }))
            }
            Change::Aimed { attempt, before, targets } => {
                let mut open =
                    self.running(*attempt).filter(|open| open.aim.is_none()).ok_or_else(illegal)?;
                let (before, targets) = (before.clone(), targets.clone());
                open.aim = Some(Arc::new(Aim { at, before, targets }));
                Ok(StepState::Running(open))
            }
            Change::Begun { attempt } => {
                let mut open = self
                    .running(*attempt)
                    .filter(|open| open.begun_at.is_none())
                    .ok_or_else(illegal)?;
                open.begun_at = Some(at);
                Ok(StepState::Running(open))
            }
            Change::Held { attempt, risk, outputs } => {
                let attempt = self.running(*attempt).ok_or_else(illegal)?;
                Ok(StepState::Held { attempt, risk: *risk, outputs: outputs.clone() })
            }
            Change::Delayed { attempt, reason, retry_at } => {
                self.running(*attempt).ok_or_else(illegal)?;
                Ok(StepState::BackingOff {
                    attempt: *attempt,
                    reason: reason.clone(),
                    retry_at: *retry_at,
                })
            }
            Change::Succeeded { attempt, outputs } => {
                let open = self.open(*attempt).ok_or_else(illegal)?;
                Ok(StepState::Succeeded {
                    attempt: *attempt,
                    started_at: open.started_at,
                    at,
                    seen_at: None,
                    outputs: outputs.clone(),
                })
            }
            Change::SeenAgain { attempt, outputs } => {
                self.seen_again(*attempt, outputs, at).ok_or_else(illegal)
            }
            Change::Failed { attempt, fault } => {
                if self.is_over() || *attempt != self.attempts() {
                    return Err(illegal());
                }
                Ok(StepState::Failed { attempt: *attempt, at, fault: fault.clone() })
            }
            Change::Superseded { attempt, seen } => {
                self.open(*attempt).ok_or_else(illegal)?;
                Ok(StepState::Superseded { attempt: *attempt, seen: seen.clone() })
            }
            Change::Retried { .. }
            | Change::Skipped { .. }
            | Change::DoneByHand { .. }
            | Change::Previewed { .. }
            | Change::Reset => self.after_word(change).ok_or_else(illegal),
        }
    }

    /// Changes that no attempt causes. `None` is illegal.
    fn after_word(&self, change: &Change) -> Option<StepState> {
        let has_failed = matches!(self, StepState::Failed { .. });
        let can_be_left = has_failed || !self.is_over();
        match change {
            Change::Retried { .. } => (has_failed || matches!(self, StepState::BackingOff { .. }))
                .then(|| StepState::Pending { attempts: self.attempts() }),
            Change::Skipped { by, reason } => {
                can_be_left.then(|| StepState::Skipped { by: by.clone(), reason: reason.clone() })
            }
            Change::DoneByHand { by, reason, outputs } => can_be_left.then(|| {
                let (by, reason, outputs) = (by.clone(), reason.clone(), outputs.clone());
                StepState::DoneByHand { by, reason, outputs }
            }),
            Change::Previewed { effect } => matches!(self, StepState::Pending { .. })
                .then(|| StepState::Previewed { effect: effect.clone() }),
            // A step that a person ended keeps no count of attempts, and a token must never be used
            // twice: such a step is not asked again.
            Change::Reset => (has_failed || matches!(self, StepState::Succeeded { .. }))
                .then(|| StepState::Pending { attempts: self.attempts() }),
            Change::Started { .. }
            | Change::Aimed { .. }
            | Change::Begun { .. }
            | Change::Held { .. }
            | Change::Delayed { .. }
            | Change::Succeeded { .. }
            | Change::SeenAgain { .. }
            | Change::Failed { .. }
            | Change::Superseded { .. } => None,
        }
    }

    fn seen_again(&self, number: u32, outputs: &Arc<Outputs>, now: Timestamp) -> Option<StepState> {
        let StepState::Succeeded { attempt, started_at, at, .. } = self else { return None };
        let (attempt, started_at, at) = (*attempt, *started_at, *at);
        let (seen_at, outputs) = (Some(now), Arc::clone(outputs));
        (attempt == number).then_some(StepState::Succeeded {
            attempt,
            started_at,
            at,
            seen_at,
            outputs,
        })
    }

    fn running(&self, number: u32) -> Option<Attempt> {
        let StepState::Running(attempt) = self else { return None };
        (attempt.number == number).then(|| attempt.clone())
    }

    fn open(&self, number: u32) -> Option<&Attempt> {
        self.attempt().filter(|attempt| attempt.number == number)
    }
}
