//! The status page: the same views as the API, for a phone at night. It only reads, needs no
//! script, and renews itself.

pub mod frame;
pub mod overview;
pub mod parts;
pub mod run;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use maud::html;
use muster_runbooks::request::Manner;

use crate::{
    api::{
        Api, applications,
        auth::Reader,
        by_hand::{self, Which},
        detection,
        error::Problem,
        input::{Asked, InApplication, InRun, InRunbook},
        protection,
        runs::{self, Filter},
        schedules,
    },
    by_hand::{html as by_hand_page, sheet},
};

use self::frame::Frame;

/// How many runs that have ended are shown.
const RECENT: usize = 12;

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(show_overview))
        .route("/runs/{id}", get(show_run))
        .route("/applications/{app}/by-hand/{runbook}", get(show_by_hand))
        .route("/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("page/style.css"))
}

async fn show_overview(State(api): State<Api>, _: Reader) -> Response {
    let overview = match look(&api) {
        Ok(overview) => overview,
        Err(problem) => return trouble(&api, problem),
    };
    let frame = Frame::of(&api, "Muster");
    Html(frame.wrap(&overview::show(&overview)).into_string()).into_response()
}

fn look(api: &Api) -> Result<overview::Overview, Problem> {
    let page = |state: &str, limit| {
        let state = Some(state.to_owned());
        runs::page(api, &Filter { state, limit: Some(limit), ..Filter::default() })
    };
    let mut open = Vec::new();
    for line in page("open", 50)?.items {
        // A run that ends between the two looks is shown among the ended ones next time.
        if let Ok(id) = line.id.parse()
            && let Ok(view) = runs::find(api, &id)
        {
            open.push(view);
        }
    }
    open.sort_by_key(|run| !run.needs_person());
    Ok(overview::Overview {
        now: api.intake().clock().now(),
        open,
        applications: applications::views(api),
        objectives: protection::all_objectives(api),
        detection: detection::all_detection(api),
        readiness: protection::all_readiness(api),
        by_hand: sheet::all(api.intake())
            .into_iter()
            .map(|(name, runbook, manner)| overview::ByHandLink {
                application: name.to_string(),
                runbook: runbook.name.to_string(),
                manner: manner.to_string(),
            })
            .collect(),
        schedules: schedules::views(api),
        proposals: schedules::open_proposals(api),
        recent: page("ended", RECENT)?.items,
    })
}

async fn show_run(State(api): State<Api>, _: Reader, InRun(id): InRun) -> Response {
    match runs::find(&api, &id) {
        Ok(view) => {
            let now = api.intake().clock().now();
            let frame = Frame::of(&api, &format!("{} {}", view.runbook, view.id));
            let frame = if view.open { frame } else { frame.without_refresh() };
            Html(frame.wrap(&run::show(&view, now)).into_string()).into_response()
        }
        Err(problem) => trouble(&api, problem),
    }
}

async fn show_by_hand(
    State(api): State<Api>,
    _: Reader,
    InApplication(name): InApplication,
    InRunbook(runbook): InRunbook,
    Asked(which): Asked<Which>,
) -> Response {
    match by_hand::sheet(&api, &name, &runbook, which.manner.unwrap_or(Manner::Graceful)) {
        Ok(sheet) => {
            let title = format!("By hand: {} of {name}", sheet.name());
            let frame = Frame::of(&api, &title).without_refresh();
            Html(frame.wrap(&by_hand_page::show(&sheet)).into_string()).into_response()
        }
        Err(problem) => trouble(&api, problem),
    }
}

fn trouble(api: &Api, problem: Problem) -> Response {
    let view = problem.view();
    let body = html! {
        section {
            h1 { (view.title) }
            p { (view.detail) }
            @if let Some(hint) = &view.hint { p class="hint" { (hint) } }
            p { a href="/" { "All applications and runs" } }
        }
    };
    let status = StatusCode::from_u16(view.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Html(Frame::of(api, &view.title).wrap(&body).into_string())).into_response()
}
