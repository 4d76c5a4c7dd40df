//! What is wrong with an application or unknown of it, and who looks after that.

use jiff::Timestamp;
use muster_state::progress::ApplicationState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something wrong or unknown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct FindingView {
    /// Its id.
    pub id: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Since when.
    pub since_at: Timestamp,
    /// Who looks after it; nothing while nobody was given it.
    #[serde(default)]
    pub care: Option<CareView>,
    /// Who raised it, where people settle it; nothing where it closes when its check passes.
    #[serde(default)]
    pub raised_by: Option<String>,
}

/// Who looks after a finding.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct CareView {
    /// Who.
    pub owner: String,
    /// Until when it is to be settled.
    pub due_at: Timestamp,
    /// Whether that is over.
    pub overdue: bool,
    /// Where more is written about it.
    pub ticket: Option<String>,
    /// Who said so.
    pub by: String,
}

/// Everything that stands, by id.
pub fn findings(state: &ApplicationState, now: Timestamp) -> Vec<FindingView> {
    let care = |id: &String| {
        state.assigned.get(id).map(|one| CareView {
            owner: one.owner.clone(),
            due_at: one.due_at,
            overdue: one.due_at < now,
            ticket: one.ticket.clone(),
            by: one.by.clone(),
        })
    };
    let views = state.findings.iter().map(|(id, (since_at, finding))| FindingView {
        id: id.clone(),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
        since_at: *since_at,
        care: care(id),
        raised_by: state.raised.get(id).cloned(),
    });
    views.collect()
}
