//! The report of a run, sealed: as an envelope for programs, as a page for people.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::name::RunId;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Reader,
    error::{Problem, ProblemView},
    input::{Asked, InRun},
    runs,
};
use crate::{
    envelope::Envelope,
    program,
    report::{
        PAYLOAD_TYPE, Report,
        facts::{ChildFacts, RunFacts},
        gather::gather,
        html,
    },
};

/// The most runs that a run started and that are read for its report.
const CHILDREN_MAX: usize = 20;

/// The longest period of which one report speaks: three years, in which a schedule that is due every few
/// minutes has some hundred thousand occurrences.
const PERIOD_MAX: SignedDuration = SignedDuration::from_hours(3 * 366 * 24);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(report))
}

/// In which form, and over which period.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// `json` for the envelope, `html` for the page; what `Accept` says without it.
    #[param(value_type = Option<String>, pattern = "^(json|html)$")]
    pub format: Option<Format>,
    /// Where the period begins of which the report says what did not happen; 92 days before the run's end
    /// without it, and three years at most.
    #[param(value_type = Option<String>, format = "date-time")]
    pub since: Option<Timestamp>,
}

/// In which form.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The envelope.
    Json,
    /// The page that carries it.
    Html,
}

/// Reports a run: what was asked, done, measured and left out, signed where the daemon has a key for it. It is
/// a DSSE envelope, or with `Accept: text/html` a page that carries it; `muster report verify` takes either.
#[utoipa::path(get, path = "/v1/runs/{id}/report", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$"), Wanted), responses((status = 200, description = "The report.", content((Envelope = "application/json"), (String = "text/html"))), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn report(
    State(api): State<Api>,
    _: Reader,
    InRun(id): InRun,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let accepts_page = accepts.is_some_and(|accept| accept.contains("text/html"));
    let (report, envelope) = make(&api, &id, wanted.since)?;
    let answer = match wanted.format {
        Some(Format::Json) => Json(envelope).into_response(),
        None if !accepts_page => Json(envelope).into_response(),
        Some(Format::Html) | None => page(&id, html::write(&report, &envelope)),
    };
    Ok(answer)
}

fn page(id: &RunId, text: String) -> Response {
    let mut response = Html(text).into_response();
    let headers = response.headers_mut();
    // The file is whole without a style sheet beside it; nothing but its own style is let in.
    let style = STANDARD.encode(Sha256::digest(html::STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let name = format!("inline; filename=\"muster-report-{id}.html\"");
    for (header, value) in
        [(header::CONTENT_SECURITY_POLICY, policy), (header::CONTENT_DISPOSITION, name)]
    {
        // Both are made of letters that a header may hold.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header, value);
        }
    }
    response
}

/// Makes the report of a run, and seals it.
fn make(api: &Api, id: &RunId, since: Option<Timestamp>) -> Result<(Report, Envelope), Problem> {
    let run = read(api, id)?;
    let until = run.run.ended.map(|ended| ended.at);
    let until = until.unwrap_or_else(|| api.intake.clock().now());
    if let Some(since) = since
        && (since >= until || until.duration_since(since) > PERIOD_MAX)
    {
        let days = PERIOD_MAX.as_hours() / 24;
        return Err(Problem::invalid(format!(
            "`since` is not in the {days} days before {until:.0}, where the period ends"
        )));
    }
    let children = run.run.children.iter().take(CHILDREN_MAX).map(|child| {
        let facts = read(api, &child.run).map_err(|problem| problem.view().detail.clone());
        ChildFacts { step: child.step.clone(), run: child.run.clone(), facts }
    });
    let children = children.collect();
    let program = program();
    let facts = gather(&api.intake, &program, run, children, since)?;
    let report = Report::make(&facts);
    let envelope = Envelope::seal(PAYLOAD_TYPE, &report, api.report_key.as_deref());
    Ok((report, envelope))
}

/// A run with its records.
fn read(api: &Api, id: &RunId) -> Result<RunFacts, Problem> {
    let mut records = Vec::new();
    let run = runs::replay(api, id, &mut |record| records.push(record.clone()))?;
    Ok(RunFacts { run, records })
}
