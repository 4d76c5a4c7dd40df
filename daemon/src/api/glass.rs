//! The door for a lone person: opens approvals that others sealed beforehand. Loud, once, and reviewed.

use axum::{extract::State, http::StatusCode};
use muster_runbooks::{
    action::control::{PersonRole, Risk},
    request::Trigger,
};
use muster_state::command::{Refusal, Steer};
use serde::{Deserialize, Serialize};
use tracing::{error, warn};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    error::{Problem, ProblemView},
    input::{Body, InRun},
    steer::{Answer, say},
};
use crate::{envelope::Envelope, glass::Unopened, pager};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(break_glass))
}

/// Sealed approvals, and for what they are opened.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// The step that asks.
    pub step: String,
    /// The `plan_hash` of the run that was shown.
    pub plan_hash: String,
    /// The risks that are accepted, each by name. Every seal must accept them.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub accepts: Vec<Risk>,
    /// The seals.
    #[schema(min_items = 1, max_items = 16)]
    pub seals: Vec<Envelope>,
    /// Why nobody else can be asked.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

impl From<Unopened> for Problem {
    fn from(why: Unopened) -> Problem {
        let status = StatusCode::FORBIDDEN;
        Problem::new(status, "seal", "The glass stays whole", why.to_string())
            .hint("nothing was opened: bring seals that are good for this run")
            .audited()
    }
}

/// Approves a step by approvals that others sealed beforehand. Pages the on-call, and leaves a finding until
/// somebody else has reviewed it. Needs the role operator.
#[utoipa::path(post, path = "/v1/runs/{id}/break-glass", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), request_body = BreakGlass, responses((status = 200, body = super::requests::AcceptedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn break_glass(
    State(api): State<Api>,
    caller: Caller,
    InRun(run): InRun,
    Body(body): Body<BreakGlass>,
) -> Answer {
    let by = caller.with(PersonRole::Operator)?;
    let Some(glass) = api.glass.clone() else {
        let status = StatusCode::FORBIDDEN;
        let why = "no approver's key is configured, so no seal is believed";
        return Err(Problem::new(status, "no-glass", "There is no glass to break", why)
            .hint("`break_glass` of the configuration names them; until then, approvers approve")
            .audited());
    };
    let BreakGlass { step, plan_hash, accepts, seals, reason } = body;
    let now = api.intake.clock().now();
    let opened = api
        .intake
        .known(|known| known.runs.get(&run).map(|open| glass.open(&seals, open, &accepts, now)));
    let seals = opened.ok_or_else(|| Refusal::UnknownRun { run: run.clone() })??;
    let (name, people) = (by.name.clone(), seals.iter().map(|seal| seal.by.as_str()));
    let text = format!(
        "{name} broke the glass: run {run} is approved by the seals of {}. {reason}",
        people.collect::<Vec<_>>().join(", ")
    );
    let needed = glass.needed;
    let first = seals.first().map(|seal| seal.id.clone()).unwrap_or_default();
    let key = format!("break-glass/{run}/{first}");
    let steer = Steer::BreakGlass { step: step.parse()?, accepts, plan_hash, needed, seals };
    let answer = say(api.clone(), run.clone(), by, reason, steer).await?;
    warn!(%run, by = name, "the glass was broken");
    let trigger = Trigger::Person { name };
    let why = format!("the glass was broken in run {run}");
    // What was approved is approved: the finding stands whether or not anybody could be paged.
    if let Err(why) = pager::page(&api.intake, key, trigger, why, text).await {
        error!(%run, %why, "nobody could be paged about a broken glass");
    }
    Ok(answer)
}
