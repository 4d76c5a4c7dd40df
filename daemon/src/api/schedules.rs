//! What can be asked for, what happens by itself, and what events asked for.

use axum::{Json, extract::State};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Reader,
    error::ProblemView,
    view::{
        runbook::{self, ProposalView, RunbookView},
        schedule::{self, ScheduleView},
    },
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(runbooks))
        .routes(routes!(schedules))
        .routes(routes!(proposals))
}

/// Lists the runbooks.
#[utoipa::path(get, path = "/v1/runbooks", tag = "runbooks", responses((status = 200, body = Vec<RunbookView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn runbooks(State(api): State<Api>, _: Reader) -> Json<Vec<RunbookView>> {
    Json(api.intake.library().runbooks().map(runbook::view).collect())
}

/// Every schedule, as the API shows it.
pub fn views(api: &Api) -> Vec<ScheduleView> {
    let now = api.intake.clock().now();
    let states = api.intake.known(|known| known.schedules.clone());
    let schedules = api.intake.schedules().iter();
    schedules.map(|one| schedule::view(one, states.get(&one.id), now)).collect()
}

/// Lists the schedules: what ran last, what was missed, what is next.
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules", responses((status = 200, body = Vec<ScheduleView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn schedules(State(api): State<Api>, _: Reader) -> Json<Vec<ScheduleView>> {
    Json(views(&api))
}

/// Every proposal, as the API shows it.
pub fn open_proposals(api: &Api) -> Vec<ProposalView> {
    let now = api.intake.clock().now();
    let views = |known: &muster_state::progress::Progress| {
        known.proposals.iter().map(|(id, one)| runbook::proposal(id, one, now)).collect()
    };
    api.intake.known(views)
}

/// Lists what events asked for and only a person may start.
#[utoipa::path(get, path = "/v1/proposals", tag = "runs", responses((status = 200, body = Vec<ProposalView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn proposals(State(api): State<Api>, _: Reader) -> Json<Vec<ProposalView>> {
    Json(open_proposals(&api))
}
