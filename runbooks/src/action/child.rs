//! Runs that a step starts: for the same application, or one for each.

use super::{ComponentKind, Description, On, action};
use crate::{
    name::{ApplicationName, RunbookName, StepId},
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

action! {
    /// Moves one of several applications by a run of its own and waits until that has ended. What was approved for
    /// all of them is approved for it, where that is enough; where it is not, its run asks.
    MoveApplication = "move-application", Inside, on: &[ComponentKind::Applications], needs_active: false, global: false,
    with {
        /// The runbook that moves it. One that starts runs itself cannot be started so.
        runbook: RunbookName,
        /// Which variant its steps take; `graceful` without it.
        manner: Option<Manner>,
        /// The region that is left. Those that are served from it when the plan is made are moved.
        out_of: String,
        /// The step of this runbook whose approvals hold for each of the runs.
        approval: StepId,
        /// At most so many of the runs are open at a time.
        at_once: u32,
        /// The application. The plan fills it in.
        application: Option<ApplicationName>,
    }
    gives {
        /// The run.
        run: String,
        /// How it ended.
        outcome: String,
    }
}

impl MoveApplication {
    /// Which variant its steps take.
    pub fn manner(&self) -> Manner {
        self.manner.unwrap_or(Manner::Graceful)
    }

    pub(super) fn describe(&self, _on: &On<'_>) -> Description {
        let runbook = &self.runbook;
        let application = self.application.as_ref().map_or("APPLICATION", |name| name.as_str());
        let forced = if self.manner() == Manner::Forced { " --forced" } else { "" };
        Description {
            effect: vec![format!(
                "muster: a run of {runbook} moves {application} out of {} ({})",
                self.out_of,
                self.manner()
            )],
            by_hand: vec![format!(
                "muster run {runbook} --application {application}{forced} --reason TEXT"
            )],
            ..Description::default()
        }
    }
}
