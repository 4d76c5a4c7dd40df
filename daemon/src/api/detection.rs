//! Whether a region is lost, and what people say about it: that they know, or that it is down on purpose.

use axum::{Json, extract::State};
use jiff::Timestamp;
use muster_runbooks::{action::control::PersonRole, name::ApplicationName};
use muster_state::command::{Command, Mark};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    applications::unknown,
    auth::{Caller, Reader},
    error::{Problem, ProblemView},
    input::{Body, InApplication},
    steer::Word,
    switch::reason,
    view::detection::{self, DetectionView},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(acknowledge))
        .routes(routes!(downtime))
        .routes(routes!(end_downtime))
}

/// A word about downtime.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DowntimeWord {
    /// When it ends by itself: within 30 days.
    pub until: Timestamp,
    /// Why. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// Shows what those who watch an application say, and what follows.
#[utoipa::path(get, path = "/v1/applications/{app}/detection", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = DetectionView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn show(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
) -> Result<Json<DetectionView>, Problem> {
    detection_of(&api, &name).map(Json).ok_or_else(|| unknown(&name))
}

/// The detection of a configured application.
pub(crate) fn detection_of(api: &Api, name: &ApplicationName) -> Option<DetectionView> {
    let application = api.intake.applications().get(name)?;
    let (now, found) = (api.intake.clock().now(), api.intake.detections().of(name));
    Some(api.intake.known(|known| detection::view(application, known, found.as_ref(), now)))
}

/// The detection of every application.
pub(crate) fn all_detection(api: &Api) -> Vec<DetectionView> {
    api.intake.applications().keys().filter_map(|name| detection_of(api, name)).collect()
}

/// Says that the last move of an application is known and settled: from then on the next may start by
/// itself, if its policy lets it. Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/acknowledge", tag = "applications", request_body = Word, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = DetectionView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn acknowledge(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(word): Body<Word>,
) -> Result<Json<DetectionView>, Problem> {
    mark(&api, caller, name, reason(word)?, Mark::Acknowledged).await
}

/// Declares downtime: until its end nothing is proposed and nobody is paged for a region that is lost.
/// Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/downtime", tag = "applications", request_body = DowntimeWord, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = DetectionView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn downtime(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(word): Body<DowntimeWord>,
) -> Result<Json<DetectionView>, Problem> {
    let DowntimeWord { until, reason: why } = word;
    mark(&api, caller, name, reason(Word { reason: why })?, Mark::Down { until }).await
}

/// Ends downtime before its time. Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/downtime/end", tag = "applications", request_body = Word, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = DetectionView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn end_downtime(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(word): Body<Word>,
) -> Result<Json<DetectionView>, Problem> {
    mark(&api, caller, name, reason(word)?, Mark::Up).await
}

async fn mark(
    api: &Api,
    caller: Caller,
    application: ApplicationName,
    reason: String,
    mark: Mark,
) -> Result<Json<DetectionView>, Problem> {
    let by = caller.with(PersonRole::Operator)?;
    if !api.intake.applications().contains_key(&application) {
        return Err(unknown(&application));
    }
    let command = Command::Mark { application: application.clone(), by, reason, mark };
    api.intake.command(command).await?;
    detection_of(api, &application).map(Json).ok_or_else(|| unknown(&application))
}
