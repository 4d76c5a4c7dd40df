//! A person's word about one step.

use axum::extract::State;
use muster_runbooks::action::Outputs;
use muster_state::command::Steer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    error::ProblemView,
    input::{Body, InRun, InStep},
    requests::AcceptedView,
    steer::{Answer, Word, say},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(retry)).routes(routes!(skip)).routes(routes!(done))
}

/// What a person did by hand.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// What the step would have given, such as the ARN of a snapshot.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub outputs: Outputs,
    /// With what evidence.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// Tries a failed step again.
#[utoipa::path(post, path = "/v1/runs/{id}/steps/{step}/retry", tag = "steps", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$"), ("step" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn retry(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    InStep(step): InStep,
    Body(body): Body<Word>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::Retry { step }).await
}

/// Goes past a step. Guards cannot be skipped.
#[utoipa::path(post, path = "/v1/runs/{id}/steps/{step}/skip", tag = "steps", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$"), ("step" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn skip(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    InStep(step): InStep,
    Body(body): Body<Word>,
) -> Answer {
    say(api, run, caller.0, body.reason, Steer::Skip { step }).await
}

/// Says that a person did the step's work, or opens a gate.
#[utoipa::path(post, path = "/v1/runs/{id}/steps/{step}/done", tag = "steps", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$"), ("step" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), request_body = Done, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn done(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    InStep(step): InStep,
    Body(body): Body<Done>,
) -> Answer {
    let steer = Steer::Done { step, outputs: body.outputs };
    say(api, run, caller.0, body.reason, steer).await
}
