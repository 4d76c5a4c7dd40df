//! Asking for a run.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use jiff::Timestamp;
use muster_runbooks::{
    action::control::PersonRole,
    name::{ApplicationName, RunId, RunbookName},
    request::{Manner, Mode, Request, Trigger},
};
use muster_state::command::Accepted;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api, auth::Caller, error::Problem, error::ProblemView, input::Body, runs, view::next::NextView,
};
use crate::intake;

/// The longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 200;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(request))
}

/// Why and what to start. Who asks is known from the token.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The runbook; left out when a proposal is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// The application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Values for the runbook's inputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub inputs: BTreeMap<String, Value>,
    /// `live`, `preview` or `drill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub mode: Option<Mode>,
    /// `graceful` or `forced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub manner: Option<Manner>,
    /// Why. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
    /// When the trouble began. The recovery time counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symptom_at: Option<Timestamp>,
    /// After this the request is not worth starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// The proposal to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct AcceptedView {
    /// The run that it is about.
    pub run: Option<String>,
    /// Whether it had been done before, by a request with the same key.
    pub repeated: bool,
    /// Where the run stands now.
    pub status: Option<String>,
    /// What to type next.
    pub next: Vec<NextView>,
}

/// Says what became of a command, from what is durable.
pub(super) fn accepted(api: &Api, accepted: Accepted) -> AcceptedView {
    let view = accepted.run.as_ref().and_then(|run| runs::find(api, run).ok());
    AcceptedView {
        run: accepted.run.map(|run| run.to_string()),
        repeated: accepted.repeated,
        status: view.as_ref().map(|view| view.status.clone()),
        next: view.map(|view| view.next).unwrap_or_default(),
    }
}

/// Asks for a run. Needs the role operator.
#[utoipa::path(
    post,
    path = "/v1/requests",
    tag = "runs",
    request_body = Ask,
    params(("Idempotency-Key" = Option<String>, Header, description = "two requests of one person with one key are one: the second is answered as the first; with another body it is refused. A key is remembered for a week")),
    responses((status = 202, body = AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json"))
)]
async fn request(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(ask): Body<Ask>,
) -> Result<(StatusCode, Json<AcceptedView>), Problem> {
    let person = caller.with(PersonRole::Operator)?;
    if ask.reason.trim().is_empty() {
        return Err(muster_state::command::Refusal::NoReason.into());
    }
    let dedupe_key = key(&headers)?.map(|key| format!("person/{}/{key}", person.name));
    let fingerprint = intake::fingerprint(&ask);
    if let Some(key) = &dedupe_key
        && let Some(done) = api.intake.answered(key, &fingerprint)?
    {
        return Ok((StatusCode::ACCEPTED, Json(accepted(&api, done))));
    }
    let proposal: Option<RunId> = ask.proposal.as_deref().map(str::parse).transpose()?;
    let trigger = Trigger::Person { name: person.name };
    let now = api.intake.clock().now();
    if ask.symptom_at.is_some_and(|symptom| symptom > now) {
        return Err(Problem::invalid("`symptom_at` is in the future"));
    }
    let request = match &proposal {
        Some(id) => proposed(&api, id, ask, trigger, dedupe_key)?,
        None => asked(ask, trigger, dedupe_key)?,
    };
    let done = api.intake.request(request, proposal, Some(fingerprint)).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted(&api, done))))
}

fn asked(ask: Ask, trigger: Trigger, dedupe_key: Option<String>) -> Result<Request, Problem> {
    let runbook = ask.runbook.ok_or_else(|| Problem::invalid("`runbook` is missing"))?;
    let application = ask.application.as_deref().map(str::parse::<ApplicationName>).transpose()?;
    Ok(Request {
        runbook: runbook.parse::<RunbookName>()?,
        application,
        inputs: ask.inputs,
        trigger,
        mode: ask.mode.unwrap_or(Mode::Live),
        manner: ask.manner.unwrap_or(Manner::Graceful),
        reason: ask.reason,
        dedupe_key,
        symptom_at: ask.symptom_at,
        not_after: ask.not_after,
    })
}

/// The request of a proposal, in the name of the person who starts it. What was proposed cannot be
/// changed on the way: then it would be another request.
fn proposed(
    api: &Api,
    id: &RunId,
    ask: Ask,
    trigger: Trigger,
    dedupe_key: Option<String>,
) -> Result<Request, Problem> {
    if ask.runbook.is_some() || ask.application.is_some() || !ask.inputs.is_empty() {
        return Err(Problem::invalid(
            "a proposal is started as it stands: leave `runbook`, `application` and `inputs` out",
        ));
    }
    let found = api.intake.known(|known| known.proposals.get(id).cloned());
    let missing = || muster_state::command::Refusal::UnknownProposal { id: id.clone() };
    let proposal = found.ok_or_else(missing)?;
    Ok(Request {
        trigger,
        reason: ask.reason,
        dedupe_key,
        mode: ask.mode.unwrap_or(proposal.request.mode),
        manner: ask.manner.unwrap_or(proposal.request.manner),
        symptom_at: ask.symptom_at.or(proposal.request.symptom_at),
        not_after: ask.not_after,
        ..proposal.request
    })
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > KEY_BYTES_MAX {
        let rule = format!("`Idempotency-Key` is 1 to {KEY_BYTES_MAX} visible ASCII characters");
        return Err(Problem::invalid(rule));
    }
    Ok(Some(text.to_owned()))
}
