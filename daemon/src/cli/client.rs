//! The way to the daemon.

use std::{path::PathBuf, time::Duration};

use reqwest::{Certificate, Method, RequestBuilder, StatusCode, Url};
use serde::{Serialize, de::DeserializeOwned};

use super::{Exit, Global};
use crate::api::{error::ProblemView, events::ALIVE_EVERY_SECS};

/// The longest that an answer may take. The daemon's own limit is shorter.
const ANSWER_SECS_MAX: u64 = 40;

/// A stream that is silent for so long is broken: the daemon says every few seconds that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(ALIVE_EVERY_SECS * 3);

/// The largest token file.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// How the daemon is reached.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The daemon's URL.
    pub server: String,
    /// The token itself, such as from the environment.
    pub token: Option<String>,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// The authority that signed the daemon's certificate.
    pub ca: Option<PathBuf>,
}

impl Connection {
    /// The connection that the arguments and the environment say.
    pub fn of(global: &Global) -> Connection {
        Connection {
            server: global.server.clone(),
            token: std::env::var("MUSTER_TOKEN").ok().filter(|token| !token.is_empty()),
            token_file: global.token_file.clone(),
            ca: global.ca.clone(),
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The daemon said no.
    #[error("{}", .0.detail)]
    Problem(Box<ProblemView>),
    /// The daemon cannot be reached.
    #[error("cannot reach {server}: {because}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// Why.
        because: String,
    },
    /// The command was not used as it is meant.
    #[error("{because}")]
    BadUse {
        /// What is wrong with it.
        because: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Something answered that is no daemon of this version.
    #[error("{server} does not answer as muster does: {because}")]
    Garbled {
        /// Its URL.
        server: String,
        /// What came.
        because: String,
    },
}

impl Failure {
    /// The command was not used as it is meant.
    pub fn bad_use(because: impl Into<String>) -> Failure {
        Failure::BadUse { because: because.into(), hint: None }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Failure::Problem(problem) => problem.hint.clone(),
            Failure::Unreachable { .. } => Some(
                "is `muster serve` running there? --server or MUSTER_SERVER names the daemon; \
                 `muster plan` and `muster state` work without it"
                    .to_owned(),
            ),
            Failure::BadUse { hint, .. } => hint.clone(),
            Failure::Garbled { .. } => Some("is that the API's port, not the metrics'?".to_owned()),
        }
    }

    /// How it counts.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Problem(problem) => match problem.status {
                400 | 413 | 415 | 422 => Exit::BadUse,
                429 | 500.. => Exit::Unreachable,
                _ => Exit::No,
            },
            Failure::Unreachable { .. } | Failure::Garbled { .. } => Exit::Unreachable,
            Failure::BadUse { .. } => Exit::BadUse,
        }
    }
}

/// A client of one daemon.
#[derive(Clone, Debug)]
pub struct Client {
    server: Url,
    token: Option<String>,
    http: reqwest::Client,
    /// Ends a read that is silent for too long instead of a stream that is long.
    streams: reqwest::Client,
}

impl Client {
    /// Makes ready to ask; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When the URL, the token file or the authority cannot be used, or when the token would travel
    /// in clear text beyond this machine.
    pub fn new(connection: &Connection) -> Result<Client, Failure> {
        let server: Url = connection.server.parse().map_err(|_| {
            Failure::bad_use(format!(
                "`{}` is not a URL such as http://127.0.0.1:8000",
                connection.server
            ))
        })?;
        let token = match &connection.token_file {
            Some(path) => Some(read_token(path)?),
            None => connection.token.clone(),
        };
        let host = server.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_near = host == "localhost"
            || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if token.is_some() && server.scheme() != "https" && !is_near {
            return Err(Failure::BadUse {
                because: format!("the token would travel to {host} in clear text"),
                hint: Some("use https in --server".to_owned()),
            });
        }
        let mut authority = None;
        if let Some(path) = &connection.ca {
            let bad = |why: String| Failure::bad_use(format!("{}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|why| bad(why.to_string()))?;
            authority = Some(Certificate::from_pem(&pem).map_err(|why| bad(why.to_string()))?);
        }
        let build = |silence_max: Option<Duration>| {
            let mut http = reqwest::Client::builder()
                .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(Duration::from_secs(5));
            if is_near {
                http = http.no_proxy();
            }
            if let Some(silence_max) = silence_max {
                http = http.read_timeout(silence_max);
            }
            if let Some(authority) = authority.clone() {
                http = http.tls_certs_merge([authority]);
            }
            http.build().map_err(|why| Failure::bad_use(why.to_string()))
        };
        let (http, streams) = (build(None)?, build(Some(SILENCE_MAX))?);
        Ok(Client { server, token, http, streams })
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let request = self.request(Method::GET, path)?;
        self.answer(request.timeout(Duration::from_secs(ANSWER_SECS_MAX))).await
    }

    /// Reads something as it is, to be kept byte for byte.
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        let request = self.request(Method::GET, path)?;
        let request = request.timeout(Duration::from_secs(ANSWER_SECS_MAX));
        let response = request.send().await.map_err(|why| self.unreachable(&why))?;
        let response = self.checked(response).await?;
        response.text().await.map_err(|why| self.unreachable(&why))
    }

    /// Changes something.
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        key: Option<&str>,
    ) -> Result<T, Failure> {
        let mut request = self.request(Method::POST, path)?.json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.answer(request.timeout(Duration::from_secs(ANSWER_SECS_MAX))).await
    }

    /// Opens a stream of events behind `last`.
    pub async fn stream(
        &self,
        path: &str,
        last: Option<u64>,
    ) -> Result<reqwest::Response, Failure> {
        let mut request = self.request(Method::GET, path)?.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.build().map_err(|why| self.unreachable(&why))?;
        let response = self.streams.execute(request).await.map_err(|why| self.unreachable(&why))?;
        self.checked(response).await
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let url = self.server.join(path).map_err(|why| Failure::bad_use(why.to_string()))?;
        let request = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = request.send().await.map_err(|why| self.unreachable(&why))?;
        let response = self.checked(response).await?;
        let text = response.text().await.map_err(|why| self.unreachable(&why))?;
        serde_json::from_str(&text).map_err(|why| self.garbled(why.to_string()))
    }

    async fn checked(&self, response: reqwest::Response) -> Result<reqwest::Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.map_err(|why| self.unreachable(&why))?;
        match serde_json::from_str(&text) {
            Ok(problem) => Err(Failure::Problem(Box::new(problem))),
            Err(_) if status == StatusCode::BAD_REQUEST && self.server.scheme() == "http" => {
                Err(self.garbled("it may want https".to_owned()))
            }
            Err(_) => Err(self.garbled(format!("status {status}"))),
        }
    }

    fn unreachable(&self, why: &reqwest::Error) -> Failure {
        let mut because = why.to_string();
        let mut cause = std::error::Error::source(why);
        while let Some(why) = cause {
            because = why.to_string();
            cause = why.source();
        }
        Failure::Unreachable { server: self.server.to_string(), because }
    }

    fn garbled(&self, because: String) -> Failure {
        Failure::Garbled { server: self.server.to_string(), because }
    }
}

fn read_token(path: &PathBuf) -> Result<String, Failure> {
    let bad = |why: String| Failure::bad_use(format!("{}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|why| bad(why.to_string()))?.len();
    if size > TOKEN_BYTES_MAX {
        return Err(bad(format!("{size} bytes are no token")));
    }
    let text = std::fs::read_to_string(path).map_err(|why| bad(why.to_string()))?;
    Ok(text.trim().to_owned())
}
