//! A person's word about a whole run, or about a step that asks for approval.

use axum::{Json, extract::State};
use muster_runbooks::{action::control::Risk, name::RunId};
use muster_state::command::{Person, Steer};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    error::{Problem, ProblemView},
    input::{Body, InRun},
    requests::{AcceptedView, accepted},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(approve))
        .routes(routes!(decline))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(force))
        .routes(routes!(abandon))
        .routes(routes!(override_lease))
        .routes(routes!(note))
}

/// A word that needs nothing but its reason.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// Why. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// An approval.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The step that asks.
    pub step: String,
    /// The `plan_hash` of the run that was shown.
    pub plan_hash: String,
    /// The risks that are accepted, each by name.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub accepts: Vec<Risk>,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// A refusal to approve.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// The step that asks.
    pub step: String,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// The end of a run before its time.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Abandon {
    /// Whether the `undo` steps run.
    #[serde(default)]
    pub undo: bool,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// What every word comes back with.
pub(super) type Answer = Result<Json<AcceptedView>, Problem>;

/// Has a word carried out.
pub(super) async fn say(api: Api, run: RunId, by: Person, reason: String, steer: Steer) -> Answer {
    let done = api.intake.steer(run, by, reason, steer).await?;
    Ok(Json(accepted(&api, done)))
}

/// Approves a step that asks for it.
#[utoipa::path(post, path = "/v1/runs/{id}/approve", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Approve, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn approve(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Approve>,
) -> Answer {
    let Approve { step, plan_hash, accepts, reason } = body;
    let steer = Steer::Approve { step: step.parse()?, accepts, plan_hash };
    say(api, run, caller.0, reason, steer).await
}

/// Declines a step that asks for approval. The run fails.
#[utoipa::path(post, path = "/v1/runs/{id}/decline", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Decline, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn decline(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Decline>,
) -> Answer {
    let steer = Steer::Decline { step: body.step.parse()? };
    say(api, run, caller.0, body.reason, steer).await
}

/// Begins nothing new in a run.
#[utoipa::path(post, path = "/v1/runs/{id}/pause", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn pause(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Word>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::Pause).await
}

/// Goes on with a paused run, or says that its undo steps shall run.
#[utoipa::path(post, path = "/v1/runs/{id}/resume", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn resume(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Word>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::Resume).await
}

/// Takes the forced variants from here on. What was approved is asked again.
#[utoipa::path(post, path = "/v1/runs/{id}/force", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn force(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Word>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::Force).await
}

/// Gives a run up.
#[utoipa::path(post, path = "/v1/runs/{id}/abandon", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Abandon, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn abandon(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Abandon>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::Abandon { undo: body.undo }).await
}

/// Lets a run go on although nobody can read whose the lease is. Never while somebody else is known to
/// act.
#[utoipa::path(post, path = "/v1/runs/{id}/override-lease", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn override_lease(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Word>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::OverrideLease).await
}

/// Writes something down: the reason is the note.
#[utoipa::path(post, path = "/v1/runs/{id}/note", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn note(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<Word>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::Note).await
}
