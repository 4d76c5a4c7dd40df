//! The off switch.

use axum::{Json, extract::State};
use muster_runbooks::action::control::PersonRole;
use muster_state::command::{Command, Refusal};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    error::{Problem, ProblemView},
    input::Body,
    requests::{AcceptedView, accepted},
    steer::{Answer, Word},
};

/// The longest reason, as runs have it.
const REASON_BYTES_MAX: usize = 2_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(off)).routes(routes!(on))
}

pub(super) fn reason(word: Word) -> Result<String, Problem> {
    if word.reason.trim().is_empty() || word.reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::NoReason.into());
    }
    Ok(word.reason)
}

/// Begins nothing anywhere. Needs the role admin.
#[utoipa::path(post, path = "/v1/off", tag = "switch", request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn off(State(api): State<Api>, caller: Caller, Body(word): Body<Word>) -> Answer {
    let by = caller.with(PersonRole::Admin)?;
    let command = Command::Off { by, reason: reason(word)? };
    Ok(Json(accepted(&api, api.intake.command(command).await?)))
}

/// Acts again. Needs the role admin.
#[utoipa::path(post, path = "/v1/on", tag = "switch", request_body = Word, responses((status = 200, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn on(State(api): State<Api>, caller: Caller, Body(word): Body<Word>) -> Answer {
    let by = caller.with(PersonRole::Admin)?;
    let command = Command::On { by, reason: reason(word)? };
    Ok(Json(accepted(&api, api.intake.command(command).await?)))
}
