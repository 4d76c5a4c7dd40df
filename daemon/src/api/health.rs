//! Whether the process lives, has started, and can do its work. Needs no token and says no secret.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Api;
use crate::perform::Health;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(startup))
}

/// How the process is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct HealthView {
    /// `starting`, `ready`, `standing_by`, `read_only` or `stopping`.
    pub state: String,
    /// Why another process acts, or must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

fn word(health: &Health) -> &'static str {
    match health {
        Health::Starting => "starting",
        Health::Ready => "ready",
        Health::StandingBy { .. } => "standing_by",
        Health::ReadOnly { .. } => "read_only",
        Health::Stopping => "stopping",
    }
}

fn answer(api: &Api, is_well: fn(&Health) -> bool) -> (StatusCode, Json<HealthView>) {
    let health = api.intake.health();
    let status = if is_well(&health) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let state = word(&health).to_owned();
    let because = match health {
        Health::StandingBy { because } => Some(because),
        Health::Starting | Health::Ready | Health::ReadOnly { .. } | Health::Stopping => None,
    };
    (status, Json(HealthView { state, because }))
}

/// The process answers. Restarting one that does would not help.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = HealthView)))]
async fn live(State(api): State<Api>) -> (StatusCode, Json<HealthView>) {
    answer(&api, |_| true)
}

/// It takes requests in and carries them out.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses((status = 200, body = HealthView), (status = 503, body = HealthView)))]
async fn ready(State(api): State<Api>) -> (StatusCode, Json<HealthView>) {
    answer(&api, |health| matches!(health, Health::Ready))
}

/// It has read its journal.
#[utoipa::path(get, path = "/health/startup", tag = "health", responses((status = 200, body = HealthView), (status = 503, body = HealthView)))]
async fn startup(State(api): State<Api>) -> (StatusCode, Json<HealthView>) {
    answer(&api, |health| !matches!(health, Health::Starting))
}
