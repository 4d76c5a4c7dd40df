//! Requests that wait for their turn under the declared rates.
//!
//! They wait below the SDK, so that every attempt and every page counts, and above the connection, so that
//! a wait is no silence of the service. Whatever they waited for, be it a turn or credentials: what must not
//! be sent any more is not sent.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_rds::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
    },
    shared::IntoShared,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::Clock,
    world::rates::{Lane, Pace, Rates},
};

/// The turns that all clients of the process share.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    pace: Arc<Mutex<Pace>>,
    clock: Clock,
}

impl Turns {
    pub(super) fn new(rates: Rates, clock: Clock) -> Turns {
        Turns { pace: Arc::new(Mutex::new(Pace::new(rates))), clock }
    }

    /// A client whose requests wait for their turns in a lane, each at most so long.
    pub(super) fn of(
        &self,
        inner: SharedHttpClient,
        lane: Lane,
        at_most: Duration,
    ) -> SharedHttpClient {
        let at_most = SignedDuration::try_from(at_most).unwrap_or(SignedDuration::MAX);
        Paced { inner, turn: Turn { turns: self.clone(), lane, at_most } }.into_shared()
    }
}

tokio::task_local! {
    /// After this nothing leaves that this task asks for.
    static LEAVES_BY: Timestamp;
}

/// Carries `work` out, and sends nothing of it after `not_after`.
pub fn leaving_by<T>(
    not_after: Timestamp,
    work: impl Future<Output = T>,
) -> impl Future<Output = T> {
    LEAVES_BY.scope(not_after, work)
}

/// No turn came in time. Nothing was sent.
#[derive(Debug)]
pub(super) struct NoTurn {
    lane: Lane,
    wait: SignedDuration,
}

impl fmt::Display for NoTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoTurn { lane: (service, place, kind), wait } = self;
        write!(
            f,
            "not sent: at the declared rate of {service} in {place} ({kind}) its turn is {:.1} s away, \
             which is too late",
            wait.as_secs_f64()
        )
    }
}

impl Error for NoTurn {}

#[derive(Clone, Debug)]
struct Turn {
    turns: Turns,
    lane: Lane,
    at_most: SignedDuration,
}

impl Turn {
    async fn comes(&self) -> Result<(), NoTurn> {
        let late = || NoTurn { lane: self.lane.clone(), wait: SignedDuration::ZERO };
        let clock = &self.turns.clock;
        let left = LEAVES_BY.try_with(|until| until.duration_since(clock.now()));
        let at_most = left.map_or(self.at_most, |left| left.min(self.at_most));
        if at_most < SignedDuration::ZERO {
            return Err(late());
        }
        let taken = {
            let mut pace = self.turns.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.turn(clock.steady(), &self.lane, at_most)
        };
        match taken {
            Ok(wait) if wait.is_zero() => Ok(()),
            Ok(wait) => {
                clock.sleep(wait).await;
                Ok(())
            }
            Err(wait) => Err(NoTurn { lane: self.lane.clone(), wait }),
        }
    }
}

/// A client that waits.
#[derive(Debug)]
struct Paced {
    inner: SharedHttpClient,
    turn: Turn,
}

impl HttpClient for Paced {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        PacedConnector { inner, turn: self.turn.clone() }.into_shared()
    }
}

#[derive(Debug)]
struct PacedConnector {
    inner: SharedHttpConnector,
    turn: Turn,
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, turn) = (self.inner.clone(), self.turn.clone());
        HttpConnectorFuture::new(async move {
            turn.comes().await.map_err(|why| ConnectorError::user(why.into()))?;
            inner.call(request).await
        })
    }
}
