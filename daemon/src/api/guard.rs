//! What surrounds every request: a number, a log line, security headers, limits, the audit trail.

use std::{any::Any, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tracing::{Instrument, debug, info_span};

use super::{
    Api,
    auth::Identity,
    error::{Audited, Problem},
};

/// The longest that a request may take. Streams are not meant: their response starts at once.
const REQUEST_SECS_MAX: u64 = 30;

/// The longest silence in a request's body.
const BODY_SILENCE_SECS_MAX: u64 = 3;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing but our own stylesheet: no script, no frame, no form.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Numbers the request, counts it, logs it, and gives every answer its headers.
pub(super) async fn surround(State(api): State<Api>, request: Request, next: Next) -> Response {
    let id = api.next_request_id();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = info_span!("http", request = %id, %method, path);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.in_scope(|| debug!(status = status.as_u16(), "answered"));
    api.meters.answered(status.as_u16());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // A page that carries its own style has named that style, and nothing else.
        let unless_said = headers.entry(HeaderName::from_static(name));
        unless_said.or_insert(HeaderValue::from_static(value));
    }
    // What stands here is about an outage; nothing in between may keep it.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Refuses what is more than the process can answer well.
pub(super) async fn bound(State(api): State<Api>, request: Request, next: Next) -> Response {
    match api.requests.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::unavailable("too many requests are being answered").into_response(),
    }
}

/// Ends a request that takes too long.
pub(super) fn time_limit() -> TimeoutLayer {
    TimeoutLayer::with_status_code(
        StatusCode::SERVICE_UNAVAILABLE,
        Duration::from_secs(REQUEST_SECS_MAX),
    )
}

/// Gives a body up that stops coming: whoever sends it holds one of the places that others need.
pub(super) fn body_limit() -> RequestBodyTimeoutLayer {
    RequestBodyTimeoutLayer::new(Duration::from_secs(BODY_SILENCE_SECS_MAX))
}

/// The time limit answers without a body; a problem document says what may have happened.
pub(super) async fn explain(response: Response) -> Response {
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    if is_bare && response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let said = format!("no answer within {REQUEST_SECS_MAX} s; it may still be carried out");
        return Problem::unavailable(said).into_response();
    }
    response
}

/// A panic is our mistake; the client learns that and nothing more.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "bug", "Muster made a mistake", "the log has more").into_response()
}

/// Writes refused changes down, and tokens that nobody here gave out.
pub(super) async fn audit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let what = format!("{} {}", request.method(), request.uri().path());
    let identity = request.extensions().get::<Identity>().cloned();
    let response = next.run(request).await;
    let Some(Audited(because)) = response.extensions().get::<Audited>().cloned() else {
        return response;
    };
    api.meters.refused();
    if let Some(identity) = identity.filter(|identity| !reads || identity.is_impostor()) {
        let (who, known) = (identity.who(), identity.is_known());
        api.audit.record(&api.intake, who, known, &what, &because).await;
    }
    response
}
