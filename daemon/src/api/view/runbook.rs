//! What can be asked for, and what an event asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{name::RunId, runbook::Runbook};
use muster_state::progress::Proposal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::next::NextView;

/// A runbook.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RunbookView {
    /// Its name in requests.
    pub name: String,
    /// What it is for.
    pub title: String,
    /// Whether it takes the application's one lock.
    pub exclusive: bool,
    /// Whether a run of it can be forced.
    pub can_be_forced: bool,
    /// Whether it must be bound to an application.
    pub needs_application: bool,
    /// The runbook that leads back.
    pub way_back: Option<String>,
    /// What a request may or must give.
    pub inputs: BTreeMap<String, InputView>,
    /// Its steps.
    pub steps: Vec<RunbookStepView>,
    /// The file it was read from.
    pub file: String,
}

/// A value that a request gives.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct InputView {
    /// What it may hold, in words.
    pub kind: String,
    /// What it decides.
    pub why: String,
    /// Whether every request must give it.
    pub required: bool,
    /// The value when the request gives none.
    #[schema(value_type = Option<Value>)]
    pub default: Option<Value>,
}

/// A step of a runbook.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RunbookStepView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// `steps`, `undo` or `finally`.
    pub part: String,
    /// What it does.
    pub action: String,
    /// What it does when the run is forced.
    pub forced: Option<String>,
}

/// The view of a runbook.
pub fn view(runbook: &Runbook) -> RunbookView {
    let inputs = runbook.inputs.iter().map(|(name, input)| {
        let view = InputView {
            kind: input.kind.to_string(),
            why: input.why.clone(),
            required: input.required,
            default: input.default.clone(),
        };
        (name.clone(), view)
    });
    RunbookView {
        name: runbook.name.to_string(),
        title: runbook.title.clone(),
        exclusive: runbook.exclusive,
        can_be_forced: runbook.can_be_forced(),
        needs_application: runbook.needs_application(),
        way_back: runbook.way_back.as_ref().map(|name| name.value.to_string()),
        inputs: inputs.collect(),
        steps: runbook
            .steps
            .iter()
            .map(|step| RunbookStepView {
                id: step.id.to_string(),
                title: step.title.clone(),
                part: step.part.to_string(),
                action: step.task.action.value.clone(),
                forced: step.forced.as_ref().map(|task| task.action.value.clone()),
            })
            .collect(),
        file: runbook.file.clone(),
    }
}

/// Something that an event asked for and only a person may start.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ProposalView {
    /// Its id.
    pub id: String,
    /// The runbook.
    pub runbook: String,
    /// The application.
    pub application: Option<String>,
    /// Who or what asked.
    pub proposed_by: String,
    /// Why it was asked for.
    pub reason: String,
    /// Why it is no run.
    pub because: String,
    /// Until when it can be started.
    pub expires_at: Timestamp,
    /// Whether that is over.
    pub expired: bool,
    /// What to type next.
    pub next: Vec<NextView>,
}

/// The view of a proposal.
pub fn proposal(id: &RunId, proposal: &Proposal, now: Timestamp) -> ProposalView {
    let expired = proposal.expires_at < now;
    let start = NextView {
        command: format!("muster run --proposal {id} --reason TEXT"),
        why: "start what was proposed".to_owned(),
    };
    ProposalView {
        id: id.to_string(),
        runbook: proposal.request.runbook.to_string(),
        application: proposal.request.application.as_ref().map(ToString::to_string),
        proposed_by: proposal.request.trigger.who(),
        reason: proposal.request.reason.clone(),
        because: proposal.because.clone(),
        expires_at: proposal.expires_at,
        expired,
        next: if expired { Vec::new() } else { vec![start] },
    }
}
