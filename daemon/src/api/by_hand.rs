//! What a person would type to do without Muster what it would do.

use axum::{Json, extract::State};
use muster_runbooks::{
    name::{ApplicationName, RunbookName},
    request::Manner,
    runbook::Runbook,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    applications::unknown,
    auth::Reader,
    error::{Problem, ProblemView},
    input::{Asked, InApplication, InRunbook},
    view::by_hand::{self as view, ByHandView},
};
use crate::{by_hand::sheet::Sheet, intake::Rejected};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(one))
}

/// In which manner.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `graceful` when nothing is said, or `forced`.
    #[param(value_type = Option<String>, pattern = "^(graceful|forced)$")]
    pub manner: Option<Manner>,
}

/// Shows every command of a runbook for an application, as the roles are now. A page of every runbook that
/// moves an application is kept in the state directory and in the configured buckets as well.
#[utoipa::path(get, path = "/v1/applications/{app}/by-hand/{runbook}", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$"), ("runbook" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$"), Which), responses((status = 200, body = ByHandView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn one(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
    InRunbook(runbook): InRunbook,
    Asked(which): Asked<Which>,
) -> Result<Json<ByHandView>, Problem> {
    let sheet = sheet(&api, &name, &runbook, which.manner.unwrap_or(Manner::Graceful))?;
    let kept = api.intake.pages().of(&name).filter(|_| is_kept(&api, &runbook));
    Ok(Json(view::view(&sheet, kept.as_ref())))
}

/// Whether a page of the runbook is kept, and not only shown when somebody asks.
fn is_kept(api: &Api, runbook: &RunbookName) -> bool {
    api.intake.library().get(runbook).is_some_and(|runbook| runbook.exclusive)
}

/// The page of an application's runbook, made now.
pub(crate) fn sheet(
    api: &Api,
    name: &ApplicationName,
    runbook: &RunbookName,
    manner: Manner,
) -> Result<Sheet, Problem> {
    if !api.intake.applications().contains_key(name) {
        return Err(unknown(name));
    }
    let found: Option<&Runbook> = api.intake.library().get(runbook);
    let found = found
        .ok_or_else(|| Problem::from(Rejected::UnknownRunbook { name: runbook.to_string() }))?;
    Sheet::make(&api.intake, name, found, manner).map_err(Problem::invalid)
}
