//! The two listeners: the API and the page on one, metrics on the other.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::Router;
use axum_server::{Handle, tls_rustls::RustlsConfig};
use futures::future::try_join;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};

use super::Api;
use crate::config::Listen;

/// A client that has not sent its headers by then is cut off.
const HEADERS_SECS_MAX: u64 = 10;

/// The most requests that one connection may have in flight.
const REQUESTS_PER_CONNECTION_MAX: u32 = 32;

/// Headers beyond this are refused.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// The two listeners, bound but not yet answering.
pub struct Doors {
    http: TcpListener,
    metrics: TcpListener,
    tls: Option<RustlsConfig>,
    stop: Stop,
}

/// Closes the doors. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stop {
    http: Handle<SocketAddr>,
    metrics: Handle<SocketAddr>,
}

impl Stop {
    /// Takes nothing new, and gives what is being answered so much time.
    pub fn gently(&self, grace: Duration) {
        self.http.graceful_shutdown(Some(grace));
        self.metrics.graceful_shutdown(Some(grace));
    }
}

impl Doors {
    /// Binds both listeners, and reads certificate and key.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, or the certificate or its key cannot be used. `main` must
    /// have installed a rustls provider.
    pub async fn open(listen: &Listen) -> io::Result<Doors> {
        let tls = match &listen.tls {
            None => None,
            Some(tls) => Some(RustlsConfig::from_pem_chain_file(&tls.certificate, &tls.key).await?),
        };
        Ok(Doors {
            http: bind(listen.http)?,
            metrics: bind(listen.metrics)?,
            tls,
            stop: Stop::default(),
        })
    }

    /// Where the API is reached.
    pub fn http(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Where the metrics are reached.
    pub fn metrics(&self) -> io::Result<SocketAddr> {
        self.metrics.local_addr()
    }

    /// What closes them.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Answers until they are closed.
    ///
    /// # Errors
    ///
    /// When a listener breaks.
    pub async fn serve(self, api: Api) -> io::Result<()> {
        let routes = |router: Router| router.into_make_service_with_connect_info::<SocketAddr>();
        let mut metrics = axum_server::from_tcp(self.metrics)?.handle(self.stop.metrics);
        bound(metrics.http_builder());
        let metrics = metrics.serve(routes(api.metrics_router()));
        let service = routes(api.router());
        match self.tls {
            Some(tls) => {
                let mut http = axum_server::from_tcp_rustls(self.http, tls)?.handle(self.stop.http);
                bound(http.http_builder());
                try_join(http.serve(service), metrics).await?;
            }
            None => {
                let mut http = axum_server::from_tcp(self.http)?.handle(self.stop.http);
                bound(http.http_builder());
                try_join(http.serve(service), metrics).await?;
            }
        }
        Ok(())
    }
}

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .map_err(|why| io::Error::new(why.kind(), format!("cannot listen on {address}: {why}")))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Slow and greedy clients cost little: headers have a time limit and a size, connections a share.
pub(super) fn bound(builder: &mut Builder<TokioExecutor>) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADERS_SECS_MAX))
        .max_buf_size(HEADER_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_PER_CONNECTION_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(20));
}
