//! What the engine asks of the world, and what the world answers.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use muster_runbooks::{
    action::{Action, On, Outputs},
    application::Component,
    name::{ApplicationName, RunId, StepId, Token},
    plan::Binding,
    request::{Manner, Mode},
};
use serde_json::Value;

use crate::{
    catalog::{Finding, PointChange, RecoveryPoint},
    progress::{Counted, Peak},
    step::Aim,
};

/// One attempt at one action: all that the world needs to know.
#[derive(Clone, Debug)]
pub struct Call {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The attempt's number.
    pub attempt: u32,
    /// The name that the outside work bears.
    pub token: Token,
    /// What to do.
    pub action: Arc<Action>,
    /// The application with its roles bound; `None` for runbooks without one.
    pub binding: Option<Arc<Binding>>,
    /// The component it works on.
    pub component: Option<Arc<Component>>,
    /// How real the run is.
    pub mode: Mode,
    /// The variant that the attempt takes.
    pub manner: Manner,
    /// When the attempt was promised.
    pub started_at: Timestamp,
    /// When the engine asked for this call.
    pub asked_at: Timestamp,
    /// Nothing is sent after this.
    pub not_after: Timestamp,
    /// What stood before, once it was recorded.
    pub aim: Option<Arc<Aim>>,
    /// Calls to the side being left are cut short and their failure is only noted.
    pub best_effort: bool,
    /// The recovery points of the component, for the actions that expire them; those of the whole
    /// application for the one that chooses.
    pub points: Arc<[RecoveryPoint]>,
    /// The runs that are open, for the action that looks for what closed ones left behind.
    pub open_runs: Arc<[RunId]>,
    /// The rows that were last counted in the source, for the action that compares with them.
    pub counted: Option<Arc<Counted>>,
    /// How strong the workload was where it served, for the action that scales it.
    pub peak: Option<Arc<Peak>>,
    /// The open run that moves the application, for the actions that expire points.
    pub moving: Option<RunId>,
    /// A sentence on how the run stands, for notices.
    pub summary: String,
}

impl Call {
    /// What a description or a mapping to real resources needs.
    pub fn on(&self) -> Option<On<'_>> {
        let binding = self.binding.as_deref()?;
        Some(On {
            application: &binding.application,
            active: &binding.active,
            standby: &binding.standby,
            component: self.component.as_deref(),
            token: self.token.as_str(),
        })
    }

    /// The application it belongs to.
    pub fn application(&self) -> Option<&ApplicationName> {
        self.binding.as_deref().map(|binding| &binding.application.name)
    }
}

/// How far the outside world has come with a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Nothing of it can be seen. Carries what stands there now, for actions that aim first.
    NotStarted {
        /// What stands before, and the objects that would change.
        before: Value,
        /// The objects that would change; empty for actions that name their own.
        targets: Vec<String>,
    },
    /// It is under way.
    InProgress {
        /// What can be seen, in words for a person.
        note: String,
        /// How far, from 0 to 100, if the provider says.
        percent: Option<u8>,
    },
    /// It is done.
    Done(Done),
    /// The work ran and failed. Trying again may help.
    Failed {
        /// What the provider says.
        reason: String,
    },
    /// The provider will never do it. Trying again will not help.
    Refused {
        /// What the provider says.
        reason: String,
    },
    /// Somebody else is at work on it, or it is not as the journal implies. A person must look.
    Foreign {
        /// What was seen.
        saw: String,
    },
}

impl Progress {
    /// Nothing can be seen of a call that names its own object.
    pub fn not_started() -> Progress {
        Progress::NotStarted { before: Value::Null, targets: Vec::new() }
    }

    /// Under way, with nothing to count.
    pub fn in_progress(note: impl Into<String>) -> Progress {
        Progress::InProgress { note: note.into(), percent: None }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Progress::NotStarted { .. } => f.write_str("not started"),
            Progress::InProgress { note, percent: Some(percent) } => {
                write!(f, "{note}, {percent} %")
            }
            Progress::InProgress { note, percent: None } => f.write_str(note),
            Progress::Done(_) => f.write_str("done"),
            Progress::Failed { reason } => write!(f, "failed: {reason}"),
            Progress::Refused { reason } => write!(f, "refused: {reason}"),
            Progress::Foreign { saw } => write!(f, "not ours: {saw}"),
        }
    }
}

/// The end of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// What the step gives, as its action declares.
    pub outputs: Outputs,
    /// What became of recovery points; recorded in the same commit.
    pub points: Vec<PointChange>,
    /// The rows of each table as they were counted in the source; recorded in the same commit.
    pub rows: BTreeMap<String, u64>,
    /// Things that a person should know, recorded as notes of the run.
    pub notes: Vec<String>,
    /// What was found to be wrong; whatever else of its kind stood before is over.
    pub findings: Vec<Finding>,
}

impl Done {
    /// Done with outputs alone.
    pub fn with<const N: usize>(outputs: [(&str, Value); N]) -> Done {
        let outputs = outputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Done { outputs, ..Done::default() }
    }
}

/// What a look at the outside world found.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// How far it is.
    pub progress: Progress,
    /// When it was asked for, not when it was answered.
    pub read_at: Timestamp,
}

/// What the world answered when it was asked to begin.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The work has started, or had been started by the same token before.
    Accepted,
    /// It was done at once.
    Done(Done),
    /// It was tried at once and failed. Whether it is tried again is a person's decision.
    Failed {
        /// What failed, and what it said.
        reason: String,
    },
    /// Not now: the object is busy or not ready. Look again later; this is no failure.
    Busy {
        /// Why.
        reason: String,
    },
}

/// A cause that nothing more is known about.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call has no result. Policy reads the variant, people read the text.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Throttled, timed out or unreachable. The call may have taken effect.
    #[error("no answer from {service} to {operation}")]
    NoAnswer {
        /// Such as `rds us-west-2`.
        service: String,
        /// Such as `CopyDBClusterSnapshot`.
        operation: &'static str,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The service answered, and the answer will not change by asking again.
    #[error("{service} refused {operation} ({code}): {message}")]
    Refused {
        /// Such as `rds us-west-2`.
        service: String,
        /// Such as `CopyDBClusterSnapshot`.
        operation: &'static str,
        /// The service's code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// Our credentials are missing, expired or unknown. A person must mend that; the run pauses.
    #[error("{service} did not accept our credentials for {operation} ({code})")]
    Credentials {
        /// Such as `rds us-west-2`.
        service: String,
        /// Such as `CopyDBClusterSnapshot`.
        operation: &'static str,
        /// The service's code.
        code: String,
    },
}

/// An error with its causes, in one line.
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
