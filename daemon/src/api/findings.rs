//! What people say about findings: who found one, who looks after it, and that it is settled.

use axum::{Json, extract::State};
use jiff::Timestamp;
use muster_runbooks::{
    action::control::PersonRole,
    name::{ApplicationName, StepId},
};
use muster_state::{
    catalog::Finding,
    command::{Care, Command},
    engine::RAISED,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    applications::unknown,
    auth::Caller,
    error::{Problem, ProblemView},
    input::{Body, InApplication},
    view::finding::{FindingView, findings},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(raise)).routes(routes!(assign)).routes(routes!(settle))
}

/// Something that a person found.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Raise {
    /// A short name, such as `standby-quota`. Its id will be `raised/` and that.
    #[schema(max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")]
    pub name: String,
    /// What is wrong, in a sentence.
    #[schema(min_length = 1, max_length = 2000)]
    pub message: String,
    /// What to do about it.
    #[schema(min_length = 1, max_length = 2000)]
    pub hint: String,
    /// Where it was seen, such as a drill's run. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// Who is to look after a finding.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// The finding's id.
    pub id: String,
    /// Who looks after it.
    #[schema(min_length = 1, max_length = 200)]
    pub owner: String,
    /// Until when it is to be settled, within two years.
    pub due_at: Timestamp,
    /// Where more is written about it.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub ticket: Option<String>,
    /// Why. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// That a finding is settled.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The finding's id.
    pub id: String,
    /// How it was settled. Stands in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// Raises a finding. It stands until somebody settles it. Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/findings", tag = "applications", request_body = Raise, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = Vec<FindingView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn raise(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(body): Body<Raise>,
) -> Result<Json<Vec<FindingView>>, Problem> {
    let id = format!("{RAISED}{}", body.name.parse::<StepId>()?);
    let finding = Finding { id, message: body.message, hint: body.hint };
    say(api, caller, name, body.reason, Care::Raise(finding)).await
}

/// Says who is to look after a finding, and until when. The last word counts. Needs the role operator.
#[utoipa::path(post, path = "/v1/applications/{app}/findings/assign", tag = "applications", request_body = Assign, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = Vec<FindingView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn assign(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(body): Body<Assign>,
) -> Result<Json<Vec<FindingView>>, Problem> {
    let Assign { id, owner, due_at, ticket, reason } = body;
    say(api, caller, name, reason, Care::Assign { id, owner, due_at, ticket }).await
}

/// Settles a finding that people raised; what a check found closes when the check passes. Needs the role
/// operator, and the review of a broken glass an approver who did not break it.
#[utoipa::path(post, path = "/v1/applications/{app}/findings/settle", tag = "applications", request_body = Settle, params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = Vec<FindingView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn settle(
    State(api): State<Api>,
    caller: Caller,
    InApplication(name): InApplication,
    Body(body): Body<Settle>,
) -> Result<Json<Vec<FindingView>>, Problem> {
    say(api, caller, name, body.reason, Care::Settle { id: body.id }).await
}

/// Has it written down, and answers with what stands then.
async fn say(
    api: Api,
    caller: Caller,
    application: ApplicationName,
    reason: String,
    care: Care,
) -> Result<Json<Vec<FindingView>>, Problem> {
    let by = caller.with(PersonRole::Operator)?;
    if !api.intake.applications().contains_key(&application) {
        return Err(unknown(&application));
    }
    let command = Command::Care { application: application.clone(), by, reason, care };
    api.intake.command(command).await?;
    let now = api.intake.clock().now();
    let standing = api
        .intake
        .known(|known| known.applications.get(&application).map(|state| findings(state, now)));
    Ok(Json(standing.unwrap_or_default()))
}
