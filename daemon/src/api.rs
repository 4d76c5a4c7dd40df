//! The HTTP API: the second door. Handlers read what is durable and hand what is asked for to the
//! intake; what a run may do is decided behind it.

pub mod auth;
pub mod detection;
pub mod error;
pub mod events;
pub mod findings;
pub mod freeze;
pub mod glass;
pub mod list;
pub mod observe;
pub mod protection;
pub mod refusals;
pub mod report;
pub mod requests;
pub mod runs;
pub mod schedules;
pub mod serve;
pub mod steer;
pub mod switch;
pub mod view;

pub mod applications;
pub mod audit;
pub mod by_hand;
mod guard;
pub mod health;
pub mod holds;
pub mod input;
pub mod steps;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware::{from_fn_with_state, map_response},
    response::IntoResponse,
    routing::get,
};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use self::{
    audit::Audit,
    auth::{Access, SharedToken},
    error::Problem,
};
use crate::{
    config::Token, glass::Glass, intake::Intake, metrics::Meters, page, signing::SigningKey,
};

/// The most requests that are answered at a time.
const REQUESTS_MAX: usize = 256;

/// The most event streams that are open at a time.
pub const STREAMS_MAX: usize = 64;

/// What every handler needs. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    intake: Intake,
    access: Arc<Access>,
    audit: Arc<Audit>,
    meters: Meters,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    numbers: Arc<AtomicU64>,
    report_key: Option<Arc<SigningKey>>,
    glass: Option<Arc<Glass>>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Muster",
        description = "Disaster recovery by runbook. Reads show what is durable; every change names who, why and when."
    ),
    components(schemas(error::ProblemView)),
    modifiers(&Tokens),
    security((), ("token" = []))
)]
struct Description;

/// Says in the description that changes, and reads from elsewhere, need a token.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

impl Api {
    /// The API in front of an intake, for the people who hold these tokens.
    ///
    /// # Errors
    ///
    /// When two names share a token.
    pub fn new(intake: Intake, tokens: &[Token]) -> Result<Api, SharedToken> {
        Ok(Api {
            intake,
            access: Arc::new(Access::new(tokens)?),
            audit: Arc::default(),
            meters: Meters::default(),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            numbers: Arc::default(),
            report_key: None,
            glass: None,
        })
    }

    /// The same, signing the reports of runs with a key, if there is one.
    pub fn signing_reports(mut self, key: Option<SigningKey>) -> Api {
        self.report_key = key.map(Arc::new);
        self
    }

    /// The same, believing approvals that were sealed beforehand, if anybody's are to be believed.
    pub fn behind_glass(mut self, glass: Option<Glass>) -> Api {
        self.glass = glass.map(Arc::new);
        self
    }

    /// What stands behind it.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The counters.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// How many event streams are open.
    pub fn streams_open(&self) -> usize {
        STREAMS_MAX.saturating_sub(self.streams.available_permits())
    }

    /// Unique over restarts: the epoch stands in front.
    fn next_request_id(&self) -> String {
        let epoch = self.intake.known(|known| known.epoch);
        format!("{epoch}-{}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// The API and the status page.
    pub fn router(&self) -> Router {
        let (routes, openapi) = OpenApiRouter::with_openapi(Description::openapi())
            .merge(requests::routes())
            .merge(runs::routes())
            .merge(report::routes())
            .merge(steer::routes())
            .merge(glass::routes())
            .merge(steps::routes())
            .merge(events::routes())
            .merge(applications::routes())
            .merge(detection::routes())
            .merge(by_hand::routes())
            .merge(freeze::routes())
            .merge(holds::routes())
            .merge(findings::routes())
            .merge(protection::routes())
            .merge(refusals::routes())
            .merge(schedules::routes())
            .merge(switch::routes())
            .merge(health::routes())
            .split_for_parts();
        let openapi = Arc::new(openapi);
        let routes = routes
            .route(
                "/v1/openapi.json",
                get(move |_: auth::Reader| {
                    let openapi = Arc::clone(&openapi);
                    async move { Json(&*openapi).into_response() }
                }),
            )
            .merge(page::routes());
        self.surround(routes)
    }

    /// Metrics and health: no token, no TLS, nothing that is anybody's business.
    pub fn metrics_router(&self) -> Router {
        let (health, _) = health::routes().split_for_parts();
        self.surround(health.merge(crate::metrics::routes()))
    }

    fn surround(&self, routes: Router<Api>) -> Router {
        routes
            .fallback(|_: auth::Reader| async {
                Problem::not_found("there is nothing here")
                    .hint("the API is below /v1; metrics have a port of their own")
            })
            .method_not_allowed_fallback(|| async {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                Problem::new(status, "method", "Not with this method", "see /v1/openapi.json")
            })
            .layer(DefaultBodyLimit::max(input::BODY_BYTES_MAX))
            .layer(guard::body_limit())
            .layer(from_fn_with_state(self.clone(), guard::audit))
            .layer(from_fn_with_state(self.clone(), auth::identify))
            .layer(CatchPanicLayer::custom(guard::panicked))
            .layer(guard::time_limit())
            .layer(map_response(guard::explain))
            .layer(from_fn_with_state(self.clone(), guard::bound))
            .layer(from_fn_with_state(self.clone(), guard::surround))
            .with_state(self.clone())
    }
}
