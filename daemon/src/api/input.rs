//! What comes in: bodies, names in paths, queries. Each is refused as a problem document.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request},
    http::{StatusCode, header, request::Parts},
};
use muster_runbooks::name::{ApplicationName, RunId, RunbookName, StepId};
use serde::de::DeserializeOwned;

use super::error::Problem;

/// The longest body that is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// A JSON body. Keys that nobody reads are refused: a typing error must not become a default.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = media.is_some_and(|media| {
            let media = media.split(';').next().unwrap_or_default().trim();
            media.eq_ignore_ascii_case("application/json")
        });
        if !is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body must be JSON",
                "send `Content-Type: application/json`",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::too_large(BODY_BYTES_MAX)
            } else {
                Problem::invalid("the body broke off, or did not come in time")
            }
        })?;
        serde_json::from_slice(&bytes).map(Body).map_err(|why| Problem::invalid(why.to_string()))
    }
}

/// A query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Asked(query)).map_err(|why| Problem::invalid(why.body_text()))
    }
}

async fn name<T, S>(parts: &mut Parts, state: &S, key: &str) -> Result<T, Problem>
where
    T: std::str::FromStr<Err = muster_runbooks::name::BadName>,
    S: Send + Sync,
{
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|why| Problem::invalid(why.body_text()).audited())?;
    let text = params.iter().find(|(name, _)| *name == key).map(|(_, value)| value);
    Ok(text.unwrap_or_default().parse::<T>()?)
}

/// The run in the path.
pub struct InRun(pub RunId);

impl<S: Send + Sync> FromRequestParts<S> for InRun {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<InRun, Problem> {
        name(parts, state, "id").await.map(InRun)
    }
}

/// The step in the path.
pub struct InStep(pub StepId);

impl<S: Send + Sync> FromRequestParts<S> for InStep {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<InStep, Problem> {
        name(parts, state, "step").await.map(InStep)
    }
}

/// The runbook in the path.
pub struct InRunbook(pub RunbookName);

impl<S: Send + Sync> FromRequestParts<S> for InRunbook {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<InRunbook, Problem> {
        name(parts, state, "runbook").await.map(InRunbook)
    }
}

/// The application in the path.
pub struct InApplication(pub ApplicationName);

impl<S: Send + Sync> FromRequestParts<S> for InApplication {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<InApplication, Problem> {
        name(parts, state, "app").await.map(InApplication)
    }
}
