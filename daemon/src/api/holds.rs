//! Holds on recovery points: as long as one stands, its point is neither marked nor deleted.

use axum::{Json, extract::State};
use muster_runbooks::{action::control::PersonRole, name::ApplicationName};
use muster_state::command::{Command, Keep, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    error::{Problem, ProblemView},
    input::{Body, InApplication},
    view::point::{self, PointView},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(hold)).routes(routes!(release))
}

/// A word about a hold.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldWord {
    /// The recovery point's identifier.
    pub point: String,
    /// What the hold is called, such as the number of a case. A point may have several.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Why. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// What became of a hold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct HoldView {
    /// Whether it had been so before.
    pub repeated: bool,
    /// The point as it stands now.
    pub point: PointView,
}

/// Holds a recovery point: from now on it is neither marked nor deleted. Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/holds", tag = "applications", request_body = HoldWord, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = HoldView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn hold(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(word): Body<HoldWord>,
) -> Result<Json<HoldView>, Problem> {
    say(&api, caller, name, word, true).await
}

/// Lifts a hold. The point's policy counts again, and its waiting time from the next mark. Needs the
/// role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/holds/release", tag = "applications", request_body = HoldWord, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = HoldView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn release(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(word): Body<HoldWord>,
) -> Result<Json<HoldView>, Problem> {
    say(&api, caller, name, word, false).await
}

async fn say(
    api: &Api,
    caller: Caller,
    application: ApplicationName,
    word: HoldWord,
    holds: bool,
) -> Result<Json<HoldView>, Problem> {
    let by = caller.with(PersonRole::Operator)?;
    let HoldWord { point: id, name, reason } = word;
    let keep = Keep { point: id.clone(), name, by, reason, holds };
    let command = Command::Keep { application: application.clone(), keep };
    let done = api.intake.command(command).await?;
    let (now, look) = (api.intake.clock().now(), api.intake.looks().last(&application));
    let rpo = api.intake.applications().get(&application).map(|one| one.objectives.rpo);
    let point = api.intake.known(|known| {
        let state = known.applications.get(&application)?;
        Some(point::view(state.points.get(&id)?, state, look.as_deref(), rpo?, now))
    });
    let point = point.ok_or_else(|| Problem::from(Refusal::UnknownPoint { id }))?;
    Ok(Json(HoldView { repeated: done.repeated, point }))
}
