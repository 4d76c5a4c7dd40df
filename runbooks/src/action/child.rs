//! Runs that a step starts.

use super::{Description, On, action};
use crate::{
    name::RunbookName,
    request::{Manner, Mode},
};

action! {
    /// Starts a run of another runbook for the same application and waits until it has ended. Its approvals, its
    /// pauses and its way back are its own.
    StartRun = "start-run", Inside, on: &[], needs_active: false, global: false,
    with {
        /// The runbook. One that starts runs itself cannot be started so.
        runbook: RunbookName,
        /// How real it is; `live` without it.
        mode: Option<Mode>,
        /// Which variant its steps take; `graceful` without it.
        manner: Option<Manner>,
        /// Nothing is started when this is `false`, and the outcome is `not_wanted`.
        wanted: Option<bool>,
    }
    gives {
        /// The run; nothing when none was wanted.
        run: String,
        /// How it ended, or `not_wanted`.
        outcome: String,
    }
}

/// The outcome of a run that nobody wanted.
pub const NOT_WANTED: &str = "not_wanted";

impl StartRun {
    /// How real the run is.
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or(Mode::Live)
    }

    /// Which variant its steps take.
    pub fn manner(&self) -> Manner {
        self.manner.unwrap_or(Manner::Graceful)
    }

    /// Whether it is started at all.
    pub fn is_wanted(&self) -> bool {
        self.wanted.unwrap_or(true)
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        if !self.is_wanted() {
            return Description::default();
        }
        let (runbook, application) = (&self.runbook, &on.application.name);
        let (mode, manner) = (self.mode(), self.manner());
        let forced = if manner == Manner::Forced { " --forced" } else { "" };
        let asks = match mode {
            Mode::Live => {
                format!("muster run {runbook} --application {application}{forced} --reason TEXT")
            }
            Mode::Preview => {
                format!("muster preview {runbook} --application {application}{forced}")
            }
            Mode::Drill => {
                format!(
                    "muster run {runbook} --application {application} --drill{forced} --reason TEXT"
                )
            }
        };
        Description {
            effect: vec![format!("muster: a {mode} run of {runbook} for {application} ({manner})")],
            by_hand: vec![asks],
            ..Description::default()
        }
    }
}
