//! The one door behind the three: a request becomes a run here, a word from a person reaches its
//! run from here.

use std::{collections::BTreeMap, sync::Arc};

use muster_runbooks::{
    application::Application,
    name::{ApplicationName, RunId, StepId},
    request::Request,
};
use muster_state::{
    command::{Accepted, Command, Person, Refusal, Steer},
    journal::{AppendError, Journal},
};

/// What the doors talk to. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    journal: Arc<dyn Journal>,
    applications: Arc<BTreeMap<ApplicationName, Application>>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// No runbook is called so.
    #[error("no runbook is called `{name}`")]
    UnknownRunbook {
        /// The name.
        name: String,
    },
    /// No application is called so.
    #[error("no application is called `{name}`")]
    UnknownApplication {
        /// The name.
        name: String,
    },
    /// The request does not fit its runbook.
    #[error("the request does not fit its runbook: {}", problems.join("; "))]
    Invalid {
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
    /// The engine refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The journal could not take it.
    #[error(transparent)]
    Journal(#[from] AppendError),
    /// The process is on its way out, or its queue is full.
    #[error("muster cannot take this now; try again")]
    Unavailable,
}

impl Intake {
    /// Takes a request in: plans it and has it admitted. Returns when that is durable.
    pub async fn request(
        &self,
        request: Request,
        proposal: Option<RunId>,
    ) -> Result<Accepted, Rejected> {
        let _ = (request, proposal);
        Err(Rejected::Unavailable)
    }

    /// Has a person's word carried out. Returns when that is durable.
    pub async fn steer(
        &self,
        run: RunId,
        by: Person,
        reason: String,
        steer: Steer,
    ) -> Result<Accepted, Rejected> {
        self.command(Command::Steer { run, by, reason, steer }).await
    }

    /// Has any command carried out. Returns when that is durable.
    pub async fn command(&self, command: Command) -> Result<Accepted, Rejected> {
        let _ = command;
        Err(Rejected::Unavailable)
    }

    /// What is durable.
    pub fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// The configured applications.
    pub fn applications(&self) -> &BTreeMap<ApplicationName, Application> {
        &self.applications
    }

    /// What the last look at an open step found, in words, with the instant it was asked for. A
    /// sample, not a fact: it is not in the journal.
    pub fn sample(&self, run: &RunId, step: &StepId) -> Option<Sample> {
        let _ = (run, step);
        None
    }
}

/// The last look at an open step.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What was seen.
    pub seen: String,
    /// How far it is, from 0 to 100, if the provider says.
    pub percent: Option<u8>,
    /// When it was asked for.
    pub read_at: jiff::Timestamp,
}
