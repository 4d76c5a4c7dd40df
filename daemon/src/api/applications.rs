//! What is protected.

use axum::{Json, extract::State};
use muster_runbooks::name::ApplicationName;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Reader,
    error::{Problem, ProblemView},
    input::{Asked, InApplication},
    list::{self, Page},
    view::application::{self as view, ApplicationView},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(one))
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// The `next` of the page before.
    pub after: Option<String>,
    /// How many, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// Every application, as the API shows it.
pub(crate) fn views(api: &Api) -> Vec<ApplicationView> {
    let now = api.intake.clock().now();
    let applications = api.intake.applications().values();
    let canaries = api.intake.canaries();
    api.intake
        .known(|known| applications.map(|one| view::view(known, canaries, one, now)).collect())
}

/// Lists the applications.
#[utoipa::path(get, path = "/v1/applications", tag = "applications", params(Part), responses((status = 200, body = Page<ApplicationView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn all(
    State(api): State<Api>,
    _: Reader,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<ApplicationView>>, Problem> {
    let limit = list::limit(part.limit)?;
    list::cut(views(&api), part.after.as_deref(), limit, |one| one.name.clone()).map(Json)
}

pub(super) fn unknown(name: &ApplicationName) -> Problem {
    crate::intake::Rejected::UnknownApplication { name: name.to_string() }.into()
}

/// Shows an application.
#[utoipa::path(get, path = "/v1/applications/{app}", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = ApplicationView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn one(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
) -> Result<Json<ApplicationView>, Problem> {
    let application = api.intake.applications().get(&name).ok_or_else(|| unknown(&name))?;
    let now = api.intake.clock().now();
    let canaries = api.intake.canaries();
    Ok(Json(api.intake.known(|known| view::view(known, canaries, application, now))))
}
