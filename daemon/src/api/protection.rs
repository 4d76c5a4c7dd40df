//! What really protects an application: its recovery points, what was seen of everything else, and what
//! could be kept of what was promised.

use axum::{Json, extract::State};
use muster_runbooks::{
    name::ApplicationName,
    request::{Manner, Mode, Request, Trigger},
};
use muster_state::progress::ApplicationState;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    applications::unknown,
    auth::Reader,
    error::{Problem, ProblemView},
    input::{Asked, InApplication},
    list::{self, Page},
    view::{
        inventory::{self, InventoryView},
        objectives::{self, ObjectivesView},
        point::{self, Place, PointView, Sieve},
        readiness::{self, ReadinessView},
    },
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(points))
        .routes(routes!(seen))
        .routes(routes!(kept))
        .routes(routes!(ready))
}

/// Which recovery points.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only of this database or cache.
    #[param(max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")]
    pub component: Option<String>,
    /// Only in this region.
    #[param(pattern = "^[a-z]{2}(-[a-z]+)+-[0-9]$")]
    pub region: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// How many, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// Lists the recovery points of an application, newest data first.
#[utoipa::path(get, path = "/v1/applications/{app}/recovery-points", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$"), Wanted), responses((status = 200, body = Page<PointView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn points(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<PointView>>, Problem> {
    page(&api, &name, &wanted).map(Json)
}

/// One page of recovery points.
pub fn page(
    api: &Api,
    name: &ApplicationName,
    wanted: &Wanted,
) -> Result<Page<PointView>, Problem> {
    let application = api.intake.applications().get(name).ok_or_else(|| unknown(name))?;
    let limit = list::limit(wanted.limit)?;
    let component = wanted.component.as_deref().map(str::parse).transpose();
    let region = wanted.region.as_deref().map(str::parse).transpose();
    let sieve = Sieve {
        component: component
            .map_err(|_| Problem::invalid("`component` is no name of a component"))?,
        region: region.map_err(|_| Problem::invalid("`region` is not the name of a region"))?,
    };
    let after: Option<Place> = wanted.after.as_deref().map(list::decode).transpose()?;
    let (now, look) = (api.intake.clock().now(), api.intake.looks().last(name));
    let rpo = application.objectives.rpo;
    let (items, next) = api.intake.known(|known| {
        let nothing = ApplicationState::default();
        let state = known.applications.get(name).unwrap_or(&nothing);
        point::page(state, &sieve, after.as_ref(), limit, |one| {
            point::view(one, state, look.as_deref(), rpo, now)
        })
    });
    Ok(Page { items, next: next.map(|place| list::encode(&place)) })
}

/// Shows what the last look saw of everything that protects an application.
#[utoipa::path(get, path = "/v1/applications/{app}/inventory", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = InventoryView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn seen(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
) -> Result<Json<InventoryView>, Problem> {
    let application = api.intake.applications().get(&name).ok_or_else(|| unknown(&name))?;
    let look = api.intake.looks().last(&name);
    Ok(Json(api.intake.known(|known| {
        let nothing = ApplicationState::default();
        let state = known.applications.get(&name).unwrap_or(&nothing);
        inventory::view(application, state, look.as_deref())
    })))
}

/// Shows what could be kept today of what was promised, threat by threat.
#[utoipa::path(get, path = "/v1/applications/{app}/objectives", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = ObjectivesView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn kept(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
) -> Result<Json<ObjectivesView>, Problem> {
    let view = objectives_of(&api, &name).ok_or_else(|| unknown(&name))?;
    Ok(Json(view))
}

/// The objectives of a configured application.
pub(crate) fn objectives_of(api: &Api, name: &ApplicationName) -> Option<ObjectivesView> {
    let application = api.intake.applications().get(name)?;
    let (now, look) = (api.intake.clock().now(), api.intake.looks().last(name));
    Some(api.intake.known(|known| {
        let nothing = ApplicationState::default();
        let state = known.applications.get(name).unwrap_or(&nothing);
        objectives::view(application, state, look.as_deref(), now)
    }))
}

/// Shows whether an application could be moved now: the checklist, the way that is open, how long it would
/// take and what it would lose.
#[utoipa::path(get, path = "/v1/applications/{app}/readiness", tag = "applications", params(("app" = String, Path, max_length = 32, pattern = "^[a-z](-?[a-z0-9])*$")), responses((status = 200, body = ReadinessView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn ready(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
) -> Result<Json<ReadinessView>, Problem> {
    let view = readiness_of(&api, &name).ok_or_else(|| unknown(&name))?;
    Ok(Json(view))
}

/// The readiness of a configured application.
pub(crate) fn readiness_of(api: &Api, name: &ApplicationName) -> Option<ReadinessView> {
    let application = api.intake.applications().get(name)?;
    let (now, look) = (api.intake.clock().now(), api.intake.looks().last(name));
    let plan = failover(name);
    let plan = plan.and_then(|request| api.intake.plan(&request).map_err(|why| why.to_string()));
    Some(api.intake.known(|known| {
        let nothing = ApplicationState::default();
        let state = known.applications.get(name).unwrap_or(&nothing);
        let plan = plan.as_ref().map_err(Clone::clone);
        readiness::view(application, state, look.as_deref(), plan, now)
    }))
}

/// The readiness of every application.
pub(crate) fn all_readiness(api: &Api) -> Vec<ReadinessView> {
    api.intake.applications().keys().filter_map(|name| readiness_of(api, name)).collect()
}

/// The failover that everybody would ask for in a bad hour.
fn failover(name: &ApplicationName) -> Result<Request, String> {
    let runbook = "region-failover".parse().map_err(|_| "no runbook is called so".to_owned())?;
    Ok(Request {
        runbook,
        application: Some(name.clone()),
        inputs: std::collections::BTreeMap::new(),
        trigger: Trigger::Person { name: "readiness".to_owned() },
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason: "how ready is it?".to_owned(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    })
}

/// The objectives of every application.
pub(crate) fn all_objectives(api: &Api) -> Vec<ObjectivesView> {
    api.intake.applications().keys().filter_map(|name| objectives_of(api, name)).collect()
}
