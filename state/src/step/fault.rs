//! Why a step failed.

use serde::{Deserialize, Serialize};

/// Why a step failed, in terms an operator can act on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// The deadline passed; the last look found something else than success.
    #[error("no result before the time limit; last seen: {seen}")]
    TimedOut {
        /// What the last look found.
        seen: String,
    },
    /// The answer will not change by asking again.
    #[error("refused: {reason}")]
    Refused {
        /// The service's code and words.
        reason: String,
    },
    /// It was tried and failed, and is not tried again by itself.
    #[error("failed: {reason}")]
    Failed {
        /// What failed, and what it said.
        reason: String,
    },
    /// Every attempt ended badly.
    #[error("gave up after {attempts} attempts: {reason}")]
    Exhausted {
        /// How many.
        attempts: u32,
        /// The last reason.
        reason: String,
    },
    /// Its arguments could not be filled in.
    #[error("cannot start: {reason}")]
    NoArguments {
        /// What is missing.
        reason: String,
    },
    /// A person declined.
    #[error("declined by {by}: {reason}")]
    Declined {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A guard said no.
    #[error("not allowed: {reason}")]
    Guard {
        /// Which and why.
        reason: String,
    },
}
