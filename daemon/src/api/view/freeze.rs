//! Whether an application is frozen, as people and pipelines read it.

use jiff::Timestamp;
use muster_runbooks::name::ApplicationName;
use muster_state::{freeze::Frozen, progress::Progress};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether an application is frozen.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct FreezeView {
    /// The application.
    pub application: String,
    /// Whether nothing may change it now.
    pub frozen: bool,
    /// Why.
    pub because: Option<String>,
    /// The run that moves it; nothing where a person said so.
    pub run: Option<String>,
    /// Since when.
    pub since_at: Option<Timestamp>,
    /// Until when; nothing as long as a run moves it, for nobody knows.
    pub until_at: Option<Timestamp>,
    /// As of when.
    pub read_at: Timestamp,
}

/// Builds the view of an application.
pub fn view(known: &Progress, name: &ApplicationName, now: Timestamp) -> FreezeView {
    let frozen = known.frozen(name, now);
    let since_at = frozen.as_ref().map(|frozen| match frozen {
        Frozen::Moving { since, .. } => *since,
        Frozen::Said(freeze) => freeze.at,
    });
    let run = frozen.as_ref().and_then(|frozen| match frozen {
        Frozen::Moving { run, .. } => Some(run.to_string()),
        Frozen::Said(_) => None,
    });
    FreezeView {
        application: name.to_string(),
        frozen: frozen.is_some(),
        because: frozen.as_ref().map(Frozen::because),
        run,
        since_at,
        until_at: frozen.as_ref().and_then(Frozen::until),
        read_at: now,
    }
}
