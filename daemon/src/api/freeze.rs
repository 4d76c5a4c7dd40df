//! Freezes: whether anything may change an application now, and the words that make it so.

use axum::{Json, extract::State};
use jiff::Timestamp;
use muster_runbooks::{action::control::PersonRole, name::ApplicationName};
use muster_state::command::Command;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    applications::unknown,
    auth::{Caller, Reader},
    error::{Problem, ProblemView},
    input::{Body, InApplication},
    view::freeze::{self as view, FreezeView},
};
use crate::perform::Health;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, freeze)).routes(routes!(thaw))
}

/// A freeze.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeWord {
    /// It ends by itself then, 90 days from now at most.
    pub until: Timestamp,
    /// Why. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// The end of a freeze.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ThawWord {
    /// Why. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// Says whether an application is frozen: while a live run moves it, from the approval on, and as long as a
/// person said so. A process that does not know everything does not answer, and whoever asks must take that
/// for frozen.
#[utoipa::path(get, path = "/v1/applications/{app}/freeze", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = FreezeView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn show(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
) -> Result<Json<FreezeView>, Problem> {
    match api.intake.health() {
        // What was written last is all there is: without the disk nothing new begins either.
        Health::Ready | Health::ReadOnly { .. } => {}
        Health::Starting | Health::StandingBy { .. } | Health::Stopping => {
            let why = "this process does not know whether anything is moved now";
            return Err(Problem::unavailable(why).hint("take the application for frozen"));
        }
    }
    now(&api, &name).map(Json)
}

/// Freezes an application: until then nothing is admitted that changes it; backups go on, and so does what
/// moves it. Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/freeze", tag = "applications", request_body = FreezeWord, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = FreezeView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn freeze(
    State(api): State<Api>,
    caller: Caller,
    InApplication(application): InApplication,
    Body(word): Body<FreezeWord>,
) -> Result<Json<FreezeView>, Problem> {
    let by = caller.with(PersonRole::Operator)?;
    let FreezeWord { until, reason } = word;
    known(&api, &application)?;
    let command = Command::Freeze { application: application.clone(), by, reason, until };
    api.intake.command(command).await?;
    now(&api, &application).map(Json)
}

/// Ends a freeze that a person asked for. Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/thaw", tag = "applications", request_body = ThawWord, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = FreezeView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn thaw(
    State(api): State<Api>,
    caller: Caller,
    InApplication(application): InApplication,
    Body(word): Body<ThawWord>,
) -> Result<Json<FreezeView>, Problem> {
    let by = caller.with(PersonRole::Operator)?;
    known(&api, &application)?;
    let command = Command::Thaw { application: application.clone(), by, reason: word.reason };
    api.intake.command(command).await?;
    now(&api, &application).map(Json)
}

fn known(api: &Api, name: &ApplicationName) -> Result<(), Problem> {
    let is_known = api.intake.applications().contains_key(name);
    is_known.then_some(()).ok_or_else(|| unknown(name))
}

fn now(api: &Api, name: &ApplicationName) -> Result<FreezeView, Problem> {
    known(api, name)?;
    let now = api.intake.clock().now();
    Ok(api.intake.known(|known| view::view(known, name, now)))
}
