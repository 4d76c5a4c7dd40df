//! What a run cannot take.

use muster_runbooks::{
    name::{RunId, StepId},
    plan::Thaw,
};

use crate::step::IllegalChange;

/// An event that this run cannot take: a bug, or a damaged journal.
#[derive(Debug, thiserror::Error)]
pub enum Illegal {
    /// The first event is missing, or came twice.
    #[error("run `{run}` is not admitted exactly once")]
    Admission {
        /// The run.
        run: RunId,
    },
    /// The plan's bytes are not those that were hashed, or cannot be read.
    #[error("the plan of run `{run}` cannot be used")]
    Plan {
        /// The run.
        run: RunId,
        /// Why.
        source: Thaw,
    },
    /// The plan has no such step.
    #[error("run `{run}` has no step `{step}`")]
    Step {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
    },
    /// The step cannot take the change.
    #[error("run `{run}`, step `{step}`")]
    Change {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// Why.
        source: IllegalChange,
    },
    /// The run has ended.
    #[error("run `{run}` has ended")]
    Ended {
        /// The run.
        run: RunId,
    },
    /// It started no such run, or that has ended before.
    #[error("run `{run}` has started no open run `{child}`")]
    Child {
        /// The run.
        run: RunId,
        /// The other one.
        child: RunId,
    },
}
