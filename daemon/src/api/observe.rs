//! The door of an observer: one question, answered with a signed report.

use std::{io, net::TcpListener, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use muster_runbooks::name::ApplicationName;
use serde::Deserialize;
use tower_http::limit::RequestBodyLimitLayer;

use super::{
    guard,
    serve::{bind, bound},
};
use crate::observe::post::Post;

/// A question has no body.
const BODY_BYTES_MAX: usize = 1_024;

/// The longest number that is signed along.
const NONCE_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    application: ApplicationName,
    nonce: String,
}

/// An observer's door, bound but not yet answering.
pub struct Window {
    listener: TcpListener,
}

impl Window {
    /// Binds the listener.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub fn open(post: &Post) -> io::Result<Window> {
        Ok(Window { listener: bind(post.listen())? })
    }

    /// Where it is.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn address(&self) -> io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the future is dropped.
    ///
    /// # Errors
    ///
    /// When the listener breaks.
    pub async fn serve(self, post: Arc<Post>) -> io::Result<()> {
        let routes = Router::new()
            .route("/report", get(report))
            .route("/health/live", get(|| async { "ok" }))
            .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
            .layer(guard::body_limit())
            .layer(guard::time_limit())
            .with_state(post);
        let mut server = axum_server::from_tcp(self.listener)?;
        bound(server.http_builder());
        server.serve(routes.into_make_service()).await
    }
}

async fn report(State(post): State<Arc<Post>>, Query(question): Query<Question>) -> Response {
    let is_number = |byte: u8| byte.is_ascii_hexdigit();
    let nonce = &question.nonce;
    if nonce.is_empty() || nonce.len() > NONCE_MAX || !nonce.bytes().all(is_number) {
        let why = "`nonce` has 1 to 64 hexadecimal digits";
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    match post.report(&question.application, nonce) {
        Some(signed) => Json(signed).into_response(),
        None => (StatusCode::NOT_FOUND, "nobody watches this application here").into_response(),
    }
}
